"""Reading again and evaluating: the answer of a write is never trusted."""

from collections.abc import Mapping, Sequence

from app.domain.assertions import judge_all, judgement_document, read_claim
from app.domain.changes import CreateGroup, bound
from app.domain.documents import Document, change_document, effect_document, held_document
from app.domain.errors import (
    ChangeNotObservedError,
    DriftDuringRunError,
    NotReachableAfterChangeError,
)
from app.domain.evaluate import Evaluator
from app.domain.fingerprint import world_document
from app.domain.flows import Flow, Verdict
from app.domain.foreign import foreign_changes
from app.domain.groups import Place
from app.domain.intents import read_intent
from app.domain.observation import Observation, missing, observe
from app.domain.operations import Operation
from app.domain.plan import asked_flows, is_open
from app.domain.plan_documents import flow_document, verdict_document
from app.domain.sentences import sentence
from app.domain.tiers import named
from app.domain.world import World
from app.ports.store import KeptPlan, Store
from app.services.backups import BackupsService
from app.services.changes import Course
from app.services.ledger import LedgerService
from app.services.plans import PlansService
from app.services.problems import problem_document
from app.services.worlds import Worlds

SHOWN = 100
"""Most flows, and most foreign changes, that a result lists."""


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
        origin, kept = self._carried(course)
        world, observation = self._observed(course, created)
        self._ledger.enter(origin, observation.effects)
        return self._judge(origin, kept, world, observation, created)

    def gate(self, course: Course, created: Mapping[str, str]) -> Document:
        """Say what is in the way of a first removal: read right before it.

        Returns `{}` where everything that the course added shows and nobody else has changed
        anything; else `{"problem": …}`, `final` where waiting cannot help.
        """
        _, kept = self._carried(course)
        world, observation = self._observed(course, created)
        if observation.missing:
            return {"problem": problem_document(_unseen(observation))}
        foreign = foreign_changes(kept.world, world_document(world), observation.effects)
        if not foreign:
            return {}
        drift = DriftDuringRunError(
            "somebody else changed the groups before the first removal",
            difference=foreign[:SHOWN],
        )
        return {"problem": problem_document(drift), "final": True}

    def _observed(self, course: Course, created: Mapping[str, str]) -> tuple[World, Observation]:
        origin, _ = self._carried(course)
        wanted = [bound(change, dict(created)) for change in course.changes]
        world = self.read(course, created)
        before = self._backups.snapshot(origin.backup_ids)
        sent = self._ledger.sent(origin.operation_id)
        return world, observe(before, world, wanted, sent)

    def read(self, course: Course, created: Mapping[str, str], *, urgent: bool = False) -> World:
        """Read what the course may have changed; `created` are groups made on the way.

        `urgent` if that is to take it back.
        """
        _, kept = self._carried(course)
        changes = [bound(change, dict(created)) for change in course.changes]
        sent = self._ledger.sent(course.origin_id)
        remade = self._ledger.remade(course.origin_id).values()
        places: dict[str, Place] = {each.group_id: each.place for each in (*sent, *changes)}
        made = {group_id: places[group_id] for group_id in created.values()}
        made |= {each.group_id: each.place for each in sent if isinstance(each, CreateGroup)}
        made |= {each.group_id: each.place for each in remade}
        return self._worlds.read(self._plans.scope(kept, made), urgent=urgent)

    def undone(self, course: Course, back: Course, renamed: Mapping[str, str]) -> World | None:
        """Read what `course` touched; return it if every change of the way back shows in it.

        `renamed` are groups that had to be made anew, by their old ids.
        """
        _, kept = self._carried(course)
        changes = [bound(change, dict(renamed)) for change in back.changes]
        places: dict[str, Place] = {change.group_id: change.place for change in changes}
        remade = self._ledger.remade(course.origin_id).values()
        made = {group_id: places[group_id] for group_id in renamed.values() if group_id in places}
        made |= {each.group_id: each.place for each in remade}
        world = self._worlds.read(self._plans.scope(kept, made), urgent=True)
        return None if any(True for _ in missing(world, changes)) else world

    def _carried(self, course: Course) -> tuple[Operation, KeptPlan]:
        with self._store.read() as work:
            operation = work.operations.get(course.origin_id)
            kept = work.plans.get(course.plan_id)
        assert operation is not None
        assert kept is not None
        return operation, kept

    def _judge(
        self,
        operation: Operation,
        kept: KeptPlan,
        world: World,
        observation: Observation,
        created: Mapping[str, str],
    ) -> Document:
        if observation.missing:
            return {"problem": problem_document(_unseen(observation))}
        told = self._told(operation, world)
        closed = [verdict for _, verdict in told if not is_open(verdict)]
        if closed and operation.kind.makes_connection:
            problem_ = NotReachableAfterChangeError(
                sentence(closed[0]), verdicts=[verdict_document(each) for each in closed[:SHOWN]]
            )
            return {"problem": problem_document(problem_)}
        result = _result(observation, told, kept, world)
        if "restore" in kept.document:
            result["restore"] = _restored(kept, observation, created)
        if "tiers" in kept.document:
            result["tiers"] = _laid(kept, world, created)
        return {"result": result}

    def _told(self, operation: Operation, world: World) -> list[tuple[Flow, Verdict]]:
        if operation.connection_id is None:
            return []
        with self._store.read() as work:
            connection = work.connections.get(operation.connection_id)
        assert connection is not None
        intent = read_intent(connection.request)
        try:
            flows = list(asked_flows(world, intent))
        except KeyError:  # an instance is gone: nothing can be asked of it any more
            return []
        evaluator = Evaluator(world)
        return [(flow, evaluator.explain(flow)) for flow in flows]


