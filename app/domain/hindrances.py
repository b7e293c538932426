"""All that stands in the way of a blocked flow, not only what stops it first.

In the order in which people are told to look: the network, the state of the instances, the
target's ingress, the source's egress, what is open beside the asked, and what nobody could read.

Source: ECS documentation, security group rules, frequently asked questions.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain, product

from app.domain.addresses import Block
from app.domain.evaluate import Evaluator, intra_group
from app.domain.flows import DecidingRule, Flow, Outcome, Traffic, Verdict
from app.domain.groups import GroupRef, Instance
from app.domain.judging.benches import Bench, Found, Line, Spot, groups_read
from app.domain.judging.matching import Match, Needs
from app.domain.judging.passing import FIRST_DROP, Packets, cells, is_beaten
from app.domain.judging.routes import has_route, speaks
from app.domain.plan import PlannedChange
from app.domain.remedies import remedy
from app.domain.rules import (
    MAX_PORT,
    Direction,
    GroupPeer,
    NicType,
    Policy,
    PortRange,
    Protocol,
    Rule,
)
from app.domain.sentences import name, traffic_name
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World

RULES_ELSEWHERE = 10
"""Most rules of other groups that are named for one side, the best ranks first."""


class HindranceCode(StrEnum):
    """What can stand in the way of a flow, in checking order.

    `no_address`: an end has no address of that family on that side. `other_region`,
    `other_vpc`, `no_classic_link`: the private networks are not joined. `not_running`: the
    rules are judged as if the instance ran. `ingress_default`: no group lets its members reach
    each other, and no rule accepts. `wrong_nic_type`: a rule accepts, but guards the other side
    of a classic instance. `ingress_drop`, `egress_drop`: a rule drops it, and no accept is
    better. `egress_default`: what no rule accepts may not leave an enterprise group.
    `icmp_not_allowed`: tcp passes on some port, icmp does not. `other_group`: a rule accepts,
    but in a group that does not guard this end. `unreadable`: this may stand in the way, but
    could not be read. `managed_group`: only the cloud product that owns the group can open it.
    """

    NO_ADDRESS = "no_address"
    OTHER_REGION = "other_region"
    OTHER_VPC = "other_vpc"
    NO_CLASSIC_LINK = "no_classic_link"
    NOT_RUNNING = "not_running"
    INGRESS_DEFAULT = "ingress_default"
    WRONG_NIC_TYPE = "wrong_nic_type"
    INGRESS_DROP = "ingress_drop"
    EGRESS_DROP = "egress_drop"
    EGRESS_DEFAULT = "egress_default"
    ICMP_NOT_ALLOWED = "icmp_not_allowed"
    OTHER_GROUP = "other_group"
    UNREADABLE = "unreadable"
    MANAGED_GROUP = "managed_group"


_CHECKED = {code: number for number, code in enumerate(HindranceCode)}
_OTHER_PLANE = {
    NicType.INTRANET: NicType.INTERNET,
    NicType.INTERNET: NicType.INTRANET,
}


@dataclass(frozen=True, slots=True)
class Hindrance:
    """One thing that stands in the way; `detail` is a sentence for people.

    `group` is the one group that it is about, if it is one, and `rule_id` a rule of it.
    """

    code: HindranceCode
    detail: str
    group: GroupRef | None = None
    rule_id: str | None = None


def hindrances(world: World, verdict: Verdict) -> tuple[Hindrance, ...]:
    """Return all that stands in the way of a flow, in checking order; nothing if it is not blocked.

    Of many verdicts about one world, ask one `Inspector`, of the evaluator that gave them: the
    rules are sorted once.
    """
    return Inspector(Evaluator(world)).hindrances(verdict)


class Inspector:
    """Finds what stands in the way of the flows of one world."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.world = evaluator.world
        self._evaluator = evaluator
        self._benches = evaluator.benches
        self._namings: dict[Hashable, Bench] = {}

    def hindrances(self, verdict: Verdict) -> tuple[Hindrance, ...]:
        """Return all that stands in the way of a flow, in checking order.

        Rules are judged also where the network already forbids the flow. Empty for a flow
        that is not blocked, and only for one.
        """
        flow = verdict.flow
        if verdict.outcome is not Outcome.BLOCKED:
            return ()
        mute = [end for end in (flow.source, flow.target) if not _can_speak(end, flow)]
        found = [_no_address(end, flow) for end in mute]
        found += [*_apart(flow), *_not_running(flow)]
        inside, _ = intra_group(self.world, flow.source, flow.target, flow.plane)
        if not mute and inside is Match.NO:
            found += chain(self._of_ingress(flow), self._of_egress(flow), self._of_ping(flow))
        return tuple(sorted(dict.fromkeys(found), key=lambda each: _CHECKED[each.code]))

    def remedy(self, verdict: Verdict) -> tuple[PlannedChange, ...]:
        """Return the fewest changes that surely open a blocked flow; see `remedies`."""
        return remedy(self.world, verdict, benches=self._benches)

    def _of_ingress(self, flow: Flow) -> Iterator[Hindrance]:
        return self._of_side(flow, Direction.INGRESS, flow.target, flow.source)

    def _of_egress(self, flow: Flow) -> Iterator[Hindrance]:
        return self._of_side(flow, Direction.EGRESS, flow.source, flow.target)

    def _of_side(
        self, flow: Flow, direction: Direction, own: End, other: End
    ) -> Iterator[Hindrance]:
        match own:
            case AddressEnd():
                return
            case GroupEnd(ref):
                yield _unread_group(ref)
                return
        seen = self._see(flow, direction, own, other)
        yield from _told(flow, seen, own)
        if seen.refused:
            yield self._default(flow, direction, own)
        groups = groups_read(self.world, own.eni)
        if seen.stops and groups and all(group.managed for group in groups):
            for group in groups:
                detail = f"{group.group_id} belongs to a cloud product, and only that can change it"
                yield Hindrance(HindranceCode.MANAGED_GROUP, detail, group.ref)
        for group_id in sorted(own.eni.group_ids - self.world.groups.keys()):
            yield _unread_group(GroupRef(group_id, own.instance.place.account_id))

    def _see(self, flow: Flow, direction: Direction, own: InterfaceEnd, other: End) -> "_Seen":
        """Look at every packet of the flow, and at what would let it pass if it stood elsewhere."""
        packets = Packets.of(flow.traffic, flow.family)
        bench = self._benches.of(own, direction, flow.plane)
        seen = _Seen(direction)
        for protocol, spot in product(packets.protocols, bench.spots(other)):
            misplaced = {
                code: [line for line in lines if line[0].accept and not line[1]]
                for code, lines in self._beside(flow, direction, own, (other, spot), protocol)
            }
            code_of = {id(line): code for code, lines in misplaced.items() for line, _ in lines}
            here = bench.matching(protocol, own.block, spot)
            lines = [*here, *chain.from_iterable(misplaced.values())]
            for cell in cells(lines, packets):
                guarding = [each for each in cell if id(each[0]) not in code_of]
                if seen.look(bench, guarding):
                    for line, _ in cell:
                        if id(line) in code_of:
                            seen.misplaced[line.deciding] = code_of[id(line)]
        return seen

    def _beside(
        self,
        flow: Flow,
        direction: Direction,
        own: InterfaceEnd,
        there: tuple[End, Spot],
        protocol: Protocol,
    ) -> Iterator[tuple[HindranceCode, Sequence[Found]]]:
        """Rules that speak of both ends and do not judge them, by what is wrong with them."""
        other, spot = there
        if own.instance.is_classic:
            bench = self._benches.of(own, direction, _OTHER_PLANE[flow.plane])
            private = flow.plane is NicType.INTRANET
            found = bench.matching(protocol, own.block, spot)
            yield (
                HindranceCode.WRONG_NIC_TYPE,
                [each for each in found if private or not isinstance(each[0].peer, GroupPeer)],
            )
        found = []
        if isinstance(other, InterfaceEnd):
            stranger = replace(own, eni=replace(own.eni, group_ids=other.eni.group_ids))
            bench = self._benches.of(stranger, direction, flow.plane)
            found += bench.matching(protocol, own.block, spot)
        speaker = _speaker(other)
        if speaker is not None:
            bench = self._naming(own, direction, flow.plane)
            found += bench.matching(protocol, own.block, speaker)
        yield (
            HindranceCode.OTHER_GROUP,
            [each for each in found if each[0].deciding.group.group_id not in own.eni.group_ids],
        )

    def _naming(self, own: InterfaceEnd, direction: Direction, plane: NicType) -> Bench:
        """Return the rules of all groups of the network that name one address or a group.

        Wider ones are not meant for anybody in particular, and there may be very many.
        """
        region_id, vpc_id = own.instance.place.region_id, own.instance.vpc_id
        key = (region_id, vpc_id, direction, plane, own.block.family)
        if key not in self._namings:
            network = frozenset(
                group_id
                for group_id, group in self.world.groups.items()
                if (group.place.region_id, group.vpc_id) == (region_id, vpc_id)
            )
            stranger = replace(own, eni=replace(own.eni, group_ids=network))
            lines = [
                line
                for line in self._benches.of(stranger, direction, plane).lines
                if isinstance(line.peer, GroupPeer)
                or (isinstance(line.peer, Block) and line.peer.is_single)
            ]
            self._namings[key] = Bench(
                self.world, stranger.eni, direction, own.block.family, parts=[lines]
            )
        return self._namings[key]

    def _default(self, flow: Flow, direction: Direction, own: InterfaceEnd) -> Hindrance:
        groups = groups_read(self.world, own.eni)
        one = groups[0].ref if len(groups) == 1 else None
        held = ", ".join(group.group_id for group in groups)
        what = f"all of {traffic_name(flow.traffic)}"
        if direction is Direction.EGRESS:
            detail = f"{name(own)}: no rule of {held} accepts {what}, and an enterprise group"
            return Hindrance(
                HindranceCode.EGRESS_DEFAULT, f"{detail} sends nothing out by default", one
            )
        other = flow.source
        shared = own.eni.group_ids & other.eni.group_ids if isinstance(other, InterfaceEnd) else ()
        why = "the two ends share no group"
        if shared:
            why = f"{', '.join(sorted(shared))}, of both ends, does not connect its members here"
        detail = f"{name(own)}: no rule of {held} accepts {what}, and {why}"
        return Hindrance(HindranceCode.INGRESS_DEFAULT, detail, one)

    def _of_ping(self, flow: Flow) -> Iterator[Hindrance]:
        """Say that tcp passes where icmp does not: a service answers, yet no ping does."""
        if flow.traffic.protocol not in {Protocol.ICMP, Protocol.ICMPV6}:
            return
        for port in sorted(self._tcp_ports(flow)):
            traffic = Traffic(Protocol.TCP, PortRange(port, port))
            asked = replace(flow, traffic=traffic)
            if self._evaluator.explain(asked).outcome is Outcome.REACHABLE:
                detail = f"{traffic_name(traffic)} passes, {flow.traffic.protocol} does not"
                yield Hindrance(
                    HindranceCode.ICMP_NOT_ALLOWED, f"{detail}: a ping says nothing about services"
                )
                return

    def _tcp_ports(self, flow: Flow) -> set[int]:
        """Ports of which one is open if any is: where some rule of either side begins or ends."""
        ports = {1}
        for own, other, direction in (
            (flow.source, flow.target, Direction.EGRESS),
            (flow.target, flow.source, Direction.INGRESS),
        ):
            if isinstance(own, InterfaceEnd):
                bench = self._benches.of(own, direction, flow.plane)
                for spot in bench.spots(other):
                    for line, _ in bench.matching(Protocol.TCP, own.block, spot):
                        ports |= {line.first, line.last + 1}
        return {port for port in ports if port <= MAX_PORT}


