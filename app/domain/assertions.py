"""What must, or must never, be reachable: judged in a world, and compared between two.

A claim that something must be reachable holds if every packet of it passes, between the
primary addresses of instances. One that it must never be holds if no packet of it passes,
between any of their addresses. What cannot be read leaves a claim open.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import product

from app.domain.addresses import AddressFamily, Block
from app.domain.documents import Document
from app.domain.errors import FamilyMismatchError, InvalidConnectionError
from app.domain.evaluate import Evaluator
from app.domain.flows import EVERYTHING, Flow, Outcome, Traffic, Verdict
from app.domain.groups import Eni, GroupRef, Instance
from app.domain.intents import AddressSide, GroupSide, InstanceSide, Side, read_side, read_traffic
from app.domain.judging.atoms import AddressLine, covering, without
from app.domain.judging.patches import identity
from app.domain.judging.spans import EVERY_PORT, Span, span, stretches
from app.domain.matrix import Matrix
from app.domain.plan_documents import flow_document, verdict_document
from app.domain.rules import ANY_PORT, Direction, NicType, PortRange, PrefixListPeer, Protocol
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World, addresses_of

SHOWN = 20
"""Most flows that a judgement lists."""


class AssertionKind(StrEnum):
    MUST_REACH = "must_reach"
    MUST_NEVER_REACH = "must_never_reach"


class AssertionStatus(StrEnum):
    """`unknown`: it depends on what could not be read. `unchecked`: nobody has looked yet."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Claim:
    """That every packet of `traffic` passes from each end of `source` to each of `target`, or
    that none does. A group stands for its members at the time of asking; an instance is not
    asked about itself.
    """

    kind: AssertionKind
    source: Side
    target: Side
    traffic: tuple[Traffic, ...] = (EVERYTHING,)
    plane: NicType = NicType.INTRANET
    family: AddressFamily = AddressFamily.IPV4

    def __post_init__(self) -> None:
        sides = (self.source, self.target)
        if all(isinstance(side, AddressSide) for side in sides):
            raise InvalidConnectionError("one side has to be instances or groups")
        for side in sides:
            for block in side.blocks if isinstance(side, AddressSide) else ():
                if block.family is not self.family:
                    raise FamilyMismatchError(
                        f"{block} is not of address_family {self.family}", cidr=str(block)
                    )
        spoken = Protocol.ALL.concrete(self.family)
        for traffic in self.traffic:
            if traffic.protocol is not Protocol.ALL and traffic.protocol not in spoken:
                raise FamilyMismatchError(f"{traffic.protocol} is not spoken over {self.family}")

    @property
    def instance_ids(self) -> frozenset[str]:
        """Instances that it names."""
        return frozenset(
            each
            for side in (self.source, self.target)
            if isinstance(side, InstanceSide)
            for each in side.instance_ids
        )

    @property
    def group_ids(self) -> frozenset[str]:
        """Groups that it names."""
        return frozenset(
            each
            for side in (self.source, self.target)
            if isinstance(side, GroupSide)
            for each in side.group_ids
        )


