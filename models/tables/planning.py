"""Plans, the wish for a new one, what goes before them, and limits that change as they run."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, Kept


class Plan(Base):
    """A plan that passed the referee and the gate, with what it was made from."""

    __tablename__ = "plan"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default")
    created_at: Mapped[datetime]
    start: Mapped[datetime]
    step_minutes: Mapped[int]
    steps: Mapped[int]
    status: Mapped[str]
    cost: Mapped[float]
    lower_bound: Mapped[float | None]
    currency: Mapped[str] = mapped_column(default="EUR", server_default="EUR")
    """Of its prices and costs: `scheduler.problem.Problem`."""
    made_by: Mapped[str] = mapped_column(default="solver", server_default="solver")
    """Which level of the chain: `scheduler.rolling.Level`."""
    kept_cars: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many cars it left as the plan before says."""
    solvers: Mapped[list[Any]] = mapped_column(default=list, server_default=sa.text("'[]'"))
    """Who has answered the programs of its charging: `scheduler.rolling.Made`."""
    time_limit_s: Mapped[float | None]
    """For how long the plan before was bettered into this one; None: this one was made at once."""
    trigger: Mapped[str]
    """What asked for it."""
    forecast_source: Mapped[str]
    left_out: Mapped[list[Any]] = mapped_column(default=list, server_default=sa.text("'[]'"))
    """What of the sites it does not reckon with: `site_id`, `what` and `why` of each."""
    site_ids: Mapped[list[Any]]
    shadow_site_ids: Mapped[list[Any]] = mapped_column(default=list, server_default=sa.text("'[]'"))
    """Those of them where it commands nothing."""
    problem: Mapped[str]
    """The planning problem (`scheduler.problem`), as JSON text."""
    document: Mapped[str]
    """The plan (`scheduler.plan`), as JSON text."""
    __table_args__ = (sa.Index(None, "tenant_id", "created_at"),)


class PlanRequest(Base):
    """A change that matters happened at a site: plan it anew. Coalesces by being one row."""

    __tablename__ = "plan_request"
    site_id: Mapped[str] = mapped_column(
        sa.ForeignKey("site.id", ondelete="CASCADE"), primary_key=True
    )
    reason: Mapped[str]
    requested_at: Mapped[datetime]
    time_limit_s: Mapped[float | None]
    """For how long the plan is then to be bettered, where somebody has asked for that."""


class Override(Kept, Base):
    """What somebody wants of a car until an instant, against what a plan would do by itself."""

    __tablename__ = "charging_override"
    vehicle_id: Mapped[str] = mapped_column(sa.ForeignKey("vehicle.id", ondelete="CASCADE"))
    site_id: Mapped[str]
    """Where the car was when it began."""
    kind: Mapped[str]
    """`charge_now`, `hold` or `at_most`."""
    power_w: Mapped[float | None]
    """Of `at_most`."""
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """None: it is active."""
    ended_why: Mapped[str | None]
    """See `models.states.OverrideEnd`."""
    replaces: Mapped[str | None]
    """The override of the same car that it has ended."""
    plan_id: Mapped[str | None]
    """The first plan that goes by it."""
    extra_cost: Mapped[Decimal | None]
    """How much dearer that plan is than one without it; None: not known."""
    currency: Mapped[str | None]
    """Of `extra_cost`."""
    __table_args__ = (sa.Index(None, "vehicle_id"), sa.Index(None, "ended_at", "until"))


class DynamicSchedule(Base):
    """What a station was last told of a dynamic profile (2.1)."""

    __tablename__ = "dynamic_schedule"
    station: Mapped[str] = mapped_column(
        sa.ForeignKey("station.identity", ondelete="CASCADE"), primary_key=True
    )
    profile_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    evse_id: Mapped[int | None]
    """Whose limit by plan it follows when the station asks; null: nobody's."""
    told: Mapped[dict[str, Any]]
    """As `models.commands.priorities.ScheduleUpdate`, without what is not given."""
    source: Mapped[str]
    """`api`, or `plan`: an answer to the station's own question."""
    state: Mapped[str]
    """`told` or `refused`."""
    why: Mapped[str | None]
    changed_at: Mapped[datetime]