@dataclass(slots=True)
class _Seen:
    """What the rules of one side hold against a flow, over all of its packets.

    `drops` surely block some packet; `doubts` may, or may let it pass; `refused` says that no
    rule accepts some packet, by default; `misplaced` would accept such packets.
    """

    direction: Direction
    drops: dict[DecidingRule, None] = field(default_factory=dict)
    doubts: dict[DecidingRule, None] = field(default_factory=dict)
    misplaced: dict[DecidingRule, HindranceCode] = field(default_factory=dict)
    refused: bool = False

    @property
    def stops(self) -> bool:
        """Whether some packet surely does not pass."""
        return self.refused or bool(self.drops)

    def look(self, bench: Bench, cell: Sequence[Found]) -> bool:
        """Note all that stands before the first sure accept; say whether there is none at all
        and the default refuses.
        """
        hopes: list[Line] = []
        tried: list[Needs] = []
        for line, needs in cell:
            surely = not needs
            if is_beaten(needs, tried):
                continue
            if needs:
                tried.append(needs)
            if line.accept and surely:
                return False
            if line.accept:
                hopes.append(line)
                continue
            if surely and not hopes and (not bench.unread or line.rank == FIRST_DROP):
                self.drops[line.deciding] = None
            if not surely:
                self.doubts[line.deciding] = None
            self._doubt(hopes)
        if bench.default is Policy.ACCEPT:
            return False
        self._doubt(hopes)
        refused = not hopes and not bench.unread
        self.refused |= refused
        return refused

    def _doubt(self, lines: Sequence[Line]) -> None:
        self.doubts |= dict.fromkeys(line.deciding for line in lines)


