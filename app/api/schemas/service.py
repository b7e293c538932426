"""What the service says of itself."""

from typing import Annotated

from pydantic import Field

from app.api.schemas.base import Out


class Liveness(Out):
    """The process answers."""

    status: Annotated[str, Field(description="Always `ok`.")]


class Readiness(Out):
    """Every part of the service is ready."""

    status: Annotated[str, Field(description="Always `ok`; otherwise a problem is answered.")]
    checks: Annotated[
        dict[str, bool], Field(description="Each part of the service, and whether it is ready.")
    ]


class ServiceVersion(Out):
    """Which version answers."""

    version: str
