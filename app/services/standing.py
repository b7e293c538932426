"""A connection that stands: what was granted, how things were then, and what to read around it."""

from dataclasses import dataclass, replace

from app.domain.addresses import Block
from app.domain.changes import AddedRule, Effect
from app.domain.connections import Connection
from app.domain.discrepancies import Baseline, read_baseline
from app.domain.documents import Document, read_effect
from app.domain.errors import InvalidStateError, NotFoundError, TargetNotFoundError
from app.domain.groups import GroupRef
from app.domain.intents import Intent, read_intent
from app.domain.operations import Operation, OperationKind, OperationStatus
from app.domain.world import World
from app.ports.store import Work
from app.services.plans import check_active
from app.services.scopes import Scope, scope_of_ours

OPERATIONS = 200
"""Most operations of one connection that are looked through for what it was granted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`own` is what it uses of ours; `known` the world that its operation began from."""

    connection: Connection
    intent: Intent
    own: tuple[Effect, ...]
    known: Document
    baseline: Baseline

    @property
    def scope(self) -> Scope:
        """What to read: whoever has the addresses of our rules by now belongs to it."""
        scope = scope_of_ours(self.intent, self.own, self.known, frozenset())
        blocks = {
            block
            for effect in self.own
            if isinstance(effect, AddedRule)
            for block in (effect.held.rule.peer, effect.held.rule.own)
            if isinstance(block, Block) and block.is_single
        }
        # Owners are looked for in every network again: an address may have moved to another one.
        known = replace(scope.known, networks=frozenset())
        return replace(scope, addresses=scope.addresses | blocks, known=known)


def read_standing(work: Work, connection_id: str) -> Standing:
    """Read a connection that is active.

    Raises:
        NotFoundError
        InvalidStateError: it is being made or taken back, is over, or needs attention.
    """
    connection = work.connections.get(connection_id)
    if connection is None:
        raise NotFoundError("there is no such connection", connection_id=connection_id)
    check_active(connection)
    return _standing(work, connection)


def _standing(work: Work, connection: Connection) -> Standing:
    made, later = _operations(work, connection.connection_id)
    kept = work.plans.get(made.plan_id or "")
    assert kept is not None
    effects = [
        read_effect(each) for one in (made, *later) for each in (one.result or {})["effects"]
    ]
    entries = work.ledger.of_connection(connection.connection_id)
    return Standing(
        connection=connection,
        intent=read_intent(connection.request),
        own=tuple(entry.effect for entry in entries),
        known=kept.world,
        baseline=read_baseline(kept.world, effects),
    )


def _operations(work: Work, connection_id: str) -> tuple[Operation, list[Operation]]:
    """The operation that made the connection as it is, and those that repaired it since."""
    page = work.operations.page(
        limit=OPERATIONS,
        position=None,
        status=OperationStatus.SUCCEEDED,
        connection_id=connection_id,
    )
    later: list[Operation] = []
    for operation in page.items:
        if operation.kind is not OperationKind.REPAIR:
            return operation, later[::-1]
        later.append(operation)
    raise InvalidStateError("nothing is known of how it was made", connection_id=connection_id)


def gone_groups(world: World) -> frozenset[GroupRef]:
    """Groups that the cloud was asked for and does not know any more."""
    return frozenset(
        ref for ref, why in world.refusals.items() if why.code == TargetNotFoundError.code
    )
