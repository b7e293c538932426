"""What somebody did to the groups of a connection is told as what it is to the connection."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.changes import Authorize, Change, Revoke
from app.domain.connections import Connection, ConnectionStatus
from app.domain.documents import Document as Json
from app.domain.documents import read_change
from app.domain.errors import (
    InvalidStateError,
    MethodNotPossibleError,
    TargetBusyError,
    TargetNotFoundError,
)
from app.domain.evaluate import Evaluator
from app.domain.intents import read_intent
from app.domain.operations import OperationKind, OperationStatus
from app.domain.plan import asked_flows, is_open
from app.domain.principals import Principal, Role
from app.services.callers import acting
from app.services.plans import Planned
from tests.support.chance import Seeded
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, instance_entry
from tests.support.e2e import Document, Probe, asked_probes, connect_request, rule
from tests.support.seeded.cloud import adding, described, removing
from tests.support.seeded.hub import START
from tests.support.seeded.scenes import Act, Scene, place
from tests.support.seeded.simulation import Simulation

ADDRESS = connect_request("address_rules", ["i-a"], ["i-b"])
GROUP = connect_request("group_authorization", ["i-a"], ["i-b"])
ABROAD = connect_request("group_authorization", ["i-a"], ["i-b"], to=OTHER_ACCOUNT)
SHARED = connect_request("shared_group", ["i-a"], ["i-b"], security_group_id="sg-free")
DEDICATED = connect_request("dedicated_group", ["i-a"], ["i-b"])
WHOLE = connect_request("group_authorization", ["i-a"], ["i-b"], scope="group")
BOTH_WAYS = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)
MANY = connect_request("address_rules", ["i-a", "i-c"], ["i-b"])

SOURCE, TARGET, BESIDE, STRANGER = "10.170.0.1", "10.170.0.2", "10.170.0.3", "10.99.0.9"


class Story:
    """A connection that was made, and what is then done to it."""

    def __init__(self, request: Document, *, to: str = ACCOUNT, **fields: Any) -> None:
        estate = place(to=to, **fields)
        extra = instance_entry("i-e", ["sg-free"], private_ip="10.170.0.5")
        estate["instances"].append(extra)
        acts = (Act(0, "connect", (request,)),)
        self.run = Simulation(Scene(estate=estate, requests=(), acts=acts), "drift")
        self.run.rest(1)
        assert self.connection.status is ConnectionStatus.ACTIVE

    @property
    def connection(self) -> Connection:
        [kept] = [each for _, each in self.run.shelf.tables["connections"].values()][:1]
        return kept  # type: ignore[no-any-return]  # a table of these

    def check(self) -> dict[str, Json]:
        connection_id = self.connection.connection_id
        view = self.run.ask("check", lambda asked: asked.drift.check(connection_id))
        return {each["type"]: each for each in view.connection.conditions}

    def plan(self) -> Planned:
        connection_id = self.connection.connection_id
        return self.run.ask("repair", lambda asked: asked.plans.for_repair(connection_id))

    def repair(self) -> OperationStatus:
        connection_id = self.connection.connection_id
        plan = self.run.ask("plan", lambda asked: asked.plans.repair(connection_id))
        operation = self.run.ask("apply", lambda asked: asked.operations.apply(plan.plan_id))
        self.run.rest(1)
        ended = self.run.shelf.tables["operations"][operation.operation_id][1]
        return ended.status  # type: ignore[no-any-return]  # a table of these

    # --- hands ---

    def edit(self, *edits: Document) -> None:
        self.run.truth.hand("as told")
        self.run.cloud.edit(*edits)

    def ours(self, number: int = 0) -> str:
        return sorted(self.run.cloud.ours())[number]

    def remove_ours(self, number: int = 0) -> None:
        self.edit(removing([self.ours(number)]))

    def edit_ours(self, **changes: Any) -> None:
        rule_id = self.ours()
        held = self.run.cloud.ours()[rule_id]
        self.edit(removing([rule_id]), adding(held.group_id, described(held, **changes)))

    def add(self, group_id: str, rule_id: str = "sgr-hand", **fields: Any) -> None:
        self.edit(adding(group_id, rule(rule_id, **fields)))

    def join(self, group_id: str, instance_id: str) -> None:
        self.edit({"join": [{"group_id": group_id, "instance_id": instance_id}]})

    def leave(self, group_id: str, instance_id: str) -> None:
        self.edit({"leave": [{"group_id": group_id, "instance_id": instance_id}]})

    def estate(self, change: Callable[[Document], None]) -> None:
        """Let somebody change the estate itself."""
        self.run.truth.hand("as told")
        for one in (self.run.cloud.truth, self.run.cloud.others):
            estate = one.estate()
            change(estate)
            one.replace_estate(estate)


def group_of(estate: Document, group_id: str) -> Document:
    [found] = [each for each in estate["security_groups"] if each["SecurityGroupId"] == group_id]
    return found  # type: ignore[no-any-return]  # an estate is JSON


def host_of(estate: Document, instance_id: str) -> Document:
    [found] = [each for each in estate["instances"] if each["InstanceId"] == instance_id]
    return found  # type: ignore[no-any-return]  # an estate is JSON


def swap_addresses(estate: Document) -> None:
    one, other = host_of(estate, "i-a"), host_of(estate, "i-c")
    one["PrivateIp"], other["PrivateIp"] = other["PrivateIp"], one["PrivateIp"]


def release(instance_id: str) -> Callable[[Document], None]:
    def act(estate: Document) -> None:
        estate["instances"] = [
            each for each in estate["instances"] if each["InstanceId"] != instance_id
        ]

    return act


def isolate(group_id: str) -> Callable[[Document], None]:
    def act(estate: Document) -> None:
        group_of(estate, group_id)["InnerAccessPolicy"] = "Drop"

    return act


def describe(estate: Document) -> None:
    group_of(estate, "sg-b")["Description"] = "the database, as before"


INTACT: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drift:
    """`said` are the conditions that are then true, and `why` the reason of the first."""

    name: str
    request: Document
    act: Callable[[Story], None]
    said: tuple[str, ...] = INTACT
    why: str = "as_granted"
    to: str = ACCOUNT


def blocks(ports: str, **more: Any) -> Callable[[Story], None]:
    fields = {"policy": "drop", "SourceCidrIp": f"{SOURCE}/32", **more}
    return lambda story: story.add("sg-b", ports=ports, **fields)


def moved(instance_id: str, group_id: str, other_id: str) -> Callable[[Story], None]:
    def act(story: Story) -> None:
        story.join(other_id, instance_id)
        story.leave(group_id, instance_id)

    return act


def replaced(story: Story) -> None:
    story.add("sg-b", ports="3306/3306", priority=2, SourceCidrIp=f"{SOURCE}/32")
    story.remove_ours()


def blocked_and_more(story: Story) -> None:
    blocks("3306/3306")(story)
    story.add("sg-b", "sgr-more", ports="22/22", SourceCidrIp=f"{SOURCE}/32")


BROKEN, WIDENED = ("broken",), ("widened",)
DRIFTS = [
    # what is no concern of the connection
    Drift("nothing", ADDRESS, lambda _: None),
    Drift("our description", ADDRESS, lambda story: story.edit_ours(Description="mine now")),
    Drift("a group's description", ADDRESS, lambda story: story.estate(describe)),
    Drift("another port for others", ADDRESS,
          lambda story: story.add("sg-b", ports="22/22", SourceCidrIp=f"{STRANGER}/32")),
    Drift("a rule of the other target", ADDRESS,
          lambda story: story.add("sg-a", ports="22/22", SourceCidrIp=f"{TARGET}/32")),
    Drift("an equal foreign rule", ADDRESS,
          lambda story: story.add("sg-b", ports="3306/3306", priority=5,
                                  SourceCidrIp=f"{SOURCE}/32")),
    Drift("a drop behind ours", ADDRESS, blocks("3306/3306", priority=50)),
    Drift("a drop for another port", ADDRESS, blocks("22/22")),
    Drift("a drop for others", ADDRESS, blocks("3306/3306", SourceCidrIp=f"{STRANGER}/32")),
    Drift("ours replaced by an equal foreign rule", ADDRESS, replaced),
    Drift("an instance that joins another group", ADDRESS,
          lambda story: story.join("sg-free", "i-c")),
    Drift("the source joins an idle group", ADDRESS, lambda story: story.join("sg-free", "i-a")),
    Drift("a foreign rule on the public side", ADDRESS, lambda story: story.add(
        "sg-b", ports="22/22", nic="internet", SourceCidrIp="0.0.0.0/0")),
    Drift("another group's isolation", ADDRESS, lambda story: story.estate(isolate("sg-free"))),
    # what is asked for does not pass
    Drift("our rule is gone", ADDRESS, lambda story: story.remove_ours(), BROKEN, "rule_removed"),
    Drift("one of two is gone", MANY, lambda story: story.remove_ours(), BROKEN, "rule_removed"),
    Drift("the way back is gone", BOTH_WAYS, lambda story: story.remove_ours(1), BROKEN,
          "rule_removed"),
    Drift("a rule by group is gone", ABROAD, lambda story: story.remove_ours(), BROKEN,
          "rule_removed", OTHER_ACCOUNT),
    Drift("ours was narrowed", ADDRESS,
          lambda story: story.edit_ours(SourceCidrIp=f"{BESIDE}/32"), ("widened", "broken"),
          "rule_changed"),
    Drift("ours drops now", ADDRESS, lambda story: story.edit_ours(Policy="drop"), BROKEN,
          "rule_changed"),
    Drift("a drop in the target's group", ADDRESS, blocks("3306/3306"), BROKEN, "rule_added"),
    Drift("a drop of some of the ports", ADDRESS, blocks("3000/4000"), BROKEN, "rule_added"),
    Drift("a drop where the source sends", ADDRESS, lambda story: story.add(
        "sg-a", ports="3306/3306", egress=True, policy="drop", DestCidrIp=f"{TARGET}/32"),
        BROKEN, "rule_added"),
    Drift("a member left the shared group", SHARED,
          lambda story: story.leave("sg-free", "i-a"), BROKEN, "left"),
    Drift("the shared group was isolated", SHARED,
          lambda story: story.estate(isolate("sg-free")), BROKEN, "inner_access_changed"),
    Drift("the source moved to another group", GROUP, moved("i-a", "sg-a", "sg-free"), BROKEN,
          "left"),
    Drift("the target moved to another group", ADDRESS, moved("i-b", "sg-b", "sg-free"), BROKEN,
          "left"),
    Drift("the target was released", ADDRESS, lambda story: story.estate(release("i-b")), BROKEN,
          "instance_gone"),
    # more passes
    Drift("more ports for the asked pair", ADDRESS, lambda story: story.add(
        "sg-b", ports="22/22", SourceCidrIp=f"{SOURCE}/32"), WIDENED, "rule_added"),
    Drift("everybody is let in", ADDRESS, lambda story: story.add(
        "sg-b", protocol="all", SourceCidrIp="0.0.0.0/0"), WIDENED, "rule_added"),
    Drift("ours was widened to a range", ADDRESS,
          lambda story: story.edit_ours(SourceCidrIp="10.170.0.0/24"), WIDENED, "rule_changed"),
    Drift("ours was widened to more ports", ADDRESS,
          lambda story: story.edit_ours(PortRange="3306/3400"), WIDENED, "rule_changed"),
    Drift("ours was widened to the whole group", ADDRESS,
          lambda story: story.edit_ours(DestCidrIp=None), WIDENED, "rule_changed"),
    Drift("somebody joined the source's group", GROUP,
          lambda story: story.join("sg-a", "i-e"), WIDENED, "joined"),
    Drift("somebody joined the target's group", WHOLE,
          lambda story: story.join("sg-b", "i-e"), WIDENED, "joined"),
    Drift("somebody joined the shared group", SHARED,
          lambda story: story.join("sg-free", "i-c"), WIDENED, "joined"),
    Drift("the shared group lets a stranger in", SHARED, lambda story: story.add(
        "sg-free", ports="22/22", SourceCidrIp=f"{STRANGER}/32"), WIDENED, "rule_added"),
    Drift("both are in one group now", ADDRESS,
          lambda story: story.join("sg-b", "i-a"), WIDENED, "joined"),
    # both
    Drift("the addresses were swapped", ADDRESS, lambda story: story.estate(swap_addresses),
          ("widened", "broken"), "address_reused"),
    Drift("a drop, and more ports", ADDRESS, blocked_and_more,
        ("widened", "broken"), "rule_added"),
]  # fmt: skip


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift.name)
def test_a_drift_is_told_as_what_it_is_to_the_connection(drift: Drift) -> None:
    story = Story(drift.request, to=drift.to)
    assert {name: each["status"] for name, each in story.check().items()} == {
        "intact": "true",
        "widened": "false",
        "broken": "false",
    }
    drift.act(story)
    found = story.check()
    assert tuple(name for name in ("widened", "broken") if found[name]["status"] == "true") == (
        drift.said
    ), found
    assert found["intact"]["status"] == ("false" if drift.said else "true")
    told = found[drift.said[0]] if drift.said else found["intact"]
    assert told["reason"] == drift.why, told
    assert bool(told["evidence"]) is bool(drift.said)


@pytest.mark.parametrize("seed", range(16))
def test_what_is_told_agrees_with_what_the_cloud_lets_pass(seed: int) -> None:
    check_drawn(seed)


@pytest.mark.long
def test_what_is_told_of_a_thousand_drifts_agrees_with_what_the_cloud_lets_pass() -> None:
    for seed in range(1000):
        check_drawn(f"long {seed}")


def check_drawn(seed: object) -> None:
    """Let others do things that are drawn, and ask the simulator's own walk what became of it.

    The walk sees single packets, so of what it does not see more may be told.
    """
    chance = Seeded(f"drift {seed}")
    drawn = chance.one((ADDRESS, GROUP, SHARED, DEDICATED, WHOLE, BOTH_WAYS, MANY))
    story = Story({**drawn, "flows": ADDRESS["flows"]})
    cloud, request = story.run.cloud, story.connection.request
    then = cloud.passing(cloud.truth)
    asked = set(asked_probes(story.run.scene.estate, request)) & set(cloud.probes)
    sides = [frozenset(request[name]["instance_ids"]) for name in ("source", "target")]
    for _ in range(chance.number(1, 4)):
        story.run.do_hand()
        now, without_us = cloud.passing(cloud.truth), cloud.passing(cloud.others)
        found = {name: each["status"] for name, each in story.check().items()}
        assert found["broken"] == ("false" if asked <= now else "true"), (seed, found)
        wider = {each for each in now - then - asked if is_concerned(each, sides, without_us)}
        if wider:
            assert found["widened"] == "true", (seed, wider)
        if found["intact"] == "true":
            assert asked <= now
            assert not wider


def is_concerned(
    probe: Probe, sides: Sequence[frozenset[str]], without_us: AbstractSet[Probe]
) -> bool:
    """Whether a packet is one between the asked ends, or passes only because of us."""
    source, target = sides
    between = probe.source.instance_id in source and probe.target.instance_id in target
    return between or probe not in without_us


def test_there_are_thirty_drifts_and_more() -> None:
    assert len({drift.name for drift in DRIFTS}) == len(DRIFTS) >= 30


REPAIRED = [each for each in DRIFTS if "broken" in each.said and each.why != "instance_gone"]
IN_THE_WAY = {
    "a drop in the target's group",
    "a drop of some of the ports",
    "a drop where the source sends",
    "ours drops now",
    "a drop, and more ports",
    "the shared group was isolated",
}


@pytest.mark.parametrize(
    "drift",
    [each for each in REPAIRED if each.name not in IN_THE_WAY],
    ids=lambda drift: drift.name,
)
def test_a_repair_adds_what_is_missing_and_not_a_bit_more(drift: Drift) -> None:
    story = Story(drift.request, to=drift.to)
    drift.act(story)
    foreign = story.run.cloud.rules(story.run.cloud.others)
    planned = story.plan()
    changes = [each.change for each in planned.plan.changes]
    assert changes
    assert_minimal(story, planned, changes)
    if drift.name == "the addresses were swapped":
        return  # whose packet it is that passes cannot be told by its address any more
    assert story.repair() is OperationStatus.SUCCEEDED
    found = story.check()
    assert found["broken"]["status"] == "false", found
    assert not set(foreign) - set(story.run.cloud.rules(story.run.cloud.truth))
    story.run.do_disconnect()
    story.run.rest(10)
    assert story.connection.status is ConnectionStatus.DISCONNECTED
    assert set(story.run.cloud.rules(story.run.cloud.truth)) <= {
        *foreign, *(each for each in story.run.cloud.ours() if drift.why == "rule_changed"),
    }  # fmt: skip


def assert_minimal(story: Story, planned: Planned, changes: Sequence[Change]) -> None:
    """Nothing of the plan can be spared, and it only adds."""
    intent = read_intent(story.connection.request)
    assert all(each["action"] in {"add_rules", "join", "create_group"} for each in
               planned.kept.document["changes"])  # fmt: skip

    def opens(some: Sequence[Change]) -> bool:
        world = planned.world
        for each in some:
            world = world.after(each)
        evaluator = Evaluator(world)
        return all(is_open(evaluator.explain(flow)) for flow in asked_flows(world, intent))

    assert opens(changes)
    for number, change in enumerate(changes):
        rest = [*changes[:number], *changes[number + 1 :]]
        if isinstance(change, Authorize) and len(change.rules) > 1:
            for new in change.rules:
                fewer = replace(change, rules=tuple(each for each in change.rules if each != new))
                assert not opens([*rest, fewer])
        assert not opens(rest)


@pytest.mark.parametrize("name", sorted(IN_THE_WAY))
def test_what_stands_in_the_way_of_a_repair_is_named_with_what_would_help(name: str) -> None:
    [drift] = [each for each in DRIFTS if each.name == name]
    story = Story(drift.request)
    drift.act(story)
    with pytest.raises(MethodNotPossibleError) as refused:
        story.plan()
    facts = refused.value.facts
    assert facts["obstacles"]
    assert isinstance(facts["remedy"], list)
    assert facts["remedy"], facts
    assert {type(read_change(each)) for each in facts["remedy"]} <= {Authorize, Revoke}


def test_a_repair_of_what_is_intact_is_empty_and_succeeds() -> None:
    story = Story(ADDRESS)
    assert story.plan().plan.changes == ()
    assert story.repair() is OperationStatus.SUCCEEDED
    assert story.connection.status is ConnectionStatus.ACTIVE


def test_what_is_gone_for_good_is_left_out_of_a_repair() -> None:
    story = Story(MANY)
    story.remove_ours()
    story.estate(release("i-c"))
    assert story.check()["broken"]["status"] == "true"
    assert any("i-c is gone" in each for each in story.plan().plan.warnings)
    story.estate(release("i-a"))
    with pytest.raises(TargetNotFoundError):
        story.plan()


def test_a_connection_that_cannot_be_read_is_neither_intact_nor_broken() -> None:
    story = Story(ADDRESS)
    story.run.do_trouble({"match": {"action": "DescribeInstances"}, "kind": "forbidden"})
    found = story.check()
    assert {each["status"] for each in found.values()} == {"unknown"}
    assert {each["reason"] for each in found.values()} == {"cloud_refused"}
    story.run.do_trouble()
    assert story.check()["intact"]["status"] == "true"


def test_a_status_keeps_the_time_at_which_it_came() -> None:
    story = Story(ADDRESS)
    first = story.check()
    story.run.rest(100)
    assert story.check()["intact"]["last_transition_at"] == first["intact"]["last_transition_at"]
    story.remove_ours()
    later = story.check()
    assert later["broken"]["last_transition_at"] > first["broken"]["last_transition_at"]
    assert later["widened"]["last_transition_at"] == first["widened"]["last_transition_at"]


def test_what_another_connection_of_ours_opens_is_no_drift() -> None:
    story = Story(ADDRESS)
    other = connect_request(
        "address_rules", ["i-a"], ["i-b"], flows=[{"protocol": "tcp", "port_range": "22/22"}]
    )
    story.run.do_connect(other)
    story.run.rest(1)
    assert story.check()["intact"]["status"] == "true"


def test_only_what_is_active_is_checked_and_repaired() -> None:
    story = Story(ADDRESS)
    story.run.do_disconnect()
    story.run.rest(1)
    with pytest.raises(InvalidStateError):
        story.check()
    with pytest.raises(InvalidStateError):
        story.run.ask("plan", lambda asked: asked.plans.repair(story.connection.connection_id))


def test_in_turn_each_connection_is_looked_at_when_it_is_due() -> None:
    story = Story(ADDRESS)
    other = connect_request("address_rules", ["i-c"], ["i-d"])
    story.run.rest(10)
    story.run.do_connect(other)
    story.run.rest(1)

    def look() -> list[bool]:
        story.run.ask("drift", lambda asked: asked.drift())
        kept = [each for _, each in story.run.shelf.tables["connections"].values()]
        return [each.checked_at is not None for each in kept]

    assert look() == [False, False]  # both are younger than the interval
    story.run.rest(3700)
    assert look() == [True, False]
    assert look() == [True, True]
    before = len(story.run.trace)
    look()
    assert not any("send Describe" in line for line in story.run.trace[before:])


def test_a_rate_limit_says_nothing_of_a_connection() -> None:
    story = Story(ADDRESS)
    story.check()
    story.run.rest(3700)
    found, checked = story.connection.conditions, story.connection.checked_at
    story.run.do_trouble({"match": {"action": "DescribeInstances"}, "kind": "throttle"})
    for _ in range(2):
        story.run.ask("drift", lambda asked: asked.drift())
    assert (story.connection.conditions, story.connection.checked_at) == (found, checked)
    story.run.do_trouble()
    before = len(story.run.trace)
    story.run.ask("drift", lambda asked: asked.drift())
    assert not any("send Describe" in line for line in story.run.trace[before:])
    story.run.rest(130)
    story.run.ask("drift", lambda asked: asked.drift())
    assert story.connection.checked_at != checked


# --- what can come between ----------------------------------------------------------------


def broken(request: Document = MANY) -> Story:
    story = Story(request)
    story.remove_ours(1)
    story.remove_ours()
    return story


def begin_repair(story: Story, crash_after: int | None = None) -> None:
    """Plan and apply; what the cloud does then is under way, and so many effects later the
    process dies.
    """
    name = story.connection.connection_id
    plan = story.run.ask("plan", lambda asked: asked.plans.repair(name))
    process = story.run._living()[0]
    if crash_after is not None:
        story.run._crash_at = frozenset({story.run.effects + crash_after})
    story.run.hub.spawn(
        "apply", lambda: _nothing(process.parts.operations.apply(plan.plan_id)), process
    )


def _nothing(_: object) -> None: ...


@pytest.mark.parametrize("number", range(1, 40, 5))
def test_a_repair_that_is_cut_short_at_any_moment_is_done_in_the_end(number: int) -> None:
    story = broken()
    begin_repair(story, crash_after=number)
    story.run.rest(120)
    story.run._crash_at = frozenset()
    assert story.connection.status is ConnectionStatus.ACTIVE
    ended = story.run.truth.operations()[-1]
    if ended.kind is OperationKind.REPAIR:  # the crash was not before it was accepted
        assert ended.status is OperationStatus.SUCCEEDED
        assert story.check()["intact"]["status"] == "true"
    story.run.do_disconnect()
    story.run.rest(20)
    assert story.run.cloud.ours() == {}


def test_a_repair_that_is_refused_leaves_the_connection_as_it_was() -> None:
    story = broken()
    story.run.do_trouble({"match": {"action": "AuthorizeSecurityGroup"}, "kind": "forbidden"})
    assert story.repair() is OperationStatus.ROLLED_BACK
    assert story.connection.status is ConnectionStatus.ACTIVE
    assert story.check()["broken"]["status"] == "true"
    story.run.do_trouble()
    assert story.repair() is OperationStatus.SUCCEEDED
    assert story.check()["intact"]["status"] == "true"


def test_while_it_is_repaired_a_connection_is_being_made_and_ends_by_itself_only_then() -> None:
    start = datetime.fromtimestamp(START, UTC)
    text = (start + timedelta(seconds=100)).strftime("%Y-%m-%dT%H:%M:%SZ")
    story = broken({**MANY, "expires_at": text})
    story.run.rest(90)
    slow = {"match": {"action": "AuthorizeSecurityGroup"}, "kind": "delay", "seconds": 60.0}
    story.run.do_trouble({**slow, "times": 1})
    begin_repair(story)
    seen: list[ConnectionStatus] = []

    def look() -> None:
        seen.append(story.connection.status)
        process = story.run._living()[0]
        process.parts.expiry()
        connection_id = story.connection.connection_id
        for ask in (process.parts.connections.disconnect, process.parts.drift.check):
            with pytest.raises(InvalidStateError):
                ask(connection_id)
        seen.append(story.connection.status)

    story.run.hub.at(30, look)
    story.run.rest(120)
    assert seen == [ConnectionStatus.PENDING] * 2
    assert story.connection.status is ConnectionStatus.ACTIVE
    story.run.expire()
    story.run.rest(10)
    ended = story.connection
    assert ended.status is ConnectionStatus.DISCONNECTED
    assert story.run.cloud.ours() == {}


def test_what_seems_to_have_drifted_while_an_operation_runs_is_not_told() -> None:
    story = Story(ADDRESS)
    found = story.check()
    slow = {"match": {"action": "AuthorizeSecurityGroup"}, "kind": "delay", "seconds": 60.0}
    story.run.do_trouble({**slow, "times": 1})
    other = connect_request("address_rules", ["i-c"], ["i-b"])
    story.run.do_connect(other)
    refused: list[str] = []

    def look() -> None:
        story.remove_ours()
        process = story.run._living()[0]
        try:
            process.parts.drift.check(story.connection.connection_id)
        except TargetBusyError as error:
            refused.append(str(error.facts["operation_id"]))

    story.run.hub.at(30, look)
    story.run.rest(120)
    assert refused == [story.run.truth.operations()[-1].operation_id]
    assert story.connection.conditions == tuple(found.values())
    assert story.check()["broken"]["status"] == "true"


def test_who_may_not_see_an_account_is_not_told_what_somebody_did_there() -> None:
    story = Story(ADDRESS)
    story.remove_ours()
    told = story.check()["broken"]
    assert told["evidence"]
    connections = story.run._living()[0].parts.connections
    for accounts, hidden in (((ACCOUNT, OTHER_ACCOUNT), False), ((OTHER_ACCOUNT,), True)):
        with acting(Principal("k", "k", dict.fromkeys(accounts, Role.VIEWER))):
            view = connections.get(story.connection.connection_id)
        [broken] = [each for each in view.connection.conditions if each["type"] == "broken"]
        assert broken["status"] == "true"
        assert (broken["message"] != told["message"]) is hidden
        assert (broken["evidence"] != told["evidence"]) is hidden
    assert story.connection.conditions[2]["evidence"] == told["evidence"]
