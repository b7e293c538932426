"""How often the cloud was called, as a row for each account, region and action.

All replicas share the rows, and the database's clock. Counting takes a transaction of its
own that keeps nobody else out: only calls of the same action wait for one another.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta

from sqlalchemy import Connection, RowMapping, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from app.domain.errors import CloudThrottledError, StorageUnavailableError
from app.domain.rates import Bucket, Quota, decide, lock_out
from app.ports.budget import Called, Spent
from app.repositories import engines
from app.repositories.replicas import present
from app.repositories.tables import rates

ALL, READS = "*", "Describe*"


class SqlBudget:
    """`quotas` are by action, `Describe*` for those that only read, or `*` for all others."""

    def __init__(
        self,
        *,
        url: str,
        quotas: Mapping[str, int],
        longest_wait: timedelta = timedelta(seconds=5),
    ) -> None:
        self._engine = engines.counting_engine(engines.read_url(url))
        self._quotas = {name: Quota(calls) for name, calls in quotas.items()}
        self._longest_wait = longest_wait.total_seconds()

    def take(self, call: Called) -> timedelta:
        quota = self._quota(call.action)
        if quota is None:
            return timedelta(0)
        with self._bucket(call) as (connection, bucket, now):
            decision = decide(
                bucket,
                quota,
                now,
                urgent=call.urgent,
                retry=call.retry,
                patience=self._longest_wait,
            )
            _keep(connection, call, decision.bucket)
        if decision.granted:
            return timedelta(seconds=decision.wait)
        raise CloudThrottledError(
            f"{call.action}: the service keeps to its own limit of calls",
            action=call.action,
            account_id=call.account_id,
            region_id=call.region_id,
            retry_after_seconds=round(decision.wait, 1),
        )

    def throttled(self, call: Called) -> None:
        if self._quota(call.action) is not None:
            with self._bucket(call) as (connection, bucket, now):
                _keep(connection, call, lock_out(bucket, now))

    def spent(self, account_id: str) -> tuple[Spent, ...]:
        query = select(rates).where(rates.c.account_id == account_id)
        with self._transaction() as connection:
            now = connection.execute(select(present(connection))).scalar_one()
            rows = connection.execute(query.order_by(rates.c.region_id, rates.c.action))
            return tuple(self._spent(row, now) for row in rows.mappings())

    def close(self) -> None:
        self._engine.dispose()

    def _spent(self, row: RowMapping, now: float) -> Spent:
        quota = self._quota(row["action"])
        return Spent(
            account_id=row["account_id"],
            region_id=row["region_id"],
            action=row["action"],
            limit=None if quota is None else quota.usable,
            calls=row["calls"],
            retries=row["retries"],
            throttled=row["throttled"],
            refused=row["refused"],
            is_locked=now < row["locked_until"],
        )

    def _quota(self, action: str) -> Quota | None:
        wildcard = READS if action.startswith("Describe") else ALL
        for name in (action, wildcard, ALL):
            if name in self._quotas:
                return self._quotas[name]
        return None

    @contextmanager
    def _bucket(self, call: Called) -> Iterator[tuple[Connection, Bucket, float]]:
        """Hold the row of a call's action, and the time at which it is held."""
        key = {name: getattr(call, name) for name in ("account_id", "region_id", "action")}
        with self._transaction() as connection:
            connection.execute(_insert(connection, rates).values(key | asdict(Bucket())))
            row = connection.execute(select(rates).filter_by(**key).with_for_update())
            found = row.mappings().one()
            now = connection.execute(select(present(connection))).scalar_one()
            bucket = Bucket(**{name: found[name] for name in asdict(Bucket())})
            yield connection, bucket, now

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StorageUnavailableError("calls of the cloud cannot be counted") from error


def _insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def _keep(connection: Connection, call: Called, bucket: Bucket) -> None:
    same = update(rates).filter_by(
        account_id=call.account_id, region_id=call.region_id, action=call.action
    )
    connection.execute(same.values(asdict(bucket)))
