"""Settings: one frozen `Settings`, read once at the start from a TOML file and the environment.

The environment (`HELIOFLEET_HTTP_PORT`) wins over the file (`http_port`), and what a command line
says wins over both. A wrong or unknown setting is named together with where it stands and what is
allowed, in one line. Business rules (buffers, prices, who may do what) are rows in the database,
not settings; how a command prints these settings is not here either.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from models.errors import BadInput, FieldError

ENVIRONMENT_PREFIX = "HELIOFLEET_"
DEFAULT_CONFIG_FILE = Path("heliofleet.toml")
MASK = "********"
OPERATOR_NAME = "Heliofleet"
LONGEST_PLAN_S = 300
"""A third of the time until the next plan by the clock."""

Port = Annotated[int, Field(ge=0, le=65535)]
"""A TCP port; 0 lets the system choose a free one."""


def _split(value: object) -> object:
    """Returns the names in a text that an environment variable gives, parted by commas."""
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


Files = Annotated[tuple[Path, ...], Field(max_length=2), BeforeValidator(_split)]
"""One file, or two parted by a comma (in TOML: a list)."""

Names = Annotated[
    tuple[Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?$")], ...],
    Field(max_length=50),
    BeforeValidator(_split),
]
"""Hosts parted by commas (in TOML: a list)."""

Days = Annotated[int, Field(ge=0, le=36500)]


class ForecastSourceSettings(BaseModel):
    """A source of forecasts of the sun: a plug-in, and for which sites it is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9 ._-]+$")]
    """What it is called; its forecasts have the source `fetched: NAME`."""
    plugin: Annotated[str, Field(min_length=1, max_length=100)]
    """The entry point of the group `heliofleet.forecasts`, as `open-meteo`."""
    sites: Annotated[tuple[str, ...], Field(max_length=1000)] = ()
    """For which sites it is asked; none named: for all that have roofs."""
    every_minutes: Annotated[int, Field(ge=5, le=1440)] = 60
    """How often."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 20.0
    """How long it has for an answer."""
    options: dict[str, Any] = {}
    """What else the plug-in is told."""

    def __str__(self) -> str:
        """Returns what is shown of it: options may be secret."""
        return f"{self.name} ({self.plugin})"


def _not_in_words(value: object) -> object:
    """Lets sources pass that a file has as tables."""
    if isinstance(value, str):
        raise ValueError("belongs into the configuration file, as [[forecast_sources]]")  # noqa: TRY004 - pydantic's
    return value


ForecastSources = Annotated[
    tuple[ForecastSourceSettings, ...], Field(max_length=20), BeforeValidator(_not_in_words)
]


class Settings(BaseModel):
    """What the operator decides before the start, as opposed to what is kept in the database."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    database_url: str = "sqlite:///heliofleet.db"
    """`sqlite:///path` (relative to the working directory) or `postgresql://user:pw@host/db`."""
    bus_url: str = "memory://"
    """How wake-ups and live events travel; `memory://`, the one allowed, is within the process."""
    host: str = "127.0.0.1"
    """Address that both doors listen on; `0.0.0.0` for all."""
    http_port: Port = 8080
    """Port of REST, live events and pages."""
    ocpp_port: Port = 9000
    """Port that charging stations connect to."""
    ocpp_tls_port: Port | None = None
    """Port that charging stations connect to by TLS (security profiles 2 and 3); unset: none."""
    ocpp_tls_certificate: Files = ()
    """Certificate of this server with its chain, PEM; two where stations need ECDSA and RSA."""
    ocpp_tls_key: Files = ()
    """Key of each certificate, in their order, PEM, not encrypted."""
    ocpp_tls_client_ca: Path | None = None
    """Roots whose station certificates are taken (profile 3), besides those made here."""
    ocpp_tls_client_crl: Path | None = None
    """What those roots have revoked: their lists (CRL, PEM), taken anew when the file changes."""
    ocpp_tls_rsa_key_exchange: bool = False
    """Take the two TLS 1.2 suites without forward secrecy, for stations that have no others."""
    ocpp_tls_only: bool = False
    """Open no port without TLS."""
    est_url: str | None = None
    """Authority outside that signs certificates of stations, by EST (RFC 7030), as
    `https://ca.example.org/.well-known/est`; its root belongs into `ocpp_tls_client_ca`. Unset: one
    of the house."""
    est_user: str | None = None
    """Name that we log in with there."""
    est_password: SecretStr | None = None
    """Password of that name."""
    est_ca: Path | None = None
    """Root that its server is trusted by; unset: those of the system."""
    est_certificate: Path | None = None
    """Certificate that we log in with there, and its key, in one PEM file, not encrypted."""
    certificate_renewal_days: Annotated[int, Field(ge=0, le=3650)] = 30
    """How long before its end a station's certificate is renewed, at most a third of its life; 0:
    only when somebody asks for it."""
    operator_name: Annotated[str, Field(min_length=1, max_length=64)] = OPERATOR_NAME
    """The organisation (O) that certificates of our stations name."""
    bootstrap_api_key: SecretStr | None = None
    """An admin key until another admin key exists; at least 32 characters."""
    secret_key_file: Path | None = None
    """The key of all keyed hashes, made on the first start; belongs in every backup. Unset:
    `heliofleet.key` beside the SQLite file, or in the working directory."""
    station_onboarding: Literal["reject", "pending", "accept"] = "pending"
    """A charging station that nobody has created is refused, waits for approval, or is taken in."""
    clear_caches: bool = True
    """Have stations forget what they were told of tokens when one is blocked or deleted."""
    strict_unknown_identity: bool = False
    """Answer unknown stations 404, as the specification says, rather than a telltale-free 401."""
    message_retention_days: Days = 90
    """How long the OCPP message log, and reports that stations were asked for, are kept; 0: for
    ever."""
    event_retention_days: Days = 90
    """How long events can be read again (`Last-Event-ID`), and events that stations notice by
    themselves are kept; 0: for ever."""
    plan_retention_days: Days = 90
    """How long plans, the limits and commands that came of them, and limits of the grid, moves,
    overrides, checks of stations and simulations that are over are kept; 0: for ever."""
    plan_time_limit_s: Annotated[int, Field(ge=0, le=LONGEST_PLAN_S)] = 0
    """For how many seconds of each quarter of an hour the plan in force is bettered in a process of
    its own, while nothing happens; 0: only when somebody asks for it. Replays don't read it."""
    public_url: str | None = None
    """Where stations reach the REST door, for the logs that they upload, as
    `https://fleet.example.org`. Unset: `http://HOST:HTTP_PORT`, unless `host` stands for all
    addresses."""
    upload_directory: Path | None = None
    """Where uploaded logs are kept. Unset: `heliofleet-uploads` beside the SQLite file, or in the
    working directory."""
    upload_max_mib: Annotated[int, Field(ge=1, le=10_240)] = 100
    """The largest log that a station may upload, in MiB."""
    upload_valid_minutes: Annotated[int, Field(ge=1, le=10_080)] = 60
    """How long a station has for the upload of a log that it was asked for."""
    log_retention_days: Days = 30
    """How long logs of stations are kept; 0: for ever."""
    ocsp_hosts: Names = ()
    """Hosts that are asked whether certificates of contracts were revoked, as `ocsp.example.org` or
    `ocsp.example.org:8080`, parted by commas (in TOML: a list). Unset: nobody is asked."""
    contract_authorities: Path | None = None
    """Certificates of those whose contracts (ISO 15118) are trusted, roots and those below them,
    PEM."""
    contract_pool_url: str | None = None
    """Where cars' requests for contract certificates are posted to. Unset: they fail."""
    contract_pool_token: SecretStr | None = None
    """The bearer token for the contract pool."""
    forecast_sources: ForecastSources = ()
    """Plug-ins that forecast the sun, each a table `[[forecast_sources]]` of the file. Unset: the
    service's own forecasts alone, and what is pushed."""
    node_name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")] = "node-1"
    """Name of this process among others on the same database."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severity that is logged."""
    log_format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object per line for machines."""

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url == "sqlite://" or (url.startswith("sqlite:///") and _is_file_name(url[10:])):
            return url
        if url.startswith("postgresql://") and _is_address(url):
            return url
        raise ValueError("allowed are sqlite:///PATH and postgresql://USER:PW@HOST/DB")

    @field_validator("bus_url")
    @classmethod
    def _known_bus(cls, url: str) -> str:
        if url != "memory://":
            raise ValueError("allowed is memory://")
        return url

    @field_validator("forecast_sources")
    @classmethod
    def _different_names(
        cls, sources: tuple[ForecastSourceSettings, ...]
    ) -> tuple[ForecastSourceSettings, ...]:
        if len({each.name for each in sources}) < len(sources):
            raise ValueError("two have the same name")
        return sources

    @field_validator("bootstrap_api_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < 32:
            raise ValueError("allowed are at least 32 characters")
        return key

    @field_validator("ocpp_tls_certificate")
    @classmethod
    def _certificate_for_port(
        cls, files: tuple[Path, ...], info: ValidationInfo
    ) -> tuple[Path, ...]:
        if info.data.get("ocpp_tls_port") is not None and not files:
            raise ValueError("needed where ocpp_tls_port is set")
        return files

    @field_validator("ocpp_tls_key")
    @classmethod
    def _key_for_certificate(
        cls, files: tuple[Path, ...], info: ValidationInfo
    ) -> tuple[Path, ...]:
        certificates = info.data.get("ocpp_tls_certificate", ())
        if len(files) != len(certificates):
            raise ValueError(f"allowed is one for each ocpp_tls_certificate: {len(certificates)}")
        return files

    @field_validator("ocpp_tls_only")
    @classmethod
    def _some_port(cls, only: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - a validator
        if only and info.data.get("ocpp_tls_port") is None:
            raise ValueError("needs ocpp_tls_port")
        return only

    @field_validator("ocpp_tls_client_crl")
    @classmethod
    def _list_of_a_root(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("ocpp_tls_client_ca") is None:
            raise ValueError("needs ocpp_tls_client_ca")
        return file

    @field_validator("est_url")
    @classmethod
    def _authority_by_tls(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.netloc or set(" ?#@") & set(url):
            raise ValueError("allowed is an https address")
        if info.data.get("ocpp_tls_client_ca") is None:
            raise ValueError("needs its root as ocpp_tls_client_ca, or its stations can't come")
        return url

    @field_validator("public_url", "contract_pool_url")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and not set(" ?#@") & set(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or not plain:
            raise ValueError("allowed is an http or https address, as https://fleet.example.org")
        return url.rstrip("/")

    @property
    def upload_folder(self) -> Path:
        """Where uploads are kept: as set, else `heliofleet-uploads` beside the database."""
        return self.upload_directory or self._beside_database("heliofleet-uploads")

    @property
    def key_file(self) -> Path:
        """Where the secret key is kept: as set, else `heliofleet.key` beside the database."""
        return self.secret_key_file or self._beside_database("heliofleet.key")

    def _beside_database(self, name: str) -> Path:
        if self.database_url.startswith("sqlite:///"):
            return Path(self.database_url.removeprefix("sqlite:///")).parent / name
        return Path(name)

    def mask(self) -> dict[str, str | int | bool | None]:
        """Returns every setting by name for showing, with secrets replaced by asterisks."""
        shown: dict[str, str | int | bool | None] = {}
        for name in type(self).model_fields:
            value: Any = getattr(self, name)
            if isinstance(value, SecretStr):
                value = MASK
            elif isinstance(value, Path):
                value = str(value)
            elif isinstance(value, tuple):
                value = ",".join(map(str, cast("tuple[object, ...]", value))) or None
            shown[name] = value
        shown["database_url"] = _without_password(self.database_url)
        shown["secret_key_file"] = str(self.key_file)
        shown["upload_directory"] = str(self.upload_folder)
        return shown


def load_settings(
    environment: Mapping[str, str],
    *,
    config_file: Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Returns the effective settings.

    Args:
        environment: usually `os.environ`.
        config_file: a TOML file that must exist; None: `heliofleet.toml` where there is one.
        overrides: what the command line says, by field name; None values are left out.

    Raises:
        BadInput: naming each wrong or unknown setting, where it stands and what is allowed.
    """
    file = config_file or DEFAULT_CONFIG_FILE
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for name, value in _read_file(file, must_exist=config_file is not None).items():
        _refuse_unknown(name, name, f"in {file}")
        values[name], origins[name] = value, f"{name} in {file}"
    for variable in sorted(environment):
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        if _looks_meant(name):
            _refuse_unknown(name, variable, "in the environment")
            values[name], origins[name] = environment[variable], variable
    for name, value in (overrides or {}).items():
        if value is not None:
            values[name], origins[name] = value, f"--{name.replace('_', '-')}"
    try:
        return Settings.model_validate(values)
    except ValidationError as broken:
        raise _bad_input(broken, origins) from None


