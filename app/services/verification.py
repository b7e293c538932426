"""Reading again and evaluating: the answer of a write is never trusted."""

from collections.abc import Mapping, Sequence

from app.domain.changes import CreateGroup, bound
from app.domain.documents import Document, change_document, effect_document, held_document
from app.domain.errors import ChangeNotObservedError, NotReachableAfterChangeError
from app.domain.evaluate import explain
from app.domain.flows import Flow, Verdict
from app.domain.groups import Place
from app.domain.intents import read_intent
from app.domain.observation import Observation, missing, observe
from app.domain.operations import Operation, OperationKind
from app.domain.plan import asked_flows, is_open
from app.domain.plan_documents import flow_document, verdict_document
from app.domain.world import World
from app.ports.store import KeptPlan, Store
from app.services.backups import BackupsService
from app.services.changes import Course
from app.services.ledger import LedgerService
from app.services.plans import PlansService
from app.services.problems import problem_document
from app.services.worlds import Worlds

SHOWN = 100
"""Most flows that a result lists."""


class VerificationService:
    """Says whether all is as planned, keeps what is ours, and judges what was asked for."""

    def __init__(
        self,
        *,
        store: Store,
        plans: PlansService,
        worlds: Worlds,
        backups: BackupsService,
        ledger: LedgerService,
    ) -> None:
        self._store = store
        self._plans = plans
        self._worlds = worlds
        self._backups = backups
        self._ledger = ledger

    def verify(self, course: Course, created: Mapping[str, str]) -> Document:
        """Read once and compare with what was and what should be.

        Returns `{"result": …}` where all is as planned, `{"problem": …}` where not (yet).
        """
        operation, kept = self._carried(course)
        wanted = [bound(change, dict(created)) for change in course.changes]
        world = self.read(course, created)
        before = self._backups.snapshot(operation.backup_ids)
        sent = self._ledger.sent(operation.operation_id)
        observation = observe(before, world, wanted, sent)
        self._ledger.enter(operation, observation.effects)
        return self._judge(operation, kept, world, observation)

    def read(self, course: Course, created: Mapping[str, str]) -> World:
        """Read what the course may have changed; `created` are groups made on the way."""
        _, kept = self._carried(course)
        changes = [bound(change, dict(created)) for change in course.changes]
        sent = self._ledger.sent(course.operation_id)
        places: dict[str, Place] = {each.group_id: each.place for each in (*sent, *changes)}
        made = {group_id: places[group_id] for group_id in created.values()}
        made |= {each.group_id: each.place for each in sent if isinstance(each, CreateGroup)}
        return self._worlds.read(self._plans.scope(kept, made))

    def undone(self, kept: KeptPlan, course: Course, created: Mapping[str, str]) -> World | None:
        """Read the world of `kept`; return it if every change of the course shows in it."""
        changes = [bound(change, dict(created)) for change in course.changes]
        places: dict[str, Place] = {change.group_id: change.place for change in changes}
        made = {group_id: places[group_id] for group_id in created.values() if group_id in places}
        world = self._worlds.read(self._plans.scope(kept, made))
        return None if any(True for _ in missing(world, changes)) else world

    def _carried(self, course: Course) -> tuple[Operation, KeptPlan]:
        with self._store.read() as work:
            operation = work.operations.get(course.operation_id)
            kept = work.plans.get(course.plan_id)
        assert operation is not None
        assert kept is not None
        return operation, kept

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
