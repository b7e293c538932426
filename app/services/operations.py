"""Operations: accepted in one transaction with all that they need, then carried out."""

from dataclasses import replace
from datetime import datetime

from app.domain.concerns import Noun
from app.domain.connections import Connection, ConnectionStatus
from app.domain.documents import Document
from app.domain.errors import (
    ConfirmationRequiredError,
    InvalidStateError,
    NotFoundError,
    PlanStaleError,
    TargetBusyError,
)
from app.domain.expiry import expiry_of
from app.domain.fingerprint import drift
from app.domain.operations import Event, Operation, OperationKind, OperationStatus
from app.domain.principals import Role
from app.ports.clock import Clock, Ids
from app.ports.store import KeptPlan, Page, Store, Work
from app.services.access import check_thing
from app.services.callers import acting_principal
from app.services.freezes import check_thawed
from app.services.plans import PlansService, check_active, check_standing, essence, keys_of

EVENTS_A_LOOK = 100

UNTOUCHED = frozenset({OperationStatus.REJECTED, OperationStatus.CANCELLED})

DRIFT_SHOWN = 100
"""Most differences that a stale plan lists."""


class OperationsService:
    """Starts operations and tells how they fare; `execution` carries them out."""

    def __init__(self, *, store: Store, plans: PlansService, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._plans = plans
        self._clock = clock
        self._ids = ids

    def get(self, operation_id: str) -> Operation:
        with self._store.read() as work:
            operation = work.operations.get(operation_id)
        if operation is None:
            raise NotFoundError("there is no such operation", operation_id=operation_id)
        return operation

    def page(
        self,
        limit: int,
        position: int | None,
        status: OperationStatus | None = None,
        connection_id: str | None = None,
    ) -> Page[Operation]:
        with self._store.read() as work:
            return work.operations.page(
                limit=limit, position=position, status=status, connection_id=connection_id
            )

    def events(self, operation_id: str, after: int) -> tuple[tuple[Event, ...], bool]:
        """What happened to an operation after that event, and whether anything can follow.

        Raises:
            NotFoundError
        """
        with self._store.read() as work:
            operation = work.operations.get(operation_id)
            events = work.operations.events(operation_id, after=after, limit=EVENTS_A_LOOK)
        if operation is None:
            raise NotFoundError("there is no such operation", operation_id=operation_id)
        ended = operation.status.is_final and len(events) < EVENTS_A_LOOK
        return events, ended

    def apply(
        self, plan_id: str, *, wait: bool = True, confirm_lost: int | None = None
    ) -> Operation:
        """Start the operation of a plan, if the world is still the one it was made for.

        Raises:
            ConfirmationRequiredError: `confirm_lost` is not how many pairs it says are lost.
            PlanStaleError: with the difference; or the plan has expired, or the connection
                would have.
            InvalidStateError: the plan was applied before.
            TargetBusyError: only if `wait` is false.
        """
        kept = self._plans.get(plan_id)
        self._check_applicable(kept)
        _check_confirmed(kept, confirm_lost)
        check_unchanged(kept, self._plans.anew(kept).kept)
        if kept.kind == "connect":
            return self.connect(kept, wait=wait, strict=True)
        if kept.kind == "disconnect":
            return self.disconnect(kept, wait=wait, strict=True)
        if kept.kind == "repair":
            return self.repair(kept, wait=wait, strict=True)
        if kept.kind == "move":
            return self.move(kept, wait=wait, strict=True)
        return self.standalone(kept, wait=wait, strict=True)

    def _check_applicable(self, kept: KeptPlan) -> None:
        if kept.applied_by is not None:
            raise InvalidStateError(
                "the plan was applied before",
                plan_id=kept.plan_id,
                operation_id=kept.applied_by,
            )
        if self._clock.now() >= kept.expires_at:
            raise PlanStaleError("the plan has expired; make it anew", plan_id=kept.plan_id)
        expires_at = expiry_of(kept.request)
        if expires_at is not None and self._clock.now() >= expires_at:
            detail = "the time that the connection was to end at has passed"
            raise PlanStaleError(detail, plan_id=kept.plan_id)

    def connect(self, kept: KeptPlan, *, wait: bool, strict: bool = False) -> Operation:
        """Accept a connection: its row, its plan, its operation and its turn, or none of them.

        With `strict` the operation is bound to the world of this very plan; otherwise it is
        planned anew when its turn comes.
        """
        connection = Connection(
            connection_id=self._ids.new(),
            request=kept.request,
            status=ConnectionStatus.PENDING,
            created_at=self._clock.now(),
            expires_at=expiry_of(kept.request),
        )
        operation = self._new(OperationKind.CONNECT, connection.connection_id, kept)
        with self._store.write() as work:
            work.connections.add(connection)
            self._accept(work, operation, kept, wait=wait, strict=strict)
            work.commit()
        return operation

    def disconnect(
        self, kept: KeptPlan, *, wait: bool, strict: bool = False, settles: str | None = None
    ) -> Operation:
        """Accept a disconnect; one that is under way or done answers for a second one.

        `settles` is the operation that it takes back, where somebody asked for that.
        """
        connection_id = kept.request["connection_id"]
        operation = self._new(OperationKind.DISCONNECT, connection_id, kept)
        operation = replace(operation, settles=settles)
        with self._store.write() as work:
            connection = work.connections.get(connection_id)
            if connection is None:
                raise NotFoundError("there is no such connection", connection_id=connection_id)
            earlier = departing(work, connection)
            if earlier is not None:
                return earlier
            self._depart(work, connection, operation, kept, wait=wait, strict=strict)
            taken_back = work.operations.get(settles) if settles is not None else None
            if taken_back is not None:
                work.operations.update(replace(taken_back, settled_by=operation.operation_id))
            work.commit()
        return operation

    def expire(self, kept: KeptPlan, expires_at: datetime) -> Operation | None:
        """Accept the disconnect of a connection whose time has come.

        None where it has another time to end at by now, or has something else going on: so it
        is accepted once, whoever tries.
        """
        connection_id = kept.request["connection_id"]
        operation = self._new(OperationKind.DISCONNECT, connection_id, kept)
        with self._store.write() as work:
            connection = work.connections.get(connection_id)
            if connection is None or connection.expires_at != expires_at:
                return None
            if not (connection.is_over or connection.is_busy):
                tries = 1 + (connection.ending or {"attempts": 0})["attempts"]
                ending = {
                    "attempts": tries,
                    "operation_id": operation.operation_id,
                    "error": None,
                    "next_attempt_at": None,
                }
                connection = replace(connection, ending=ending)
                self._depart(work, connection, operation, kept, wait=True, strict=False)
                work.commit()
                return operation
        return None

    def _depart(
        self,
        work: Work,
        connection: Connection,
        operation: Operation,
        kept: KeptPlan,
        *,
        wait: bool,
        strict: bool,
    ) -> None:
        leaving = replace(connection, status=ConnectionStatus.DISCONNECTING)
        work.connections.update(leaving)
        self._accept(work, operation, kept, wait=wait, strict=strict)

    def repair(self, kept: KeptPlan, *, wait: bool, strict: bool = False) -> Operation:
        """Accept the repair of a connection; until it has ended the connection is being made.

        Raises:
            InvalidStateError: the connection is not active.
        """
        connection_id = kept.request["connection_id"]
        operation = self._new(OperationKind.REPAIR, connection_id, kept)
        with self._store.write() as work:
            connection = work.connections.get(connection_id)
            if connection is None:
                raise NotFoundError("there is no such connection", connection_id=connection_id)
            check_active(connection)
            work.connections.update(replace(connection, status=ConnectionStatus.PENDING))
            self._accept(work, operation, kept, wait=wait, strict=strict)
            work.commit()
        return operation

    def move(
        self, kept: KeptPlan, *, wait: bool, strict: bool = False, settles: str | None = None
    ) -> Operation:
        """Accept a move of a connection that stands, with nothing else going on.

        `settles` is the earlier move that it takes back, where somebody asked for that; asked
        again, the same operation answers.

        Raises:
            NotFoundError, InvalidStateError
        """
        connection_id = kept.request["connection_id"]
        operation = self._new(OperationKind.MOVE, connection_id, kept)
        operation = replace(operation, settles=settles)
        with self._store.write() as work:
            taken_back = work.operations.get(settles) if settles is not None else None
            if taken_back is not None:
                later = work.operations.get(taken_back.settled_by or "")
                if later is not None and later.status not in UNTOUCHED:
                    return later
                settled = replace(taken_back, settled_by=operation.operation_id)
                work.operations.update(settled)
            connection = check_standing(work, connection_id)
            work.connections.update(replace(connection, status=ConnectionStatus.MOVING))
            self._accept(work, operation, kept, wait=wait, strict=strict)
            work.commit()
        return operation

    def standalone(
        self, kept: KeptPlan, *, wait: bool, strict: bool = False, settles: str | None = None
    ) -> Operation:
        """Accept what belongs to no connection, such as a restore; one that takes back an earlier
        operation answers for a second one.

        `settles` is the operation that it takes back, where it does.
        """
        operation = replace(self._new(OperationKind(kept.kind), None, kept), settles=settles)
        with self._store.write() as work:
            taken_back = work.operations.get(settles) if settles is not None else None
            if taken_back is not None:
                later = work.operations.get(taken_back.settled_by or "")
                if later is not None and later.status not in UNTOUCHED:
                    return later
                settled = replace(taken_back, settled_by=operation.operation_id)
                work.operations.update(settled)
            self._accept(work, operation, kept, wait=wait, strict=strict)
            work.commit()
        return operation

    def _new(self, kind: OperationKind, connection_id: str | None, kept: KeptPlan) -> Operation:
        return Operation(
            operation_id=self._ids.new(),
            kind=kind,
            status=OperationStatus.PENDING,
            connection_id=connection_id,
            plan_id=kept.plan_id,
            created_at=self._clock.now(),
            actor=acting_principal().principal_id,
        )

    def _accept(
        self, work: Work, operation: Operation, kept: KeptPlan, *, wait: bool, strict: bool
    ) -> None:
        keys = keys_of(kept)
        busy = work.turns.holders(keys)
        if busy and not wait:
            raise TargetBusyError(
                f"operation {busy[0]} is changing the same group", operation_id=busy[0]
            )
        if work.plans.get(kept.plan_id) is None:
            work.plans.add(kept)
        check_thing(work, Role.OPERATOR, Noun.PLAN, kept.plan_id)
        check_thawed(work, work.concerns.of(Noun.PLAN, kept.plan_id).touched)
        work.operations.add(operation)
        if strict and not work.plans.mark_applied(kept.plan_id, operation.operation_id):
            raise InvalidStateError("the plan was applied before", plan_id=kept.plan_id)
        work.turns.take(operation.operation_id, keys)
        work.enqueue(operation.operation_id)


def _check_confirmed(kept: KeptPlan, confirm_lost: int | None) -> None:
    """Have the caller of a tightening name what will be lost; of other plans they may."""
    lost = kept.document["lost"]["pairs"]
    required = "tighten" in kept.document
    if confirm_lost != lost and (required or confirm_lost is not None):
        raise ConfirmationRequiredError(
            f"the plan takes {lost} pairs away: confirm it by confirm_lost",
            plan_id=kept.plan_id,
            lost=lost,
        )


def departing(work: Work, connection: Connection) -> Operation | None:
    """The operation that disconnects a connection already, or did.

    Raises:
        InvalidStateError: the connection is still being made, or is being moved.
    """
    under_way = {ConnectionStatus.PENDING: "made", ConnectionStatus.MOVING: "moved"}
    if connection.status in under_way:
        raise InvalidStateError(
            f"the connection is still being {under_way[connection.status]}",
            connection_id=connection.connection_id,
        )
    if connection.status not in {ConnectionStatus.DISCONNECTING, ConnectionStatus.DISCONNECTED}:
        return None
    page = work.operations.page(limit=1, position=None, connection_id=connection.connection_id)
    return page.items[0] if page.items else None


def check_unchanged(kept: KeptPlan, anew: KeptPlan) -> None:
    """Compare the worlds of two plans for the same request, and what they would do.

    Raises:
        PlanStaleError: they differ; `difference` lists how.
    """
    if kept.fingerprint != anew.fingerprint or essence(kept) != essence(anew):
        differences: list[Document] = drift(kept.world, anew.world)
        differences += drift({"plan": essence(kept)}, {"plan": essence(anew)})
        raise PlanStaleError(
            "the cloud has changed since the plan was made",
            plan_id=kept.plan_id,
            difference=differences[:DRIFT_SHOWN],
        )
