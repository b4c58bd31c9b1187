"""The command line: every command is found and says what it does; bad input is one line, exit 2."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from csms.cli import COMMANDS, run
from tests.builders.command_line import outcome


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_help_lists_all_commands(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(arguments) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said and entry.help in said for name, entry in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_own_help_begins_as_the_list_says(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: heliofleet {name} ")
    assert COMMANDS[name].help in " ".join(said.split())
    assert COMMANDS[name].is_group or "Example: heliofleet" in said


@pytest.mark.parametrize("name", [name for name, entry in COMMANDS.items() if entry.is_group])
def test_a_group_alone_says_what_it_has(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run([name]) == 0
    assert "Commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("sreve",), "there is no command sreve: did you mean serve"),
        (("--json",), "there is no command --json: there are serve, demo"),
        (("api-key", "create"), "Missing option '--role'"),
        (("api-key", "make"), "No such command 'make'"),
        (("serve", "--http-port", "many"), "Invalid value for '--http-port'"),
        (("serve", "--htp-port", "1"), "No such option: --htp-port"),
        (("plan",), "Missing argument 'PROBLEM.json'"),
        (("replay", "confluence", "--days", "0"), "Invalid value for '--days'"),
        (("station", "simulate"), "Missing argument 'IDENTITY'"),
        (("station", "simulate", "a/b"), "IDENTITY: allowed are 1 to 48 characters"),
        (("station", "simulate", "B", "--version", "3"), "--version: 3 is no version"),
        (("station", "simulate", "B", "--power-w", "90"), "Invalid value for '--power-w'"),
        (("station", "simulate", "B", "--ocpp-url", "http://h"), "--ocpp-url: http://h is no"),
        (("station", "simulate", "B", "--ocpp-url", "ws://h:x/ocpp"), "--ocpp-url: ws://h:x/ocpp"),
        (("station", "simulate", "B", "--ocpp-url", "ws:///ocpp"), "--ocpp-url: ws:///ocpp is no"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    line: str,
) -> None:
    code, said, complaint = outcome(monkeypatch, capsys, *arguments)
    assert (code, said) == (2, "")
    assert complaint.startswith(f"heliofleet: {line}")
    assert complaint.count("\n") == 1


class Stranger(BaseHTTPRequestHandler):
    """A web server that is no Heliofleet."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def stranger_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_service_to_simulate_against_is_told_from_other_addresses(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stranger_url: str,
    tmp_path: Path,
) -> None:
    simulate = ("simulate", "confluence", "--api-key", "k", "--out", str(tmp_path), "--api-url")
    for url, wanted, line in (
        ("nonsense", 2, "--api-url: nonsense is no address"),
        ("ftp://host", 2, "--api-url: ftp://host is no address"),
        (stranger_url, 2, f"--api-url: {stranger_url} is no Heliofleet"),
        ("http://127.0.0.1:1", 1, "http://127.0.0.1:1: "),
    ):
        code, said, complaint = outcome(monkeypatch, capsys, *simulate, url)
        assert (code, said) == (wanted, "")
        assert complaint.startswith(f"heliofleet: {line}")
        assert complaint.count("\n") == 1


def test_a_station_without_a_service_is_one_line_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = ("--ocpp-url", "ws://127.0.0.1:1/ocpp", "--connect-within-s", "1")
    code, said, complaint = outcome(monkeypatch, capsys, "station", "simulate", "B", *nobody)
    assert (code, said) == (1, "")
    assert complaint.startswith("heliofleet: no answer within 1 s: B: ")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("openapi", "-o"), "--out"),
        (("history", "export", "--from", "2026-05-01T00:00Z", "--to", "2026-05-02T00:00Z"), "FILE"),
        (("db", "backup"), "FILE"),
    ],
)
def test_a_file_that_can_t_be_written_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.json").mkdir()
    for file in ("none/here.json", "taken.json"):
        code, said, complaint = outcome(monkeypatch, capsys, *arguments, file)
        assert (code, said) == (2, "")
        assert complaint.startswith(f"heliofleet: {name}: {file}")
        assert complaint.count("\n") == 1
