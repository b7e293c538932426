"""Questions about what is reachable, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.addresses import AddressFamily, Block
from app.domain.documents import Document
from app.domain.errors import FamilyMismatchError
from app.domain.evaluate import Evaluator
from app.domain.flows import Cause, Flow, Outcome, SideOutcome, SideVerdict, Traffic
from app.domain.groups import Place
from app.domain.hindrances import Hindrance, HindranceCode, Inspector
from app.domain.plan_documents import (
    hindrance_document,
    planned_document,
    side_document,
    verdict_document,
)
from app.domain.rules import ANY_PORT, NicType, PortRange, Protocol
from app.domain.world import End, InterfaceEnd, World, addresses_of
from app.services.accounts import Directory
from app.services.memory import Memory
from app.services.scopes import Scope


@dataclass(frozen=True, slots=True)
class Question:
    """A flow as it was asked for, before anything was read."""

    source: Document
    target: Document
    traffic: Traffic
    plane: NicType
    family: AddressFamily


OTHER_PLANE = {
    NicType.INTRANET: NicType.INTERNET,
    NicType.INTERNET: NicType.INTRANET,
}


class ReachabilityService:
    """Reads what guards the asked ends, and judges."""

    def __init__(self, *, memory: Memory, directory: Directory) -> None:
        self._memory = memory
        self._directory = directory

    def explain(self, flows: Sequence[Document], *, refresh: bool = False) -> Document:
        """Answer each flow with a verdict and the deciding rules of both sides; with all that
        stands in the way of a blocked one, and the smallest change that opens it.

        The world may have been read for an earlier question; with `refresh` it is read anew.

        Raises:
            TargetNotFoundError: an instance does not exist.
        """
        questions = [_question(flow) for flow in flows]
        look = self._memory.look(refresh=refresh)
        world = look.world(self._scope(questions))
        evaluator = Evaluator(world)
        inspector = Inspector(evaluator)
        items = [_answer(evaluator, inspector, question) for question in questions]
        return {"items": items, "world": look.document(world)}

    def _scope(self, questions: Sequence[Question]) -> Scope:
        ends = [end for each in questions for end in (each.source, each.target)]
        instances = frozenset(
            (Place(end["account_id"], end["region_id"]), end["instance_id"])
            for end in ends
            if "instance_id" in end
        )
        addresses = frozenset(
            Block.parse_address(end["address"]) for end in ends if "address" in end
        )
        regions = {place.region_id for place, _ in instances}
        if not regions:
            regions = {place.region_id for place in self._directory.places()}
        return Scope(
            instances=instances,
            addresses=addresses,
            regions=frozenset(regions),
            with_neighbours=False,
        )


def _question(flow: Document) -> Question:
    protocol = Protocol.parse(flow["protocol"])
    family = AddressFamily(flow.get("address_family", AddressFamily.IPV4))
    for end in (flow["source"], flow["target"]):
        if "address" in end and Block.parse_address(end["address"]).family is not family:
            raise FamilyMismatchError(f"{end['address']} is not of address_family {family}")
    traffic = Traffic(protocol, _port(flow, "port"), _port(flow, "source_port"))
    plane = NicType(flow.get("nic_type", NicType.INTRANET))
    return Question(flow["source"], flow["target"], traffic, plane, family)


def _port(flow: dict[str, Any], name: str) -> PortRange:
    port = flow.get(name)
    return ANY_PORT if port is None else PortRange(port, port)


def _answer(evaluator: Evaluator, inspector: Inspector, question: Question) -> Document:
    source = _end(evaluator.world, question, question.source)
    target = _end(evaluator.world, question, question.target)
    if source is None or target is None:
        return _no_address(question)
    flow = Flow(source, target, question.traffic, question.plane, question.family)
    verdict = evaluator.explain(flow)
    return {
        **verdict_document(verdict),
        "hindrances": [hindrance_document(each) for each in inspector.hindrances(verdict)],
        "remedy": [planned_document(each) for each in inspector.remedy(verdict)],
    }


def _end(world: World, question: Question, end: Document) -> End | None:
    """The primary interface's address on the asked side; None where it has none."""
    if "address" in end:
        block = Block.parse_address(end["address"])
        elsewhere = world.end_at(OTHER_PLANE[question.plane], block)
        found = world.end_at(question.plane, block)
        if isinstance(elsewhere, InterfaceEnd) and not isinstance(found, InterfaceEnd):
            return None  # an instance's address, but of its other side
        return found
    instance = world.instances[end["instance_id"]]
    for block in addresses_of(instance.primary, question.plane, question.family):
        return InterfaceEnd(instance, instance.primary, block)
    return None


def _no_address(question: Question) -> Document:
    side = side_document(SideVerdict(SideOutcome.BLOCKED, Cause.NO_ROUTE))
    summary = f"one end has no {question.family} address on the {question.plane} side"
    return {
        "verdict": Outcome.BLOCKED.value,
        "code": Cause.NO_ROUTE.value,
        "summary": summary,
        "egress": side,
        "ingress": side,
        "shared_group_ids": [],
        "hindrances": [hindrance_document(Hindrance(HindranceCode.NO_ADDRESS, summary))],
        "remedy": [],
    }
