"""Rules in words, for the sentences of findings."""

from collections.abc import Iterable, Sequence

from app.domain.addresses import Block
from app.domain.flows import DecidingRule
from app.domain.rules import Direction, GroupPeer, HeldRule, Peer, PrefixListPeer, Rule

MOST_NAMED = 5
"""Most things that one sentence names; of further ones it says how many there are."""


def spelled(held: HeldRule) -> str:
    """Name a rule with what it says, for a person who does not know its id."""
    return f"{held.rule_id or 'the rule without an id'} ({meaning(held.rule)})"


def meaning(rule: Rule) -> str:
    """Say what a rule says, without its own side."""
    ports = "" if not rule.protocol.has_ports else f" {rule.ports or 'ports of a list'}"
    towards = "from" if rule.direction is Direction.INGRESS else "to"
    return (
        f"{rule.direction} {rule.policy} {rule.protocol}{ports} {towards} "
        f"{peer_name(rule.peer)}, priority {rule.priority}"
    )


def peer_name(peer: Peer) -> str:
    match peer:
        case Block():
            return str(peer)
        case GroupPeer(group_id):
            return group_id
        case PrefixListPeer(prefix_list_id):
            return prefix_list_id


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does, a few of many."""
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def ids(rules: Iterable[DecidingRule]) -> str:
    """Name the ids of rules in one sentence."""
    return listed([deciding.held.rule_id for deciding in rules])
