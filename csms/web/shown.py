"""Documents that go out and belong to no feature: problems and pages."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from csms.web.documents import Shown

T = TypeVar("T")


class FieldProblem(Shown):
    """What is wrong with one field."""

    field: str
    """JSON pointer of the field; empty for the whole document."""
    detail: str


class ReasonShown(Shown):
    """A code, the numbers behind it (units in their names), and a sentence with them."""

    code: str
    numbers: dict[str, Any]
    sentence: str


class ReferenceShown(BaseModel):
    """Things of one kind that refer to something."""

    kind: str
    count: int
    ids: list[str]
    """The first ten."""


class Problem(BaseModel):
    """An error, as RFC 9457 says; some kinds have further members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    """The stable name of the error, for programs."""
    errors: list[FieldProblem]
    reasons: list[str] | None = None
    explanation: list[ReasonShown] | None = None
    """The reasons as codes, numbers and sentences in the caller's language (`Content-Language`)."""
    alternatives: list[dict[str, Any]] | None = None
    references: list[ReferenceShown] | None = None
    """What still refers to the thing, kind by kind."""


class Page(Shown, Generic[T]):
    """One page of a list; ask again with `cursor=next_cursor` until that is null."""

    items: list[T]
    next_cursor: str | None
