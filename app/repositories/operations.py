"""Operations and their steps as rows."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select

from app.domain.concerns import Noun
from app.domain.documents import Document
from app.domain.errors import NotFoundError
from app.domain.operations import (
    Event,
    EventKind,
    Operation,
    OperationKind,
    OperationStatus,
    Step,
    StepStatus,
    check_move,
    progress_of,
)
from app.ports.store import Page
from app.repositories import rows
from app.repositories.around import Around
from app.repositories.concerns import SqlConcerns, is_seen
from app.repositories.tables import operation_events, operations, steps


def _values(operation: Operation) -> dict[str, Any]:
    values = rows.values_of(operation)
    del values["steps"]  # they have a table of their own
    return values


def _operation(row: RowMapping) -> Operation:
    return Operation(
        operation_id=row["operation_id"],
        kind=OperationKind(row["kind"]),
        status=OperationStatus(row["status"]),
        connection_id=row["connection_id"],
        created_at=row["created_at"],
        plan_id=row["plan_id"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        intended_steps=row["intended_steps"],
        backup_ids=tuple(row["backup_ids"]),
        result=row["result"],
        error=row["error"],
        rollback_asked_at=row["rollback_asked_at"],
        finish_asked_at=row["finish_asked_at"],
        settles=row["settles"],
        settled_by=row["settled_by"],
        actor=row["actor"],
    )


def _step(row: RowMapping | dict[str, Any]) -> Step:
    return Step(
        number=row["number"],
        name=row["name"],
        status=StepStatus(row["status"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        attempts=row["attempts"],
        detail=row["detail"],
        cloud_request_ids=tuple(row["cloud_request_ids"]),
    )


def _step_document(step: Step) -> Document:
    values = rows.values_of(step)
    for name in ("started_at", "finished_at"):
        values[name] = values[name] and values[name].isoformat()
    return values


def _event(row: RowMapping) -> Event:
    document = row["document"]
    step = document["step"]
    if step is not None:
        times = {
            name: step[name] and datetime.fromisoformat(step[name])
            for name in ("started_at", "finished_at")
        }
        step = _step(step | times)
    return Event(
        number=row["position"],
        kind=EventKind(row["kind"]),
        status=OperationStatus(document["status"]),
        progress=document["progress"],
        step=step,
    )


class SqlOperations:
    def __init__(self, connection: Connection, around: Around) -> None:
        self._connection = connection
        self._around = around

    def add(self, operation: Operation) -> None:
        key = operations.c.operation_id
        rows.add(self._connection, operations, key, _values(operation))
        self._around.note(Noun.OPERATION, operation.operation_id, operation)
        self._note_concern(operation)
        self._note(operation.operation_id, EventKind.STATUS)
        for step in operation.steps:
            self.keep_step(operation.operation_id, step)

    def get(self, operation_id: str) -> Operation | None:
        row = rows.find(self._connection, operations.c.operation_id, operation_id)
        if row is None:
            return None
        return replace(_operation(row), steps=self._steps([operation_id])[operation_id])

    def page(
        self,
        *,
        limit: int,
        position: int | None,
        status: OperationStatus | None = None,
        connection_id: str | None = None,
    ) -> Page[Operation]:
        key = operations.c.operation_id
        query = select(operations)
        if status is not None:
            query = query.where(operations.c.status == status)
        if connection_id is not None:
            query = query.where(operations.c.connection_id == connection_id)
        seen = is_seen(Noun.OPERATION, key, self._around.sight)
        if seen is not None:
            query = query.where(seen)
        page = rows.page(
            self._connection,
            query,
            operations.c.position,
            limit=limit,
            position=position,
            read=_operation,
        )
        kept = self._steps(operation.operation_id for operation in page.items)
        items = (replace(item, steps=kept[item.operation_id]) for item in page.items)
        return replace(page, items=tuple(items))

    def update(self, operation: Operation) -> None:
        key = operations.c.operation_id
        stored = self._connection.execute(
            select(operations.c.status, operations.c.plan_id).where(key == operation.operation_id)
        ).one_or_none()
        if stored is None:
            raise NotFoundError("there is none with this id", id=operation.operation_id)
        check_move(OperationStatus(stored.status), operation.status)
        rows.change(self._connection, operations, key, _values(operation))
        if operation.plan_id != stored.plan_id:
            self._note_concern(operation)
        if operation.status != stored.status:
            self._note(operation.operation_id, EventKind.STATUS)

    def keep_step(self, operation_id: str, step: Step) -> None:
        same = (steps.c.operation_id == operation_id) & (steps.c.number == step.number)
        self._connection.execute(delete(steps).where(same))
        values = rows.values_of(step) | {"operation_id": operation_id}
        self._connection.execute(insert(steps).values(values))
        self._note(operation_id, EventKind.STEP, step)

    def events(self, operation_id: str, *, after: int = 0, limit: int = 100) -> tuple[Event, ...]:
        query = (
            select(operation_events)
            .where(operation_events.c.operation_id == operation_id)
            .where(operation_events.c.position > after)
            .order_by(operation_events.c.position)
            .limit(limit)
        )
        return tuple(_event(row) for row in self._connection.execute(query).mappings())

    def of_status(
        self, statuses: Collection[OperationStatus], *, since: datetime | None = None
    ) -> tuple[Operation, ...]:
        query = select(operations).where(operations.c.status.in_(list(statuses)))
        if since is not None:
            query = query.where(operations.c.finished_at > since)
        found = self._connection.execute(query.order_by(operations.c.position)).mappings()
        return tuple(_operation(row) for row in found)

    def _note_concern(self, operation: Operation) -> None:
        """It concerns whatever its plan and its connection do."""
        concerns = SqlConcerns(self._connection)
        of_plan = concerns.of(Noun.PLAN, operation.plan_id or "")
        of_connection = concerns.of(Noun.CONNECTION, operation.connection_id or "")
        concerns.keep(Noun.OPERATION, operation.operation_id, of_plan, of_connection)

    def _note(self, operation_id: str, kind: EventKind, step: Step | None = None) -> None:
        """Append what happened, in the transaction in which it does."""
        done = (
            select(func.count())
            .where(steps.c.operation_id == operation_id, steps.c.status == StepStatus.SUCCEEDED)
            .scalar_subquery()
        )
        query = select(operations.c.status, operations.c.intended_steps, done.label("done"))
        found = self._connection.execute(query.where(operations.c.operation_id == operation_id))
        row = found.one()
        status = OperationStatus(row.status)
        document = {
            "status": status,
            "progress": progress_of(status, row.done, row.intended_steps),
            "step": None if step is None else _step_document(step),
        }
        values = {"operation_id": operation_id, "kind": kind, "document": document}
        self._connection.execute(insert(operation_events).values(values))

    def _steps(self, operation_ids: Iterable[str]) -> Mapping[str, tuple[Step, ...]]:
        """Return the steps of the operations, in order; no steps where there are none."""
        query = (
            select(steps)
            .where(steps.c.operation_id.in_(list(operation_ids)))
            .order_by(steps.c.operation_id, steps.c.number)
        )
        kept: defaultdict[str, tuple[Step, ...]] = defaultdict(tuple)
        for row in self._connection.execute(query).mappings():
            kept[row["operation_id"]] += (_step(row),)
        return kept
