"""The seam between translation and wire: an SDK request goes out, a parsed reply comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

Reply: TypeAlias = Mapping[str, Any]
"""A successful answer, parsed; it always has a `RequestId`."""

BASE = "base"
"""Who holds the identity that the service itself was given."""


class SdkRequest(Protocol):
    """What this room uses of a request object of the SDK."""

    def get_product(self) -> str: ...
    def get_version(self) -> str: ...
    def get_action_name(self) -> str: ...
    def get_query_params(self) -> dict[str, Any]: ...
    def set_endpoint(self, endpoint: str) -> None: ...
    def set_protocol_type(self, protocol_type: str) -> None: ...
    def set_connect_timeout(self, connect_timeout: float) -> None: ...
    def set_read_timeout(self, read_timeout: float) -> None: ...


def build(kind: type[Any], fields: Mapping[str, object]) -> SdkRequest:
    """Return a request of the SDK's class `kind`; a field that is None is left out.

    Keys are the names of the SDK's setters, which are not always those of the wire.
    """
    request: SdkRequest = kind()
    for name, value in fields.items():
        if value is not None:
            getattr(request, f"set_{name}")(value)
    return request


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key, of the base identity or (with `token`) of an assumed role.

    `holder` is the account whose role was assumed, or `BASE`. Nothing of it is ever printed.
    """

    holder: str
    access_key_id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not (self.access_key_id and self.secret):
            raise ValueError("an access key has an id and a secret")


@dataclass(frozen=True, slots=True)
class MachineRole:
    """The role of the instance that the service runs on; the SDK fetches and renews its keys.

    Source: ECS user guide, Instance RAM roles.
    """

    role_name: str
    holder: ClassVar[str] = BASE


Identity: TypeAlias = Keys | MachineRole


class WireError(Exception):
    """A call without an answer to work with; its text never holds a URL, a key or a token."""


class NotSentError(WireError):
    """The call certainly never reached the cloud."""


class NoAnswerError(WireError):
    """The call may have reached the cloud; nothing readable came back."""


class RefusedError(WireError):
    """The cloud answered with an error code."""

    def __init__(self, code: str, message: str, *, status: int, request_id: str | None) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id


class Transport(Protocol):
    """One wire to the cloud. Sends each request once; never repeats, never waits."""

    def send(self, request: SdkRequest, *, region_id: str, identity: Identity) -> Reply:
        """Return the reply, or raise a WireError."""
        ...
