"""A plan opens what it says: checked before anybody sees it, or it is never kept.

What a plan says comes from three sides that know nothing of each other: the method, which
makes the rules; the evaluator, which judges the asked flows; and the difference, which finds
all that opens and closes. They have to agree. Where they do not, the service is wrong.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product

from app.domain.addresses import AddressFamily, Block
from app.domain.changes import Authorize, Change
from app.domain.difference import Difference, Item, difference
from app.domain.flows import Flow, Outcome
from app.domain.groups import Eni, Instance, Place
from app.domain.plan import AskedFlow, Plan, Proposal
from app.domain.rules import Protocol, Rule
from app.domain.sentences import name, traffic_name
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World


class UnsoundPlanError(RuntimeError):
    """A plan that would not do what it says: an error of ours, whatever was asked."""


def check(plan: Plan, before: World, after: World, proposal: Proposal) -> None:
    """Refuse a plan that would not do exactly what it says.

    Raises:
        UnsoundPlanError
    """
    for wrong in _wrong(plan, before, after, proposal):
        raise UnsoundPlanError(f"the plan was not kept, for it contradicts itself: {wrong}")


def _wrong(plan: Plan, before: World, after: World, proposal: Proposal) -> Iterator[str]:
    if proposal.singly:
        yield from _says_something_else(before, after, proposal)
    gained = plan.difference.gained
    if gained.truncated:
        return  # not all is listed; the counts are exact all the same
    asked = [item for item in gained.items if item.asked]
    flows: dict[Hashable, list[Flow]] = {}
    items: dict[Hashable, list[Item]] = {}
    for each in plan.asked:
        flows.setdefault((_key(each.flow.source), _key(each.flow.target)), []).append(each.flow)
    for item in asked:
        for ends in _meant_by(item):
            items.setdefault(ends, []).append(item)
    for item in asked:
        meant = (flow for ends in _meant_by(item) for flow in flows.get(ends, ()))
        if not any(_speaks_of(item, flow) for flow in meant):
            yield f"{_named(item)} was not asked for"
    for flow in (each.flow for each in plan.asked if _opens(each)):
        told = items.get((_key(flow.source), _key(flow.target)), ())
        if not any(_speaks_of(item, flow) for item in told):
            yield f"{traffic_name(flow.traffic)} to {name(flow.target)} opens, and is not told"


def _key(end: End) -> Hashable:
    """One address of an instance; None for what may be asked about by a block or a group."""
    return (end.instance.instance_id, end.block) if isinstance(end, InterfaceEnd) else None


def _meant_by(item: Item) -> set[tuple[Hashable, Hashable]]:
    """Return the keys of the flows that may speak of an item."""
    return set(product((_key(item.source), None), (_key(item.target), None)))


def _says_something_else(before: World, after: World, proposal: Proposal) -> Iterator[str]:
    """Compare with a rule for each asked flow: joined rules open the same, for any address.

    On the own side of a group as well: there a member is supposed at every address that the
    rules may tell from others, for somebody may join.
    """
    joined = tuple(planned.change for planned in proposal.changes)
    changes = (*proposal.singly, *joined)
    for said, item in _differing(_made(before, proposal.singly), after, changes):
        yield f"joined rules open {said} than was asked for: {_named(item)}"


def check_equal(before: World, after: World, edges: Sequence[Authorize]) -> None:
    """Refuse a change of rules that is to change nothing, for any address on either side, and does.

    `edges` speak of every rule of both worlds that may tell addresses from others.

    Raises:
        UnsoundPlanError
    """
    for said, item in _differing(before, after, edges):
        raise UnsoundPlanError(f"the rules open {said} than those before: {_named(item)}")


def _differing(
    before: World, after: World, changes: Sequence[Change]
) -> Iterator[tuple[str, Item]]:
    more = tuple(_supposed(before, changes))
    found: Difference = difference(
        _with(before, more),
        _with(after, more),
        touched_groups=frozenset(change.group_id for change in changes),
        touched_instances=frozenset(),
        asked=(),
        cap=1,
    )
    for said, exposure in (("more", found.gained), ("less", found.lost)):
        if exposure.pairs:
            yield said, exposure.items[0]


def _made(world: World, changes: Iterable[Change]) -> World:
    for change in changes:
        world = world.after(change)
    return world


def _with(world: World, more: Iterable[Instance]) -> World:
    supposed = {each.instance_id: each for each in more}
    return replace(world, instances={**world.instances, **supposed})


def _supposed(world: World, changes: Iterable[Change]) -> Iterator[Instance]:
    """Return a member of each group with an address on either side of every edge of its rules."""
    edges: dict[tuple[Place, str], dict[AddressFamily, set[int]]] = {}
    for change in changes:
        if isinstance(change, Authorize):
            mine = edges.setdefault((change.place, change.group_id), {})
            for new in change.rules:
                for family, starts in _edges(new.rule):
                    mine.setdefault(family, {0}).update(starts)
    taken = {
        block for each in world.instances.values() for eni in each.enis for block in eni.addresses
    }
    for (place, group_id), by_family in sorted(edges.items()):
        addresses = [
            block
            for family, starts in sorted(by_family.items())
            for block in _free(family, sorted(starts), taken)
        ]
        eni = Eni(f"eni-{group_id}", tuple(addresses), frozenset({group_id}))
        vpc_id = world.groups[group_id].vpc_id
        yield Instance(f"i-supposed-{group_id}", place, (eni,), vpc_id=vpc_id)


def _edges(rule: Rule) -> Iterator[tuple[AddressFamily, tuple[int, ...]]]:
    """Return where the own side of a rule begins and ends, in each family that it speaks of."""
    if rule.own is not None:
        yield rule.own.family, (rule.own.first, rule.own.last + 1)
    elif isinstance(rule.peer, Block):
        yield rule.peer.family, ()
    else:
        yield from ((family, ()) for family in AddressFamily)


def _free(family: AddressFamily, starts: list[int], taken: set[Block]) -> Iterator[Block]:
    """Return an address that nobody has in each stretch between two edges, where there is one."""
    for first, end in pairwise([*starts, 1 << family.bits]):
        for address in range(first, end):
            block = Block(family, address, family.bits)
            if block not in taken:
                yield block
                break


def _opens(asked: AskedFlow) -> bool:
    """Whether it is certain that the flow is closed now, and open afterwards."""
    after = asked.after
    return (
        asked.before.outcome is Outcome.BLOCKED
        and after is not None
        and after.outcome is Outcome.REACHABLE
    )


def _speaks_of(item: Item, flow: Flow) -> bool:
    """Whether some packets of a flow are among those of an item."""
    spoken = Protocol.ALL in {item.traffic.protocol, flow.traffic.protocol}
    return (
        (item.plane, item.family) == (flow.plane, flow.family)
        and (spoken or item.traffic.protocol is flow.traffic.protocol)
        and (spoken or _touch(item, flow))
        and _is_part(item.source, flow.source)
        and _is_part(item.target, flow.target)
    )


def _touch(item: Item, flow: Flow) -> bool:
    one, other = item.traffic.ports, flow.traffic.ports
    return (
        one.is_every_port
        or other.is_every_port
        or (one.first <= other.last and other.first <= one.last)
    )


def _is_part(told: End, asked: End) -> bool:
    """Whether something of an end that is told was asked about as another one."""
    match asked:
        case InterfaceEnd():
            return _key(told) == _key(asked)
        case AddressEnd(block):
            return not isinstance(told, GroupEnd) and told.block.overlaps(block)
        case GroupEnd(ref):
            if isinstance(told, InterfaceEnd):
                return ref.group_id in told.eni.group_ids
            return isinstance(told, GroupEnd) and told.ref == ref


def _named(item: Item) -> str:
    return f"{traffic_name(item.traffic)} from {name(item.source)} to {name(item.target)}"
