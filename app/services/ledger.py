"""What is ours in the cloud: entered as soon as it is seen, whatever becomes of the operation."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.domain.changes import (
    AddedRule,
    Authorize,
    Change,
    CreatedGroup,
    CreateGroup,
    Effect,
    Joined,
    Leave,
    inverse,
    takes_away,
)
from app.domain.connections import ConnectionStatus, LedgerEntry
from app.domain.documents import read_change
from app.domain.observation import missing, observe
from app.domain.operations import Operation, OperationStatus
from app.domain.principals import THE_SERVICE
from app.domain.world import World
from app.ports.store import KeptIntent, Store
from app.services.backups import BackupsService
from app.services.callers import acting
from app.services.changes import BACK, FORWARD, MADE, OPEN

MAYBE_DONE = frozenset({"done", "unknown", "processing", None})
"""Outcomes of intents after which the cloud may hold what we sent."""


class LedgerService:
    """Compares what was with what is, for the calls that were really made."""

    def __init__(self, *, store: Store, backups: BackupsService) -> None:
        self._store = store
        self._backups = backups

    def sent(self, operation_id: str, course: str = FORWARD) -> tuple[Change, ...]:
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
        """Return calls that were answered and do not show, and open ones that may do harm.

        A rule or membership that was to be added and did not show for the settle window was
        not: should it come late, it is found by its marker. But a group may still be made by
        a call that the cloud has not ended with, and a removal may still cut traffic off.
        """
        changes = [(each.outcome, _change(each)) for each in self._intents(operation_id, FORWARD)]
        open_ = (
            change
            for outcome, change in changes
            if outcome in {"done", "processing"}
            or ((isinstance(change, CreateGroup) or takes_away(change)) and outcome in MAYBE_DONE)
        )
        return tuple(missing(world, open_))

    def has_open_removals(self, operation_id: str) -> bool:
        """Whether it is unknown of a removal on the way forward what it did."""
        return any(takes_away(change) for change in self.open_calls(operation_id))

    def open_calls(self, operation_id: str) -> tuple[Change, ...]:
        """Return the changes of calls of which nobody knows whether they take effect."""
        intents = self._intents(operation_id, FORWARD)
        return tuple(_change(intent) for intent in intents if intent.outcome in OPEN)

    def created(self, operation_id: str) -> dict[str, str]:
        """Return the ids of groups that an operation's way forward made, by their first name."""
        return {
            intent.change["called"]: intent.change["group_id"]
            for intent in self._intents(operation_id, FORWARD)
            if intent.change["action"] == "create_group" and "called" in intent.change
        }

    def remade(self, operation_id: str) -> dict[str, CreateGroup]:
        """Return groups that ways back made anew, by their old ids: later ones take it up."""
        found: dict[str, CreateGroup] = {}
        for each_id in self._lineage(operation_id):
            for intent in self._intents(each_id, BACK):
                change = _change(intent)
                if isinstance(change, CreateGroup) and "called" in intent.change:
                    found[intent.change["called"]] = change
        return found

    def remaining(self, operation_id: str, world: World) -> tuple[Effect, ...]:
        """Return what of an operation's way forward is in effect and not taken back yet.

        A rule that stands again counts as put back, whatever its id: what is restored is
        the meaning. What another connection has come to need meanwhile stays. Once all of it
        was taken back, only what came afterwards counts.
        """
        remade = {old: new.group_id for old, new in self.remade(operation_id).items()}
        found = self.effects(operation_id, world)
        if self._was_rolled_back(operation_id):
            found = self._late(operation_id, found)
        needed = self._needed_by_others(operation_id)
        effects = (
            replace(each, group_id=remade.get(each.group_id, each.group_id))
            for each in found
            if (each.group_id, name_of(each)) not in needed
        )
        return tuple(each for each in effects if any(True for _ in missing(world, [inverse(each)])))

    def _was_rolled_back(self, operation_id: str) -> bool:
        with self._store.read() as work:
            lineage = (work.operations.get(each) for each in self._lineage(operation_id))
            statuses = {operation.status for operation in lineage if operation is not None}
        return OperationStatus.ROLLED_BACK in statuses

    def _late(self, operation_id: str, effects: Sequence[Effect]) -> tuple[Effect, ...]:
        """Of effects of an operation that was rolled back, return those that came later.

        What it removed stood again then: if that is gone now, somebody else removed it, and it
        must not be opened anew. A rule or group is told by our marker. A membership is not: one
        that we took back once is somebody else's by now, or another operation's of ours.
        """
        with self._store.read() as work:
            groups = {each.group_id for each in effects}
            known = {
                (entry.effect.group_id, name_of(entry.effect))
                for entry in work.ledger.of_groups(groups)
                if entry.operation_id != operation_id
            }
        known |= {
            (change.group_id, change.instance_id)
            for each_id in self._lineage(operation_id)
            for intent in self._intents(each_id, BACK)
            if isinstance(change := _change(intent), Leave) and intent.outcome in MADE
        }
        return tuple(
            each
            for each in effects
            if isinstance(each, AddedRule | CreatedGroup | Joined)
            and (each.group_id, name_of(each)) not in known
        )

    def _needed_by_others(self, operation_id: str) -> frozenset[tuple[str, str]]:
        """Effects of an operation that other connections use: their group and their name."""
        with self._store.read() as work:
            operation = work.operations.get(operation_id)
            entries = work.ledger.of_operation(operation_id)
        assert operation is not None
        return frozenset(
            (entry.effect.group_id, name_of(entry.effect))
            for entry in entries
            if entry.users - {operation.connection_id}
        )

    def _lineage(self, operation_id: str) -> Iterator[str]:
        """The operation, the one that took it up, and so on."""
        next_id: str | None = operation_id
        while next_id is not None:
            yield next_id
            with self._store.read() as work:
                operation = work.operations.get(next_id)
            next_id = None if operation is None else operation.settled_by

    def enter(self, operation: Operation, effects: Sequence[Effect]) -> None:
        """Keep what is there because of the operation; again and again, to no harm."""
        if not operation.kind.makes_connection:
            return
        user = operation.connection_id
        assert user is not None
        with acting(THE_SERVICE), self._store.write() as work:
            for effect in effects:
                if isinstance(effect, AddedRule | Joined | CreatedGroup):
                    work.ledger.add(entry_of(operation, effect, user))
            work.commit()

    def of_connection(self, connection_id: str) -> tuple[LedgerEntry, ...]:
        with self._store.read() as work:
            return work.ledger.of_connection(connection_id)

    def unsettled(self, connection_id: str) -> tuple[Operation, ...]:
        """Return operations that add and ended without anybody knowing what they did."""
        with self._store.read() as work:
            connection = work.connections.get(connection_id)
            page = work.operations.page(limit=200, position=None, connection_id=connection_id)
        ended = connection is None or connection.status is ConnectionStatus.ACTIVE
        return tuple(
            each
            for each in page.items
            if each.kind.makes_connection and each.status == "needs_attention" and not ended
        )

    def _intents(self, operation_id: str, course: str) -> list[KeptIntent]:
        with self._store.read() as work:
            intents = work.intents.of_operation(operation_id)
        prefix = f"{operation_id}:{course}:"
        return [each for each in intents if each.token.startswith(prefix)]


def _change(intent: KeptIntent) -> Change:
    return read_change(intent.change)


def entry_of(operation: Operation, effect: Effect, connection_id: str) -> LedgerEntry:
    """The entry of an effect that a connection uses; the same effect of the same operation is the
    same entry.
    """
    return LedgerEntry(
        entry_id=f"{operation.operation_id}/{effect.group_id}/{name_of(effect)}",
        operation_id=operation.operation_id,
        effect=effect,
        users=frozenset({connection_id}),
    )


def name_of(effect: Effect) -> str:
    """Say what of its group an effect is about."""
    match effect:
        case AddedRule(held=held):
            return held.rule_id
        case Joined(instance_id=instance_id):
            return instance_id
        case _:
            return "group"
