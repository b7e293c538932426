"""What somebody can do about an operation: cancel it, take it back, take it up again."""

from dataclasses import replace

from app.domain.concerns import Noun
from app.domain.connections import Connection, ConnectionStatus
from app.domain.documents import Document
from app.domain.errors import InUseError, InvalidStateError, NotFoundError
from app.domain.moving import way_of
from app.domain.operations import Operation, OperationKind, OperationStatus, is_watching
from app.ports.clock import Clock, Ids
from app.ports.store import Store, Work
from app.services.callers import acting_principal
from app.services.endings import EndingsService, origin_of
from app.services.freezes import check_thawed
from app.services.operations import UNTOUCHED, OperationsService, departing
from app.services.plans import PlansService, keys_of

_S = OperationStatus


class InterventionsService:
    """Each answers at once; what changes the cloud is done by the operation that is answered."""

    def __init__(
        self,
        *,
        store: Store,
        plans: PlansService,
        operations: OperationsService,
        endings: EndingsService,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._plans = plans
        self._operations = operations
        self._endings = endings
        self._clock = clock
        self._ids = ids

    def cancel(self, operation_id: str) -> Operation:
        """End an operation that has touched nothing yet; asked again, answer the same.

        Raises:
            NotFoundError
            InvalidStateError: its first change is made, or it has ended; `remedy` is the
                request to send instead, where there is one.
        """
        with self._store.write() as work:
            operation = _existing(work, operation_id)
            if operation.status is not _S.CANCELLED:
                _check_untouched(work, operation)
                self._endings.cancel(work, operation_id)
                work.commit()
        return self._operations.get(operation_id)

    def roll_back(self, operation_id: str) -> Operation:
        """Take back what an operation did; return the operation that does so.

        One that runs turns back itself before its next call, one that has touched nothing is
        cancelled. What succeeded is taken back by a new operation, and what needed attention
        is taken up by one; asked again, answer the same.

        Raises:
            NotFoundError
            InvalidStateError: nothing of it is left, or it was a disconnect or a repair that
                succeeded.
            InUseError: `connection_ids` need what it did.
        """
        with self._store.write() as work:
            operation = _existing(work, operation_id)
            if operation.status in {_S.PENDING, _S.RUNNING}:
                self._ask(work, operation)
                work.commit()
        match operation.status:
            case _S.PENDING | _S.RUNNING | _S.ROLLING_BACK:
                return self._operations.get(operation_id)
            case _S.NEEDS_ATTENTION:
                return self._take_up(operation_id, back=True)
            case _S.SUCCEEDED:
                return self._take_back(operation)
            case _:
                raise _not_in_state("nothing of the operation is left in the cloud", operation)

    def resume(self, operation_id: str) -> Operation:
        """Take up an operation that needs attention: look again, then finish it, or go back. One
        that is only watched is finished at its next look.

        Raises:
            NotFoundError
            InvalidStateError: it neither needs attention nor is watched, or was settled by
                another one, `operation_id`.
        """
        with self._store.write() as work:
            operation = _existing(work, operation_id)
            if operation.status is _S.RUNNING and is_watching(operation):
                if operation.finish_asked_at is None:
                    asked = replace(operation, finish_asked_at=self._clock.now())
                    work.operations.update(asked)
                    work.commit()
                return operation
        return self._take_up(operation_id, back=False)

    def take_back_late(self, operation_id: str) -> Operation:
        """Take back what took effect after an operation was rolled back.

        Raises:
            NotFoundError, InvalidStateError
        """
        return self._take_up(operation_id, back=True, ended=_S.ROLLED_BACK)

    def _ask(self, work: Work, operation: Operation) -> None:
        if not work.intents.of_operation(operation.operation_id):
            self._endings.cancel(work, operation.operation_id)
        elif operation.rollback_asked_at is None:
            work.operations.update(replace(operation, rollback_asked_at=self._clock.now()))

    def _take_back(self, operation: Operation) -> Operation:
        """Disconnect what the operation connected, unless somebody else needs it; of one that
        belongs to no connection take back what is still in effect.
        """
        if operation.connection_id is None:
            return self._take_standalone_back(operation)
        if operation.kind is OperationKind.DISCONNECT:
            raise self._connect_again(operation)
        if operation.kind is OperationKind.REPAIR:
            path = f"/v1/connections/{operation.connection_id}"
            remedy: Document = {"method": "DELETE", "path": path}
            detail = "a repair is taken back with its connection"
            raise _not_in_state(detail, operation, remedy)
        if operation.kind is OperationKind.MOVE:
            return self._move_back(operation)
        with self._store.read() as work:
            entries = work.ledger.of_operation(operation.operation_id)
        users = {each for entry in entries for each in entry.users} - {operation.connection_id}
        if users:
            raise InUseError(
                "other connections need what the operation made",
                operation_id=operation.operation_id,
                connection_ids=sorted(users),
            )
        kept = self._plans.for_disconnect(operation.connection_id).kept
        return self._operations.disconnect(kept, wait=True, settles=operation.operation_id)

    def _move_back(self, operation: Operation) -> Operation:
        """Move the connection back to the method that it had, if nothing happened to it since."""
        assert operation.connection_id is not None
        with self._store.read() as work:
            later = work.operations.get(operation.settled_by or "")
            connection = work.connections.get(operation.connection_id)
            kept = work.plans.get(operation.plan_id or "")
        if later is not None and later.status not in UNTOUCHED:
            return later
        assert connection is not None
        assert kept is not None
        move, to = kept.document["move"], way_of(kept.document["move"]["from"])
        request = {"connection_id": connection.connection_id, "to": to}
        if way_of(connection.request) != way_of(move["request"]) or connection.is_over:
            body = {"kind": "move", **request}
            remedy = None if connection.is_over else _request("/v1/plans", body)
            raise _not_in_state("the connection is not as this move left it", operation, remedy)
        planned = self._plans.for_move(request).kept
        return self._operations.move(planned, wait=True, settles=operation.operation_id)

    def _take_standalone_back(self, operation: Operation) -> Operation:
        with self._store.read() as work:
            later = work.operations.get(operation.settled_by or "")
        if later is not None and later.status not in UNTOUCHED:
            return later
        kept = self._plans.for_kind("restore", {"operation_id": operation.operation_id}).kept
        return self._operations.standalone(kept, wait=True, settles=operation.operation_id)

    def _connect_again(self, operation: Operation) -> InvalidStateError:
        assert operation.connection_id is not None
        with self._store.read() as work:
            connection = work.connections.get(operation.connection_id)
        request = None if connection is None else connection.request
        remedy = {"method": "POST", "path": "/v1/connections", "body": request}
        return _not_in_state("a disconnect is taken back by connecting again", operation, remedy)

    def _take_up(
        self, operation_id: str, *, back: bool, ended: OperationStatus = _S.NEEDS_ATTENTION
    ) -> Operation:
        with self._store.write() as work:
            earlier = _existing(work, operation_id)
            under_way = self._settling(work, earlier, ended)
            if under_way is not None:
                return under_way
            operation = Operation(
                operation_id=self._ids.new(),
                kind=earlier.kind,
                status=_S.PENDING,
                connection_id=earlier.connection_id,
                plan_id=earlier.plan_id,
                created_at=self._clock.now(),
                rollback_asked_at=self._clock.now() if back else None,
                settles=operation_id,
                actor=acting_principal().principal_id,
            )
            if not back:
                concern = work.concerns.of(Noun.OPERATION, operation_id)
                check_thawed(work, concern.touched)
            self._accept(work, operation, earlier)
            work.commit()
        return operation

    @staticmethod
    def _settling(work: Work, earlier: Operation, ended: OperationStatus) -> Operation | None:
        """The operation that takes `earlier` up already, if it is under way.

        Raises:
            InvalidStateError: there is nothing to take up (any more).
        """
        if earlier.status is not ended:
            raise _not_in_state("only what needs attention is resumed", earlier)
        later = work.operations.get(earlier.settled_by or "")
        if later is not None and not later.status.is_final:
            return later
        if later is not None and later.status not in UNTOUCHED:
            raise _not_in_state("the operation was taken up by another one already", later)
        _check_not_leaving(work, earlier)
        return None

    def _accept(self, work: Work, operation: Operation, earlier: Operation) -> None:
        work.operations.add(operation)
        work.operations.update(replace(earlier, settled_by=operation.operation_id))
        origin = origin_of(work, operation)
        kept = work.plans.get(origin.plan_id or "")
        assert kept is not None
        if operation.connection_id is not None:
            connection = work.connections.get(operation.connection_id)
            assert connection is not None
            if earlier.status is _S.NEEDS_ATTENTION:
                _check_takeable(connection, operation)
            if earlier.status is _S.NEEDS_ATTENTION or operation.kind is not OperationKind.MOVE:
                status = UNDER_WAY[operation.kind]
                work.connections.update(replace(connection, status=status))
        keys = set(keys_of(kept))
        for each_id in {origin.operation_id, earlier.operation_id}:
            keys |= {intent.change["group_id"] for intent in work.intents.of_operation(each_id)}
        work.turns.take(operation.operation_id, sorted(keys))
        work.enqueue(operation.operation_id)


UNDER_WAY = {
    OperationKind.CONNECT: ConnectionStatus.PENDING,
    OperationKind.REPAIR: ConnectionStatus.PENDING,
    OperationKind.MOVE: ConnectionStatus.MOVING,
    OperationKind.DISCONNECT: ConnectionStatus.DISCONNECTING,
}
"""What a connection is while its operation is taken up."""


def _check_takeable(connection: Connection, operation: Operation) -> None:
    """Refuse to take a move or disconnect up where the connection is not what it left behind:
    what it had removed would be put back for nobody.

    Raises:
        InvalidStateError
    """
    gone_on = connection.is_busy or connection.status is ConnectionStatus.DISCONNECTED
    if gone_on and operation.kind is not OperationKind.CONNECT:
        raise _not_in_state(f"the connection is {connection.status} by now", operation)


def _request(path: str, body: Document) -> Document:
    return {"method": "POST", "path": path, "body": body}


def _existing(work: Work, operation_id: str) -> Operation:
    operation = work.operations.get(operation_id)
    if operation is None:
        raise NotFoundError("there is no such operation", operation_id=operation_id)
    return operation


def _check_not_leaving(work: Work, earlier: Operation) -> None:
    """Raise InvalidStateError: another operation disconnects what this one could not."""
    connection = work.connections.get(earlier.connection_id or "")
    if connection is None or earlier.kind is not OperationKind.DISCONNECT:
        return
    later = departing(work, connection)
    if later is not None:
        raise _not_in_state("another operation disconnects the connection", later)


def _check_untouched(work: Work, operation: Operation) -> None:
    """Raise InvalidStateError: the operation has ended, or its first change is made."""
    if operation.status.is_final:
        raise _not_in_state(f"the operation has ended: it is {operation.status}", operation)
    if operation.status is _S.ROLLING_BACK:
        raise _not_in_state("the operation is going back already", operation)
    if work.intents.of_operation(operation.operation_id):
        path = f"/v1/operations/{operation.operation_id}/rollback"
        remedy: Document = {"method": "POST", "path": path}
        raise _not_in_state("its first change is made: take the operation back", operation, remedy)


def _not_in_state(
    detail: str, operation: Operation, remedy: Document | None = None
) -> InvalidStateError:
    facts: Document = {"operation_id": operation.operation_id, "status": operation.status.value}
    return InvalidStateError(detail, **facts, **({} if remedy is None else {"remedy": remedy}))
