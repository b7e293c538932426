"""Connections end by themselves: on time by the clock of the process, whatever is done to it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from app.domain.connections import Connection, ConnectionStatus
from app.domain.errors import InvalidExpiryError, InvalidStateError, PlanStaleError
from app.domain.expiry import pause_after
from app.domain.operations import Operation, OperationKind
from tests.seeded.test_regressions import fault
from tests.support.chance import Seeded
from tests.support.e2e import Document, connect_request
from tests.support.seeded.hub import START
from tests.support.seeded.scenes import Act, Scene, place
from tests.support.seeded.simulation import Simulation

LOOKS = 2.0
"""Seconds between two looks, as in the service."""

SOON = 600
"""Seconds after the start at which the connection of these stories ends."""

HOUR = 3600
S = ConnectionStatus


def until(seconds: float, **fields: Any) -> Document:
    """A request for a connection that ends so long after the start."""
    instant = datetime.fromtimestamp(START + seconds, UTC)
    text = instant.strftime("%Y-%m-%dT%H:%M:%SZ")
    return connect_request("address_rules", ["i-a"], ["i-b"], expires_at=text, **fields)


class Story:
    """A run in which every living process looks for what is due."""

    def __init__(self, *requests: Document, seed: object = "expiry", **scene: Any) -> None:
        acts = tuple(Act(0, "connect", (each,)) for each in requests)
        self.run = Simulation(Scene(estate=place(), requests=(), acts=acts, **scene), seed)
        self.moves: list[tuple[float, str, ConnectionStatus]] = []
        self.run.shelf.watchers.append(self._committed)
        self._tick()

    def _tick(self) -> None:
        for process in self.run._living():
            self.run.hub.spawn("expiry", process.parts.expiry, process)
        self.run.hub.now_and_then(LOOKS, self._tick)

    def _committed(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        for key, (_, connection) in after["connections"].items():
            earlier = before["connections"].get(key)
            if earlier is None or earlier[1].status is not connection.status:
                self.moves.append((self.at, key, connection.status))

    @property
    def at(self) -> float:
        """Seconds since the start, by no clock that anybody can set."""
        return self.run.hub.now - START

    def go_to(self, seconds: float) -> None:
        self.run.rest(seconds - self.at)

    def on(self, seconds: float, act: Callable[[], None]) -> None:
        self.run.hub.at(seconds - self.at, act)

    def skew(self, seconds: float) -> None:
        self.run.clock.skew += timedelta(seconds=seconds)

    def die(self, back_after: float) -> None:
        [process] = self.run._living()
        self.run._die(process, restart=back_after)

    def connections(self) -> list[Connection]:
        return [each for _, each in self.run.shelf.tables["connections"].values()]

    def only(self) -> Connection:
        [connection] = self.connections()
        return connection

    def disconnects(self) -> list[Operation]:
        found = self.run.truth.operations()
        return [each for each in found if each.kind is OperationKind.DISCONNECT]

    def left_at(self, number: int = 0) -> float:
        """When a connection, the only one if none is named, began to end."""
        name = self.connections()[number].connection_id
        [at] = [at for at, key, status in self.moves if (key, status) == (name, S.DISCONNECTING)]
        return at

    def extend(self, seconds: float, number: int = 0) -> None:
        name, text = self.connections()[number].connection_id, until(seconds)["expires_at"]
        self.run.ask("extend", lambda asked: asked.connections.extend(name, text))


def on_time(at: float, due: float) -> bool:
    """Not early, and within a minute."""
    return due <= at <= due + 60


def test_a_connection_ends_within_a_minute_of_its_time_and_not_before() -> None:
    story = Story(until(SOON))
    story.go_to(SOON - 1)
    assert story.only().status is S.ACTIVE
    story.go_to(SOON + 60)
    assert on_time(story.left_at(), SOON)
    assert story.only().status is S.DISCONNECTED
    assert story.run.cloud.ours() == {}
    assert [each.status.value for each in story.disconnects()] == ["succeeded"]


def test_a_connection_without_a_time_to_end_at_stands() -> None:
    story = Story(connect_request("address_rules", ["i-a"], ["i-b"]))
    story.go_to(5 * HOUR)
    assert story.only().status is S.ACTIVE


@pytest.mark.fault("F44")
@pytest.mark.parametrize("step", [HOUR, 24 * HOUR])
def test_a_clock_that_is_set_forward_ends_nothing_early_and_nothing_late(step: float) -> None:
    story = Story(until(SOON))
    story.on(30, partial(story.skew, step))
    story.go_to(SOON - 1)
    assert story.only().status is S.ACTIVE
    story.go_to(SOON + 60)
    assert on_time(story.left_at(), SOON)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_clock_that_is_set_and_set_back_changes_nothing(step: float) -> None:
    story = Story(until(SOON))
    story.on(30, partial(story.skew, step))
    story.on(90, partial(story.skew, -step))
    story.go_to(SOON + 60)
    assert on_time(story.left_at(), SOON)


@pytest.mark.fault("F44")
def test_a_clock_that_is_set_back_is_believed() -> None:
    story = Story(until(SOON))
    story.on(30, partial(story.skew, -HOUR))
    story.go_to(SOON + HOUR + 60)
    assert on_time(story.left_at(), SOON + HOUR)


def test_a_connection_that_is_made_after_the_clock_was_set_goes_by_that_clock() -> None:
    story = Story(until(24 * HOUR))
    story.on(30, partial(story.skew, HOUR))
    later = until(2 * HOUR, flows=[{"protocol": "tcp", "port_range": "22/22"}])
    story.on(60, lambda: story.run.do_connect(later))
    story.go_to(2 * HOUR)
    assert on_time(story.left_at(1), HOUR)
    assert story.connections()[0].status is S.ACTIVE


def test_a_step_right_after_the_acceptance_ends_nothing_early() -> None:
    """Nobody has looked at the deadline yet when the clock is set."""
    story = Story()
    story.go_to(10)
    story.run.do_connect(until(SOON))
    story.run.hub.at(0.5, partial(story.skew, HOUR))
    story.go_to(SOON - 1)
    assert story.only().status is S.ACTIVE
    story.go_to(SOON + 60)
    assert on_time(story.left_at(), SOON)


def test_what_came_due_while_nothing_ran_ends_within_a_minute_of_the_start() -> None:
    story = Story(until(SOON))
    story.on(SOON - 30, partial(story.die, 500))
    story.go_to(SOON + 600)
    assert on_time(story.left_at(), SOON + 470)


def test_after_a_restart_before_its_time_a_connection_ends_at_its_time() -> None:
    story = Story(until(SOON))
    for at in (100, 300, SOON - 5):
        story.on(at, partial(story.die, 1))
    story.go_to(SOON + 60)
    assert on_time(story.left_at(), SOON)


def test_after_a_restart_there_is_only_the_wall_clock() -> None:
    story = Story(until(2 * HOUR))
    story.on(30, partial(story.skew, HOUR))
    story.on(60, partial(story.die, 5))
    story.go_to(2 * HOUR)
    assert on_time(story.left_at(), HOUR)


def test_a_connection_that_is_being_made_at_its_time_ends_once_it_is_made() -> None:
    slow = fault("AuthorizeSecurityGroup", "delay", seconds=300.0, times=1)
    story = Story(until(100), faults=(slow,))
    story.go_to(400)
    [made] = [at for at, _, status in story.moves if status is S.ACTIVE]
    assert made >= 300
    assert on_time(story.left_at(), made)
    assert story.only().status is S.DISCONNECTED


def test_somebody_who_disconnects_at_that_moment_is_answered_with_the_same_operation() -> None:
    slow = fault("RevokeSecurityGroup", "delay", seconds=100.0, times=1)
    story = Story(until(SOON), faults=(slow,))
    statuses: list[ConnectionStatus] = []

    def disconnect() -> None:
        statuses.append(story.only().status)
        story.run.do_disconnect()

    story.on(SOON + 20, disconnect)
    story.go_to(SOON + 200)
    assert [*statuses, story.only().status] == [S.DISCONNECTING, S.DISCONNECTED]
    assert len(story.disconnects()) == 1


@pytest.mark.parametrize("seed", range(6))
def test_of_several_processes_that_look_one_disconnects(seed: int) -> None:
    story = Story(until(SOON), seed=seed, processes=2, switches=300)
    story.go_to(SOON + 60)
    assert on_time(story.left_at(), SOON)
    assert [each.status.value for each in story.disconnects()] == ["succeeded"]


def test_what_two_connections_share_lives_until_the_last_of_them_has_ended() -> None:
    story = Story(until(SOON))
    story.go_to(5)
    story.run.do_connect(until(2 * SOON))
    story.go_to(SOON + 60)
    assert [each.status for each in story.connections()] == [S.DISCONNECTED, S.ACTIVE]
    assert len(story.run.cloud.ours()) == 1
    story.go_to(2 * SOON + 60)
    assert [each.status for each in story.connections()] == [S.DISCONNECTED, S.DISCONNECTED]
    assert story.run.cloud.ours() == {}


# --- another time -----------------------------------------------------------------------


@pytest.mark.parametrize(("then", "at"), [(2 * SOON, SOON - 5), (SOON - 200, 60)])
def test_a_connection_ends_at_the_time_that_it_was_given_last(then: float, at: float) -> None:
    story = Story(until(SOON))
    story.go_to(at)
    story.extend(then)
    story.go_to(then - 1)
    assert story.only().status is S.ACTIVE
    story.go_to(then + 60)
    assert on_time(story.left_at(), then)


def test_a_connection_without_an_end_can_be_given_one() -> None:
    story = Story(connect_request("address_rules", ["i-a"], ["i-b"]))
    story.go_to(5)
    story.extend(SOON)
    story.go_to(SOON + 60)
    assert on_time(story.left_at(), SOON)


def test_who_extends_while_the_end_is_being_planned_is_not_overruled() -> None:
    story = Story(until(SOON))
    story.go_to(SOON - 1)
    name, text = story.only().connection_id, until(2 * SOON)["expires_at"]

    def extend() -> None:
        story.run._living()[0].parts.connections.extend(name, text)

    tell = story.run.tell

    def heard(text: str) -> None:
        tell(text)
        task = story.run.hub.current
        if task is not None and task.name == "expiry" and text.startswith("send Describe"):
            story.run.tell = tell  # type: ignore[method-assign]  # once
            extend()

    story.run.tell = heard  # type: ignore[method-assign]  # the harness's own
    story.go_to(SOON + 60)
    assert story.run.tell is tell, "the end was planned"
    assert (story.only().status, story.disconnects()) == (S.ACTIVE, [])
    story.go_to(2 * SOON + 60)
    assert on_time(story.left_at(), 2 * SOON)


def test_a_time_that_has_passed_or_is_too_far_ahead_is_refused() -> None:
    story = Story(until(SOON))
    story.go_to(10)
    for wrong in (5, 400 * 24 * HOUR):
        for ask in (
            lambda asked, wrong=wrong: asked.connections.create(until(wrong)),
            lambda asked, wrong=wrong: asked.plans.connect(until(wrong)),
        ):
            with pytest.raises(InvalidExpiryError):
                story.run.ask("create", ask)
        with pytest.raises(InvalidExpiryError):
            story.extend(wrong)
    assert len(story.connections()) == 1


def test_what_is_over_or_going_cannot_be_extended() -> None:
    slow = fault("RevokeSecurityGroup", "delay", seconds=100.0, times=1)
    story = Story(until(SOON), faults=(slow,))
    refused: list[ConnectionStatus] = []

    def extend() -> None:
        connections = story.run._living()[0].parts.connections
        with pytest.raises(InvalidStateError):
            connections.extend(story.only().connection_id, until(SOON + HOUR)["expires_at"])
        refused.append(story.only().status)

    story.on(SOON + 20, extend)
    story.on(SOON + 300, extend)
    story.go_to(SOON + 310)
    assert refused == [S.DISCONNECTING, S.DISCONNECTED]


def test_a_plan_is_not_applied_after_the_time_that_its_connection_was_to_end_at() -> None:
    story = Story()
    plan = story.run.ask("plan", lambda asked: asked.plans.connect(until(SOON)))
    story.go_to(SOON)
    with pytest.raises(PlanStaleError, match="has passed"):
        story.run.ask("apply", lambda asked: asked.operations.apply(plan.plan_id))
    assert story.connections() == []


# --- in vain ----------------------------------------------------------------------------


def test_what_cannot_be_planned_is_tried_again_after_longer_and_longer_pauses() -> None:
    story = Story(until(SOON))
    story.go_to(SOON - 10)
    broken = fault("DescribeSecurityGroupAttribute", "forbidden")
    story.run.do_trouble(broken)
    story.go_to(SOON + 300)
    ending = story.only().ending
    assert story.only().status is S.ACTIVE
    assert ending is not None
    assert (ending["attempts"], ending["operation_id"]) == (4, None)
    assert ending["error"]["code"] == "cloud_refused"
    assert datetime.fromisoformat(ending["next_attempt_at"]).timestamp() > story.run.hub.now
    story.run.do_trouble()
    story.go_to(SOON + 600)
    assert story.only().status is S.DISCONNECTED
    ending = story.only().ending
    assert ending is not None
    assert (ending["attempts"], ending["error"]) == (5, None)
    assert [each.operation_id for each in story.disconnects()] == [ending["operation_id"]]


def test_a_disconnect_that_ended_in_vain_is_followed_by_another_one() -> None:
    story = Story(until(SOON))
    story.go_to(SOON - 10)
    story.run.do_trouble(fault("RevokeSecurityGroup", "forbidden"))
    story.go_to(SOON + 120)
    ended = [each.status.value for each in story.disconnects()]
    assert len(ended) >= 2
    assert "succeeded" not in ended
    ending = story.only().ending
    assert ending is not None
    assert ending["operation_id"] == story.disconnects()[-1].operation_id
    story.run.do_trouble()
    story.go_to(SOON + HOUR)
    assert story.only().status is S.DISCONNECTED
    assert story.run.cloud.ours() == {}


def test_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    seconds = [pause_after(number).total_seconds() for number in (0, 1, 2, 3, 4, 5, 6, 7, 99)]
    assert seconds == [30, 30, 60, 120, 240, 480, 900, 900, 900]


def test_a_new_time_forgets_what_was_in_vain() -> None:
    story = Story(until(SOON))
    story.go_to(SOON - 10)
    story.run.do_trouble(fault("DescribeSecurityGroupAttribute", "forbidden"))
    story.go_to(SOON + 20)
    assert story.only().ending is not None
    story.extend(2 * SOON)
    assert story.only().ending is None


# --- anything at any time -----------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_a_connection_ends_on_time_by_the_clock_of_the_process(seed: int) -> None:
    check_drawn(seed)


@pytest.mark.long
def test_whatever_happens_to_a_thousand_connections_they_end_on_time() -> None:
    for seed in range(1000):
        check_drawn(f"long {seed}")


def check_drawn(seed: object) -> None:
    """Draw steps of the clock and restarts, and hold the end against what a watch would say."""
    chance = Seeded(f"expiry {seed}")
    story = Story(until(SOON), seed=seed)
    story.go_to(5)
    events = sorted((chance.number(10, 900), chance.one(("step", "die"))) for _ in range(5))
    watch = Watch(since=0.0, skew=0.0)
    for at, what in events:
        if story.only().status is not S.ACTIVE or at <= story.at:
            continue
        if watch.due() <= at:
            break
        story.go_to(at)
        if what == "step":
            step = chance.one((HOUR, -HOUR, 300, -300))
            story.skew(step)
            watch = watch.stepped(step, at)
        else:
            away = chance.one((1.0, 20.0, 400.0))
            story.die(away)
            story.go_to(at + away)
            watch = watch.restarted(story.at)
    due = max(watch.due(), watch.since)
    story.go_to(due + 60)
    assert on_time(story.left_at(), due), (seed, events, story.left_at(), due)
    assert len(story.disconnects()) == 1


class Watch:
    """When the connection is due, worked out by hand: both what the wall clock says and what had
    been left when the process began have to be over."""

    def __init__(self, *, since: float, skew: float, born_skew: float | None = None) -> None:
        self.since = since
        self.skew = skew
        self.born_skew = skew if born_skew is None else born_skew

    def due(self) -> float:
        return max(SOON - self.skew, SOON - self.born_skew)

    def stepped(self, seconds: float, at: float) -> "Watch":
        return Watch(since=at, skew=self.skew + seconds, born_skew=self.born_skew)

    def restarted(self, at: float) -> "Watch":
        return Watch(since=at, skew=self.skew)


@pytest.mark.parametrize("number", range(1, 34, 3))
def test_a_crash_at_any_moment_of_the_end_ends_it_once(number: int) -> None:
    story = Story(until(SOON), seed=f"crash {number}")
    story.go_to(SOON - 5)
    before = story.run.effects
    story.run._crash_at = frozenset({before + number})
    story.go_to(SOON + 180)
    assert story.only().status is S.DISCONNECTED
    assert [each.status.value for each in story.disconnects()] == ["succeeded"]
    assert story.run.cloud.ours() == {}


def test_the_crashes_above_reach_to_the_end() -> None:
    story = Story(until(SOON), seed="crash")
    story.go_to(SOON - 5)
    before = story.run.effects
    story.go_to(SOON + 180)
    assert 25 <= story.run.effects - before <= 36
