"""Connections: as they are asked for, one shape for each method, and as they are answered."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    MISSING,
    Discriminator,
    Field,
    RootModel,
    StrictBool,
    StrictInt,
    Tag,
    WithJsonSchema,
)

from app.api.problems import kept_problem
from app.api.schemas.base import COMPONENT, In, Out, names_of
from app.api.schemas.flows import Flows
from app.api.schemas.networks import Adopted, Effect
from app.api.schemas.problems import Problem
from app.api.schemas.values import (
    AccountId,
    Cidrs,
    ExpiryText,
    GroupId,
    GroupIds,
    GroupName,
    InstanceIds,
    Priority,
    Reason,
    RegionId,
)
from app.domain import connections as domain
from app.domain.addresses import AddressFamily
from app.domain.connections import ConnectionStatus
from app.domain.documents import effect_document
from app.domain.drifting import ConditionStatus, ConditionType
from app.domain.intents import MethodName, Scope
from app.services.connections import ConnectionView

Document: TypeAlias = dict[str, Any]


# --- sides ------------------------------------------------------------------------


class Instances(In):
    """Instances of one account and region."""

    account_id: AccountId
    region_id: RegionId
    instance_ids: InstanceIds


class InstancesInGroup(Instances):
    """Instances of one account and region, and which of their groups is to be used."""

    security_group_id: Annotated[
        GroupId | MISSING,
        Field(
            description="On the target, the group that receives the rules; on the source, the one "
            "that they name. Left out, the group with the least extra access; the plan says which."
        ),
    ] = MISSING


class SourceAddresses(In):
    """Addresses entered by hand: `/32` or `/128` in the classic network, wider in a VPC."""

    addresses: Cidrs


class PeerGroups(In):
    """Groups of a peer account entered by hand; that account need not be registered."""

    account_id: AccountId
    region_id: RegionId
    security_group_ids: GroupIds


def _addresses_or_instances(side: object) -> str:
    return "by address" if "addresses" in names_of(side) else "by instance"


def _groups_or_instances(side: object) -> str:
    return "by group" if "security_group_ids" in names_of(side) else "by instance"


def _any_side(side: object) -> str:
    return (
        _addresses_or_instances(side)
        if "addresses" in names_of(side)
        else _groups_or_instances(side)
    )


class AddressRulesSource(
    RootModel[
        Annotated[
            Annotated[InstancesInGroup, Tag("by instance")]
            | Annotated[SourceAddresses, Tag("by address")],
            Discriminator(_addresses_or_instances),
        ]
    ]
):
    """Whose addresses are let in: those of instances, or entered by hand."""


class GroupAuthorizationSource(
    RootModel[
        Annotated[
            Annotated[InstancesInGroup, Tag("by instance")]
            | Annotated[PeerGroups, Tag("by group")],
            Discriminator(_groups_or_instances),
        ]
    ]
):
    """Whose groups are let in: those of instances, or entered by hand."""


class AnySource(
    RootModel[
        Annotated[
            Annotated[InstancesInGroup, Tag("by instance")]
            | Annotated[SourceAddresses, Tag("by address")]
            | Annotated[PeerGroups, Tag("by group")],
            Discriminator(_any_side),
        ]
    ]
):
    """Who shall be let in, by whichever method takes it."""


# --- the four methods ----------------------------------------------------------------


_MostExtraPairs = Annotated[
    StrictInt | MISSING,
    Field(
        ge=0,
        le=10**9,
        description="Most pairs that may open although nothing was asked between them; a plan "
        "that opens more is refused. Left out: as many as it takes; the plan counts them.",
    ),
]


class _Sides(In):
    # Named here so that they come first; each kind of request says what they are.
    source: Any
    target: Any
    flows: Any


class _Named(In):
    method: MethodName
    source: Any
    target: Any
    flows: Any


class _Options(In):
    bidirectional: Annotated[
        StrictBool, Field(description="Whether targets shall reach the sources as well.")
    ] = False
    priority: Annotated[Priority, Field(description="Of new rules; 1 is judged first.")] = 1
    override_drops: Annotated[
        StrictBool,
        Field(description="Whether a rule that drops an asked flow today may be overridden."),
    ] = False
    address_family: AddressFamily = AddressFamily.IPV4
    max_extra_pairs: _MostExtraPairs = MISSING
    reason: Annotated[
        Reason, Field(description="Why; it is kept in the descriptions of new rules.")
    ] = ""
    expires_at: Annotated[
        ExpiryText | MISSING,
        Field(
            description="When the connection ends by itself, within a minute: RFC 3339, to the "
            "second and with its zone. Left out, it stands until it is disconnected."
        ),
    ] = MISSING


class _Connect(_Options, _Named):
    """What the four methods have in common."""


_Scope = Annotated[
    Scope,
    Field(
        description="Whether new rules open the asked instances only (`instance`) or every member "
        "of their group (`group`)."
    ),
]
_OptionalFlows = Annotated[
    Flows | MISSING,
    Field(description="What must be reachable afterwards; members of one group reach everything."),
]


class ConnectByAddressRules(_Connect):
    """Method 1: let addresses in, by rules in a group of each target."""

    method: Literal[MethodName.ADDRESS_RULES]
    source: AddressRulesSource
    target: InstancesInGroup
    flows: Flows
    scope: _Scope = Scope.INSTANCE


class ConnectBySharedGroup(_Connect):
    """Method 2: let all instances join one group that exists."""

    method: Literal[MethodName.SHARED_GROUP]
    source: Instances
    target: Instances
    flows: _OptionalFlows = MISSING
    security_group_id: Annotated[
        GroupId | MISSING,
        Field(description="The group to join; left out, the one with the least extra access."),
    ] = MISSING


class ConnectByDedicatedGroup(_Connect):
    """Method 3: let all instances join a new group made for them alone."""

    method: Literal[MethodName.DEDICATED_GROUP]
    source: Instances
    target: Instances
    flows: _OptionalFlows = MISSING
    group_name: Annotated[
        GroupName | MISSING,
        Field(description="Name of the new group; left out, one is made."),
    ] = MISSING


class ConnectByGroupAuthorization(_Connect):
    """Method 4: let members of a group in, by rules that name the group."""

    method: Literal[MethodName.GROUP_AUTHORIZATION]
    source: GroupAuthorizationSource
    target: InstancesInGroup
    flows: Flows
    scope: _Scope = Scope.INSTANCE


class ConnectRequest(
    RootModel[
        Annotated[
            ConnectByAddressRules
            | ConnectBySharedGroup
            | ConnectByDedicatedGroup
            | ConnectByGroupAuthorization,
            Field(discriminator="method"),
        ]
    ]
):
    """Who shall reach whom, on what, by which of the four methods."""

    def document(self) -> Document:
        """Return the request as it was sent: nothing added, nothing left out."""
        document: Document = self.model_dump(mode="json", exclude_unset=True)
        return document


class ExtendRequest(In):
    """When a connection shall end instead."""

    expires_at: Annotated[
        ExpiryText, Field(description="Later or earlier than before, but still to come.")
    ]


class ComparedConnection(_Options, _Sides):
    """A connect request without a method, with what any of the methods looks at."""

    source: AnySource
    target: InstancesInGroup
    flows: _OptionalFlows = MISSING
    scope: _Scope = Scope.INSTANCE
    security_group_id: Annotated[
        GroupId | MISSING,
        Field(
            description="The group to join by method `shared_group`; left out, the one with the "
            "least extra access."
        ),
    ] = MISSING

    def document(self) -> Document:
        """Return the request as it was sent: nothing added, nothing left out."""
        document: Document = self.model_dump(mode="json", exclude_unset=True)
        return document


# --- moving ---------------------------------------------------------------------------


class _Way(In):
    # Named here so that it comes first; each method says what it is.
    method: MethodName
    priority: Annotated[Priority, Field(description="Of new rules; 1 is judged first.")] = 1
    override_drops: Annotated[
        StrictBool,
        Field(description="Whether a rule that drops an asked flow today may be overridden."),
    ] = False
    max_extra_pairs: _MostExtraPairs = MISSING


class _WayByRules(_Way):
    scope: _Scope = Scope.INSTANCE
    source_security_group_id: Annotated[
        GroupId | MISSING, Field(description="The group of the sources to use.")
    ] = MISSING
    target_security_group_id: Annotated[
        GroupId | MISSING, Field(description="The group of the targets that receives the rules.")
    ] = MISSING


class WayByAddressRules(_WayByRules):
    """Method 1: let addresses in, by rules in a group of each target."""

    method: Literal[MethodName.ADDRESS_RULES]


class WayBySharedGroup(_Way):
    """Method 2: let all instances join one group that exists."""

    method: Literal[MethodName.SHARED_GROUP]
    security_group_id: Annotated[
        GroupId | MISSING,
        Field(description="The group to join; left out, the one with the least extra access."),
    ] = MISSING


class WayByDedicatedGroup(_Way):
    """Method 3: let all instances join a new group made for them alone."""

    method: Literal[MethodName.DEDICATED_GROUP]
    group_name: Annotated[
        GroupName | MISSING,
        Field(description="Name of the new group; left out, one is made."),
    ] = MISSING


class WayByGroupAuthorization(_WayByRules):
    """Method 4: let members of a group in, by rules that name the group."""

    method: Literal[MethodName.GROUP_AUTHORIZATION]


class Way(
    RootModel[
        Annotated[
            WayByAddressRules | WayBySharedGroup | WayByDedicatedGroup | WayByGroupAuthorization,
            Field(discriminator="method"),
        ]
    ]
):
    """How to connect: a method and its members. Who and what for are the connection's."""

    def document(self) -> Document:
        """Return the way as it was sent: nothing added, nothing left out."""
        document: Document = self.model_dump(mode="json", exclude_unset=True)
        return document


