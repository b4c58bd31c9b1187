"""A linear program, put together from arrays block by block."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scheduler.solver import Floats, LinearProgram

Index = NDArray[np.int64]
T = TypeVar("T", bound=np.generic)


class ProgramBuilder:
    """Collects columns, rows and entries, then builds the program."""

    def __init__(self) -> None:
        self._cost: list[Floats] = []
        self._lower: list[Floats] = []
        self._upper: list[Floats] = []
        self._row_lower: list[Floats] = []
        self._row_upper: list[Floats] = []
        self._entries: list[tuple[Index, Index, Floats]] = []
        self.column_count = 0
        self.row_count = 0

    def columns(self, cost: Floats, lower: Floats | float, upper: Floats | float) -> int:
        """Adds one column per cost; returns the number of the first."""
        first = self.column_count
        size = len(cost)
        self._cost.append(cost)
        self._lower.append(_filled(lower, size))
        self._upper.append(_filled(upper, size))
        self.column_count += size
        return first

    def rows(self, size: int, lower: Floats | float, upper: Floats | float) -> int:
        """Adds `size` rows; returns the number of the first."""
        first = self.row_count
        self._row_lower.append(_filled(lower, size))
        self._row_upper.append(_filled(upper, size))
        self.row_count += size
        return first

    def entries(self, rows: Index, columns: Index, values: Floats | float) -> None:
        """Adds coefficients; those of the same row and column add up."""
        assert len(rows) == len(columns)
        self._entries.append((rows, columns, _filled(values, len(rows))))

    def build(self) -> LinearProgram:
        """Returns the program."""
        rows = _joined([entry[0] for entry in self._entries], np.int64)
        columns = _joined([entry[1] for entry in self._entries], np.int64)
        values = _joined([entry[2] for entry in self._entries], np.float64)
        shape = (self.row_count, self.column_count)
        return LinearProgram(
            cost=_joined(self._cost, np.float64),
            lower=_joined(self._lower, np.float64),
            upper=_joined(self._upper, np.float64),
            matrix=sparse.csr_matrix((values, (rows, columns)), shape=shape),
            row_lower=_joined(self._row_lower, np.float64),
            row_upper=_joined(self._row_upper, np.float64),
        )


def _filled(value: Floats | float, size: int) -> Floats:
    if isinstance(value, np.ndarray):
        assert len(value) == size
        return value.astype(np.float64)
    return np.full(size, value, dtype=np.float64)


def _joined(parts: list[NDArray[T]], kind: type[T]) -> NDArray[T]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)
