"""Planning to tighten a group: what is needed comes from the request and from connections."""

from collections.abc import Iterable, Iterator, Sequence

from app.domain.assertions import AssertionKind, read_claim
from app.domain.changes import Join, Leave
from app.domain.concerns import accounts_in
from app.domain.connections import Connection, ConnectionStatus
from app.domain.documents import Document, change_document
from app.domain.errors import InUseError
from app.domain.groups import Place
from app.domain.intents import InstanceSide, Intent, MethodName, Side, read_intent, side_request
from app.domain.plan import Limits
from app.domain.plan_documents import traffic_document
from app.domain.planning import Bounds
from app.domain.tightening import (
    Need,
    Path,
    Tightening,
    plan_tighten,
    tightening_document,
)
from app.domain.world import World
from app.ports.store import KeptPlan, Store
from app.services.assertions import scope_of_claims
from app.services.callers import eyes
from app.services.plan_kinds import Made, scope_of_plan, spelt
from app.services.scopes import Scope, scope_of, together
from app.services.worlds import Worlds


class TighteningsService:
    """The kind of plan that replaces wide rules by explicit paths."""

    def __init__(self, *, store: Store, worlds: Worlds, limits: Limits, bounds: Bounds) -> None:
        self._store = store
        self._worlds = worlds
        self._limits = limits
        self._bounds = bounds

    def plan(self, request: Document, known: Document | None = None) -> Made:
        """Read and plan; nothing is kept.

        Raises:
            TargetNotFoundError, EmptyChangeError, NotATighteningError, TargetManagedError,
            MethodNotPossibleError, QuotaInsufficientError, GuardrailViolationError, InUseError
        """
        place = Place(request["account_id"], request["region_id"])
        group_at = (place, request["security_group_id"])
        asked = [_need(each) for each in request.get("needed", ())]
        declared = self._declared(group_at[0], group_at[1], request)
        needs = [*declared, *asked]
        claims = [*_claims(needs), *request.get("assertions", ())]
        scopes = [scope_of(need.intent, known) for need in needs]
        scope = together(
            [
                Scope(groups=frozenset({group_at}), counted=frozenset({place})),
                *scopes,
                scope_of_claims(read_claim(each) for each in claims),
            ]
        )
        world = self._worlds.read(scope)
        made = plan_tighten(
            world,
            request["security_group_id"],
            request.get("rule_ids"),
            needs,
            limits=self._limits,
            bounds=self._bounds,
        )
        return spelt(made.plan, world, scope, _keys(made), self._details(made, world, request))

    def scope(self, kept: KeptPlan) -> Scope:
        return scope_of_plan(kept)

    def _details(self, made: Tightening, world: World, request: Document) -> Document:
        claims = _claims([path.need for path in made.paths])
        return {
            "tighten": tightening_document(made, world.groups[request["security_group_id"]]),
            "watch": {
                "seconds": request.get("watch_seconds", 0),
                "claims": [*claims, *request.get("assertions", ())],
            },
            "uses": list(_uses(made.paths)),
        }

    def _declared(self, place: Place, group_id: str, request: Document) -> list[Need]:
        """What standing connections need of the group's members."""
        if not request.get("use_connections", True):
            return []
        with self._store.read() as work:
            standing = work.connections.standing()
        active = [each for each in standing if each.status is ConnectionStatus.ACTIVE]
        if not active:
            return []
        around = Scope(groups=frozenset({(place, group_id)}))
        members = self._worlds.read(around).member_ids(group_id)
        needs = [need for each in active for need in _of_connection(each, place, members)]
        _check_seen(active, needs)
        return needs


def _of_connection(connection: Connection, place: Place, members: frozenset[str]) -> Iterator[Need]:
    intent = read_intent(connection.request)
    sides = [intent.target]
    if intent.bidirectional and isinstance(intent.source, InstanceSide):
        sides.append(intent.source)
    if any(side.place == place and members & {*side.instance_ids} for side in sides):
        yield Need(intent, connection_id=connection.connection_id)


def _check_seen(standing: Iterable[Connection], needs: Iterable[Need]) -> None:
    """What connections need has to be read, and may be told, to give it a path.

    Raises:
        InUseError: one of them reaches into an account that must not be looked at; without
            saying which.
    """
    seen = eyes()
    wanted = {need.connection_id for need in needs}
    for each in standing:
        if each.connection_id not in wanted or seen is None:
            continue
        if not accounts_in(each.request) <= seen:
            raise InUseError(
                "a connection with an account that you may not see needs the group: have somebody "
                "who may see it tighten the group, or leave connections out with `use_connections`"
            )


def _need(document: Document) -> Need:
    """Read what a request needs; without a method the narrowest one is chosen."""
    method = document.get("method")
    if method is None:
        peers = "security_group_ids" in document["source"]
        method = MethodName.GROUP_AUTHORIZATION if peers else MethodName.ADDRESS_RULES
    intent = read_intent(document | {"method": method})
    return Need(intent, is_chosen="method" in document)


def _claims(needs: Iterable[Need]) -> list[Document]:
    """Everything that is needed, as what must be reachable."""
    return [claim for need in needs for claim in _claims_of(need.intent)]


def _claims_of(intent: Intent) -> Iterator[Document]:
    pairs: list[tuple[Side, Side]] = [(intent.source, intent.target)]
    if intent.bidirectional:
        pairs.append((intent.target, intent.source))
    for source, target in pairs:
        claim: Document = {
            "kind": AssertionKind.MUST_REACH.value,
            "source": _ends(source),
            "target": _ends(target),
            "flows": [traffic_document(each) for each in intent.traffic],
            "address_family": intent.family.value,
        }
        yield claim


def _ends(side: Side) -> Document:
    """A side as a claim names it: which group of an instance is used does not matter."""
    document = side_request(side)
    document.pop("security_group_id", None)
    return document


def _keys(made: Tightening) -> set[str]:
    """Groups and instances that the operation has to itself."""
    changes = [planned.change for planned in made.plan.changes]
    keys = {change.group_id for change in changes}
    return keys | {each.instance_id for each in changes if isinstance(each, Join | Leave)}


def _uses(paths: Sequence[Path]) -> Iterator[Document]:
    """Which changes connections need, so that what they add is theirs afterwards."""
    for path in paths:
        if path.need.connection_id is not None and path.changes:
            yield {
                "connection_id": path.need.connection_id,
                "changes": [change_document(each) for each in path.changes],
            }
