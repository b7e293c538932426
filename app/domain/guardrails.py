"""What may never come to be, whoever asks, by whatever way: judged on what is open afterwards.

A plan is held against the exposure that results from it, over all groups of an interface, with
priorities, both sides and both address families. What was so before is no violation: a plan is
refused for what it adds, counted together with what is there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain.addresses import AddressFamily, Block
from app.domain.changes import Authorize, Change, Join, Leave, Revoke, SetInnerAccess
from app.domain.documents import Document
from app.domain.exposure import (
    Exposure,
    Guard,
    Guards,
    cells,
    joined,
    member_addresses,
    minus,
    size,
)
from app.domain.groups import Eni, Group, Instance
from app.domain.judging.atoms import Stretch, covering
from app.domain.judging.spans import Span, span
from app.domain.plan import Plan
from app.domain.rules import (
    GroupPeer,
    HeldRule,
    NicType,
    Peer,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
)
from app.domain.world import World

FEW = 200
"""Where more was open than may be, so many addresses may still be added: what one request can
name one by one."""


class ViolationCode(StrEnum):
    TOO_MANY_ADDRESSES = "too_many_addresses"
    GUARDED_PORT = "guarded_port"
    ALL_PROTOCOLS = "all_protocols"
    TOO_MANY_PORTS = "too_many_ports"
    PROTECTED_GROUP = "protected_group"
    PROTECTED_RULE = "protected_rule"
    TOO_MANY_RULES = "too_many_rules"
    TOO_MANY_EXTRA_PAIRS = "too_many_extra_pairs"


@dataclass(frozen=True, slots=True)
class GuardedPorts:
    """Ports of one protocol that only named sources may reach: blocks, and members of groups."""

    name: str
    protocol: Protocol
    ports: tuple[PortRange, ...]
    sources: tuple[Block, ...] = ()
    group_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guardrails:
    """The guardrails in force. None, True or an empty tuple: that one does not guard.

    `addresses` is how many may reach one port of one address, by rules; `public_ports` are TCP
    ports on the public side of the classic network that everybody may reach. `ports` is how many
    of a protocol one peer may reach, `all_protocols` whether it may reach all of every one;
    `include_intra_group` lets what members of a group reach of one another count for these two
    and for `guarded_ports`. `protected_groups` and `protected_rules` are never touched. `rules`
    is how many an operation may add and remove, `extra_pairs` how many it may open besides.
    """

    version: str = "built-in"
    addresses: int = 65_536
    public_ports: tuple[PortRange, ...] = ()
    guarded_ports: tuple[GuardedPorts, ...] = ()
    ports: int | None = None
    all_protocols: bool = True
    include_intra_group: bool = False
    protected_groups: frozenset[str] = frozenset()
    protected_rules: frozenset[str] = frozenset()
    rules: int | None = None
    extra_pairs: int | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """One guardrail that a plan breaks, and where. `value` is what it would be, `before` what it
    is today, `limit` what it may be, where these are numbers.
    """

    code: ViolationCode
    detail: str
    account_id: str | None = None
    group_id: str | None = None
    instance_id: str | None = None
    rule_id: str | None = None
    value: int | None = None
    before: int | None = None
    limit: int | None = None


def violation_document(violation: Violation) -> Document:
    """Spell a violation; what does not apply is left out."""
    document: Document = {
        "code": violation.code.value,
        "detail": violation.detail,
        "account_id": violation.account_id,
        "group_id": violation.group_id,
        "instance_id": violation.instance_id,
        "rule_id": violation.rule_id,
        "value": violation.value,
        "before": violation.before,
        "limit": violation.limit,
    }
    return {key: value for key, value in document.items() if value is not None}


def violations(
    guardrails: Guardrails, plan: Plan, before: World, *, counts_addresses: bool = True
) -> tuple[Violation, ...]:
    """Return every guardrail that a plan breaks in the world that it was made for.

    `counts_addresses` is False where the plan brings back what was there once: then only half
    of all addresses is too much.
    """
    changes = [planned.change for planned in plan.changes]
    after = before
    for change in changes:
        after = after.after(change)
    found = [*_of_what_is_touched(guardrails, plan, changes)]
    judged = _Judged(guardrails, before, after, tuple(changes))
    found += judged.found(counts_addresses=counts_addresses)
    return tuple(dict.fromkeys(found))


# --- what is touched ------------------------------------------------------------------


def _of_what_is_touched(
    guardrails: Guardrails, plan: Plan, changes: Sequence[Change]
) -> Iterator[Violation]:
    for change in changes:
        if change.group_id in guardrails.protected_groups:
            yield Violation(
                ViolationCode.PROTECTED_GROUP,
                f"{change.group_id} is protected: it is never changed from here",
                change.place.account_id,
                change.group_id,
            )
        if isinstance(change, Revoke):
            for held in change.held:
                if held.rule_id in guardrails.protected_rules:
                    yield Violation(
                        ViolationCode.PROTECTED_RULE,
                        f"{held.rule_id} is protected: it is never removed from here",
                        change.place.account_id,
                        change.group_id,
                        rule_id=held.rule_id,
                    )
    rules = sum(_rules_of(change) for change in changes)
    if guardrails.rules is not None and rules > guardrails.rules:
        yield Violation(
            ViolationCode.TOO_MANY_RULES,
            f"the plan adds and removes {rules} rules; at most {guardrails.rules} may be changed "
            "by one operation",
            value=rules,
            limit=guardrails.rules,
        )
    extra = plan.difference.extra_pairs
    if guardrails.extra_pairs is not None and extra > guardrails.extra_pairs:
        yield Violation(
            ViolationCode.TOO_MANY_EXTRA_PAIRS,
            f"the plan opens {extra} pairs that nobody asked for; at most "
            f"{guardrails.extra_pairs} may be opened by one operation",
            value=extra,
            limit=guardrails.extra_pairs,
        )


def _rules_of(change: Change) -> int:
    match change:
        case Authorize(rules=rules):
            return len(rules)
        case Revoke(held=held):
            return len(held)
        case _:
            return 0


# --- what is open -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Judged:
    guardrails: Guardrails
    before: World
    after: World
    changes: tuple[Change, ...]

    def found(self, *, counts_addresses: bool) -> Iterator[Violation]:
        seen: set[tuple[Guard, Guard | None]] = set()
        for instance, old, new in self._guards():
            if (new, old) in seen:
                continue
            seen.add((new, old))
            exposed = Exposure(self.after, new)
            was = None if old is None else Exposure(self.before, old)
            where = _where(instance, new)
            yield from self._of_cells(where, was, exposed, counts_addresses=counts_addresses)
            yield from self._of_unknown(where, old, new)
        yield from self._of_breadth()
        if self.guardrails.include_intra_group:
            yield from self._of_joins()

    def _guards(self) -> Iterator[tuple[Instance | None, Guard | None, Guard]]:
        """Every guard of every interface that the changes touch, before (where it was there) and
        after; a changed group in which nobody is counts as if somebody joined it alone. Groups
        whose rules name one that somebody joins let in somebody else from then on.
        """
        guards = Guards(self.before), Guards(self.after)
        groups = {each.group_id for each in self.changes}
        groups |= self._naming({each.group_id for each in self.changes if isinstance(each, Join)})
        moved = {each.instance_id for each in self.changes if isinstance(each, Join | Leave)}
        for instance_id, instance in sorted(self.after.instances.items()):
            before = {eni.eni_id: eni for eni in self.before.instances[instance_id].enis}
            for eni in instance.enis:
                if instance_id in moved or eni.group_ids & groups:
                    for old, new in self._pairs(guards, instance, before.get(eni.eni_id), eni):
                        yield instance, old, new
        for group_id in sorted(groups & self.after.groups.keys()):
            if not self.after.members(group_id):
                yield from self._without_members(guards, self.after.groups[group_id])

    def _naming(self, joined_ids: set[str]) -> set[str]:
        """Groups with a rule for the members of one of these."""
        return {
            group_id
            for group_id, group in self.after.groups.items()
            for held in group.rules
            if isinstance(held.rule.peer, GroupPeer) and held.rule.peer.group_id in joined_ids
        }

    @staticmethod
    def _pairs(
        guards: tuple[Guards, Guards], instance: Instance, old: Eni | None, new: Eni
    ) -> Iterator[tuple[Guard | None, Guard]]:
        for family in AddressFamily:
            are = list(guards[1].of(instance, new, family))
            were: Sequence[Guard | None] = [None] * len(are)
            if old is not None:
                were = list(guards[0].of(instance, old, family))
            yield from zip(were, are, strict=True)  # joining a group changes no address

    @staticmethod
    def _without_members(
        guards: tuple[Guards, Guards], group: Group
    ) -> Iterator[tuple[None, Guard, Guard]]:
        own = frozenset({group.group_id})
        planes = tuple(NicType) if group.vpc_id is None else (NicType.INTRANET,)
        for plane in planes:
            for family in AddressFamily:
                was = guards[0].at(own, plane, family, None)
                yield None, was, guards[1].at(own, plane, family, None)

    # --- ports and addresses ---

    def _of_cells(
        self,
        where: "_Where",
        was: Exposure | None,
        exposed: Exposure,
        *,
        counts_addresses: bool,
    ) -> Iterator[Violation]:
        for protocol, ports, old, new in cells(was, exposed):
            gained = minus(new, old)
            if not gained:
                continue
            sizes = size(old), size(new), size(gained)
            if not counts_addresses:
                yield from self._count_half(where, protocol, ports, sizes)
            elif not self._is_public(where, protocol, ports):
                yield from self._count(where, protocol, ports, sizes)
            yield from self._of_guarded(where, protocol, ports, gained)

    def _is_public(self, where: "_Where", protocol: Protocol, ports: Span) -> bool:
        return (
            where.plane is NicType.INTERNET
            and protocol is Protocol.TCP
            and any(
                each.first <= ports[0] and ports[1] <= each.last
                for each in self.guardrails.public_ports
            )
        )

    def _count(
        self, where: "_Where", protocol: Protocol, ports: Span, sizes: tuple[int, int, int]
    ) -> Iterator[Violation]:
        (old, new, gained), limit = sizes, self.guardrails.addresses
        if new > limit and not (old > limit and gained <= FEW):
            yield _too_many(where, protocol, ports, (old, new), limit)

    def _count_half(
        self, where: "_Where", protocol: Protocol, ports: Span, sizes: tuple[int, int, int]
    ) -> Iterator[Violation]:
        """The mark of what is brought back; the public side of the classic network, which no
        connection is made on, is left out.
        """
        (old, new, gained), half = sizes, 1 << (where.family.bits - 1)
        if where.plane is NicType.INTERNET or new <= self.guardrails.addresses:
            return
        if gained >= half or old < half <= new:
            yield _too_many(where, protocol, ports, (old, new), half - 1)

    def _of_guarded(
        self, where: "_Where", protocol: Protocol, ports: Span, gained: Sequence[Stretch]
    ) -> Iterator[Violation]:
        for each, allowed in self._allowed(where.family):
            if each.protocol is not protocol or not _overlap(each.ports, ports):
                continue
            strangers = minus(gained, allowed)
            if strangers:
                yield where.violation(
                    ViolationCode.GUARDED_PORT,
                    f"{_spelt(protocol, ports)} of {where} would be open to "
                    f"{_named(strangers, where.family)}: {each.name} may be reached from named "
                    "sources only",
                )

    def _of_unknown(self, where: "_Where", old: Guard | None, new: Guard) -> Iterator[Violation]:
        """Of whom nothing is known may be anybody: a group that cannot be read, or has no member
        yet, and a list that cannot be read, are no named source unless they are named.
        """
        if not self.guardrails.guarded_ports:
            return
        present = {held.rule for _, held in (() if old is None else old.rules)}
        for _, held in new.rules:
            rule = held.rule
            if rule.policy is not Policy.ACCEPT or rule in present or self._is_known(rule.peer):
                continue
            for each in self.guardrails.guarded_ports:
                named = isinstance(rule.peer, GroupPeer) and rule.peer.group_id in each.group_ids
                covered = rule.protocol.covers(each.protocol)
                if covered and not named and _overlap(each.ports, span(rule.ports)):
                    yield where.violation(
                        ViolationCode.GUARDED_PORT,
                        f"{each.name} of {where} would be open to {_peer(rule.peer)}, of whom "
                        f"nothing is known: {each.name} may be reached from named sources only",
                    )

    def _is_known(self, peer: Peer) -> bool:
        match peer:
            case Block():
                return True
            case GroupPeer(group_id):
                return group_id in self.after.complete and bool(self.after.members(group_id))
            case PrefixListPeer(prefix_list_id):
                return prefix_list_id in self.after.prefix_lists

    def _allowed(self, family: AddressFamily) -> Iterator[tuple[GuardedPorts, tuple[Stretch, ...]]]:
        for each in self.guardrails.guarded_ports:
            members = (
                block for group in each.group_ids for block in member_addresses(self.after, group)
            )
            yield each, joined((*each.sources, *members), family)

    # --- breadth ---

    def _of_breadth(self) -> Iterator[Violation]:
        """Peers that may reach too many ports because of rules that are new to an interface."""
        if self.guardrails.ports is None and self.guardrails.all_protocols:
            return
        seen: set[tuple[frozenset[str], frozenset[str]]] = set()
        groups = {each.group_id for each in self.changes}
        moved = {each.instance_id for each in self.changes if isinstance(each, Join | Leave)}
        for instance_id, instance in sorted(self.after.instances.items()):
            before = {eni.eni_id: eni.group_ids for eni in self.before.instances[instance_id].enis}
            for eni in instance.enis:
                key = (before.get(eni.eni_id, frozenset()), eni.group_ids)
                if key in seen or not (instance_id in moved or eni.group_ids & groups):
                    continue
                seen.add(key)
                yield from self._broad(instance, *key)
        for group_id in sorted(groups & self.after.groups.keys()):
            if not self.after.members(group_id):
                own = frozenset({group_id})
                yield from self._broad(None, own & self.before.groups.keys(), own)

    def _broad(
        self, instance: Instance | None, old: frozenset[str], new: frozenset[str]
    ) -> Iterator[Violation]:
        known = {(group, held.rule) for group, held in _accepts(self.before, old)}
        present = {rule for _, rule in known}
        pooled: dict[tuple[object, ...], list[tuple[str, HeldRule]]] = {}
        for group_id, held in _accepts(self.after, new):
            rule = held.rule
            key = (rule.direction, rule.nic_type, rule.protocol, rule.peer, rule.own)
            pooled.setdefault(key, []).append((group_id, held))
        for rules in pooled.values():
            fresh = [each for each in rules if each[1].rule not in present]
            if fresh:
                yield from self._breadth(instance, fresh[0][0], [held for _, held in rules])

    def _breadth(
        self, instance: Instance | None, group_id: str, rules: Sequence[HeldRule]
    ) -> Iterator[Violation]:
        rule = rules[0].rule
        where = self.after.groups[group_id].place.account_id
        instance_id = None if instance is None else instance.instance_id
        if rule.protocol is Protocol.ALL and not self.guardrails.all_protocols:
            yield Violation(
                ViolationCode.ALL_PROTOCOLS,
                f"{group_id} would accept every protocol and port for {_peer(rule.peer)}",
                where,
                group_id,
                instance_id,
            )
        limit = self.guardrails.ports
        count = _ports_of(held.rule.ports for held in rules)
        if limit is not None and rule.protocol.has_ports and count > limit:
            yield Violation(
                ViolationCode.TOO_MANY_PORTS,
                f"{group_id} would accept {count} ports of {rule.protocol} for "
                f"{_peer(rule.peer)}; at most {limit} may be open to one peer",
                where,
                group_id,
                instance_id,
                value=count,
                limit=limit,
            )

    # --- inside a group ---

    def _of_joins(self) -> Iterator[Violation]:
        """Members of one group reach all of one another, whatever its rules say."""
        for change in self.changes:
            group = self.after.groups.get(change.group_id)
            if group is None or not group.connects_members:
                continue
            members = sorted(self.after.member_ids(change.group_id))
            if len(members) < 2:
                continue
            if isinstance(change, Join):
                yield from self._inside(group, change.instance_id)
            elif isinstance(change, SetInnerAccess):
                was = self.before.groups.get(change.group_id)
                if was is None or not was.connects_members:
                    yield from self._inside(group, members[0])

    def _inside(self, group: Group, instance_id: str) -> Iterator[Violation]:
        reason = f"{instance_id} and the other members of {group.group_id} would reach"
        place = group.place.account_id
        if not self.guardrails.all_protocols:
            detail = f"{reason} every protocol and port of one another"
            yield Violation(ViolationCode.ALL_PROTOCOLS, detail, place, group.group_id, instance_id)
        if self.guardrails.ports is not None:
            yield Violation(
                ViolationCode.TOO_MANY_PORTS,
                f"{reason} every port of one another",
                place,
                group.group_id,
                instance_id,
                value=65_535,
                limit=self.guardrails.ports,
            )
        for each in self.guardrails.guarded_ports:
            if group.group_id not in each.group_ids:
                detail = f"{reason} one another on {each.name}"
                yield Violation(
                    ViolationCode.GUARDED_PORT, detail, place, group.group_id, instance_id
                )


@dataclass(frozen=True, slots=True)
class _Where:
    """Whose exposure it is: `instance` None stands for whoever joins the groups."""

    instance: Instance | None
    plane: NicType
    family: AddressFamily
    group_ids: tuple[str, ...]

    def violation(self, code: ViolationCode, detail: str) -> Violation:
        instance = self.instance
        return Violation(
            code,
            detail,
            None if instance is None else instance.place.account_id,
            self.group_ids[0] if len(self.group_ids) == 1 else None,
            None if instance is None else instance.instance_id,
        )

    def __str__(self) -> str:
        side = " on the public side" if self.plane is NicType.INTERNET else ""
        if self.instance is not None:
            return f"{self.instance.instance_id}{side}"
        return f"whoever joins {', '.join(self.group_ids) or 'the group'}{side}"


def _too_many(
    where: _Where, protocol: Protocol, ports: Span, sizes: tuple[int, int], limit: int
) -> Violation:
    old, new = sizes
    broken = where.violation(
        ViolationCode.TOO_MANY_ADDRESSES,
        f"{_spelt(protocol, ports)} of {where} would be open to {new} addresses "
        f"({old} today); at most {limit} may reach one port",
    )
    return replace(broken, value=new, before=old, limit=limit)


def _where(instance: Instance | None, new: Guard) -> _Where:
    group_ids = tuple(sorted({group_id for group_id, _ in new.rules}))
    return _Where(instance, new.plane, new.family, group_ids)


def _accepts(world: World, group_ids: Iterable[str]) -> Iterator[tuple[str, HeldRule]]:
    for group_id in sorted(group_ids):
        for held in world.groups[group_id].rules if group_id in world.groups else ():
            if held.rule.policy is Policy.ACCEPT:
                yield group_id, held


def _ports_of(ranges: Iterable[PortRange | None]) -> int:
    """How many ports the ranges stand for together."""
    spans = sorted(span(each) for each in ranges)
    count, reached = 0, 0
    for first, last in spans:
        count += max(0, last - max(first - 1, reached))
        reached = max(reached, last)
    return count


def _overlap(ranges: Iterable[PortRange], ports: Span) -> bool:
    return any(each.first <= ports[1] and ports[0] <= each.last for each in ranges)


def _spelt(protocol: Protocol, ports: Span) -> str:
    if not protocol.has_ports:
        return str(protocol)
    first, last = ports
    return f"{protocol} port {first}" if first == last else f"{protocol} ports {first}/{last}"


def _named(addresses: Sequence[Stretch], family: AddressFamily) -> str:
    blocks = [str(block) for stretch in addresses[:3] for block in covering(family, stretch)]
    more = len(blocks) > 3 or len(addresses) > 3
    return ", ".join(blocks[:3]) + (" and others" if more else "")


def _peer(peer: Peer) -> str:
    match peer:
        case Block():
            return str(peer)
        case GroupPeer(group_id):
            return f"the members of {group_id}"
        case PrefixListPeer(prefix_list_id):
            return prefix_list_id