@dataclass(frozen=True, slots=True)
class Against:
    """Packets that speak against a claim: blocked where they must pass, or passing where none
    may; perhaps, unless `certain`.
    """

    flow: Flow
    certain: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a claim holds. `against` is everything that speaks against it, in order;
    `verdicts` are those of the first ones. `unread` names instances and groups of it that
    could not be read, or are gone; `pairs` counts pairs of ends that were judged.
    """

    status: AssertionStatus
    pairs: int
    against: tuple[Against, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Breach:
    """A claim that a change would break, or break further, and by which packets."""

    claim: Claim
    against: tuple[Against, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Transition:
    """That an assertion came to be of another status, and what was found then."""

    status: AssertionStatus
    at: datetime
    detail: Document


@dataclass(frozen=True, slots=True)
class Assertion:
    """A claim that is kept. `request` spells it as it was sent.

    `managed_by` is what made it and keeps it up to date (`tiers/NAME`), with the operation that
    did; None where a person asked for it. `detail` spells the last judgement.
    """

    assertion_id: str
    request: Document
    owner: str
    reason: str
    created_at: datetime
    status: AssertionStatus = AssertionStatus.UNCHECKED
    checked_at: datetime | None = None
    detail: Document = field(default_factory=dict)
    managed_by: str | None = None
    operation_id: str | None = None

    @property
    def claim(self) -> Claim:
        return read_claim(self.request)


def read_claim(request: Mapping[str, object]) -> Claim:
    """Read the claim of a request whose shape has been checked.

    Raises:
        InvalidInputError: a value that cannot mean anything, or sides that do not fit.
    """
    fields: Document = dict(request)
    return Claim(
        kind=AssertionKind(fields["kind"]),
        source=read_side(fields["source"]),
        target=read_side(fields["target"]),
        traffic=read_traffic(fields.get("flows")),
        plane=NicType(fields.get("nic_type", NicType.INTRANET)),
        family=AddressFamily(fields.get("address_family", AddressFamily.IPV4)),
    )


# --- judging ----------------------------------------------------------------------


def judge(world: World, claim: Claim) -> Judgement:
    """Say whether a claim holds in a world."""
    return judge_all(world, [claim])[0]


def judge_all(world: World, claims: Iterable[Claim]) -> tuple[Judgement, ...]:
    """Say of each claim whether it holds in one world."""
    judging = _Judging(world)
    return tuple(_judgement(judging, claim) for claim in claims)


def _judgement(judging: "_Judging", claim: Claim) -> Judgement:
    sources, targets = judging.ends(claim.source, claim), judging.ends(claim.target, claim)
    found = [
        Against(Flow(*ends, traffic, claim.plane, claim.family), certain)
        for ends, told in judging.against(claim, [judging]).values()
        for traffic, certain in told
    ]
    unread = (*judging.unread(claim.source), *judging.unread(claim.target))
    status = AssertionStatus.HOLDS
    if any(each.certain for each in found):
        status = AssertionStatus.BROKEN
    elif found or unread:
        status = AssertionStatus.UNKNOWN
    pairs = sum(1 for one, other in product(sources, targets) if _differ(one, other))
    found.sort(key=lambda each: not each.certain)
    return Judgement(status, pairs, tuple(found), judging.verdicts(found), tuple(unread))


def breaches(before: World, after: World, claims: Iterable[Claim]) -> tuple[Breach, ...]:
    """Return the claims of which more is broken after a change than before, and by what.

    A claim that is broken already is no breach as long as nothing is added to it. What is
    certain before and is not any more counts as broken.
    """
    old, new = _Judging(before), _Judging(after)
    found: list[Breach] = []
    for claim in claims:
        was = old.against(claim, [old, new])
        against = [
            Against(Flow(*ends, traffic, claim.plane, claim.family), certain)
            for key, (ends, told) in new.against(claim, [old, new]).items()
            for traffic, certain in _more(told, was[key][1] if key in was else (), claim.family)
        ]
        if against:
            found.append(Breach(claim, tuple(against), new.verdicts(against)))
    return tuple(found)


def passing_besides(world: World, claim: Claim, allowed: Sequence[Traffic]) -> tuple[Against, ...]:
    """Return what passes between the sides of a claim and is not allowed."""
    judging = _Judging(world)
    told = [(traffic, True) for traffic in allowed]
    return tuple(
        Against(Flow(*ends, traffic, claim.plane, claim.family), certain)
        for ends, passing in judging.against(claim, [judging]).values()
        for traffic, certain in _more(passing, told, claim.family)
    )


def is_touched(
    claim: Claim, group_ids: frozenset[str], instances: Mapping[str, frozenset[str]]
) -> bool:
    """Whether changes of these groups may matter to a claim; `instances` are all that are in one
    of them before or after, by id, with all their groups.

    Whatever packet fares otherwise, one of its ends is an interface in a changed group.
    """
    return bool(
        claim.instance_ids & instances.keys()
        or claim.group_ids & group_ids
        or any(claim.group_ids & of_instance for of_instance in instances.values())
    )


_Told = Sequence[tuple[Traffic, bool]]
"""Packets that speak against a claim between two ends, and whether that is certain."""

_AllTold = dict[Hashable, tuple[tuple[End, End], list[tuple[Traffic, bool]]]]


class _Judging:
    """Judges claims in one world; cuts blocks of addresses as some others do as well."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.evaluator = Evaluator(world)

    def ends(self, side: Side, claim: Claim) -> list[End]:
        """The ends of a side: primary addresses where packets must pass, and else all."""
        match side:
            case InstanceSide(_, instance_ids):
                found = [
                    self.world.instances[each]
                    for each in instance_ids
                    if each in self.world.instances
                ]
                enis = [
                    (instance, eni)
                    for instance in found
                    for eni in (
                        instance.enis[:1]
                        if claim.kind is AssertionKind.MUST_REACH
                        else instance.enis
                    )
                ]
                return self._addresses(enis, claim)
            case GroupSide(place, group_ids):
                ends: list[End] = []
                for group_id in group_ids:
                    if group_id in self.world.complete:
                        ends += self._addresses(self.world.members(group_id), claim)
                    else:
                        ends.append(GroupEnd(GroupRef(group_id, place.account_id), claim.family))
                return list({_key(end): end for end in ends}.values())
            case AddressSide(blocks):
                return [
                    self.world.end_at(claim.plane, block) if block.is_single else AddressEnd(block)
                    for block in blocks
                ]

    def _addresses(self, enis: Iterable[tuple[Instance, Eni]], claim: Claim) -> list[End]:
        found: list[End] = []
        for instance, eni in enis:
            blocks = addresses_of(eni, claim.plane, claim.family)
            if claim.kind is AssertionKind.MUST_REACH:
                blocks = blocks[:1]
            found += [InterfaceEnd(instance, eni, block) for block in blocks]
        return found

    def unread(self, side: Side) -> Iterator[str]:
        match side:
            case InstanceSide(_, instance_ids):
                yield from (each for each in instance_ids if each not in self.world.instances)
            case GroupSide(_, group_ids):
                yield from (each for each in group_ids if each not in self.world.complete)
            case AddressSide():
                pass

    def against(self, claim: Claim, cutting: Sequence["_Judging"]) -> _AllTold:
        """Return what speaks against a claim, by the names of both ends.

        Blocks of addresses are cut where a rule does, in any of the worlds of `cutting`: so
        their parts have the same names in all of them.
        """
        if claim.kind is AssertionKind.MUST_REACH:
            return self._blocked(claim)
        found = self._passing_between(claim)
        for one, other in product(self.ends(claim.source, claim), self.ends(claim.target, claim)):
            if isinstance(one, InterfaceEnd) and isinstance(other, InterfaceEnd):
                continue
            for source, target in self._parts(one, other, claim, cutting):
                told = list(self._passing(source, target, claim))
                if told:
                    found[_key(source), _key(target)] = ((source, target), told)
        return found

    def verdicts(self, found: Sequence[Against]) -> tuple[Verdict, ...]:
        return tuple(self.evaluator.explain(each.flow) for each in found[:SHOWN])

    # --- must be reachable ---

    def _blocked(self, claim: Claim) -> _AllTold:
        found: _AllTold = {}
        for ends in product(self.ends(claim.source, claim), self.ends(claim.target, claim)):
            if not _differ(*ends):
                continue
            told = []
            for traffic in claim.traffic:
                flow = Flow(*ends, traffic, claim.plane, claim.family)
                outcome = self.evaluator.explain(flow).outcome
                if outcome is not Outcome.REACHABLE:
                    told.append((traffic, outcome is Outcome.BLOCKED))
            if told:
                found[_key(ends[0]), _key(ends[1])] = (ends, told)
        return found

    # --- must never be reachable ---

    def _passing_between(self, claim: Claim) -> _AllTold:
        """All that passes between interfaces, by all pairs at once."""
        sides = [
            {_key(end): end for end in self.ends(side, claim) if isinstance(end, InterfaceEnd)}
            for side in (claim.source, claim.target)
        ]
        if not all(sides):
            return {}
        ids = [[end.instance.instance_id for end in side.values()] for side in sides]
        matrix = Matrix(self.world, *ids, plane=claim.plane, family=claim.family)
        found: _AllTold = {}
        for passage in matrix.passages:
            told = [
                (part, certain)
                for passing, certain in ((passage.reachable, True), (passage.unknown, False))
                for each in passing
                for traffic in claim.traffic
                for part in _common(each, traffic, claim.family)
            ]
            if not told:
                continue
            sources, targets = (
                [end for end in matrix.layer.ends_of(bits) if _key(end) in side]
                for bits, side in zip((passage.sources, passage.targets), sides, strict=True)
            )
            for ends in product(sources, targets):
                if _differ(*ends):
                    found[_key(ends[0]), _key(ends[1])] = (ends, told)
        return found

    def _parts(
        self, source: End, target: End, claim: Claim, cutting: Sequence["_Judging"]
    ) -> Iterator[tuple[End, End]]:
        """Cut a block of addresses into what the other end tells apart, and whom it holds."""
        if isinstance(source, AddressEnd):
            for part in self._cut(source, target, Direction.INGRESS, claim, cutting):
                yield part, target
        elif isinstance(target, AddressEnd):
            for part in self._cut(target, source, Direction.EGRESS, claim, cutting):
                yield source, part
        else:
            yield source, target

    def _cut(
        self,
        block: AddressEnd,
        guarded: End,
        direction: Direction,
        claim: Claim,
        cutting: Sequence["_Judging"],
    ) -> Iterator[End]:
        if not isinstance(guarded, InterfaceEnd) or block.block.is_single:
            yield block
            return
        whole = block.block
        inside = [
            end for end in self.world.ends(claim.plane, claim.family) if end.block.within(whole)
        ]
        yield from (end for end in inside if _differ(end, guarded))
        taken = sorted({end.block.first for end in inside})
        cuts = [each for one in cutting for each in one.cuts(guarded, direction, claim)]
        marks = [((each,), 0) for each in (whole, *cuts)]
        for (first, last), _ in AddressLine(claim.family, marks):
            if whole.first <= first and last <= whole.last:
                for stretch in without((first, last), taken):
                    for part in covering(claim.family, stretch):
                        yield AddressEnd(part)

    def cuts(self, guarded: InterfaceEnd, direction: Direction, claim: Claim) -> Iterator[Block]:
        """Blocks that the rules of an end tell from other addresses."""
        instance = self.world.instances.get(guarded.instance.instance_id)
        enis = instance.enis if instance is not None else ()
        for eni in enis:
            if instance is not None and eni.eni_id == guarded.eni.eni_id:
                own = InterfaceEnd(instance, eni, guarded.block)
                for line in self.evaluator.benches.of(own, direction, claim.plane).lines:
                    if isinstance(line.peer, Block):
                        yield line.peer
                    elif isinstance(line.peer, PrefixListPeer):
                        yield from self.world.prefix_lists.get(line.peer.prefix_list_id, ())

    def _passing(self, source: End, target: End, claim: Claim) -> Iterator[tuple[Traffic, bool]]:
        """What passes between two ends, of which one is no interface: each packet that rules
        tell from the others is asked for once.
        """
        for traffic in claim.traffic:
            for protocol in traffic.protocol.concrete(claim.family):
                for ports, source_ports in self._cells(source, target, traffic, protocol, claim):
                    numbered = protocol.has_ports
                    one = Traffic(
                        protocol,
                        PortRange(ports[0], ports[0]) if numbered else ANY_PORT,
                        PortRange(source_ports[0], source_ports[0]) if numbered else ANY_PORT,
                    )
                    asked = _first_of(source), _first_of(target)
                    flow = Flow(*asked, one, claim.plane, claim.family)
                    outcome = self.evaluator.explain(flow).outcome
                    if outcome is not Outcome.BLOCKED:
                        yield _traffic(protocol, ports, source_ports), outcome is Outcome.REACHABLE

    def _cells(
        self, source: End, target: End, traffic: Traffic, protocol: Protocol, claim: Claim
    ) -> Iterator[tuple[Span, Span]]:
        if not protocol.has_ports:
            yield EVERY_PORT, EVERY_PORT
            return
        starts: set[int] = set()
        source_starts: set[int] = set()
        for end, direction in ((source, Direction.EGRESS), (target, Direction.INGRESS)):
            if isinstance(end, InterfaceEnd):
                for line in self.evaluator.benches.of(end, direction, claim.plane).lines:
                    starts |= {line.first, line.last + 1}
                    source_starts |= {line.source_first, line.source_last + 1}
        yield from product(
            stretches(starts, span(traffic.ports)),
            stretches(source_starts, span(traffic.source_ports)),
        )


