"""What the service says of itself, to everybody."""

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request

from app.api import examples
from app.api.answers import answer
from app.api.dependencies import Health
from app.api.errors import NotReadyError
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.service import Liveness, Readiness, ServiceVersion

router = APIRouter(tags=["service"], route_class=StrictRoute)

PROBE_SECONDS = 5
_PROBES = anyio.CapacityLimiter(2)
"""Probes have threads of their own: they are answered while all others are busy."""


@router.get("/livez", responses=answer(200, "The process answers.", examples.LIVE))
async def check_liveness() -> Liveness:
    """Say that the process answers. Nothing else is looked at."""
    return Liveness(status="ok")


@router.get(
    "/readyz",
    responses=answer(200, "Everything is ready.", examples.READY) | refusals(NotReadyError),
)
async def check_readiness(health: Health) -> Readiness:
    """Say whether the service can do its work: database, engine and cloud."""
    checks: dict[str, bool] = {"answer_in_time": False}
    with anyio.move_on_after(PROBE_SECONDS):
        checks = await anyio.to_thread.run_sync(
            health.ready, limiter=_PROBES, abandon_on_cancel=True
        )
    if not all(checks.values()):
        missing = ", ".join(name for name, is_ready in checks.items() if not is_ready)
        raise NotReadyError(f"not ready: {missing}", checks=checks)
    return Readiness(status="ok", checks=checks)


@router.get("/version", responses=answer(200, "The version.", examples.VERSION))
async def get_version(request: Request) -> ServiceVersion:
    """Say which version of the service answers."""
    return ServiceVersion(version=request.app.version)