def _read_file(file: Path, *, must_exist: bool) -> dict[str, object]:
    if not file.exists() and not must_exist:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"can't read {file}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} is no TOML: {error}") from None


def _looks_meant(name: str) -> bool:
    """Returns whether a variable with our prefix is a setting, or a slip of one.

    Other programs' variables may begin like ours (a shell keeps an API key in
    `HELIOFLEET_API_KEY`), so only what is close to a setting is judged.
    """
    known = list(Settings.model_fields)
    return name in known or bool(difflib.get_close_matches(name, known, cutoff=0.85))


def _refuse_unknown(name: str, shown: str, where: str) -> None:
    if name in Settings.model_fields:
        return
    close = difflib.get_close_matches(name, list(Settings.model_fields), n=1)
    hint = f"did you mean {close[0]}" if close else "allowed are " + ", ".join(_names())
    raise BadInput(f"{shown} {where} is no setting: {hint}")


def _names() -> list[str]:
    return sorted(Settings.model_fields)


def _bad_input(broken: ValidationError, origins: Mapping[str, str]) -> BadInput:
    errors: list[FieldError] = []
    lines: list[str] = []
    for error in broken.errors(include_url=False, include_input=False):
        name = str(error["loc"][0]) if error["loc"] else ""
        detail = error["msg"].removeprefix("Value error, ")
        place = "".join(f"/{part}" for part in error["loc"][1:])
        errors.append(FieldError(f"/{name}{place}", detail))
        lines.append(f"{origins.get(name, name)}{place and f' ({place})'}: {detail}")
    return BadInput("; ".join(lines), errors)


def _is_file_name(path: str) -> bool:
    """Returns whether the path names a file; a `?` would begin options, of which there are none."""
    return Path(path).name != "" and not path.endswith("/") and not set("?\0") & set(path)


def _is_address(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    place = parts.netloc.rsplit("@", 1)[1]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{MASK}@{place}"))
