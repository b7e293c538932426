"""Connections: asked for, standing, taken back."""

from dataclasses import dataclass, replace

from app.domain.concerns import accounts_in
from app.domain.connections import Connection, ConnectionStatus, LedgerEntry
from app.domain.documents import Document
from app.domain.errors import InvalidStateError, NotFoundError
from app.domain.expiry import read_expiry
from app.domain.operations import Operation
from app.domain.principals import Role, Sight
from app.ports.store import Page, Store
from app.services.access import check_accounts
from app.services.callers import sight
from app.services.operations import OperationsService, departing
from app.services.plans import PlansService


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection with what of it is ours in the cloud."""

    connection: Connection
    ledger: tuple[LedgerEntry, ...]


def _as_seen(connection: Connection, accounts: Sight) -> Connection:
    """Leave out of what was found what is in accounts that the caller may not see."""
    if accounts is None:
        return connection
    told = tuple(_condition_as_seen(each, accounts) for each in connection.conditions)
    return replace(connection, conditions=told)


def _condition_as_seen(condition: Document, accounts: frozenset[str]) -> Document:
    evidence = [each for each in condition["evidence"] if accounts_in(each) <= accounts]
    if accounts_in(condition) <= accounts:
        return condition
    return condition | {"message": HIDDEN, "evidence": evidence}


HIDDEN = "part of it is in accounts that you may not see"


class ConnectionsService:
    """The main job: plan and apply in one request."""

    def __init__(self, *, store: Store, plans: PlansService, operations: OperationsService) -> None:
        self._store = store
        self._plans = plans
        self._operations = operations

    def create(self, request: Document, *, wait: bool = True) -> Operation:
        """Plan a connect request and start its operation.

        Raises:
            what planning raises; TargetBusyError only if `wait` is false.
        """
        check_accounts(Role.OPERATOR, accounts_in(request))
        self._plans.check_expiry(request)
        kept = self._plans.for_connection(request).kept
        return self._operations.connect(kept, wait=wait)

    def disconnect(self, connection_id: str, *, wait: bool = True) -> Operation:
        """Start to take a connection back; asked again, answer the same operation."""
        with self._store.read() as work:
            connection = work.connections.get(connection_id)
            if connection is None:
                raise NotFoundError("there is no such connection", connection_id=connection_id)
            earlier = departing(work, connection)
        if earlier is not None:
            return earlier
        kept = self._plans.for_disconnect(connection_id).kept
        return self._operations.disconnect(kept, wait=wait)

    def extend(self, connection_id: str, expires_at: str) -> ConnectionView:
        """Let a connection end at another time: later, or earlier, or at all.

        Raises:
            NotFoundError, InvalidExpiryError
            InvalidStateError: it is over, or is being taken back.
        """
        with self._store.write() as work:
            connection = work.connections.get(connection_id)
            if connection is None:
                raise NotFoundError("there is no such connection", connection_id=connection_id)
            if connection.is_over or connection.status is ConnectionStatus.DISCONNECTING:
                raise InvalidStateError(
                    f"the connection is {connection.status}",
                    connection_id=connection_id,
                    status=connection.status.value,
                )
            until = read_expiry(expires_at)
            self._plans.check_time(until)
            connection = replace(connection, expires_at=until, ending=None)
            work.connections.update(connection)
            work.commit()
        return self.get(connection_id)

    def get(self, connection_id: str) -> ConnectionView:
        with self._store.read() as work:
            connection = work.connections.get(connection_id)
            ledger = work.ledger.of_connection(connection_id)
        if connection is None:
            raise NotFoundError("there is no such connection", connection_id=connection_id)
        return ConnectionView(_as_seen(connection, sight()), ledger)

    def page(self, limit: int, position: int | None, status: str | None = None) -> Page[Connection]:
        with self._store.read() as work:
            return work.connections.page(limit=limit, position=position, status=status)
