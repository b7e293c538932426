"""Which group stands for a deleted one, as rows."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from app.domain.groups import GroupRef
from app.repositories.tables import successors


class SqlSuccessors:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self, account_id: str, group_id: str, successor_id: str, operation_id: str, at: datetime
    ) -> None:
        same = successors.c.account_id == account_id
        same &= successors.c.group_id == group_id
        self._connection.execute(delete(successors).where(same))
        values = {
            "account_id": account_id,
            "group_id": group_id,
            "successor_id": successor_id,
            "operation_id": operation_id,
            "created_at": at,
        }
        self._connection.execute(insert(successors).values(values))

    def of(self, refs: Iterable[GroupRef]) -> Mapping[GroupRef, str]:
        found = {ref: self._last(ref) for ref in refs}
        return {ref: last for ref, last in found.items() if last != ref.group_id}

    def _last(self, ref: GroupRef) -> str:
        seen = {ref.group_id}
        last = ref.group_id
        while True:
            query = select(successors.c.successor_id).where(
                successors.c.account_id == ref.account_id, successors.c.group_id == last
            )
            further = self._connection.scalar(query)
            if further is None or further in seen:
                return last
            seen.add(further)
            last = further
