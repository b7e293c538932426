"""Ends that no rule, route or request tells apart, in the world before and the world after."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from app.domain.addresses import AddressFamily, Block
from app.domain.evaluate import default_of, groups_read
from app.domain.flows import Flow
from app.domain.groups import GroupRef, Instance
from app.domain.judging.atoms import AddressLine, Stretch
from app.domain.judging.guards import bits
from app.domain.judging.matching import Match, peer_match, speaks_of
from app.domain.judging.wishes import Name, Wishes
from app.domain.rules import Direction, GroupPeer, NicType, Policy, PrefixListPeer, Rule
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World


@dataclass(frozen=True, slots=True)
class Standing:
    """How an end stands towards all rules in one world, as bits of a `Survey`'s rules.

    `egress` and `ingress` are the rules that its own groups judge it by, `peer_of` those of
    anybody that name it, `perhaps_peer_of` those that may. `connecting` are its groups that
    connect their members, `unread` those that could not be read.
    """

    peer_of: int
    perhaps_peer_of: int
    egress: int = 0
    ingress: int = 0
    egress_default: Policy = Policy.DROP
    ingress_default: Policy = Policy.DROP
    connecting: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Crowd:
    """Ends that stand alike: interfaces or a group as `ends`, other addresses as `stretches`.

    `named_anew` and `named_no_more` are groups nobody could read that name a group which
    these ends have joined, or left. `names` are those by which a request means any of them.
    """

    example: End
    before: Standing
    after: Standing
    ends: tuple[End, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    named_anew: frozenset[GroupRef] = frozenset()
    named_no_more: frozenset[GroupRef] = frozenset()
    names: tuple[Name, ...] = ()

    @property
    def moved(self) -> bool:
        """Whether these ends stand otherwise after than before."""
        return self.before != self.after or bool(self.named_anew or self.named_no_more)


class Survey:
    """All rules of two worlds that can judge one plane and family, and all ends by crowds.

    `rules` are different rules in order of judgement, whichever groups hold them: what holds
    a rule does not change what it says.
    """

    def __init__(
        self,
        before: World,
        after: World,
        plane: NicType,
        family: AddressFamily,
        *,
        touched_groups: frozenset[str],
        touched_instances: frozenset[str],
        asked: Sequence[Flow],
    ) -> None:
        known = _all_members_known(before, after)
        self.before = replace(before, complete=known)
        self.after = replace(after, complete=known)
        self.plane, self.family = plane, family
        self.touched_groups, self.touched_instances = touched_groups, touched_instances
        self.wishes = Wishes(asked, plane, family)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        held = (
            held.rule
            for world in (self.before, self.after)
            for group in world.groups.values()
            for held in group.rules
        )
        speaking = (rule for rule in dict.fromkeys(held) if speaks_of(rule, self.family))
        return tuple(sorted(speaking, key=lambda rule: rule.rank))

    @cached_property
    def _bit_of(self) -> dict[Rule, int]:
        return {rule: 1 << position for position, rule in enumerate(self.rules)}

    @cached_property
    def _held_before(self) -> dict[str, int]:
        return self._held(self.before)

    @cached_property
    def _held_after(self) -> dict[str, int]:
        return self._held(self.after)

    def _held(self, world: World) -> dict[str, int]:
        bit_of = self._bit_of
        return {
            group_id: _union(bit_of.get(held.rule, 0) for held in group.rules)
            for group_id, group in world.groups.items()
        }

    def _where(self, chosen: Iterable[bool]) -> int:
        return sum(1 << position for position, yes in enumerate(chosen) if yes)

    @cached_property
    def _outward(self) -> int:
        return self._where(rule.direction is Direction.EGRESS for rule in self.rules)

    @cached_property
    def _classic(self) -> int:
        return self._where(rule.nic_type is self.plane for rule in self.rules)

    @cached_property
    def _whole_group(self) -> int:
        return self._where(rule.own is None for rule in self.rules)

    @cached_property
    def _own_line(self) -> AddressLine:
        owned = ((rule.own, bit) for rule, bit in self._bit_of.items() if rule.own is not None)
        return AddressLine(self.family, (((own,), bit) for own, bit in owned))

    @cached_property
    def _peer_line(self) -> AddressLine:
        """Marks of rules whose peer an address is, and beyond them of asked blocks."""
        marks = [(self._blocks_of(rule), bit) for rule, bit in self._bit_of.items()]
        asked = [
            ((block,), 1 << position)
            for position, block in enumerate(self.wishes.blocks, len(self.rules))
        ]
        return AddressLine(self.family, [*marks, *asked])

    def _blocks_of(self, rule: Rule) -> tuple[Block, ...]:
        match rule.peer:
            case Block() as block:
                return (block,)
            case PrefixListPeer(prefix_list_id):
                return self.before.prefix_lists.get(prefix_list_id, ())
            case GroupPeer():
                return ()

    @cached_property
    def _naming(self) -> dict[str, int]:
        """Rules by the group that they name as their peer."""
        found: dict[str, int] = {}
        for rule, bit in self._bit_of.items():
            if isinstance(rule.peer, GroupPeer):
                found[rule.peer.group_id] = found.get(rule.peer.group_id, 0) | bit
        return found

    @cached_property
    def _unlisted(self) -> int:
        """Rules whose peer is a prefix list that was not read."""
        return self._where(
            isinstance(rule.peer, PrefixListPeer)
            and rule.peer.prefix_list_id not in self.before.prefix_lists
            for rule in self.rules
        )

    # --- interfaces ---------------------------------------------------------------

    def interface_crowds(self) -> list[Crowd]:
        """Every address of every interface that can be in a change, folded."""
        befores = {_place_of(end): end for end in self.before.ends(self.plane, self.family)}
        everyone = [
            self._crowd_of(befores.get(_place_of(end), end), end)
            for end in self.after.ends(self.plane, self.family)
        ]
        crowds = _in_play(everyone)
        relevant = _union(_own_rules(crowd) for crowd in crowds)
        folded: dict[Hashable, tuple[Crowd, list[End]]] = {}
        for crowd in crowds:
            told = replace(
                crowd,
                before=_narrowed(crowd.before, relevant),
                after=_narrowed(crowd.after, relevant),
            )
            folded.setdefault(self._fold_key(told), (told, []))[1].append(crowd.example)
        return [replace(crowd, ends=tuple(ends)) for crowd, ends in folded.values()]

    def _fold_key(self, crowd: Crowd) -> Hashable:
        assert isinstance(crowd.example, InterfaceEnd)
        return (
            _network(crowd.example.instance),
            crowd.before,
            crowd.after,
            crowd.named_anew,
            crowd.named_no_more,
            self.wishes.part(crowd.names),
        )

    def known_addresses(self) -> list[int]:
        """Return the addresses of all interfaces, as numbers, in order."""
        return sorted({end.block.first for end in self.after.ends(self.plane, self.family)})

    def _crowd_of(self, old: InterfaceEnd, new: InterfaceEnd) -> Crowd:
        marks = self._peer_line.at(new.block.first)
        blocks = self._asked_blocks(marks)
        before = self._standing(old, marks, self.before, self._held_before)
        after = before
        if self._is_touched(old, new):
            after = self._standing(new, marks, self.after, self._held_after)
        return Crowd(
            new,
            before,
            after,
            named_anew=self._naming_unread(new.eni.group_ids - old.eni.group_ids),
            named_no_more=self._naming_unread(old.eni.group_ids - new.eni.group_ids),
            names=self.wishes.names(new, blocks),
        )

    def _is_touched(self, old: InterfaceEnd, new: InterfaceEnd) -> bool:
        groups = old.eni.group_ids | new.eni.group_ids
        return new.instance.instance_id in self.touched_instances or bool(
            groups & self.touched_groups
        )

    def _standing(
        self, end: InterfaceEnd, marks: int, world: World, held: dict[str, int]
    ) -> Standing:
        groups = groups_read(world, end.eni)
        private = end.eni.group_ids if self.plane is NicType.INTRANET else ()
        by_group = _union(self._naming.get(group_id, 0) for group_id in private)
        own = _union(held[group.group_id] for group in groups)
        own &= self._whole_group | self._own_line.at(end.block.first)
        if end.instance.is_classic:
            own &= self._classic
        return Standing(
            marks & self._every_rule | by_group,
            self._unlisted,
            own & self._outward,
            own & ~self._outward,
            default_of(groups, Direction.EGRESS),
            default_of(groups, Direction.INGRESS),
            frozenset(group.group_id for group in groups if group.connects_members),
            end.eni.group_ids.difference(world.groups),
        )

    @property
    def _every_rule(self) -> int:
        return (1 << len(self.rules)) - 1

    def _asked_blocks(self, marks: int) -> list[Block]:
        return [self.wishes.blocks[position] for position in bits(marks >> len(self.rules))]

    def _naming_unread(self, group_ids: Iterable[str]) -> frozenset[GroupRef]:
        """Groups nobody could read that name one of these; rules name private addresses."""
        if self.plane is not NicType.INTRANET:
            return frozenset()
        return frozenset(
            ref
            for world in (self.before, self.after)
            for group_id in group_ids
            for ref in world.references.get(group_id, frozenset()) & world.unread
        )

    # --- the rest -----------------------------------------------------------------

    def address_crowds(self) -> list[Crowd]:
        """Every address there is, folded; those of known interfaces are still among them."""
        stretches: dict[int, list[Stretch]] = {}
        for stretch, marks in self._peer_line:
            stretches.setdefault(marks, []).append(stretch)
        return [self._address_crowd(marks, where) for marks, where in stretches.items()]

    def _address_crowd(self, marks: int, where: list[Stretch]) -> Crowd:
        example = AddressEnd(Block(self.family, where[0][0], self.family.bits))
        standing = Standing(marks & self._every_rule, self._perhaps_any_address)
        return Crowd(
            example,
            standing,
            standing,
            stretches=tuple(where),
            names=tuple(self._asked_blocks(marks)),
        )

    @cached_property
    def _perhaps_any_address(self) -> int:
        """Rules that may name an address because not all members of a group are known."""
        anywhere = AddressEnd(Block(self.family, 0, self.family.bits))
        perhaps = (
            isinstance(rule.peer, GroupPeer)
            and peer_match(self.before, rule.peer, anywhere, self.plane) is Match.MAYBE
            for rule in self.rules
        )
        return self._where(perhaps) | self._unlisted

    def group_crowds(self, interfaces: Iterable[Crowd]) -> list[Crowd]:
        """Groups nobody could read that a changed rule names, or that name a joined group.

        A rule changes where it begins or ceases to judge an end. Rules that name a group
        speak of private addresses, so that there are none on the internet side.
        """
        if self.plane is not NicType.INTRANET:
            return []
        moved = [crowd for crowd in interfaces if crowd.moved]
        unread = self.before.unread | self.after.unread
        changed = _union(_changed_rules(crowd) for crowd in moved)
        peers = (self.rules[position].peer for position in bits(changed))
        refs = {
            GroupRef(peer.group_id, peer.account_id)
            for peer in peers
            if isinstance(peer, GroupPeer)
        } & unread
        refs.update(*(crowd.named_anew | crowd.named_no_more for crowd in moved))
        return [self._group_crowd(GroupEnd(ref, self.family)) for ref in sorted(refs)]

    def _group_crowd(self, end: GroupEnd) -> Crowd:
        matches = [peer_match(self.before, rule.peer, end, self.plane) for rule in self.rules]
        standing = Standing(
            self._where(match is Match.YES for match in matches),
            self._where(match is Match.MAYBE for match in matches),
        )
        return Crowd(end, standing, standing, ends=(end,), names=self.wishes.names(end))


def _all_members_known(before: World, after: World) -> frozenset[str]:
    """Return the groups of which no bare address is a member.

    For the members of a group that could not be read a `GroupEnd` stands: as addresses
    they would be counted again, and every address with them.
    """
    unread = before.unread | after.unread
    return before.complete | after.complete | {ref.group_id for ref in unread}


def _in_play(crowds: list[Crowd]) -> list[Crowd]:
    """Return those that can be an end of a change: the moved, and whom their moves concern.

    A rule that begins or ceases to judge one end concerns those whom it names; an end that
    begins or ceases to be named concerns those whom that rule judges.
    """
    moved = [crowd for crowd in crowds if crowd.moved]
    if any(_falls_back_otherwise(crowd) for crowd in moved):
        return crowds
    begun = _union(_changed_rules(crowd) for crowd in moved)
    named = _union(crowd.before.peer_of ^ crowd.after.peer_of for crowd in moved)
    shared = frozenset[str]().union(*(_changed_groups(crowd) for crowd in moved))

    def concerned(crowd: Crowd) -> bool:
        standing = crowd.after
        return bool(
            (standing.peer_of | standing.perhaps_peer_of) & begun
            or _own_rules(crowd) & named
            or shared & (standing.connecting | standing.unread)
        )

    return [crowd for crowd in crowds if crowd.moved or concerned(crowd)]


def _falls_back_otherwise(crowd: Crowd) -> bool:
    """Say whether packets that no rule matches fare otherwise than before."""
    before, after = crowd.before, crowd.after
    return (before.egress_default, before.ingress_default, bool(before.unread)) != (
        after.egress_default,
        after.ingress_default,
        bool(after.unread),
    )


def _own_rules(crowd: Crowd) -> int:
    before, after = crowd.before, crowd.after
    return before.egress | before.ingress | after.egress | after.ingress


def _changed_rules(crowd: Crowd) -> int:
    before, after = crowd.before, crowd.after
    return before.egress ^ after.egress | before.ingress ^ after.ingress


def _changed_groups(crowd: Crowd) -> frozenset[str]:
    before, after = crowd.before, crowd.after
    return (before.connecting ^ after.connecting) | (before.unread ^ after.unread)


def _narrowed(standing: Standing, relevant: int) -> Standing:
    """Forget rules that judge no end in play."""
    return replace(
        standing,
        peer_of=standing.peer_of & relevant,
        perhaps_peer_of=standing.perhaps_peer_of & relevant,
    )


def _place_of(end: InterfaceEnd) -> tuple[str, str, Block]:
    return (end.instance.instance_id, end.eni.eni_id, end.block)


def _network(instance: Instance) -> Hashable:
    """All that routes depend on."""
    return (instance.place, instance.vpc_id, instance.classic_link_vpc_id)


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found