def _speaker(other: End) -> Spot | None:
    """Return the other end's one address, in no group if it is not an interface's."""
    match other:
        case InterfaceEnd(eni=eni, block=block):
            return Spot(block.first, eni.group_ids)
        case AddressEnd(block) if block.is_single:
            return Spot(block.first)
        case _:
            return None


def _told(flow: Flow, seen: _Seen, own: InterfaceEnd) -> Iterator[Hindrance]:
    """Name the rules that were seen, the best rank first."""
    what = traffic_name(flow.traffic)
    ingress = seen.direction is Direction.INGRESS
    dropping = HindranceCode.INGRESS_DROP if ingress else HindranceCode.EGRESS_DROP
    for drop in sorted(seen.drops, key=_rank):
        yield _of_rule(dropping, drop, f"drops {what} at {name(own)}; {_beaten(drop.held.rule)}")
    for doubt in sorted(seen.doubts, key=_rank):
        ending = f"may decide about {what} at {name(own)}, but could not be read whole"
        yield _of_rule(HindranceCode.UNREADABLE, doubt, ending)
    shown = 0
    for rule, code in sorted(seen.misplaced.items(), key=lambda each: _rank(each[0])):
        if code is HindranceCode.WRONG_NIC_TYPE:
            nic_type = rule.held.rule.nic_type
            yield _of_rule(
                code, rule, f"accepts it, but on the {nic_type} side: this flow is {flow.plane}"
            )
        elif shown < RULES_ELSEWHERE:
            shown += 1
            yield _of_rule(code, rule, f"accepts it, but {name(own)} is not in that group")


