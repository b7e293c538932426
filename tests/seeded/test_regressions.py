"""What the seeds have found in the service, each as small as it can be shown."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.changes import CreatedGroup, DeleteGroup, Effect, Joined
from app.domain.connections import LedgerEntry
from app.domain.disconnecting import depart
from app.domain.errors import InvalidStateError
from tests.seeded.test_boundaries import BUSY, connecting, disconnecting
from tests.support.e2e import Document, connect_request
from tests.support.seeded.runs import run
from tests.support.seeded.scenes import Act, Cue, Scene, place
from tests.support.seeded.simulation import Simulation
from tests.support.worlds import group, instance, world


def statuses(simulation: Simulation) -> list[str]:
    return [each.status.value for each in simulation.truth.operations()]


def fault(action: str, kind: str, **fields: Any) -> Document:
    return {"match": {"action": action}, "kind": kind, **fields}


def crash_in(scene: Scene, where: str, *, nth: int = 1) -> frozenset[int]:
    """The number of the effect at this place of the trace."""
    simulation = Simulation(scene, where)
    found: list[int] = []

    def note(text: str) -> None:
        if text == where:
            found.append(simulation.effects + 1)
        Simulation.tell(simulation, text)

    simulation.tell = note  # type: ignore[method-assign]  # the harness's own, to count
    simulation.run()
    return frozenset({found[nth - 1]})


@pytest.mark.parametrize("change", ["change 2", "change 3"])
def test_a_membership_that_was_noted_before_a_crash_is_still_ours(change: str) -> None:
    """The end of the call was kept, the process died before the journal knew: asked again, the
    cloud says that it is a member already, and it was taken for somebody else's."""
    scene = connecting("dedicated_group")
    simulation = run("noted", scene, crash_at=crash_in(scene, f"cut_short {change}"))
    assert statuses(simulation) == ["succeeded", "succeeded"]  # and all was given back


@pytest.mark.parametrize("where", ["reply JoinSecurityGroup"])
def test_a_second_try_that_a_crash_cuts_short_does_not_count_as_the_first_one(where: str) -> None:
    """The first try was throttled; what the second one did was taken for somebody else's."""
    throttled = fault("JoinSecurityGroup", "throttle", times=1)
    scene = replace(connecting("shared_group"), faults=(throttled,))
    simulation = run("second", scene, crash_at=crash_in(scene, where, nth=2))
    assert statuses(simulation) == ["succeeded", "succeeded"]


def test_a_new_group_goes_after_its_members_whatever_was_seen_first() -> None:
    """Reads that lag show a member before the group, and the ledger had them in that order."""
    new = group(group_id="sg-new")
    made = world(
        groups=[group(), new],
        instances=[instance(groups=("sg-1", "sg-new"))],
        references={"sg-new": ()},
    )
    effects: tuple[Effect, ...] = (
        Joined(new.place, "sg-new", "i-a"),
        CreatedGroup(new.place, "sg-new", "new", None),
    )
    entries = [
        LedgerEntry(f"{number}", "operation", effect, frozenset({"connection"}))
        for number, effect in enumerate(effects)
    ]
    for order in (entries, entries[::-1]):
        changes = depart(made, order, "connection").changes
        assert isinstance(changes[-1], DeleteGroup)


def test_what_does_not_show_yet_is_not_taken_for_gone() -> None:
    """A disconnect right after a connect, while reads lag: nothing showed, so nothing was
    removed, and what was ours stayed in the cloud for ever."""
    lagging = {"consistency": {"delay_seconds": 9, "replicas": 1}}
    scene = replace(disconnecting("address_rules"), settings=lagging, traits=frozenset({"stale"}))
    assert statuses(run("gone", scene)) == ["succeeded", "succeeded"]


def test_a_call_that_was_never_seen_does_not_need_attention_for_ever() -> None:
    """Nobody knows of a group whether it was made; what took it up needed attention again."""
    faults = (fault("CreateSecurityGroup", "error", code="OperationConflict", status=409, times=3),)
    scene = replace(connecting("dedicated_group"), faults=faults)
    simulation = run("never seen", scene)
    assert statuses(simulation) == ["needs_attention", "rolled_back"]


def test_a_way_back_leaves_what_another_connection_has_come_to_rest_on() -> None:
    """One could not go back and needed attention; another one rested on what was left."""
    request = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)
    refused = {"match": {"action": "AuthorizeSecurityGroup", "nth": 2}, "kind": "forbidden"}
    scene = Scene(
        estate=place(),
        requests=(),
        acts=(
            Act(0, "connect", (request,)),
            Act(BUSY, "connect", (request,)),
        ),
        faults=(refused, fault("RevokeSecurityGroup", "forbidden")),
    )
    simulation = run("rests on", scene)
    ended = {each.connection_id: each.status.value for each in simulation.truth.operations()}
    assert list(ended.values()) == ["rolled_back", "succeeded"]


