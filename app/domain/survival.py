"""Whether what was asked for stays reachable when instances change, by trying it out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from app.domain.addresses import AddressFamily, Block
from app.domain.evaluate import Evaluator
from app.domain.groups import Eni, Instance
from app.domain.intents import InstanceSide, Intent
from app.domain.plan import asked_flows, is_open, source_instances, target_instances
from app.domain.rules import PrefixListPeer
from app.domain.world import World


@dataclass(frozen=True, slots=True)
class Survival:
    """What a connection takes without anything being changed; None where a side has no instances.

    `…_address`: all instances of the side get addresses that no rule speaks of (but those for
    every address). `one_more_…`: another instance is made like one of the side, in the groups
    that it was in before the connection, and is to be connected like that one.
    """

    source_address: bool | None
    target_address: bool
    one_more_source: bool | None
    one_more_target: bool


def survival(before: World, after: World, intent: Intent) -> Survival:
    """Try out what becomes of a connection; `after` is the world in which it stands."""
    family, target = intent.family, intent.target
    moved_sources = tuple(_moved(source_instances(after, intent), after, family))
    moved_targets = tuple(_moved(target_instances(after, intent), after, family))
    more_sources = _like(source_instances(before, intent), after, family)
    more_targets = _like(target_instances(before, intent), after, family)
    towards_more = replace(intent, target=replace(target, instance_ids=_ids(more_targets)))
    from_more = intent
    if isinstance(intent.source, InstanceSide):
        source = replace(intent.source, instance_ids=_ids(more_sources))
        from_more = replace(intent, source=source)
    return Survival(
        _stands(_with(after, moved_sources), intent) if moved_sources else None,
        _stands(_with(after, moved_targets), intent),
        _stands(_with(after, more_sources), from_more) if more_sources else None,
        _stands(_with(after, more_targets), towards_more),
    )


def _ids(instances: Iterable[Instance]) -> tuple[str, ...]:
    return tuple(each.instance_id for each in instances)


def _stands(world: World, intent: Intent) -> bool:
    evaluator = Evaluator(world)
    return all(is_open(evaluator.explain(flow)) for flow in asked_flows(world, intent))


def _with(world: World, more: Iterable[Instance]) -> World:
    changed: Mapping[str, Instance] = {each.instance_id: each for each in more}
    return replace(world, instances={**world.instances, **changed})


def _moved(
    instances: Iterable[Instance], world: World, family: AddressFamily
) -> Iterator[Instance]:
    """The instances with other addresses of that family on their primary interfaces."""
    unused = _unused(world, family)
    for instance in instances:
        primary = instance.primary
        others = tuple(block for block in primary.addresses if block.family is not family)
        moved = replace(primary, addresses=(next(unused), *others))
        yield replace(instance, enis=(moved, *instance.enis[1:]))


def _like(
    instances: Iterable[Instance], world: World, family: AddressFamily
) -> tuple[Instance, ...]:
    """One instance more for each set of groups that some of these are in."""
    unused = _unused(world, family)
    by_groups = {instance.group_ids: instance for instance in instances}
    return tuple(
        replace(
            instance,
            instance_id=f"{instance.instance_id}-more",
            enis=(Eni(f"{instance.instance_id}-more", (next(unused),), group_ids),),
        )
        for group_ids, instance in by_groups.items()
    )


FIRST_FREE = {
    AddressFamily.IPV4: Block.parse("198.18.0.0/15"),
    AddressFamily.IPV6: Block.parse("2001:db8::/32"),
}
"""Where no instance of a real network is. Sources: RFC 2544, RFC 3849."""


def _unused(world: World, family: AddressFamily) -> Iterator[Block]:
    """Single addresses that nobody has, and that no block of a rule holds but the whole family."""
    spoken = [block for block in _blocks(world) if block.family is family and block.prefix_length]
    spoken += [
        block
        for instance in world.instances.values()
        for eni in instance.enis
        for block in eni.addresses
    ]
    free = FIRST_FREE[family]
    for address in range(free.first, free.last + 1):
        block = Block(family, address, family.bits)
        if not any(block.within(each) for each in spoken if each.family is family):
            yield block


def _blocks(world: World) -> Iterator[Block]:
    for group in world.groups.values():
        for held in group.rules:
            peer = held.rule.peer
            if isinstance(peer, Block):
                yield peer
            elif isinstance(peer, PrefixListPeer):
                yield from world.prefix_lists.get(peer.prefix_list_id, ())
            if held.rule.own is not None:
                yield held.rule.own
