"""Accounts as rows."""

from sqlalchemy import Connection, RowMapping, delete, select

from app.domain.accounts import AccessState, Account
from app.domain.concerns import Noun
from app.ports.store import Page
from app.repositories import rows
from app.repositories.around import Around
from app.repositories.tables import accounts


def _account(row: RowMapping) -> Account:
    return Account(
        account_id=row["account_id"],
        name=row["name"],
        role_arn=row["role_arn"],
        external_id=row["external_id"],
        region_ids=tuple(row["region_ids"]),
        created_at=row["created_at"],
        access=AccessState(row["access"]),
        access_detail=row["access_detail"],
        checked_at=row["checked_at"],
    )


class SqlAccounts:
    def __init__(self, connection: Connection, around: Around) -> None:
        self._connection = connection
        self._around = around

    def add(self, account: Account) -> None:
        rows.add(self._connection, accounts, accounts.c.account_id, rows.values_of(account))
        self._around.note(Noun.ACCOUNT, account.account_id)

    def get(self, account_id: str) -> Account | None:
        row = rows.find(self._connection, accounts.c.account_id, account_id)
        return None if row is None else _account(row)

    def all(self) -> tuple[Account, ...]:
        query = select(accounts).order_by(accounts.c.account_id)
        return tuple(_account(row) for row in self._connection.execute(query).mappings())

    def page(self, *, limit: int, position: int | None) -> Page[Account]:
        query = select(accounts)
        if self._around.sight is not None:
            query = query.where(accounts.c.account_id.in_(sorted(self._around.sight)))
        return rows.page(
            self._connection,
            query,
            accounts.c.position,
            limit=limit,
            position=position,
            read=_account,
        )

    def update(self, account: Account) -> None:
        rows.change(self._connection, accounts, accounts.c.account_id, rows.values_of(account))

    def remove(self, account_id: str) -> None:
        self._connection.execute(delete(accounts).where(accounts.c.account_id == account_id))
