from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from csms.ledger.lock import ServeLock
from models.errors import Conflict, Unavailable


def test_a_file_is_served_by_one_and_the_other_is_told_by_whom(tmp_path: Path) -> None:
    database = tmp_path / "heliofleet.db"
    with ServeLock(database), pytest.raises(Conflict, match=str(os.getpid())):
        ServeLock(database).acquire()
    with ServeLock(database):
        pass


def test_the_lock_goes_with_its_holder_however_it_dies(tmp_path: Path) -> None:
    database = tmp_path / "heliofleet.db"
    program = (
        "import os, signal, pathlib, sys\n"
        "from csms.ledger.lock import ServeLock\n"
        "ServeLock(pathlib.Path(sys.argv[1])).acquire()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, database], check=False)
    with ServeLock(database):
        pass


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file or directory"):
        ServeLock(tmp_path / "nowhere" / "heliofleet.db").acquire()
