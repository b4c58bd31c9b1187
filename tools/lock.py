"""Pins the requirement files anew: hashes for every platform, no index named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"


def main() -> None:
    """Compiles each `.in` file next to its `.txt`; needs `uv` on the path."""
    for source in sorted(REQUIREMENTS.glob("*.in")):
        subprocess.run(
            [
                *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
                *("--generate-hashes", "--no-header", source.name),
                *("--output-file", source.with_suffix(".txt").name),
            ],
            cwd=REQUIREMENTS,
            check=True,
        )
        sys.stdout.write(f"pinned {source.stem}\n")


if __name__ == "__main__":
    main()