def _first_of(end: End) -> End:
    """One address of a part that no rule tells from the rest of it."""
    if isinstance(end, AddressEnd) and not end.block.is_single:
        return AddressEnd(Block(end.block.family, end.block.first, end.block.family.bits))
    return end


def _key(end: End) -> Hashable:
    """What an end is called in every world, whatever groups its interface is in there."""
    if isinstance(end, InterfaceEnd):
        return (end.instance.instance_id, end.eni.eni_id, end.block)
    return end


def _differ(one: End, other: End) -> bool:
    return identity(one) != identity(other)


# --- traffic ----------------------------------------------------------------------


def _traffic(protocol: Protocol, ports: Span, source_ports: Span) -> Traffic:
    if not protocol.has_ports:
        return Traffic(protocol)
    source = ANY_PORT if source_ports == EVERY_PORT else PortRange(*source_ports)
    return Traffic(protocol, PortRange(*ports), source)


def _common(one: Traffic, other: Traffic, family: AddressFamily) -> Iterator[Traffic]:
    """Return the packets that are of both."""
    if one.protocol is Protocol.ALL and other.protocol is Protocol.ALL:
        yield EVERYTHING
        return
    for protocol in one.protocol.concrete(family):
        if protocol not in other.protocol.concrete(family):
            continue
        ports = _overlap(span(one.ports), span(other.ports))
        sources = _overlap(span(one.source_ports), span(other.source_ports))
        if ports is not None and sources is not None:
            yield _traffic(protocol, ports, sources)


