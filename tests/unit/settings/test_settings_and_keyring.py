"""Settings name what is wrong with them; the keyring keeps secrets that only it can check."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from csms import log
from csms.config import MASK, Settings, load_settings
from csms.keyring import Keyring, check_password
from models.errors import BadInput

KEY = "a" * 32


def refusal(environment: dict[str, str], **options: object) -> str:
    with pytest.raises(BadInput) as refused:
        load_settings(environment, **options)  # type: ignore[arg-type]
    assert "\n" not in refused.value.detail
    return refused.value.detail


def test_settings_have_the_agreed_names_and_defaults() -> None:
    settings = load_settings({})
    assert settings.database_url == "sqlite:///heliofleet.db"
    assert settings.bus_url == "memory://"
    assert (settings.http_port, settings.ocpp_port) == (8080, 9000)
    assert settings.host == "127.0.0.1"
    assert settings.station_onboarding == "pending"
    assert settings.key_file == Path("heliofleet.key")


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('http_port = 1\nocpp_port = 2\nhost = "0.0.0.0"\n')
    environment = {"HELIOFLEET_HTTP_PORT": "11", "HELIOFLEET_OCPP_PORT": "12"}
    overrides = {"ocpp_port": 22, "host": None}
    settings = load_settings(environment, config_file=file, overrides=overrides)
    assert (settings.http_port, settings.ocpp_port, settings.host) == (11, 22, "0.0.0.0")


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("HELIOFLEET_HTTP_PORT", "eighty", "integer"),
        ("HELIOFLEET_OCPP_PORT", "70000", "65535"),
        ("HELIOFLEET_DATABASE_URL", "mysql://x", "postgresql://USER:PW@HOST/DB"),
        ("HELIOFLEET_DATABASE_URL", "sqlite:///", "sqlite:///PATH"),
        ("HELIOFLEET_DATABASE_URL", "sqlite:///fleet/", "sqlite:///PATH"),
        ("HELIOFLEET_DATABASE_URL", "sqlite:///f.db?mode=ro", "sqlite:///PATH"),
        ("HELIOFLEET_DATABASE_URL", "postgresql://u@h:port/db", "postgresql://USER:PW@HOST/DB"),
        ("HELIOFLEET_BUS_URL", "redis://x", "memory://"),
        ("HELIOFLEET_STATION_ONBOARDING", "maybe", "'reject', 'pending' or 'accept'"),
        ("HELIOFLEET_BOOTSTRAP_API_KEY", "short", "32"),
        ("HELIOFLEET_LOG_LEVEL", "loud", "'warning'"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    variable: str, value: str, allowed: str
) -> None:
    detail = refusal({variable: value})
    assert variable in detail
    assert allowed in detail
    assert value not in detail or variable != "HELIOFLEET_BOOTSTRAP_API_KEY"


def test_a_slip_of_a_variable_is_named_and_other_programs_variables_are_not() -> None:
    assert "did you mean ocpp_port" in refusal({"HELIOFLEET_OCCP_PORT": "1"})
    assert load_settings({"HELIOFLEET_API_KEY": "x", "HELIOFLEETS": "y"}) == load_settings({})


def test_unknown_settings_of_the_file_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("htp_port = 1\n")
    assert "htp_port" in refusal({}, config_file=file)


def test_certificates_and_keys_of_tls_come_in_pairs_and_with_a_port(tmp_path: Path) -> None:
    port = {"HELIOFLEET_OCPP_TLS_PORT": "9443"}
    assert "OCPP_TLS" in refusal({"HELIOFLEET_OCPP_TLS_ONLY": "true"})
    assert "needed where ocpp_tls_port is set" in refusal(port)
    one = port | {"HELIOFLEET_OCPP_TLS_CERTIFICATE": "ec.pem"}
    assert "one for each" in refusal(one)
    keys = {"HELIOFLEET_OCPP_TLS_KEY": "ec.key, rsa.key"}
    assert "one for each" in refusal(one | keys)
    two = {"HELIOFLEET_OCPP_TLS_CERTIFICATE": "ec.pem,rsa.pem"}
    settings = load_settings(port | two | keys)
    assert settings.ocpp_tls_key == (Path("ec.key"), Path("rsa.key"))
    assert settings.mask()["ocpp_tls_certificate"] == "ec.pem,rsa.pem"
    three = {"HELIOFLEET_OCPP_TLS_CERTIFICATE": "a,b,c"}
    assert "OCPP_TLS_CERTIFICATE" in refusal(port | three | {"HELIOFLEET_OCPP_TLS_KEY": "a,b,c"})
    file = tmp_path / "own.toml"
    file.write_text('ocpp_tls_port = 9443\nocpp_tls_certificate = ["a"]\nocpp_tls_key = "b"\n')
    assert load_settings({}, config_file=file).ocpp_tls_certificate == (Path("a"),)


def test_who_may_be_asked_about_certificates_is_a_list_of_hosts() -> None:
    hosts = "ocsp.example.org, other.example:8080,[2001:db8::1]:80"
    settings = load_settings({"HELIOFLEET_OCSP_HOSTS": hosts})
    assert settings.ocsp_hosts == ("ocsp.example.org", "other.example:8080", "[2001:db8::1]:80")
    assert load_settings({}).ocsp_hosts == ()
    for wrong in ("http://ocsp.example.org", "user@host", "a b", "host:port"):
        assert "HELIOFLEET_OCSP_HOSTS" in refusal({"HELIOFLEET_OCSP_HOSTS": wrong})
    assert "http or https" in refusal({"HELIOFLEET_CONTRACT_POOL_URL": "pool.example"})
    secret = {"HELIOFLEET_CONTRACT_POOL_TOKEN": "letmein"}
    assert load_settings(secret).mask()["contract_pool_token"] == MASK


def test_a_broken_or_missing_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    assert "own.toml" in refusal({}, config_file=file)
    for text in (b"a = = 1", b"\xff\xfe", b"a = 1\na = 2"):
        file.write_bytes(text)
        assert "is no TOML" in refusal({}, config_file=file)


def test_secrets_are_masked_where_settings_are_shown() -> None:
    settings = Settings(
        database_url="postgresql://user:pw-secret@host:5432/db",
        bootstrap_api_key=KEY,  # type: ignore[arg-type]
    )
    shown = settings.mask()
    assert shown["database_url"] == f"postgresql://user:{MASK}@host:5432/db"
    assert shown["bootstrap_api_key"] == MASK
    assert KEY not in repr(settings)
    assert "pw-secret" not in str(shown)


def test_the_key_lies_beside_the_database() -> None:
    assert Settings(database_url="sqlite:////var/lib/h/fleet.db").key_file == Path(
        "/var/lib/h/heliofleet.key"
    )
    assert Settings(secret_key_file=Path("/etc/h.key")).key_file == Path("/etc/h.key")


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "heliofleet.key"
    first, again = Keyring.load(path), Keyring.load(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.keyed_hash("a", "b") == again.keyed_hash("a", "b")
    assert [entry.name for entry in tmp_path.iterdir()] == ["heliofleet.key"]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "heliofleet.key"
    barrier = threading.Barrier(8)

    def load(_: int) -> str:
        barrier.wait()
        return Keyring.load(path).keyed_hash("a", "b")

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(load, range(8)))) == 1


def test_a_key_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "heliofleet.key"
    Keyring.load(path)
    path.chmod(0o644)
    with pytest.raises(BadInput, match="0600"):
        Keyring.load(path)
    for text in ("", "no hex", "00" * 16):
        path.unlink()
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(BadInput, match="holds no key"):
            Keyring.load(path)
    with pytest.raises(BadInput, match="No such file"):
        Keyring.load(tmp_path / "no" / "such" / "heliofleet.key")


def test_keyed_hashes_differ_by_purpose_text_and_key() -> None:
    ring, other = Keyring(b"k" * 32), Keyring(b"l" * 32)
    hashes = {
        ring.keyed_hash("api-key", "x"),
        ring.keyed_hash("api-ke", "yx"),
        ring.keyed_hash("api-key", "y"),
        other.keyed_hash("api-key", "x"),
    }
    assert len(hashes) == 4
    assert ring.verify("api-key", "x", ring.keyed_hash("api-key", "x"))
    assert not ring.verify("api-key", "x", other.keyed_hash("api-key", "x"))


def test_generated_passwords_fit_every_version_and_are_checked_fast() -> None:
    ring = Keyring(b"k" * 32)
    passwords = {ring.new_password() for _ in range(100)}
    assert len(passwords) == 100
    for password in passwords:
        check_password(password)
        sealed = ring.seal_generated("CP-1", password)
        assert password not in sealed
        assert ring.verify_fast("CP-1", password.encode(), sealed) is True
        assert ring.verify_fast("CP-2", password.encode(), sealed) is False


async def test_chosen_passwords_are_slow_once_and_off_the_loop() -> None:
    with ThreadPoolExecutor(1) as workers:
        ring = Keyring(b"k" * 32, workers=workers)
        sealed = await ring.seal_chosen("CP-1", "correct horse battery")
        assert ring.verify_fast("CP-1", b"correct horse battery", sealed) is None
        checking = asyncio.create_task(
            ring.verify_password("CP-1", b"correct horse battery", sealed)
        )
        await asyncio.sleep(0)
        assert not checking.done()
        assert await checking
        assert ring.verify_fast("CP-1", b"correct horse battery", sealed) is True
        assert not await ring.verify_password("CP-1", b"wrong horse battery", sealed)
        assert not await ring.verify_password("CP-2", b"correct horse battery", sealed)
        assert not await ring.verify_password("CP-1", b"x" * 16, "no seal of ours")


@pytest.mark.parametrize("password", ["", "x" * 15, "x" * 41, "tab\tin the password", "é" * 21])
def test_passwords_that_stations_cant_hold_are_refused(password: str) -> None:
    with pytest.raises(BadInput):
        check_password(password)


@pytest.mark.parametrize("password", ["x" * 16, "x" * 40, "41" * 40, "é" * 20])
def test_passwords_that_stations_can_hold_are_taken(password: str) -> None:
    check_password(password)


def test_logs_hide_secrets_and_keep_to_one_line() -> None:
    stream = io.StringIO()
    before = structlog.get_config()
    try:
        log.configure("info", "json", stream)
        logger = structlog.get_logger("test")
        logger.info(
            "station_said",
            vendor="evil\nline",
            password="secret1",
            api_key="secret2",
            long="y" * 900,
        )
        logger.debug("not_shown")
    finally:
        structlog.configure(**before)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "secret" not in text
    assert "not_shown" not in text
    assert len(text) < 800
    assert os.linesep not in text.strip()


SOURCE = '[[forecast_sources]]\nname = "met"\nplugin = "p"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{SOURCE}every_minutes = 1", r"\(/0/every_minutes\): .* greater than or equal to 5"),
        (f"{SOURCE}colour = 1", r"\(/0/colour\): Extra inputs"),
        (f"{SOURCE}{SOURCE}", "two have the same name"),
        (f"{SOURCE}{SOURCE.replace('met', 'm:t')}", r"\(/1/name\)"),
        ('forecast_sources = "p"', "belongs into the configuration file, as"),
    ],
)
def test_what_is_wrong_with_a_source_of_forecasts_is_named(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text)
    with pytest.raises(BadInput, match=said):
        load_settings({}, config_file=file)


def test_options_of_a_source_of_forecasts_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f'{SOURCE}options = {{api_key = "secret"}}\n')
    settings = load_settings({}, config_file=file)
    assert settings.forecast_sources[0].options == {"api_key": "secret"}
    assert settings.mask()["forecast_sources"] == "met (p)"