# --- answers -------------------------------------------------------------------------

SentRequest = Annotated[
    Document,
    WithJsonSchema({COMPONENT: "ConnectRequest"}),
    Field(description="The request as it was sent."),
]


class LedgerItem(Effect):
    """Something in the cloud that is there because of us."""

    operation_id: Annotated[str, Field(description="The operation that did it.")]
    shared_with: Annotated[
        list[str], Field(description="Other connections that need it too: it outlives this one.")
    ]

    @classmethod
    def of(cls, entry: domain.LedgerEntry, connection_id: str) -> Self:
        others = {
            "operation_id": entry.operation_id,
            "shared_with": sorted(entry.users - {connection_id}),
        }
        return cls.model_validate(effect_document(entry.effect) | others)


class Ending(Out):
    """The last try to end a connection whose time has come."""

    attempts: int
    operation_id: Annotated[
        str | None, Field(description="Its operation; null where none could be begun.")
    ]
    error: Annotated[
        Problem | None, Field(description="What was in the way; null while it is under way.")
    ]
    next_attempt_at: datetime | None

    @classmethod
    def of(cls, ending: Document) -> Self:
        error = ending["error"]
        told = None if error is None else Problem.model_validate(kept_problem(error))
        return cls.model_validate(ending | {"error": told})