def _overlap(one: Span, other: Span) -> Span | None:
    first, last = max(one[0], other[0]), min(one[1], other[1])
    return (first, last) if first <= last else None


def _more(told: _Told, was: _Told, family: AddressFamily) -> Iterator[tuple[Traffic, bool]]:
    """Return what is told and was not before; what was not certain before is not the same."""
    for traffic, certain in told:
        alike = [each for each, sure in was if sure or not certain]
        if traffic in alike:
            continue
        for protocol in traffic.protocol.concrete(family):
            known = [
                (span(each.ports), span(each.source_ports))
                for each in alike
                if protocol in each.protocol.concrete(family)
            ]
            ports = [edge for one, _ in known for edge in (one[0], one[1] + 1)]
            sources = [edge for _, two in known for edge in (two[0], two[1] + 1)]
            for one, two in product(
                stretches(ports, span(traffic.ports)),
                stretches(sources, span(traffic.source_ports)),
            ):
                if not any(_within(one, a) and _within(two, b) for a, b in known):
                    yield _traffic(protocol, one, two), certain


def _within(one: Span, other: Span) -> bool:
    return other[0] <= one[0] and one[1] <= other[1]


# --- documents --------------------------------------------------------------------


def against_document(against: Sequence[Against], verdicts: Sequence[Verdict]) -> Document:
    """Spell what speaks against a claim: all counted, the first ones listed."""
    return {
        "count": len(against),
        "items": [
            {**flow_document(each.flow), **verdict_document(verdict), "certain": each.certain}
            for each, verdict in zip(against, verdicts, strict=False)
        ],
    }


def judgement_document(judgement: Judgement) -> Document:
    return {
        "status": judgement.status.value,
        "pairs": judgement.pairs,
        "against": against_document(judgement.against, judgement.verdicts),
        "unread": list(judgement.unread),
    }
