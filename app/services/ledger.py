"""What is ours in the cloud: entered as soon as it is seen, whatever becomes of the operation."""

from collections.abc import Sequence

from app.domain.changes import (
    AddedRule,
    Authorize,
    Change,
    CreatedGroup,
    CreateGroup,
    Effect,
    Joined,
)
from app.domain.connections import ConnectionStatus, LedgerEntry
from app.domain.documents import read_change
from app.domain.observation import missing, observe
from app.domain.operations import Operation, OperationKind
from app.domain.world import World
from app.ports.store import KeptIntent, Store
from app.services.backups import BackupsService

MAYBE_DONE = frozenset({"done", "unknown", "processing", None})
"""Outcomes of intents after which the cloud may hold what we sent."""


class LedgerService:
    """Compares what was with what is, for the calls that were really made."""

    def __init__(self, *, store: Store, backups: BackupsService) -> None:
        self._store = store
        self._backups = backups

    def sent(self, operation_id: str, course: str = "change") -> tuple[Change, ...]:
        """Return the changes of which a call was made that may have done something.

        Of rules even a refusal is no proof: those that are there carry our marker.
        """
        changes = ((intent, _change(intent)) for intent in self._intents(operation_id, course))
        return tuple(
            change
            for intent, change in changes
            if intent.outcome in MAYBE_DONE or isinstance(change, Authorize)
        )

    def effects(self, operation_id: str, world: World) -> tuple[Effect, ...]:
        """Return what of an operation's way forward took effect, in order."""
        with self._store.read() as work:
            operation = work.operations.get(operation_id)
        assert operation is not None
        before = self._backups.snapshot(operation.backup_ids)
        return observe(before, world, (), self.sent(operation_id)).effects

    def unconfirmed(self, operation_id: str, world: World) -> tuple[Change, ...]:
        """Return calls that were answered and do not show, and new groups nobody can find.

        A call of unknown outcome that did not show for the settle window did nothing; but a
        group may still be made by a call that the cloud has not ended with.
        """
        changes = [(each.outcome, _change(each)) for each in self._intents(operation_id, "change")]
        open_ = (
            change
            for outcome, change in changes
            if outcome in {"done", "processing"}
            or (isinstance(change, CreateGroup) and outcome in MAYBE_DONE)
        )
        return tuple(missing(world, open_))

    def enter(self, operation: Operation, effects: Sequence[Effect]) -> None:
        """Keep what is there because of the operation; again and again, to no harm."""
        if operation.kind is not OperationKind.CONNECT:
            return
        with self._store.write() as work:
            for effect in effects:
                if isinstance(effect, AddedRule | Joined | CreatedGroup):
                    work.ledger.add(entry_of(operation, effect))
            work.commit()

    def of_connection(self, connection_id: str) -> tuple[LedgerEntry, ...]:
        with self._store.read() as work:
            return work.ledger.of_connection(connection_id)

    def unsettled(self, connection_id: str) -> tuple[Operation, ...]:
        """Return connect operations that ended without anybody knowing what they did."""
        with self._store.read() as work:
            connection = work.connections.get(connection_id)
            page = work.operations.page(limit=200, position=None, connection_id=connection_id)
        ended = connection is None or connection.status is ConnectionStatus.ACTIVE
        return tuple(
            each
            for each in page.items
            if each.kind is OperationKind.CONNECT and each.status == "needs_attention" and not ended
        )

    def _intents(self, operation_id: str, course: str) -> list[KeptIntent]:
        with self._store.read() as work:
            intents = work.intents.of_operation(operation_id)
        prefix = f"{operation_id}:{course}:"
        return [each for each in intents if each.token.startswith(prefix)]


def _change(intent: KeptIntent) -> Change:
    return read_change(intent.change)


def entry_of(operation: Operation, effect: Effect) -> LedgerEntry:
    """The entry of an effect; the same effect of the same operation is the same entry."""
    match effect:
        case AddedRule(held=held):
            name = held.rule_id
        case Joined(instance_id=instance_id):
            name = instance_id
        case _:
            name = "group"
    return LedgerEntry(
        entry_id=f"{operation.operation_id}/{effect.group_id}/{name}",
        operation_id=operation.operation_id,
        effect=effect,
        users=frozenset({operation.connection_id}),
    )