class ConnectionSummary(Out):
    """A connection as a listing shows it: without its ledger."""

    id: str
    method: MethodName
    status: ConnectionStatus
    request: SentRequest
    adopted: list[Adopted]
    created_at: datetime
    disconnected_at: datetime | None
    expires_at: Annotated[
        datetime | None, Field(description="When it ends by itself; null: it does not.")
    ]
    ending: Annotated[Ending | None, Field(description="How that went, once the time has come.")]

    @classmethod
    def of(cls, connection: domain.Connection) -> Self:
        return cls.model_validate(_members(connection))


class Condition(Out):
    """One thing that is so, is not so, or cannot be known: as it was found at the last check."""

    type: ConditionType
    status: ConditionStatus
    reason: Annotated[
        str,
        Field(
            description="Stable name of what decided: `as_granted`, a kind of `evidence`, "
            "`broken` or `widened`, or what could not be read."
        ),
    ]
    message: Annotated[str, Field(description="The same for people.")]
    last_transition_at: Annotated[
        datetime, Field(description="When it got this status, as far as it was looked at.")
    ]
    evidence: Annotated[
        list[dict[str, Any]],
        Field(
            description="What somebody did, and what therefore passes or does not, each with its "
            "`kind`: `rule_added`, `rule_removed`, `rule_changed`, `joined`, `left`, "
            "`inner_access_changed`, `group_gone`, `prefix_list_changed`, `address_changed`, "
            "`classic_link_changed`, `instance_gone`, `address_reused`, `flow_blocked`, `pair`."
        ),
    ]


class Connection(ConnectionSummary):
    """A granted request that lives on until it is disconnected, or ends by itself."""

    conditions: Annotated[
        list[Condition], Field(description="What was found at the last check; empty: none yet.")
    ]
    checked_at: datetime | None
    ledger: Annotated[list[LedgerItem], Field(description="What is ours, in the order it came.")]

    @classmethod
    def of_view(cls, view: ConnectionView) -> Self:
        own_id = view.connection.connection_id
        ledger = [LedgerItem.of(entry, own_id) for entry in view.ledger]
        checked = {
            "conditions": list(view.connection.conditions),
            "checked_at": view.connection.checked_at,
        }
        return cls.model_validate(_members(view.connection) | checked | {"ledger": ledger})


def _members(connection: domain.Connection) -> Document:
    return {
        "id": connection.connection_id,
        "method": connection.request["method"],
        "status": connection.status,
        "request": connection.request,
        "adopted": list(connection.adopted),
        "created_at": connection.created_at,
        "disconnected_at": connection.disconnected_at,
        "expires_at": connection.expires_at,
        "ending": None if connection.ending is None else Ending.of(connection.ending),
    }


class ConnectionPage(Out):
    """Connections, newest first."""

    items: list[ConnectionSummary]
    next_cursor: Annotated[str | None, Field(description="Null: this is the last page.")]
