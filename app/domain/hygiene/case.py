"""A group with everything that its findings are computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

from app.domain.addresses import Block
from app.domain.difference import Difference, difference
from app.domain.flows import DecidingRule
from app.domain.groups import Eni, Group, GroupRef, Instance
from app.domain.hygiene.pools import Pool, Span
from app.domain.hygiene.standing import Standing, standings
from app.domain.plan import Limits
from app.domain.rules import Direction, GroupPeer, HeldRule, NicType, Rule
from app.domain.world import World, addresses_of

MOST_ITEMS = 10
"""Most packets that a proof lists as gained, or as lost; their pairs are counted all the same."""


@dataclass(frozen=True)
class Case:
    """A group in the world that was read for it.

    `gone` are groups that its rules name and that no longer exist; those that the world does
    not hold otherwise may exist, but could not be read.
    """

    world: World
    group: Group
    limits: Limits = field(default_factory=Limits)
    gone: frozenset[GroupRef] = frozenset()

    @property
    def is_classic(self) -> bool:
        return self.group.vpc_id is None

    @cached_property
    def rules(self) -> tuple[HeldRule, ...]:
        return tuple(sorted(self.group.rules, key=lambda held: held.rule_id))

    @cached_property
    def members(self) -> tuple[tuple[Instance, Eni], ...]:
        """Interfaces in the group, by instance id."""
        return self.world.members(self.group.group_id)

    @cached_property
    def member_addresses(self) -> frozenset[Block]:
        return frozenset(address for _, eni in self.members for address in eni.addresses)

    def own_addresses(self, held: HeldRule) -> list[tuple[Instance, Block]]:
        """Addresses of members that a rule judges, of those it could be narrowed to."""
        own = held.rule.own
        planes = [held.rule.nic_type] if self.is_classic else list(NicType)
        return [
            (instance, block)
            for instance, eni in self.members
            for plane in planes
            for family in {each.family for each in (*eni.addresses, *_public(eni))}
            for block in addresses_of(eni, plane, family)
            if own is None or block.within(own)
        ]

    # --- how rules stand --------------------------------------------------------------

    @cached_property
    def standings(self) -> Mapping[HeldRule, Standing]:
        """How each rule stands among those of its own direction and side."""
        found: dict[HeldRule, Standing] = {}
        for direction, plane in product(Direction, self._planes):
            alone = self._alone(direction, plane)
            judged = standings(alone, self.company(direction, plane)) if alone.rules else {}
            found |= {deciding.held: standing for deciding, standing in judged.items()}
        return found

    def standing(self, held: HeldRule) -> Standing:
        return self.standings[held]

    def company(self, direction: Direction, plane: NicType | None) -> list[Pool]:
        """The rules of this group with those of the other groups of its members, of each set."""
        sets = {eni.group_ids for _, eni in self.members} - {frozenset({self.group.group_id})}
        return [
            Pool(
                self.world,
                tuple(self.world.groups[key] for key in sorted(ids) if key in self.world.groups),
                direction,
                plane,
                self.gone,
                unread=not ids <= self.world.groups.keys(),
            )
            for ids in sorted(sets, key=sorted)
        ]

    def decides_on(self, held: HeldRule, ports: Span) -> bool:
        """Say whether a rule decides about some packet to one of these ports, of this group's."""
        pool = self._alone(held.rule.direction, self._plane_of(held.rule))
        position = pool.position[DecidingRule(self.group.ref, held)]
        cells = pool.cells(position, ports)
        return any(not pool.hides(cell, position) for cell in cells)

    def blocks_of(self, held: HeldRule) -> tuple[Block, ...]:
        """Addresses that a rule names as such; none for a group or an unread list."""
        pool = self._alone(held.rule.direction, self._plane_of(held.rule))
        return pool.blocks_of(held.rule)

    @property
    def _planes(self) -> Sequence[NicType | None]:
        return tuple(NicType) if self.is_classic else (None,)

    def _plane_of(self, rule: Rule) -> NicType | None:
        return rule.nic_type if self.is_classic else None

    def _alone(self, direction: Direction, plane: NicType | None) -> Pool:
        if (direction, plane) not in self._pools:
            pool = Pool(self.world, (self.group,), direction, plane, self.gone)
            self._pools[direction, plane] = pool
        return self._pools[direction, plane]

    @cached_property
    def _pools(self) -> dict[tuple[Direction, NicType | None], Pool]:
        return {}

    # --- whom rules name --------------------------------------------------------------

    def peer_group(self, held: HeldRule) -> Group | None:
        """Return the group that a rule names, where it does and the group was read."""
        peer = held.rule.peer
        return self.world.groups.get(peer.group_id) if isinstance(peer, GroupPeer) else None

    # --- what would change ------------------------------------------------------------

    def without(self, rules: Sequence[HeldRule]) -> Difference:
        """Compare the world with the same one without these rules of the group."""
        key = frozenset(rules)
        if key not in self._differences:
            kept = tuple(held for held in self.group.rules if held not in key)
            self._differences[key] = self.difference_to(kept)
        return self._differences[key]

    def difference_to(self, rules: tuple[HeldRule, ...]) -> Difference:
        """Compare the world with the same one in which the group holds these rules."""
        group_id = self.group.group_id
        changed = {**self.world.groups, group_id: replace(self.group, rules=rules)}
        return difference(
            self._settled,
            replace(self._settled, groups=changed),
            touched_groups=frozenset({group_id}),
            touched_instances=frozenset(),
            asked=(),
            cap=MOST_ITEMS,
        )

    @cached_property
    def _settled(self) -> World:
        """The world in which it is known that groups which are gone have no members."""
        gone = {ref.group_id for ref in self.gone}
        return replace(
            self.world, complete=self.world.complete | gone, unread=self.world.unread - self.gone
        )

    @cached_property
    def _differences(self) -> dict[frozenset[HeldRule], Difference]:
        return {}


def _public(eni: Eni) -> tuple[Block, ...]:
    return () if eni.public_address is None else (eni.public_address,)
