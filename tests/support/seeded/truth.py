"""What must be true at every instant, judged by what is and not by what the service was told.

I1 to I16 are the invariants of docs/simulation.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from app.domain.audit import BEGINNING, AuditEvent, chained
from app.domain.changes import Join
from app.domain.connections import Connection, ConnectionStatus
from app.domain.documents import read_change
from app.domain.errors import AppError
from app.domain.operations import Operation, OperationKind, OperationStatus
from tests.support.clouds import BASE_KEY_SECRET
from tests.support.e2e import Document, Probe, Radius, asked_probes
from tests.support.memory import Table
from tests.support.seeded.hub import CountedIds
from tests.support.seeded.scenes import LAG

if TYPE_CHECKING:
    from app.adapters.ecs.transport import SdkRequest
    from app.services.plans import Planned
    from tests.support.seeded.simulation import Simulation

_S, _C = OperationStatus, ConnectionStatus
LATEST = 200.0
"""Seconds after which no call is late any more."""

REPEATS = 8
"""Most calls for one change without crashes: sends, and looks at a group that is still used."""

ACTIONS = {
    "JoinSecurityGroup": "join",
    "LeaveSecurityGroup": "leave",
    "DeleteSecurityGroup": "delete_group",
}


class Violation(BaseException):
    """An invariant does not hold. Not an Exception: no code of the service may catch it."""


class Truth:
    """Looks after every event."""

    def __init__(self, run: Simulation) -> None:
        self._run = run
        self._cloud = run.cloud
        self._seen = (-1, -1)
        self._open_without_us: set[Probe] = set()
        self._once_open: frozenset[Probe] = frozenset()
        self._forgiven: set[str] = set()
        self._last_hand = -1
        self._began: dict[str, int] = {}
        self._calls: Counter[str] = Counter()
        self._backed_up: set[tuple[str, str]] = set()
        self._open_before: dict[str, frozenset[Probe]] = {}
        self._radii: dict[str, tuple[Radius, Radius, frozenset[Probe]]] = {}

    def _fail(self, invariant: str, what: str) -> NoReturn:
        self._run.tell(f"VIOLATED {invariant} {what}")
        raise Violation(f"{invariant}: {what}")

    # --- what the service keeps -----------------------------------------------------

    def _all(self, table: str) -> Iterator[Any]:
        return (value for _, value in self._run.shelf.tables[table].values())

    def _operation(self, operation_id: str) -> Operation:
        found: Operation = self._run.shelf.tables["operations"][operation_id][1]
        return found

    def _connection(self, operation: Operation) -> Connection:
        found: Connection = self._run.shelf.tables["connections"][operation.connection_id][1]
        return found

    def operations(self) -> list[Operation]:
        return list(self._all("operations"))

    def connections(self) -> list[Connection]:
        return list(self._all("connections"))

    def _origin(self, operation: Operation) -> Operation:
        """The operation whose changes it is about: its own, or those that it takes up."""
        while operation.settles is not None:
            earlier = self._operation(operation.settles)
            if earlier.status not in {_S.NEEDS_ATTENTION, _S.ROLLED_BACK}:
                break
            operation = earlier
        return operation

    def hand(self, what: str) -> None:
        self._run.tell(f"hand: {what}")
        self._last_hand = self._run.boundaries

    def _is_disturbed(self, operation: Operation) -> bool:
        """Whether somebody else acted since the connection was asked for."""
        began = min(
            (
                self._began.get(each.operation_id, 0)
                for each in self.operations()
                if each.connection_id == operation.connection_id
            ),
            default=0,
        )
        return self._last_hand >= began

    @property
    def _is_late(self) -> bool:
        """Whether calls may take effect when nobody looks for them any more."""
        very = any(each.get("after_seconds", 0) > 60 for each in self._run.scene.faults)
        return very or self._run.residual

    # --- before a call that changes something ----------------------------------------

    def may_call(self) -> bool:
        """Whether the process that is about to call is one that others count with."""
        task = self._run.hub.current
        tenure = None if task is None else task.tenure_id
        if tenure is None:
            return False
        row = self._run.shelf.tables["tenures"].get(tenure)
        return row is not None and row[1].ended_at is None

    def before_call(self, request: SdkRequest, *, legitimate: bool) -> None:
        task, sent = self._run.hub.current, request.get_query_params()
        operation_id = None if task is None else task.operation_id
        action = request.get_action_name()
        if operation_id is None:
            self._fail("I8", f"{action} outside of an operation")
        self._calls[operation_id] += 1
        if not legitimate:
            self._fail("I7", f"{action} by a process whose work was taken over")
        if not self.may_call():
            # Frozen between the last look and the call: P24 does not promise this one.
            self._run.residual = True
            return
        self._check_turn(operation_id, sent)
        self._check_told(self._check_intent(operation_id, action, sent))
        self._check_backup(operation_id, sent)
        self._check_count(operation_id)

    def _check_turn(self, operation_id: str, sent: Mapping[str, Any]) -> None:
        group_id = sent.get("SecurityGroupId")
        turns: Table = self._run.shelf.tables["turns"]
        if operation_id not in turns:
            self._fail("I7", f"operation {operation_id} acts without a turn")
        number, keys = turns[operation_id]
        for other, (before, others) in turns.items():
            if before < number and keys & others:
                self._fail("I7", f"{operation_id} acts while it is the turn of {other}")
        foreign = group_id in self._cloud.others.store.groups
        if foreign and group_id not in keys:
            self._fail("I7", f"{operation_id} acts on {group_id} without a turn for it")

    def _check_told(self, token: str) -> None:
        """The audit was told of a call before it is made."""
        told: Iterator[AuditEvent] = iter(self._run.shelf.tables["audit"].values())
        if not any(
            each.entry.outcome == "begun" and each.entry.detail["token"] == token
            for each in told
            if "token" in each.entry.detail
        ):
            self._fail("I8", f"the call {token} is not in the audit")

    def _check_intent(self, operation_id: str, action: str, sent: Mapping[str, Any]) -> str:
        """Return the token of the intent of a call."""
        intents = [each for each in self._all("intents") if each.operation_id == operation_id]
        token = sent.get("ClientToken")
        for each in intents:
            change = each.intent.change
            if token is not None:
                first, _, rest = token.rpartition(":")
                if token == each.intent.token or (first == each.intent.token and rest.isdigit()):
                    return str(each.intent.token)
            elif (
                change["action"] == ACTIONS[action]
                and change["group_id"] == sent["SecurityGroupId"]
                and change.get("instance_id") == sent.get("InstanceId")
            ):
                return str(each.intent.token)
        return self._fail("I8", f"{action} without an intent")

    def _check_backup(self, operation_id: str, sent: Mapping[str, Any]) -> None:
        group_id = str(sent.get("SecurityGroupId"))
        known = (operation_id, group_id)
        if known in self._backed_up or group_id not in self._cloud.others.store.groups:
            return
        self._backed_up.add(known)
        found = [
            each
            for each in self._all("backups")
            if each.operation_id == operation_id and each.group_id == group_id
        ]
        if not found:
            self._fail("I1", f"{group_id} was not backed up")
        found[-1].check()
        kept = {rule["rule_id"] for rule in found[-1].content["rules"]}
        present = set(self._cloud.truth.store.groups[group_id].rules)
        lags = {"stale", "late"} & self._run.scene.traits or self._is_late
        quiet = not lags and not self._is_disturbed(self._operation(operation_id))
        if quiet and kept != present:
            self._fail("I1", f"the backup of {group_id} is not what is: {kept ^ present}")

    def _check_count(self, operation_id: str) -> None:
        operation = self._operation(operation_id)
        plan = self._run.shelf.tables["plans"][operation.plan_id or ""][1]
        size = 2 * len(plan.document["changes"]) + len(self._cloud.our_groups()) + 2
        runs = 1 + self._run.crashed + 4 * self._run.scene.processes
        if self._calls[operation_id] > size * REPEATS * runs:
            self._fail("I10", f"{operation_id} calls without end")

    # --- after every event ----------------------------------------------------------

    def look(self) -> None:
        """Look at the cloud as it is."""
        cloud = self._cloud
        version = (cloud.truth.store.version, cloud.others.store.version)
        if version == self._seen:
            return
        self._seen = version
        lost = [each for each in cloud.lost() if not self._was_just_edited(each)]
        if lost:
            self._fail("I3", f"what is not ours was changed: {lost}")
        for rule_id, held in cloud.ours().items():
            if held.origin not in self._run.shelf.tables["operations"]:
                self._fail("I9", f"nobody knows where {rule_id} comes from")
            weight = cloud.truth.store.groups[held.group_id].weight
            if weight > (cloud.truth.settings.quotas.rules_per_group or weight):
                self._fail("I16", f"{held.group_id} holds {weight} rules because of us")
            if held.rule.source_cidr in {"0.0.0.0/0", "::/0"}:
                self._fail("I6", f"{rule_id} opens the world")
        self._check_exposure()

    def _was_just_edited(self, rule_id: str) -> bool:
        """Whether somebody made a rule of ours theirs after we looked at it for the last time.

        The cloud has no conditional call: this one round trip is what cannot be promised, nor
        what reads do not show yet.
        """
        task = self._run.hub.current
        if rule_id in self._forgiven:
            return True
        began = -1 if task is None else task.step_began
        edited_at = self._cloud.contested.get(rule_id)
        if edited_at is None:
            return False
        lag = LAG if "stale" in self._run.scene.traits else 0
        if self._last_hand >= began or self._run.hub.now - edited_at < lag:
            self._forgiven.add(rule_id)
            return True
        return False

    def _check_exposure(self) -> None:
        cloud = self._cloud
        now, without = cloud.passing(cloud.truth), cloud.passing(cloud.others)
        self._open_without_us |= without
        before, self._once_open = self._once_open, self._once_open | now
        opened, closed = now - without - self._open_without_us, without - now
        if opened:
            told = frozenset[Probe]().union(*(self._gained(each) for each in self._live()))
            told = told.union(*(self._open_before[each] for each in self._live_connections()))
            told |= self._moved()
            if "stale" in self._run.scene.traits:
                told |= before  # what was closed lately is open still to who plans
            if opened - told:
                self._fail("I4", f"opened, and nobody was told: {_spell(opened - told)}")
        if closed and (forgiven := self._forgiven & set(cloud.lost())):
            closed &= cloud.passing_but_for(forgiven)
        if closed:
            told = frozenset[Probe]().union(*(self._lost(each) for each in self._live()))
            if closed - told:
                self._fail("I5", f"closed, and nobody was told: {_spell(closed - told)}")
        for connection in self.connections():
            if connection.status in {_C.ACTIVE, _C.MOVING}:
                self._check_stands(connection, now)

    def _check_stands(self, connection: Connection, now: frozenset[Probe]) -> None:
        """What somebody was told to have stays open until they give it back."""
        about = [
            each for each in self.operations() if each.connection_id == connection.connection_id
        ]
        asked = set(asked_probes(self._run.scene.estate, connection.request)) & self._probes
        if asked - now and not any(map(self._is_disturbed, about)):
            what = f"{connection.connection_id} is active and closed: {_spell(asked - now)}"
            self._fail("I5", what)

    def _moved(self) -> frozenset[Probe]:
        """Packets of instances that somebody else moved: what we opened to a group is theirs."""
        was = {
            (group_id, each["InstanceId"])
            for each in self._run.scene.estate["instances"]
            for group_id in each["SecurityGroupIds"]
        }
        moved = {name for _, name in self._cloud.memberships(self._cloud.others) ^ was}
        return frozenset(
            each
            for each in self._cloud.probes
            if {each.source.instance_id, each.target.instance_id} & moved
        )

    @property
    def _probes(self) -> frozenset[Probe]:
        return frozenset(self._cloud.probes)

    def _live(self) -> list[str]:
        """Plans of which something may be in the cloud."""
        live = self._live_connections()
        return [
            each.plan_id or ""
            for each in self.operations()
            if each.kind.makes_connection
            and each.connection_id in live
            and (self._is_late or not self._was_moved_on(each))
        ]

    def _was_moved_on(self, operation: Operation) -> bool:
        """Whether the connection was moved since: what that closed may not be open any more."""
        if not operation.status.is_final:
            return False
        after = False
        for each in self.operations():
            if each.operation_id == operation.operation_id:
                after = True
            elif (
                after
                and each.kind is OperationKind.MOVE
                and each.status is _S.SUCCEEDED
                and each.connection_id == operation.connection_id
            ):
                return True
        return False

    def _live_connections(self) -> set[str]:
        over = {_C.FAILED, _C.DISCONNECTED}
        return {
            each.connection_id
            for each in self.connections()
            if each.status not in over or self._is_late
        }

    def _radius(self, plan_id: str) -> tuple[Radius, Radius, frozenset[Probe]]:
        if plan_id not in self._radii:
            plan = self._run.shelf.tables["plans"][plan_id][1]
            request = plan.request
            if plan.kind == "repair":
                request = self._run.shelf.tables["connections"][request["connection_id"]][1].request
            if plan.kind == "move":
                request = plan.document["move"]["request"]
            asked = asked_probes(self._run.scene.estate, request)
            gained, lost = Radius(plan.document["gained"]), Radius(plan.document["lost"])
            self._radii[plan_id] = gained, lost, frozenset(asked)
        return self._radii[plan_id]

    def _gained(self, plan_id: str) -> frozenset[Probe]:
        gained, _, asked = self._radius(plan_id)
        return asked | {each for each in self._cloud.probes if gained.item_of(each) is not None}

    def _lost(self, plan_id: str) -> frozenset[Probe]:
        _, lost, _ = self._radius(plan_id)
        return frozenset(each for each in self._cloud.probes if lost.item_of(each) is not None)

    # --- after every commit ---------------------------------------------------------

    def committed(self, before: Mapping[str, Table], after: Mapping[str, Table]) -> None:
        self._check_history(before, after)
        if before["operations"] is after["operations"]:
            return
        for operation_id, (_, now) in after["operations"].items():
            row = before["operations"].get(operation_id)
            if row is None:
                self._began[operation_id] = self._run.boundaries
            if row is None or row[1].plan_id != now.plan_id:
                passing = self._cloud.passing(self._cloud.truth)
                earlier = self._open_before.get(now.connection_id or "", frozenset())
                self._open_before[now.connection_id or ""] = earlier | passing
            if row is None:
                self._check_applied_once(now)
                continue
            was = row[1]
            if was is now or was == now:
                continue
            if was.status.is_final:
                self._check_unchanged(was, now)
            elif now.status.is_final:
                self._run.tell(f"{operation_id[-3:]} {now.status.value}")
                self._check_ended(now)

    def _check_history(self, before: Mapping[str, Table], after: Mapping[str, Table]) -> None:
        """What happened is appended to, and what was noted before a call is never removed."""
        if before["events"] is not after["events"]:
            for operation_id, events in before["events"].items():
                if after["events"][operation_id][: len(events)] != events:
                    self._fail("I12", f"the events of {operation_id} were overwritten")
        if not before["intents"].keys() <= after["intents"].keys():
            self._fail("I12", "an intent was removed")
        self._check_chain(before["audit"], after["audit"])

    def _check_chain(self, before: Table, after: Table) -> None:
        """Records follow one another, and those of before are still there."""
        if before is after:
            return
        if any(after.get(number) is not event for number, event in before.items()):
            self._fail("I12", "a record of the audit was changed")
        last: AuditEvent | None = before.get(len(before))
        for number in range(len(before) + 1, len(after) + 1):
            event: AuditEvent = after[number]
            if event != chained(BEGINNING if last is None else last.head, event.entry):
                self._fail("I12", f"record {number} of the audit does not follow")
            last = event

    def _check_applied_once(self, operation: Operation) -> None:
        same = [
            each.operation_id
            for each in self.operations()
            if each.plan_id == operation.plan_id and each.settles == operation.settles is None
        ]
        if len(same) > 1:
            self._fail("I13", f"{same} apply one plan")

    def _check_unchanged(self, was: Operation, now: Operation) -> None:
        same = ("status", "result", "error", "finished_at", "kind", "connection_id", "settles")
        for name in same:
            if getattr(was, name) != getattr(now, name):
                self._fail("I15", f"{name} of the ended {was.operation_id} changed")

    def _check_ended(self, operation: Operation) -> None:
        if (operation.result is None) == (operation.error is None):
            self._fail("I2", f"{operation.operation_id} ended without saying how")
        code = (operation.error or {}).get("code")
        cause = ((operation.error or {}).get("cause") or {}).get("code")
        if "internal_error" in {code, cause}:
            self._fail("I2", f"{operation.operation_id} broke: {operation.error}")
        match operation.status:
            case _S.REJECTED | _S.CANCELLED:
                if self._calls[operation.operation_id]:
                    self._fail("I2", f"{operation.status} after a call was made")
            case _S.SUCCEEDED:
                self._check_succeeded(operation)
            case _S.ROLLED_BACK:
                self._check_rolled_back(operation)
            case _S.NEEDS_ATTENTION:
                self._check_attention(operation)

    def _changes(self, operation: Operation) -> list[Any]:
        plan = self._run.shelf.tables["plans"][operation.plan_id or ""][1]
        return [read_change(each) for each in plan.document["changes"]]

    def _check_succeeded(self, operation: Operation) -> None:
        if self._is_disturbed(operation) or self._is_late:
            return
        if operation.kind is OperationKind.MOVE:
            self._check_moved(operation)
        if operation.kind.makes_connection:
            connection = self._connection(operation)
            asked = set(asked_probes(self._run.scene.estate, connection.request)) & self._probes
            closed = asked - self._cloud.passing(self._cloud.truth)
            if closed:
                self._fail("I2", f"succeeded, and closed: {_spell(closed)}")
        entries = [each for each in self._all("entries") if operation.connection_id in each.users]
        if operation.kind is OperationKind.DISCONNECT and entries:
            self._fail("I2", "disconnected, and still in the ledger")
        self._check_left(operation)

    def _check_moved(self, operation: Operation) -> None:
        """After a move what it said is lost is closed, but for what others keep open."""
        lost = self._lost(operation.plan_id or "")
        connection_id = operation.connection_id or ""
        self._open_before[connection_id] = self._open_before[connection_id] - lost
        others = [
            each
            for each in self.connections()
            if each.connection_id != connection_id and each.status is not _C.DISCONNECTED
        ]
        left = lost & self._cloud.passing(self._cloud.truth) - self._open_without_us
        if left and not others:
            self._fail("I2", f"moved, and still open: {_spell(left)}")

    def _check_left(self, operation: Operation) -> None:
        """After a disconnect nothing of the connection is left that nobody else uses."""
        if operation.kind is not OperationKind.DISCONNECT:
            return
        used = {each.entry_id.split("/", 1)[0] for each in self._all("entries")}
        makers = {
            each.operation_id
            for each in self.operations()
            if each.connection_id == operation.connection_id
        } - used
        left = [key for key, held in self._cloud.ours().items() if held.origin in makers]
        if left:
            self._fail("I2", f"disconnected, and {left} is left")

    def _check_rolled_back(self, operation: Operation) -> None:
        origin = self._origin(operation)
        if self._is_late or self._is_disturbed(operation):
            return
        ours = self._cloud.ours()
        if origin.kind.makes_connection:
            used = {each.entry_id.rsplit("/", 1)[-1] for each in self._all("entries")}
            left = [
                key
                for key, held in ours.items()
                if held.origin == origin.operation_id and key not in used
            ]
            if left:
                self._fail("I2", f"rolled back, and {left} is left")
            self._check_no_membership(origin)
        if origin.kind in {OperationKind.MOVE, OperationKind.DISCONNECT}:
            self._check_restored(origin)

    def _check_no_membership(self, origin: Operation) -> None:
        known = {
            (each.effect.group_id, each.effect.instance_id)
            for each in self._all("entries")
            if hasattr(each.effect, "instance_id")
        }
        mine = {
            (change.group_id, change.instance_id)
            for change in self._sent(origin)
            if isinstance(change, Join)
        }
        left = (self._cloud.our_memberships() & mine) - known
        if left:
            self._fail("I2", f"rolled back, and {sorted(left)} are members")

    def _check_restored(self, origin: Operation) -> None:
        """A disconnect that was taken back: what the connection needs is there."""
        connection = self._connection(origin)
        asked = set(asked_probes(self._run.scene.estate, connection.request)) & self._probes
        plan = self._run.shelf.tables["plans"][origin.plan_id or ""][1]
        if plan.document["status_before"] != "active":
            return
        closed = asked - self._cloud.passing(self._cloud.truth)
        if closed:
            self._fail("I2", f"the disconnect was taken back, and closed: {_spell(closed)}")

    def _sent(self, operation: Operation) -> list[Any]:
        return [
            read_change(each.intent.change)
            for each in self._all("intents")
            if each.operation_id == operation.operation_id and ":change:" in each.intent.token
        ]

    def _check_attention(self, operation: Operation) -> None:
        """What is left is said: exactly, where the cloud can be read and nobody else acts."""
        error: Document = operation.error or {}
        if "resume" not in error or "remaining" not in error or "remedy" not in error:
            self._fail("I2", "attention is needed and nobody is told for what")
        origin = self._origin(operation)
        if self._is_disturbed(operation) or not origin.kind.makes_connection:
            return
        told = {
            each["rule"]["rule_id"] for each in error["remaining"] if each["kind"] == "added_rule"
        }
        unconfirmed = {
            new["description"].split(" ")[0]
            for each in error["unconfirmed"]
            if each["action"] == "add_rules"
            for new in each["rules"]
        }
        ours = {
            key: held
            for key, held in self._cloud.ours().items()
            if held.origin == origin.operation_id
        }
        hidden = {
            key
            for key, held in ours.items()
            if key not in told and (held.rule.description or "").split(" ")[0] not in unconfirmed
        }
        joins = {
            (each["group_id"], each["instance_id"])
            for each in (*error["remaining"], *error["unconfirmed"])
            if "instance_id" in each
        }
        known = {
            (each.effect.group_id, each.effect.instance_id)
            for each in self._all("entries")
            if hasattr(each.effect, "instance_id") and each.operation_id != origin.operation_id
        }
        sent = {
            (change.group_id, change.instance_id)
            for change in self._sent(origin)
            if isinstance(change, Join)
        }
        hidden |= {str(each) for each in (self._cloud.our_memberships() & sent) - joins - known}
        quiet = not self._is_late and "stale" not in self._run.scene.traits
        if hidden and not self._is_late:
            self._fail("I2", f"{sorted(hidden)} remain and are not told")
        if quiet and "late" not in self._run.scene.traits and told - set(ours):
            self._fail("I2", f"{sorted(told - set(ours))} are told and do not remain")

    def carried(self, operation_id: str) -> None:
        """A run of the operation came to its end without being interrupted."""
        if not self._operation(operation_id).status.is_final:
            self._fail("I14", f"{operation_id} was carried out and has not ended")

    # --- at rest --------------------------------------------------------------------

    def at_rest(self) -> None:
        """Nothing goes wrong any more and nothing runs: all is decided, and can be taken back."""
        run = self._run
        for operation in self.operations():
            if not operation.status.is_final:
                self._fail("I14", f"{operation.operation_id} is {operation.status} for ever")
        run.rest(LATEST)
        with run.cloud.truth.lock:
            run.cloud.truth.settle()
        self.look()
        for _ in range(3):
            run.sweep()
        self._check_known()
        self._check_resumed()
        self._check_nothing_to_do()
        self._check_given_back()
        self._check_nothing_comes_back()
        self._check_secrets()

    def _check_known(self) -> None:
        """Every rule with our marker is in the ledger, or somebody was told of it."""
        ledger = {each.entry_id.rsplit("/", 1)[-1] for each in self._all("entries")}
        told = {
            each.operation_id for each in self.operations() if each.status is _S.NEEDS_ATTENTION
        }
        told |= {self._origin(self._operation(each)).operation_id for each in told}
        for rule_id, held in self._cloud.ours().items():
            if rule_id not in ledger | told and held.origin not in told and not self.was_disturbed:
                self._fail("I9", f"{rule_id} is ours and nobody knows")

    @property
    def was_disturbed(self) -> bool:
        return self._last_hand >= 0

    def _check_resumed(self) -> None:
        for _ in range(3):
            for operation in self.operations():
                if operation.status is _S.NEEDS_ATTENTION and self._is_open(operation):
                    self._resume(operation)

    def _is_open(self, operation: Operation) -> bool:
        if operation.settled_by is None:
            return True
        return self._operation(operation.settled_by).status in {_S.REJECTED, _S.CANCELLED}

    def _resume(self, operation: Operation) -> None:
        overtaken = self._connection(operation).status is _C.DISCONNECTED
        if overtaken and operation.kind is not OperationKind.CONNECT:
            return  # what it had removed would be put back for nobody
        later = self._run.ask(
            "resume", lambda asked: asked.interventions.resume(operation.operation_id)
        )
        ended = self._operation(later.operation_id)
        if ended.kind is not OperationKind.CONNECT and (ended.error or {}).get("unconfirmed"):
            return  # a removal that never showed: to disconnect again is what brings it to an end
        if ended.status not in {_S.SUCCEEDED, _S.ROLLED_BACK} and not self.was_disturbed:
            self._fail("I14", f"the obstacle is gone, and it is {ended.status}: {ended.error}")

    def _check_nothing_to_do(self) -> None:
        """After every success, planning the same again gives an empty plan."""
        for connection in self.connections():
            if connection.status is _C.ACTIVE and not self.was_disturbed:
                planned = self._planned(connection)
                if planned.plan.changes:
                    self._fail("P22", f"there is still something to do: {planned.plan.changes}")

    def _planned(self, connection: Connection) -> Planned:
        request = connection.request
        return self._run.ask("plan again", lambda asked: asked.plans.for_connection(request))

    def _check_given_back(self) -> None:
        """When everything is given back, the cloud is as it would be without us."""
        for connection in self.connections():
            if connection.status in {_C.ACTIVE, _C.NEEDS_ATTENTION}:
                self._give_back(connection)
        cloud = self._cloud
        left = [*sorted(cloud.ours()), *map(str, sorted(cloud.our_memberships()))]
        left += sorted(cloud.our_groups())
        if left and not self.was_disturbed:
            self._fail("I9", f"everything was given back, and {left} is left")
        lost = [each for each in cloud.lost() if each not in self._forgiven]
        if lost:
            self._fail("I3", f"{lost} is lost")
        if self._run.shelf.tables["turns"]:
            self._fail("I7", "somebody keeps a turn for ever")
        if list(self._all("entries")) and not self.was_disturbed:
            self._fail("I9", "everything was given back, and the ledger is not empty")

    def _check_nothing_comes_back(self) -> None:
        """What was given back stays given back, however often late effects are looked for."""
        before = self._cloud.truth.store.version
        self._run.sweep()
        if self._cloud.truth.store.version != before:
            self._fail("I9", "everything was given back, and it was changed after that")

    def _give_back(self, connection: Connection) -> None:
        try:
            operation = self._run.ask(
                "disconnect",
                lambda asked: asked.connections.disconnect(connection.connection_id),
            )
        except AppError as error:
            self._fail("I14", f"a connection cannot be given back: {error.code} {error}")
        ended = self._operation(operation.operation_id)
        if ended.status is not _S.SUCCEEDED and not self.was_disturbed:
            self._fail("I14", f"a disconnect without faults is {ended.status}: {ended.error}")

    def _check_secrets(self) -> None:
        """No secret is kept anywhere but with its account, and none is told."""
        tables = {key: value for key, value in self._run.shelf.tables.items() if key != "accounts"}
        text = "".join(self._run.trace) + str(tables)
        for secret in (CountedIds.CANARY, BASE_KEY_SECRET):
            if secret in text:
                self._fail("I11", "a secret is where it should not be")


def _spell(probes: Any) -> str:
    return ", ".join(
        sorted(
            f"{each.source.instance_id or each.source.address}>{each.target.instance_id}"
            f":{each.protocol}/{each.port}"
            for each in probes
        )
    )
