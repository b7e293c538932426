"""Errors that somebody could make in the evaluator, each as a change of its source.

Where a text is not found any more the test says so, and the error has to be written anew for the
code as it is now.
"""

from dataclasses import dataclass
from pathlib import Path

PERMISSIONS = "app/adapters/ecs/permissions.py"
EVALUATE = "app/domain/evaluate.py"
GROUPS = "app/domain/groups.py"
BENCHES = "app/domain/judging/benches.py"
MATCHING = "app/domain/judging/matching.py"
PASSING = "app/domain/judging/passing.py"
ROUTES = "app/domain/judging/routes.py"
SPANS = "app/domain/judging/spans.py"
RULES = "app/domain/rules.py"


@dataclass(frozen=True, slots=True)
class Edit:
    """A text that is in the file exactly once, and what takes its place."""

    path: str
    old: str
    new: str

    def fits(self, root: Path) -> bool:
        path = root / self.path
        return path.exists() and path.read_text().count(self.old) == 1

    def make(self, root: Path) -> None:
        path = root / self.path
        path.write_text(path.read_text().replace(self.old, self.new))


ERRORS: dict[str, tuple[Edit, ...]] = {
    "each rule that names an unread thing is judged as if it were the only one": (
        Edit(PASSING, "return any(each <= needs for each in seen)", "return False"),
    ),
    "an accept beats a drop of the same priority": (
        Edit(
            RULES,
            "return (self.priority, self.policy is Policy.ACCEPT)",
            "return (self.priority, self.policy is Policy.DROP)",
        ),
    ),
    "the greatest priority number wins": (
        Edit(
            RULES,
            "return (self.priority, self.policy is Policy.ACCEPT)",
            "return (-self.priority, self.policy is Policy.ACCEPT)",
        ),
    ),
    "inner access yields to drops": (
        Edit(
            EVALUATE,
            "if inner is Match.YES:",
            "if inner is Match.YES and Cause.RULE not in {each.cause for each in "
            "(self._side(flow, way, Packets.of(flow.traffic, flow.family)) for way in Direction) "
            "if each.outcome is SideOutcome.BLOCKED}:",
        ),
    ),
    "inner access covers public traffic": (
        Edit(EVALUATE, "if plane is not NicType.INTRANET or not shared:", "if not shared:"),
    ),
    "egress is ignored": (
        Edit(
            EVALUATE,
            "egress = self._side(flow, Direction.EGRESS, packets)",
            "egress = SideVerdict(SideOutcome.ALLOWED, Cause.DEFAULT)",
        ),
    ),
    "the NIC type is ignored": (
        Edit(BENCHES, "and (held.rule.nic_type is plane or not classic)", ""),
    ),
    "a group beats a block in one rule": (
        Edit(
            PERMISSIONS,
            "    if block is not None:\n        yield block\n",
            '    if block is not None and not fields.get(f"{side}GroupId"):\n        yield block\n',
        ),
    ),
    "the last port of a range is not in it": (
        Edit(
            SPANS,
            "        return (first, last)\n",
            "        return (first, max(last - 1, first))\n",
        ),
    ),
    "the first port of a range is not in it": (
        Edit(
            SPANS,
            "        return (first, last)\n",
            "        return (min(first + 1, last), last)\n",
        ),
    ),
    "0.0.0.0/0 covers IPv6": (
        Edit(
            MATCHING,
            "if isinstance(peer, Block) and peer.family is not family:",
            "if False:",
        ),
        Edit(
            BENCHES,
            "            if block.family is not self._family:\n                continue\n",
            "            if block.prefix_length == 0:\n"
            "                self._wide.append((0, 1 << 128, found))\n"
            "                continue\n"
            "            if block.family is not self._family:\n"
            "                continue\n",
        ),
    ),
    "source ports are ignored": (
        Edit(
            BENCHES,
            "ports, sources = span(rule.ports), span(rule.source_ports)",
            "ports, sources = span(rule.ports), span(None)",
        ),
    ),
    "the own side of a rule is ignored (DestCidrIp)": (
        Edit(BENCHES, "        first, last = rule.own.first, rule.own.last\n", "        pass\n"),
    ),
    "an enterprise group lets everything out": (
        Edit(
            GROUPS,
            "accepts = direction is Direction.EGRESS and self.kind is GroupKind.BASIC",
            "accepts = direction is Direction.EGRESS",
        ),
    ),
    "unknown is taken for blocked": (
        Edit(
            EVALUATE,
            "        return Outcome.BLOCKED\n    return Outcome.UNKNOWN\n",
            "        return Outcome.BLOCKED\n    return Outcome.BLOCKED\n",
        ),
        Edit(
            EVALUATE,
            "causes = (egress.cause, ingress.cause)",
            "causes = (egress.cause, ingress.cause, Cause.DEFAULT)",
        ),
    ),
    "a prefix list holds nothing": (
        Edit(BENCHES, "self._add(found, outermost(lists[prefix_list_id]))", "pass"),
    ),
    "a group stands for public addresses as well": (
        Edit(
            BENCHES,
            "and (private or not isinstance(held.rule.peer, GroupPeer))",
            "",
        ),
    ),
    "ClassicLink joins accounts": (
        Edit(
            ROUTES,
            "classic.place == private.place and classic.classic_link_vpc_id",
            "classic.classic_link_vpc_id",
        ),
    ),
    "regions are one network": (
        Edit(ROUTES, "if one.place.region_id != other.place.region_id:", "if False:"),
    ),
    "an unread port list is taken for every port": (
        Edit(
            MATCHING,
            "return rule.ports is not None and rule.protocol is not Protocol.OTHER",
            "return rule.protocol is not Protocol.OTHER",
        ),
    ),
    "a group that was not read is taken for empty": (
        Edit(BENCHES, "self.unread = len(groups) < len(eni.group_ids)", "self.unread = False"),
    ),
}
