"""Assemble the FastAPI app from a built House; nothing else."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI

from app.api import docs
from app.api.authentication import Authentication
from app.api.correlation import Correlation
from app.api.endpoints import (
    accounts,
    api_keys,
    assertions,
    audit,
    backups,
    connections,
    freezes,
    guardrails,
    inventory,
    operations,
    plans,
    reachability,
    service,
    views,
)
from app.api.handlers import HANDLERS
from app.api.hosts import AllowedHosts
from app.api.limits import Buckets, RateLimits
from app.api.openapi import TITLE
from app.ports.identity import Identity
from app.services.house import House

ROUTERS = (
    accounts.router,
    inventory.router,
    reachability.router,
    views.router,
    plans.router,
    connections.router,
    operations.router,
    operations.streams,
    assertions.router,
    backups.router,
    backups.exports,
    guardrails.router,
    api_keys.router,
    freezes.router,
    audit.router,
    service.router,
    docs.router,
)


def create_app(
    house: House,
    *,
    identity: Identity,
    docs_key: str | None,
    allowed_hosts: tuple[str, ...],
    body_limit_bytes: int,
    version: str,
    only_health: bool = False,
    requests_per_minute: int | None = None,
    require_if_match: bool = False,
) -> FastAPI:
    """Return the app that serves a House, or only what says how it is.

    `docs_key` is what the documentation page fills in by itself; None in front of a real
    cloud. The host `*` in `allowed_hosts` stands for every one. `requests_per_minute` holds for
    each caller; None sets no limit.
    """
    app = bare_app(version, (service.router,) if only_health else ROUTERS)
    app.state.house = house
    app.state.docs_key = docs_key
    app.state.body_limit_bytes = body_limit_bytes
    app.state.require_if_match = require_if_match
    # The last one added is the first to see a request.
    if requests_per_minute is not None:
        buckets = Buckets(requests_per_minute)
        app.add_middleware(RateLimits, buckets=buckets, per_minute=requests_per_minute)
    app.add_middleware(Authentication, identity=identity)
    app.add_middleware(AllowedHosts, names=allowed_hosts)
    app.add_middleware(Correlation)
    return app


def bare_app(version: str, routers: Sequence[APIRouter] = ROUTERS) -> FastAPI:
    """Return the app without anything behind it: enough to read the contract from."""
    app = FastAPI(
        title=TITLE,
        version=version,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        # Its log records carry exception texts, which nobody has searched for secrets.
        telemetry={"logs": False},
        exception_handlers=HANDLERS,
    )
    for router in routers:
        app.include_router(router)
    if docs.router in routers:
        app.mount("/docs/assets", docs.assets())
    return app
