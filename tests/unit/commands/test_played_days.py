"""Commands that play days: bad input is told before anything is played, in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from csms.cli import main

CORNER = Path(__file__).parents[2] / "fixtures" / "scenarios" / "corner.toml"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    """Runs a command that must end badly; returns its exit code and the one line it said."""
    monkeypatch.setattr(sys, "argv", ["heliofleet", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.err.removeprefix("heliofleet: ").rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("atlantis",), "scenario 'atlantis': No such file or directory; shipped ones are: conf"),
        (("/",), "scenario '/': Is a directory; shipped"),
        (("confluence", "--planner", "crystal-ball"), "--planner: crystal-ball is no planner; al"),
        (("confluence", "--faults", "late-return,flood"), "unknown fault 'flood'; known: dead-sta"),
        (("confluence", "--quirks", "grumpy"), "unknown quirk 'grumpy'; known: all, a-only, ava"),
        (("confluence", "--days", "400"), "Invalid value for '--days'"),
        (("confluence", "--days", "two"), "Invalid value for '--days'"),
        (("confluence", "--start", "soon"), "Invalid value for '--start'"),
        (("confluence", "--start", "1970-01-01"), "--start: 1970-01-01 is not from 2000 to 2099"),
        (("confluence", "--seed", "one"), "Invalid value for '--seed'"),
        (("confluence", "--language", "it"), "--language: must be one of en, fr, de, not 'it'"),
        ((), "Missing argument 'scenario'"),
    ],
)
def test_what_a_replay_is_asked_must_be_known(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    line: str,
) -> None:
    code, said = refused(monkeypatch, capsys, "replay", *arguments)
    assert (code, said[: len(line)]) == (2, line)


@pytest.mark.parametrize("command", ["replay", "simulate"])
@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('name = "corner"', "name = ", "is not TOML: "),
        ("\n", "\0", "is not TOML: "),
        ("name =", "\udcff =", "is not UTF-8: "),
        ("seed = 1", 'seed = "one"', "/seed: Expected `int`, got `str`"),
        ("seed = 1", "seeds = 1", "/seeds: Object contains unknown field `seeds`"),
        ("seed = 1\n", "", "/seed: Object missing required field `seed`"),
        ('circuit = "north-cars"', 'circuit = "cellar"', "/sites/0/stations/0/circuit: unknown"),
        ("limit_w = 8000", "limit_w = 2000", "/sites/0/circuits/0/limit_w: safe limits of its"),
        ("limit_w = 8000", "limit_w = nan", "/sites/0/circuits/0/limit_w: Expected"),
        ('"south-main", limit_w', '"south-main", parent = "south-cars", limit_w', "/sites/1/circu"),
        ("+02:00", "", "/start: has no time zone"),
    ],
)
def test_what_is_wrong_with_a_scenario_is_told_by_its_place(
    *,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    old: str,
    new: str,
    line: str,
) -> None:
    text = CORNER.read_text()
    assert old in text
    file = Path("town.toml")
    file.write_bytes(text.replace(old, new, 1).encode(errors="surrogateescape"))
    key = ("--api-key", "k") if command == "simulate" else ()
    code, said = refused(monkeypatch, capsys, command, "town.toml", *key)
    assert code == 2
    assert said.startswith(("scenario 'town.toml': " + line, "scenario 'town.toml' " + line))


@pytest.mark.parametrize("command", ["replay", "simulate", "demo"])
@pytest.mark.parametrize(
    ("out", "line"),
    [
        ("taken/here", "--out: taken/here: Not a directory"),
        ("taken", "--out: taken: File exists"),
        ("/proc", "--out: /proc: "),
    ],
)
def test_a_report_that_can_go_nowhere_is_told_before_the_days_are_played(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    out: str,
    line: str,
) -> None:
    Path("taken").touch()
    asked = {"replay": (str(CORNER),), "simulate": (str(CORNER), "--api-key", "k"), "demo": ()}
    code, said = refused(monkeypatch, capsys, command, *asked[command], "--out", out)
    assert (code, said[: len(line)]) == (2, line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "changes 'c.toml': No such file or directory"),
        ("title = ", "changes 'c.toml' is not TOML: "),
        ("", "changes 'c.toml': change nothing"),
        ("sun = 2", "changes 'c.toml': /sun: Object contains unknown field `sun`"),
        ('[[pv]]\nsite = "east"', "changes 'c.toml': /pv/0/site: unknown site 'east'"),
        ('[[pv]]\nsite = "south"\nfactor = "2"', "changes 'c.toml': /pv/0/factor: Expected `fl"),
        ("prices = { import_factor = 0.2 }", "changes 'c.toml': make a scenario with /prices/exp"),
    ],
)
def test_what_is_wrong_with_changes_is_told_by_its_place(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    line: str,
) -> None:
    if text is not None:
        Path("c.toml").write_text(text)
    code, said = refused(monkeypatch, capsys, "replay", str(CORNER), "--what-if", "c.toml")
    assert (code, said[: len(line)]) == (2, line)


@contextmanager
def somebody(status: int, body: bytes) -> Iterator[str]:
    """Answers every request with the same; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("--api-url", "http://127.0.0.1:1"), 1, "http://127.0.0.1:1: "),
        (("--api-url", "ftp://somewhere"), 2, "--api-url: ftp://somewhere is no address of a serv"),
        (("--api-url", "somewhere"), 2, "--api-url: somewhere is no address of a service; allowed"),
        (("--api-url", "http://[::1"), 2, "--api-url: http://[::1 is no address of a service; al"),
        (("--ocpp-url", "http://h/ocpp"), 2, "--ocpp-url: http://h/ocpp is no address of stations"),
        (("--api-key", "clé\udcff"), 2, "--api-key: no key has such characters"),
        (("--speed", "0"), 2, "--speed: 0 is no speed; allowed is 1"),
        (("--speed", "nan"), 2, "--speed: nan is no speed; allowed is 1"),
    ],
)
def test_a_service_must_be_where_it_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    line: str,
) -> None:
    asked = ("simulate", str(CORNER), "--api-key", "k", *arguments)
    assert (code, line) == tuple(
        part if index == 0 else part[: len(line)]
        for index, part in enumerate(refused(monkeypatch, capsys, *asked))
    )


@pytest.mark.parametrize(
    ("status", "body", "code", "line"),
    [
        (401, b"{}", 2, "--api-key: {url} does not take it as an admin's"),
        (404, b"nothing\nhere", 2, "--api-url: {url} is no Heliofleet: GET /api/v1/clock: 404 no"),
        (200, b"<html>", 2, "--api-url: {url} is no Heliofleet: GET /api/v1/clock: 200 <html>"),
        (200, b'{"mode": "lunar", "now": 1}', 2, "--api-url: {url} is no Heliofleet: GET "),
    ],
)
def test_whoever_answers_must_be_the_service(
    *,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: bytes,
    code: int,
    line: str,
) -> None:
    with somebody(status, body) as url:
        asked = ("simulate", str(CORNER), "--api-key", "k", "--api-url", url)
        got, said = refused(monkeypatch, capsys, *asked)
    assert got == code
    assert said.startswith(line.format(url=url))


def test_a_service_on_the_real_clock_is_played_at_the_speed_of_life(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = b'{"mode": "real", "now": "2026-06-16T12:00:00Z"}'
    with somebody(200, clock) as url:
        asked = ("simulate", str(CORNER), "--api-key", "k", "--api-url", url, "--speed", "60")
        code, said = refused(monkeypatch, capsys, *asked)
    assert code == 2
    assert said == "--speed: a service on the real clock is played at speed 1 only"
