"""One transaction, with a room for each noun."""

from collections.abc import Callable
from functools import cached_property

from sqlalchemy import Connection

from app.domain.principals import Sight
from app.repositories.accounts import SqlAccounts
from app.repositories.api_keys import SqlApiKeys
from app.repositories.assertions import SqlAssertions
from app.repositories.backups import SqlBackups
from app.repositories.concerns import SqlConcerns
from app.repositories.connections import SqlConnections
from app.repositories.intents import SqlIntents
from app.repositories.ledger import SqlLedger
from app.repositories.operations import SqlOperations
from app.repositories.plans import SqlPlans
from app.repositories.replicas import SqlReplicas
from app.repositories.revisions import SqlRevisions
from app.repositories.successors import SqlSuccessors
from app.repositories.turns import SqlTurns


class SqlWork:
    """`enqueue` hands an operation to the durable engine over the same connection; listings show
    what is in `sight`.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        enqueue: Callable[[Connection, str, bool], None],
        sight: Sight = None,
    ) -> None:
        self._connection = connection
        self._enqueue = enqueue
        self._sight = sight

    @cached_property
    def accounts(self) -> SqlAccounts:
        return SqlAccounts(self._connection, self._sight)

    @cached_property
    def plans(self) -> SqlPlans:
        return SqlPlans(self._connection)

    @cached_property
    def connections(self) -> SqlConnections:
        return SqlConnections(self._connection, self._sight)

    @cached_property
    def operations(self) -> SqlOperations:
        return SqlOperations(self._connection, self._sight)

    @cached_property
    def backups(self) -> SqlBackups:
        return SqlBackups(self._connection, self._sight)

    @cached_property
    def assertions(self) -> SqlAssertions:
        return SqlAssertions(self._connection, self._sight)

    @cached_property
    def ledger(self) -> SqlLedger:
        return SqlLedger(self._connection)

    @cached_property
    def intents(self) -> SqlIntents:
        return SqlIntents(self._connection)

    @cached_property
    def successors(self) -> SqlSuccessors:
        return SqlSuccessors(self._connection)

    @cached_property
    def turns(self) -> SqlTurns:
        return SqlTurns(self._connection)

    @cached_property
    def replicas(self) -> SqlReplicas:
        return SqlReplicas(self._connection)

    @cached_property
    def revisions(self) -> SqlRevisions:
        return SqlRevisions(self._connection)

    @cached_property
    def concerns(self) -> SqlConcerns:
        return SqlConcerns(self._connection)

    @cached_property
    def api_keys(self) -> SqlApiKeys:
        return SqlApiKeys(self._connection)

    def enqueue(self, operation_id: str, *, anew: bool = False) -> None:
        self._enqueue(self._connection, operation_id, anew)

    def commit(self) -> None:
        self._connection.commit()