def test_what_was_disconnected_after_a_way_back_is_not_put_back_by_looking_for_late_effects() -> (
    None
):
    """A disconnect was taken up and brought back, the next one succeeded; that its rules were
    gone then was taken for what the first one had done late, and the connection was opened anew."""
    second = {"match": {"action": "RevokeSecurityGroup", "nth": 2}, "kind": "forbidden"}
    full = fault("AuthorizeSecurityGroup", "error", code="AuthorizationLimitExceed", status=403)
    scene = replace(disconnecting("address_rules"), faults=(second,))
    scene = replace(scene, cues=(Cue("before turn back", 1, "trouble", (full,)),))
    simulation = run("put back", scene)
    # At rest it was taken up, disconnected, and late effects were looked for.
    assert statuses(simulation) == ["succeeded", "needs_attention", "rolled_back", "succeeded"]
    assert simulation.cloud.ours() == {}


def test_a_membership_that_is_used_again_is_not_taken_for_a_late_one() -> None:
    """It was joined, taken back by what took the operation up, and joined by the next one."""
    refused = fault("JoinSecurityGroup", "forbidden")
    scene = connecting("shared_group")
    (connect,) = scene.acts
    stuck = ({**refused, "match": {**refused["match"], "nth": 2}},
             fault("LeaveSecurityGroup", "forbidden"))  # fmt: skip

    def again(simulation: Simulation) -> None:
        simulation.do_trouble()
        (operation,) = simulation.truth.operations()
        simulation.hub.at(1, simulation.do_resume)
        simulation.hub.at(60, lambda: simulation.do_connect(*connect.arguments))
        simulation.hub.at(120, simulation.do_sweep)
        assert operation.status == "needs_attention"

    acts = (connect, Act(BUSY, "call", (again,)))
    simulation = run("used again", replace(scene, faults=stuck, acts=acts))
    assert statuses(simulation) == ["needs_attention", "rolled_back", "succeeded", "succeeded"]


def test_a_disconnect_that_a_later_one_brought_to_its_end_cannot_be_taken_up() -> None:
    """To take it up would have put back what is disconnected."""
    stuck = (
        {"match": {"action": "RevokeSecurityGroup", "nth": 2}, "kind": "forbidden"},
        fault("AuthorizeSecurityGroup", "forbidden"),
    )
    codes: list[str] = []

    def resume(simulation: Simulation) -> None:
        operation = simulation.truth.operations()[1]
        assert operation.status == "needs_attention"
        try:
            simulation.processes[0].parts.interventions.resume(operation.operation_id)
        except InvalidStateError as error:
            codes.append(str(error.facts["operation_id"]))

    def again(simulation: Simulation) -> None:
        simulation.do_trouble()
        simulation.hub.at(1, simulation.do_disconnect)
        simulation.hub.at(60, lambda: resume(simulation))  # when it has ended

    scene = disconnecting("address_rules")
    cues = (
        Cue("before turn back", 1, "trouble", stuck[1:]),
        Cue("before record", 2, "call", (resume,)),  # while it is under way
    )
    acts = (*scene.acts, Act(2 * BUSY, "call", (again,)))
    simulation = run("settled", replace(scene, faults=stuck[:1], cues=cues, acts=acts))
    assert statuses(simulation) == ["succeeded", "needs_attention", "succeeded"]
    _, earlier, later = simulation.truth.operations()
    assert codes == [later.operation_id] * 2
    assert earlier.settled_by == later.operation_id


def test_what_came_late_and_another_connection_rests_on_goes_with_that_connection() -> None:
    """A call took effect after its operation was rolled back, and before another connection's own
    did; then it was taken back as a late one, and the connection was closed."""
    late = fault("AuthorizeSecurityGroup", "applied_late", after_seconds=100, times=4)
    request = connect_request("address_rules", ["i-a"], ["i-b"])

    def again(simulation: Simulation) -> None:
        simulation.hub.at(40, lambda: simulation.do_connect(request))

    acts = (Act(0, "connect", (request,)), Act(BUSY, "call", (again,)))
    scene = Scene(estate=place(), requests=(), acts=acts, faults=(late,))
    simulation = run("came late", replace(scene, traits=frozenset({"late"})))
    assert statuses(simulation)[:2] == ["rolled_back", "succeeded"]
    assert statuses(simulation)[-1] == "succeeded"  # it was given back at the end
    assert simulation.cloud.ours() == {}


def taking_one_more(simulation: Simulation) -> None:
    """Freeze a process until its work is settled, and let it take up one more when it wakes."""
    first = simulation.processes[0]
    first.frozen_until = simulation.hub.now + 90
    (connection,) = simulation.truth.connections()

    def wake() -> None:
        def disconnect() -> None:
            first.parts.connections.disconnect(connection.connection_id)

        simulation.hub.spawn("disconnect", disconnect, first)

    simulation.hub.at(90, wake)


def test_a_process_that_was_frozen_for_long_loses_nothing_that_it_takes_up_then() -> None:
    """Its work had been taken over and settled when it took one more from the queue."""
    scene = connecting("address_rules")
    acts = (*scene.acts, Act(BUSY, "call", (taking_one_more,)))
    taken = 0
    for number in range(8):  # who takes it from the queue is drawn
        simulation = run(f"frozen {number}", replace(scene, acts=acts, processes=2))
        assert statuses(simulation) == ["succeeded", "succeeded"]
        events = "\n".join(simulation.trace)
        second = simulation.truth.operations()[1].operation_id[-3:]
        taken += f"p1@1 {second} before begin 1" in events and "superseded p1@1" in events
    assert taken
