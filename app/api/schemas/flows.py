"""Which packets a connection is about."""

from typing import Annotated, Self

from pydantic import (
    MISSING,
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from app.api.schemas.base import In
from app.api.schemas.values import MOST_FLOWS, PortRangeText, ProtocolName, refused
from app.domain.errors import AppError, DuplicateItemError, InvalidPortError
from app.domain.rules import PortRange, Protocol


class FlowPorts(In):
    """A protocol and, where it has ports, a range of them."""

    protocol: ProtocolName
    port_range: Annotated[
        PortRangeText | MISSING,
        Field(
            description="`first/last`, as the cloud writes it; needed for tcp and udp, `-1/-1` or "
            "left out for the others."
        ),
    ] = MISSING

    @field_validator("port_range", mode="after")
    @classmethod
    def _fits(cls, text: str, info: ValidationInfo) -> str:
        if "protocol" in info.data:
            try:
                PortRange.parse(text, Protocol(info.data["protocol"]))
            except AppError as error:
                raise refused(error) from error
        return text

    @model_validator(mode="after")
    def _has_ports(self) -> Self:
        if Protocol(self.protocol).has_ports and "port_range" not in self.model_fields_set:
            raise refused(InvalidPortError(f"{self.protocol} needs a port_range"))
        return self


def _once(flows: list[FlowPorts]) -> list[FlowPorts]:
    if len({flow.model_dump_json() for flow in flows}) != len(flows):
        raise refused(DuplicateItemError("the list names the same flow twice"))
    return flows


Flows = Annotated[
    list[FlowPorts],
    Field(min_length=1, max_length=MOST_FLOWS, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_once),
]
