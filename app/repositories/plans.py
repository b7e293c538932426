"""Plans as rows."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from app.domain.concerns import Noun, concern_of_plan, things_in
from app.ports.store import KeptPlan
from app.repositories import rows
from app.repositories.around import Around
from app.repositories.concerns import SqlConcerns
from app.repositories.tables import plans


class SqlPlans:
    def __init__(self, connection: Connection, around: Around) -> None:
        self._connection = connection
        self._around = around

    def add(self, plan: KeptPlan) -> None:
        rows.add(self._connection, plans, plans.c.plan_id, rows.values_of(plan))
        self._around.note(Noun.PLAN, plan.plan_id)
        concerns = SqlConcerns(self._connection)
        named = [concerns.of(noun, each) for noun, each in sorted(things_in(plan.request))]
        concern = concern_of_plan(plan.request, plan.document)
        concerns.keep(Noun.PLAN, plan.plan_id, concern, *named)

    def get(self, plan_id: str) -> KeptPlan | None:
        row = rows.find(self._connection, plans.c.plan_id, plan_id)
        return None if row is None else KeptPlan(**row)

    def fingerprint(self, plan_id: str) -> str | None:
        query = select(plans.c.fingerprint).where(plans.c.plan_id == plan_id)
        return self._connection.scalar(query)

    def mark_applied(self, plan_id: str, operation_id: str) -> bool:
        unused = (plans.c.plan_id == plan_id) & plans.c.applied_by.is_(None)
        marked = self._connection.execute(
            update(plans).where(unused).values(applied_by=operation_id)
        )
        return marked.rowcount == 1

    def of_kind(self, kind: str, now: datetime) -> tuple[KeptPlan, ...]:
        query = select(plans).where(plans.c.kind == kind, plans.c.expires_at > now)
        found = self._connection.execute(query.order_by(plans.c.created_at)).mappings()
        return tuple(KeptPlan(**row) for row in found)
