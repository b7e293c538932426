"""Reading again and evaluating: the answer of a write is never trusted."""

from collections.abc import Mapping, Sequence

from app.domain.changes import AddedRule, Change, CreatedGroup, Effect, Joined, bound
from app.domain.connections import LedgerEntry
from app.domain.documents import Document, change_document, effect_document, held_document
from app.domain.errors import ChangeNotObservedError, NotReachableAfterChangeError
from app.domain.evaluate import explain
from app.domain.flows import Flow, Verdict
from app.domain.groups import Place
from app.domain.intents import read_intent
from app.domain.observation import Observation, Snapshot, observe
from app.domain.operations import Operation, OperationKind
from app.domain.plan import asked_flows, is_open
from app.domain.plan_documents import flow_document, verdict_document
from app.domain.world import World
from app.ports.store import KeptPlan, Store
from app.services.backups import BackupsService
from app.services.changes import Course
from app.services.plans import PlansService
from app.services.problems import problem_document
from app.services.worlds import Worlds

SHOWN = 100
"""Most flows that a result lists."""


class VerificationService:
    """Says what took effect, keeps it in the ledger, and judges what was asked for."""

    def __init__(
        self, *, store: Store, plans: PlansService, worlds: Worlds, backups: BackupsService
    ) -> None:
        self._store = store
        self._plans = plans
        self._worlds = worlds
        self._backups = backups

    def verify(self, course: Course, created: Mapping[str, str]) -> Document:
        """Read once and compare with what was and what should be.

        Returns `{"result": …}` where all is as planned, `{"problem": …}` where not (yet).
        """
        with self._store.read() as work:
            operation = work.operations.get(course.operation_id)
            kept = work.plans.get(course.plan_id)
        assert operation is not None
        assert kept is not None
        changes = [bound(change, dict(created)) for change in course.changes]
        world = self._read(kept, changes, created)
        before = self._backups.snapshot(operation.backup_ids)
        observation = observe(before, world, changes, course.descriptions)
        self._keep(operation, observation)
        return self._judge(operation, kept, world, observation)

    def effects(self, course: Course, created: Mapping[str, str]) -> tuple[Effect, ...]:
        """Return what of the course took effect so far, in order."""
        with self._store.read() as work:
            operation = work.operations.get(course.operation_id)
            kept = work.plans.get(course.plan_id)
        assert operation is not None
        assert kept is not None
        changes = [bound(change, dict(created)) for change in course.changes]
        world = self._read(kept, changes, created)
        before = self._backups.snapshot(operation.backup_ids)
        return observe(before, world, changes, course.descriptions).effects

    def undone(self, kept: KeptPlan, course: Course, created: Mapping[str, str]) -> World | None:
        """Read the world of `kept`; return it if every change of the course shows in it."""
        changes = [bound(change, dict(created)) for change in course.changes]
        world = self._read(kept, changes, created)
        found = observe(Snapshot(), world, changes, course.descriptions)
        return None if found.missing else world

    def _read(self, kept: KeptPlan, changes: Sequence[Change], created: Mapping[str, str]) -> World:
        places: dict[str, Place] = {change.group_id: change.place for change in changes}
        made = {group_id: places[group_id] for group_id in created.values()}
        return self._worlds.read(self._plans.scope(kept, made))

    def _keep(self, operation: Operation, observation: Observation) -> None:
        """Enter what is there because of us into the ledger; again and again, to no harm."""
        if operation.kind is not OperationKind.CONNECT:
            return
        with self._store.write() as work:
            for effect in observation.effects:
                if isinstance(effect, AddedRule | Joined | CreatedGroup):
                    work.ledger.add(ledger_entry(operation, effect))
            work.commit()

    def _judge(
        self, operation: Operation, kept: KeptPlan, world: World, observation: Observation
    ) -> Document:
        if observation.missing:
            problem = ChangeNotObservedError(
                "the cloud does not show every change yet",
                missing=[change_document(each) for each in observation.missing],
            )
            return {"problem": problem_document(problem)}
        told = self._told(operation, world)
        closed = [verdict for _, verdict in told if not is_open(verdict)]
        if closed and operation.kind is OperationKind.CONNECT:
            problem_ = NotReachableAfterChangeError(
                closed[0].summary, verdicts=[verdict_document(each) for each in closed[:SHOWN]]
            )
            return {"problem": problem_document(problem_)}
        return {"result": _result(observation, told, kept)}

    def _told(self, operation: Operation, world: World) -> list[tuple[Flow, Verdict]]:
        with self._store.read() as work:
            connection = work.connections.get(operation.connection_id)
        assert connection is not None
        intent = read_intent(connection.request)
        try:
            flows = list(asked_flows(world, intent))
        except KeyError:  # an instance is gone: nothing can be asked of it any more
            return []
        return [(flow, explain(world, flow)) for flow in flows]


def _result(
    observation: Observation, told: Sequence[tuple[Flow, Verdict]], kept: KeptPlan
) -> Document:
    return {
        "verdicts": [
            {**flow_document(flow), **verdict_document(verdict)} for flow, verdict in told[:SHOWN]
        ],
        "effects": [effect_document(effect) for effect in observation.effects],
        "adopted": [
            {"group_id": each.group_id, **held_document(each.held)} for each in observation.adopted
        ],
        "warnings": kept.document["warnings"],
    }


def ledger_entry(operation: Operation, effect: Effect) -> LedgerEntry:
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
