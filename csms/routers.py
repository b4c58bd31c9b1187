"""All routers of the REST service, in the order of its document."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from csms.access.api import router as access_router
from csms.billing.api.costs import router as costs_router
from csms.billing.api.stations import router as payments_router
from csms.billing.api.tariffs import router as tariffs_router
from csms.booking.api import router as booking_router
from csms.charging.api.held import router as held_router
from csms.charging.api.sunshine import router as sunshine_router
from csms.charging.api.transactions import router as charging_router
from csms.checks.api import router as checks_router
from csms.customers.api import router as customers_router
from csms.diagnostics.api.logs import router as logs_router
from csms.diagnostics.api.monitors import router as monitors_router
from csms.diagnostics.api.reports import router as reports_router
from csms.diagnostics.api.uploads import router as uploads_router
from csms.displays.api import router as displays_router
from csms.displays.api import sites_router as site_displays_router
from csms.energy.api.equipment import router as equipment_router
from csms.energy.api.series import router as series_router
from csms.energy.api.sharing import router as shared_plants_router
from csms.energy.api.sites import router as sites_router
from csms.event_streams.api import router as event_streams_router
from csms.fleet.api import router as fleet_router
from csms.grid.api import router as grid_router
from csms.grid_limits.api import router as grid_limits_router
from csms.inquiries.api import router as inquiries_router
from csms.messages.api import router as messages_router
from csms.moves.api import everywhere as all_moves_router
from csms.moves.api import router as moves_router
from csms.needs.api import router as needs_router
from csms.overrides.api import router as overrides_router
from csms.planning.api.equipment import router as schedules_router
from csms.planning.api.explanations import router as explanations_router
from csms.planning.api.plans import router as planning_router
from csms.planning.api.priorities import router as priorities_router
from csms.planning.api.shadows import router as shadows_router
from csms.planning.api.timeline import router as timeline_router
from csms.reconciliation.api.checks import router as status_checks_router
from csms.reconciliation.api.oddities import router as reconciliation_router
from csms.reservations.api import router as reservations_router
from csms.security.api import router as security_router
from csms.simulations.api import router as simulations_router
from csms.stations.api import router as stations_router
from csms.surplus.api import router as surplus_router
from csms.swapping.api import router as swapping_router
from csms.trust.api import router as trust_router
from csms.updates.api.campaigns import router as campaigns_router
from csms.updates.api.firmware import router as firmware_router
from csms.updates.api.publishing import router as publishing_router

ROUTERS: Sequence[APIRouter] = (
    access_router,
    sites_router,
    shared_plants_router,
    sunshine_router,
    series_router,
    equipment_router,
    stations_router,
    security_router,
    trust_router,
    messages_router,
    firmware_router,
    campaigns_router,
    publishing_router,
    logs_router,
    monitors_router,
    uploads_router,
    event_streams_router,
    grid_router,
    swapping_router,
    reports_router,
    inquiries_router,
    displays_router,
    site_displays_router,
    customers_router,
    checks_router,
    fleet_router,
    charging_router,
    held_router,
    tariffs_router,
    costs_router,
    payments_router,
    needs_router,
    reservations_router,
    reconciliation_router,
    status_checks_router,
    booking_router,
    planning_router,
    explanations_router,
    timeline_router,
    shadows_router,
    priorities_router,
    schedules_router,
    simulations_router,
    overrides_router,
    moves_router,
    all_moves_router,
    grid_limits_router,
    surplus_router,
)
