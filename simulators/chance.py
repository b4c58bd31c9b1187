"""Chance: one seed, many independent streams, so that no draw moves another's."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """Returns the generator that `name` has under `seed`: always the same, whoever else draws."""
    return np.random.Generator(np.random.PCG64([seed & 0xFFFFFFFF, crc32(name.encode())]))
