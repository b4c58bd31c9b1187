"""The import contracts are kept, and they do catch a wrong import."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("csms", "scheduler", "models", "simulators", "migrations")

WRONG_IMPORTS = {
    "a feature imports the gateway": ("csms/charging/rules.py", "import csms.gateway.lane"),
    "a rule imports the database": ("csms/charging/rules.py", "import sqlalchemy"),
    "the protocol opens sockets": ("csms/ocpp/frame.py", "import asyncio"),
    "the planner reads the database": ("scheduler/charge.py", "import models.tables"),
    "the referee asks the solver": ("scheduler/check/__init__.py", "import scheduler.solver"),
    "a simulator peeks into the service": ("simulators/world.py", "import csms.app"),
    "a feature speaks OCPP": ("csms/planning/worker.py", "import csms.ocpp.profiles"),
    "a second door to OR-Tools": ("scheduler/admit.py", "import ortools"),
    "a lower feature asks a higher one": ("csms/energy/queries.py", "import csms.booking.desk"),
    "the ground looks up": ("models/timeline.py", "import csms.config"),
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_contracts_are_kept(copy: Path) -> None:
    result = lint_imports(copy)
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.parametrize("case", WRONG_IMPORTS)
def test_a_wrong_import_is_caught(copy: Path, case: str) -> None:
    name, line = WRONG_IMPORTS[case]
    path = copy / name
    text = path.read_text()
    try:
        path.write_text(f"{text}\n{line}\n")
        result = lint_imports(copy)
    finally:
        path.write_text(text)
    assert result.returncode == 1, result.stdout[-3000:]
    assert "BROKEN" in result.stdout
