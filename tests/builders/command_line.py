"""The whole command line, run within the test."""

from __future__ import annotations

import sys

import pytest

from csms.cli import main


def outcome(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """Runs the whole command line and returns exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["heliofleet", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err
