"""Server-sent events: what happened is read from the database, so any replica can tell it."""

from collections.abc import AsyncIterator
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import Header, Response
from fastapi.responses import StreamingResponse

from app.api.schemas.operations import OperationEvent
from app.domain.errors import InvalidCursorError, NotFoundError, StorageUnavailableError
from app.domain.operations import Event
from app.services.health import HealthService
from app.services.operations import OperationsService

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        description="The `id` of the last event that was received; browsers send it themselves.",
    ),
]

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0
KEEP_ALIVE_SECONDS = 15.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_LOOKS = anyio.CapacityLimiter(4)
"""Streams have threads of their own: however many there are, requests find one free."""


class Stream:
    """The events of one operation."""

    def __init__(
        self, operations: OperationsService, health: HealthService, operation_id: str
    ) -> None:
        self._operations = operations
        self._health = health
        self._operation_id = operation_id

    async def answer(self, last_event_id: str | None) -> Response:
        """Answer the stream from after that event; 204 where nothing can follow it.

        Raises:
            NotFoundError, InvalidCursorError
        """
        after = _number(last_event_id)
        events, ended = await self._look(after)
        if ended and not events and after:
            return Response(status_code=204)
        return StreamingResponse(
            self._texts(events, after, ended=ended),
            media_type="text/event-stream",
            headers=HEADERS,
        )

    async def _look(self, after: int) -> tuple[tuple[Event, ...], bool]:
        return await anyio.to_thread.run_sync(
            self._operations.events, self._operation_id, after, limiter=_LOOKS
        )

    async def _texts(
        self, events: tuple[Event, ...], after: int, *, ended: bool
    ) -> AsyncIterator[str]:
        pause, silence = FIRST_PAUSE_SECONDS, 0.0
        while True:
            for event in events:
                after = event.number
                yield self._text(event)
            if ended or self._health.is_draining:
                return
            pause = FIRST_PAUSE_SECONDS if events else min(2 * pause, LONGEST_PAUSE_SECONDS)
            silence = 0.0 if events else silence + pause
            if silence >= KEEP_ALIVE_SECONDS:
                yield ": still here\n\n"
                silence = 0.0
            await anyio.sleep(pause)
            try:
                events, ended = await self._look(after)
            except (StorageUnavailableError, NotFoundError):
                return  # whoever follows comes back with the id of the last event

    def _text(self, event: Event) -> str:
        data = OperationEvent.of(self._operation_id, event).model_dump_json()
        return f"id: {event.number}\nevent: {event.kind}\ndata: {data}\n\n"


def _number(last_event_id: str | None) -> int:
    if last_event_id is None or last_event_id == "":
        return 0
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= 18):
        raise InvalidCursorError("Last-Event-ID is not the id of an event")
    return int(last_event_id)