def _beaten(drop: Rule) -> str:
    if drop.priority == 1:
        return "no accept is better than a drop of priority 1: it must be removed first"
    return f"an accept needs a smaller priority number than {drop.priority}"


def _rank(deciding: DecidingRule) -> tuple[tuple[int, bool], str, str]:
    held = deciding.held
    return (held.rule.rank, deciding.group.group_id, held.rule_id)


def _of_rule(code: HindranceCode, rule: DecidingRule, ending: str) -> Hindrance:
    rule_id, group = rule.held.rule_id, rule.group
    return Hindrance(code, f"rule {rule_id} of {group.group_id} {ending}", group, rule_id)


def _unread_group(ref: GroupRef) -> Hindrance:
    return Hindrance(
        HindranceCode.UNREADABLE, f"{ref.group_id} judges as well, but could not be read", ref
    )


def _can_speak(end: End, flow: Flow) -> bool:
    return speaks(end, flow.plane, flow.family)


def _no_address(end: End, flow: Flow) -> Hindrance:
    """Return the hindrance that an end cannot speak on the asked side."""
    detail = f"{name(end)} is no {flow.family} address on the {flow.plane} side"
    return Hindrance(HindranceCode.NO_ADDRESS, detail)


def _apart(flow: Flow) -> Iterator[Hindrance]:
    """Say why private addresses have no way to each other.

    Source: ECS documentation, ClassicLink; ECS API, AttachClassicLinkVpc.
    """
    source, target = flow.source, flow.target
    if flow.plane is not NicType.INTRANET or has_route(source, target, flow.plane, flow.family):
        return
    if not (isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd)):
        return
    one, other = source.instance, target.instance
    if one.place.region_id != other.place.region_id:
        where = f"{one.place.region_id} and {other.place.region_id}"
        yield Hindrance(
            HindranceCode.OTHER_REGION, f"{where}: private networks end with their region"
        )
    if one.is_classic != other.is_classic:
        classic, private = (one, other) if one.is_classic else (other, one)
        yield _unlinked(classic, private)
    elif one.vpc_id != other.vpc_id:
        detail = f"{one.vpc_id} and {other.vpc_id} are different VPCs"
        yield Hindrance(HindranceCode.OTHER_VPC, f"{detail}, and groups do not join them")


def _unlinked(classic: Instance, private: Instance) -> Hindrance:
    detail = f"{classic.instance_id} of the classic network has no ClassicLink"
    if classic.place.account_id != private.place.account_id:
        return Hindrance(
            HindranceCode.NO_CLASSIC_LINK,
            f"{detail} with {private.vpc_id}, and none can be made to another account's VPC",
        )
    return Hindrance(HindranceCode.NO_CLASSIC_LINK, f"{detail} with {private.vpc_id}")


def _not_running(flow: Flow) -> Iterator[Hindrance]:
    for end in (flow.source, flow.target):
        if isinstance(end, InterfaceEnd) and end.instance.status != "Running":
            instance = end.instance
            detail = f"{instance.instance_id} is {instance.status}; it is judged as if it ran"
            yield Hindrance(HindranceCode.NOT_RUNNING, detail)