def _laid(kept: KeptPlan, world: World, created: Mapping[str, str]) -> Document:
    """Spell what was laid, with the ids that the cloud gave, and judge what is asserted of it."""
    laid: Document = named(kept.document["tiers"], created)
    told = judge_all(world, [read_claim(each) for each in laid["assertions"]])
    judged = [
        each | {"judgement": judgement_document(judgement)}
        for each, judgement in zip(laid["assertions"], told, strict=True)
    ]
    return laid | {"assertions": judged}


def _unseen(observation: Observation) -> ChangeNotObservedError:
    return ChangeNotObservedError(
        "the cloud does not show every change yet",
        missing=[change_document(each) for each in observation.missing],
    )


def _result(
    observation: Observation,
    told: Sequence[tuple[Flow, Verdict]],
    kept: KeptPlan,
    world: World,
) -> Document:
    foreign = foreign_changes(kept.world, world_document(world), observation.effects)
    return {
        "verdicts": [
            {**flow_document(flow), **verdict_document(verdict)} for flow, verdict in told[:SHOWN]
        ],
        "effects": [effect_document(effect) for effect in observation.effects],
        "adopted": [
            {"group_id": each.group_id, **held_document(each.held)} for each in observation.adopted
        ],
        "foreign_changes": foreign[:SHOWN],
        "warnings": kept.document["warnings"],
    }


def _restored(kept: KeptPlan, observation: Observation, created: Mapping[str, str]) -> Document:
    """Spell what was restored, with the ids that the cloud gave to groups made anew."""
    planned: Document = kept.document["restore"]
    remapped = [
        each | {"becomes": created.get(each["becomes"], each["becomes"])}
        for each in planned["remapped"]
    ]
    told = {each["becomes"] for each in remapped}
    places = {each.group_id: each.place for each in observation.effects}
    remapped += [
        {
            "account_id": places[group_id].account_id,
            "region_id": places[group_id].region_id,
            "group_id": name,
            "becomes": group_id,
        }
        for name, group_id in created.items()
        if group_id not in told and group_id in places
    ]
    return planned | {"remapped": remapped}
