"""`python -m benchmarks [NAME]`: runs the subjects, each in its own process, and prints them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Runs `subjects_*.py` whose name holds the argument; all without one."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for path in sorted(Path(__file__).parent.glob("subjects_*.py")):
        if wanted in path.stem:
            sys.stdout.write(f"== {path.stem.removeprefix('subjects_')}\n")
            sys.stdout.flush()
            subprocess.run([sys.executable, "-m", f"benchmarks.{path.stem}"], check=False)


if __name__ == "__main__":
    main()
