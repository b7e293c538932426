"""Operations as they are answered."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.problems import kept_problem
from app.api.schemas.base import Out, left_out
from app.api.schemas.networks import Adopted, Effect, FlowVerdict, ForeignChange
from app.api.schemas.plans import RestoreDetails
from app.api.schemas.problems import Problem
from app.api.schemas.tiers import TiersDetails
from app.domain import operations as domain
from app.domain.operations import EventKind, OperationKind, OperationStatus, StepStatus


class Step(Out):
    """The smallest recorded part of an operation."""

    number: int
    name: str
    status: StepStatus
    attempts: Annotated[int, Field(description="How often it was begun.")]
    detail: str
    cloud_request_ids: Annotated[
        list[str], Field(description="Ids that the cloud gave to its changing calls.")
    ]
    started_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, step: domain.Step) -> Self:
        return cls(
            number=step.number,
            name=step.name,
            status=step.status,
            attempts=step.attempts,
            detail=step.detail,
            cloud_request_ids=list(step.cloud_request_ids),
            started_at=step.started_at,
            finished_at=step.finished_at,
        )


class OperationResult(Out):
    """What was reached, read back and judged again."""

    model_config = ConfigDict(extra="allow")

    verdicts: Annotated[
        list[FlowVerdict], Field(description="The asked flows as they are now, the first ones.")
    ]
    effects: Annotated[list[Effect], Field(description="What is different because of us.")]
    adopted: Annotated[
        list[Adopted], Field(description="What was made by somebody else in the meantime.")
    ]
    foreign_changes: Annotated[
        list[ForeignChange],
        Field(
            default_factory=list,
            description="What somebody else changed around it while it ran; never undone by us.",
        ),
    ]
    warnings: list[str]
    restore: RestoreDetails | SkipJsonSchema[None] = left_out("What was restored.")
    tiers: TiersDetails | SkipJsonSchema[None] = left_out("The tiers that were laid.")


class Operation(Out):
    """A plan being carried out. At its end exactly one of `result` and `error` is set."""

    id: str
    kind: OperationKind
    status: OperationStatus
    done: Annotated[bool, Field(description="Whether the status is final.")]
    progress: Annotated[int, Field(description="Percentage; 100 exactly at the end.")]
    steps: Annotated[list[Step], Field(description="Those begun so far, in order.")]
    connection_id: Annotated[
        str | None, Field(description="Null where it is of no connection: a restore.")
    ]
    plan_id: str | None
    backup_ids: Annotated[
        list[str], Field(description="What the touched groups held before, complete.")
    ]
    result: Annotated[
        OperationResult | None, Field(description="What was reached: set where it succeeded.")
    ]
    error: Annotated[Problem | None, Field(description="What went wrong, where something did.")]
    rollback_asked_at: Annotated[
        datetime | None, Field(description="When somebody asked to take it back.")
    ]
    settles: Annotated[
        str | None, Field(description="The earlier operation that this one takes up or back.")
    ]
    settled_by: Annotated[
        str | None, Field(description="The later operation that takes this one up or back.")
    ]
    actor: Annotated[
        str | None,
        Field(
            description="Who asked for it: the id of an API key, `bootstrap` for the key of the "
            "settings, or `service` where nobody did."
        ),
    ]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: domain.Operation) -> Self:
        result, error = operation.result, operation.error
        return cls(
            id=operation.operation_id,
            kind=operation.kind,
            status=operation.status,
            done=operation.status.is_final,
            progress=operation.progress,
            steps=[Step.of(step) for step in operation.steps],
            connection_id=operation.connection_id,
            plan_id=operation.plan_id,
            backup_ids=list(operation.backup_ids),
            result=None if result is None else OperationResult.model_validate(result),
            error=None if error is None else Problem.model_validate(kept_problem(error)),
            rollback_asked_at=operation.rollback_asked_at,
            settles=operation.settles,
            settled_by=operation.settled_by,
            actor=operation.actor,
            created_at=operation.created_at,
            started_at=operation.started_at,
            finished_at=operation.finished_at,
        )


class OperationPage(Out):
    """Operations, newest first."""

    items: list[Operation]
    next_cursor: Annotated[str | None, Field(description="Null: this is the last page.")]


class OperationEvent(Out):
    """The `data` of an event: what had happened by then."""

    operation_id: str
    kind: EventKind
    status: OperationStatus
    done: bool
    progress: Annotated[int, Field(description="Percentage; 100 exactly at the end.")]
    step: Step | SkipJsonSchema[None] = left_out("The step that began or ended.")

    @classmethod
    def of(cls, operation_id: str, event: domain.Event) -> Self:
        return cls(
            operation_id=operation_id,
            kind=event.kind,
            status=event.status,
            done=event.status.is_final,
            progress=event.progress,
            step=None if event.step is None else Step.of(event.step),
        )
