"""What somebody else changed is told apart from what we did."""

from app.domain.changes import AddedRule, DeletedGroup, Effect, Joined, Left, RemovedRule
from app.domain.fingerprint import world_document
from app.domain.foreign import foreign_changes
from app.domain.rules import HeldRule
from app.domain.world import World
from tests.support.worlds import group, instance, place, rule, world

OLD = rule(rule_id="sgr-old")
NEW = rule(rule_id="sgr-new")


def with_rules(
    *rules: HeldRule, members: tuple[str, ...] = ("i-a",), inner_access: str = "accept"
) -> World:
    instances = [
        instance(instance_id=name, addresses=[f"10.0.0.{n}"], groups=["sg-1"])
        for n, name in enumerate(members, 1)
    ]
    return world(groups=[group(rules=rules, inner_access=inner_access)], instances=instances)


def told(before: World, after: World, *effects: Effect) -> list[tuple[str, str]]:
    found = foreign_changes(world_document(before), world_document(after), effects)
    return [
        (each["kind"], (each.get("rule") or {}).get("rule_id") or each.get("instance_id") or "")
        for each in found
    ]


def test_nothing_changed_is_nothing_foreign() -> None:
    assert told(with_rules(OLD), with_rules(OLD)) == []


def test_rules_that_came_and_went_are_foreign_unless_they_are_ours() -> None:
    before, after = with_rules(OLD), with_rules(NEW)
    assert told(before, after) == [("rule_added", "sgr-new"), ("rule_removed", "sgr-old")]
    added, removed = AddedRule(place(), "sg-1", NEW), RemovedRule(place(), "sg-1", OLD)
    assert told(before, after, added) == [("rule_removed", "sgr-old")]
    assert told(before, after, added, removed) == []


def test_a_rule_of_the_same_id_that_means_something_else_is_foreign() -> None:
    edited = rule(rule_id="sgr-old", protocol="tcp", ports="9999/9999")
    assert told(with_rules(OLD), with_rules(edited)) == [("rule_changed", "sgr-old")]


def test_members_that_came_and_went_are_foreign_unless_we_moved_them() -> None:
    before, after = with_rules(members=("i-a",)), with_rules(members=("i-b",))
    assert told(before, after) == [("joined", "i-b"), ("left", "i-a")]
    assert told(before, after, Joined(place(), "sg-1", "i-b")) == [("left", "i-a")]
    both = (Joined(place(), "sg-1", "i-b"), Left(place(), "sg-1", "i-a"))
    assert told(before, after, *both) == []


def test_a_group_that_is_gone_is_foreign_unless_we_deleted_it() -> None:
    before, after = with_rules(members=()), world(groups=[], instances=[])
    assert told(before, after) == [("group_gone", "")]
    assert told(before, after, DeletedGroup(place(), "sg-1", "one", None)) == []


def test_inner_access_is_nobodys_but_theirs() -> None:
    before = with_rules(OLD, inner_access="accept")
    after = with_rules(OLD, inner_access="drop")
    assert told(before, after) == [("inner_access_changed", "")]
