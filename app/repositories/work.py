"""One transaction, with a room for each noun."""

from collections.abc import Callable, Iterable
from functools import cached_property

from sqlalchemy import Connection

from app.domain.audit import AuditEntry
from app.domain.concerns import Noun
from app.domain.principals import Sight
from app.ports.store import Asked
from app.repositories.accounts import SqlAccounts
from app.repositories.api_keys import SqlApiKeys
from app.repositories.around import Around
from app.repositories.assertions import SqlAssertions
from app.repositories.audit import SqlAudit
from app.repositories.backups import SqlBackups
from app.repositories.concerns import SqlConcerns
from app.repositories.connections import SqlConnections
from app.repositories.freezes import SqlFreezes
from app.repositories.idempotency import SqlIdempotency
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
    what is in `sight`. What is committed for a request, `asked`, is told to the audit first.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        enqueue: Callable[[Connection, str, bool], None],
        sight: Sight = None,
        asked: Asked | None = None,
    ) -> None:
        self._connection = connection
        self._enqueue = enqueue
        self._around = Around(sight)
        self._asked = asked

    @cached_property
    def accounts(self) -> SqlAccounts:
        return SqlAccounts(self._connection, self._around)

    @cached_property
    def plans(self) -> SqlPlans:
        return SqlPlans(self._connection, self._around)

    @cached_property
    def connections(self) -> SqlConnections:
        return SqlConnections(self._connection, self._around)

    @cached_property
    def operations(self) -> SqlOperations:
        return SqlOperations(self._connection, self._around)

    @cached_property
    def backups(self) -> SqlBackups:
        return SqlBackups(self._connection, self._around)

    @cached_property
    def assertions(self) -> SqlAssertions:
        return SqlAssertions(self._connection, self._around)

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
        return SqlApiKeys(self._connection, self._around)

    @cached_property
    def audit(self) -> SqlAudit:
        return SqlAudit(self._connection)

    @cached_property
    def freezes(self) -> SqlFreezes:
        return SqlFreezes(self._connection)

    @cached_property
    def idempotency(self) -> SqlIdempotency:
        return SqlIdempotency(self._connection)

    def enqueue(self, operation_id: str, *, anew: bool = False) -> None:
        self._enqueue(self._connection, operation_id, anew)

    def commit(self) -> None:
        if self._asked is not None:
            self._tell(self._asked)
        self._connection.commit()
        self._around.forget()

    def _tell(self, asked: Asked) -> None:
        """Record what a request does, and hold on to its key."""
        things = list(dict.fromkeys((*reversed(self._around.added), *asked.things)))
        self.audit.append(
            AuditEntry(
                at=asked.at,
                actor=asked.actor,
                action=asked.action,
                target=_name(*things[0]) if things else asked.action,
                account_ids=tuple(sorted(self._concerned(things))),
                outcome="done",
                plan_fingerprint=self._fingerprint(things),
                detail={
                    "request_id": asked.request_id,
                    "things": [_name(*each) for each in things],
                },
            )
        )
        if asked.claim is not None:
            made = self._around.operations
            render = asked.render if made else None
            answer = None if render is None else render(made[0])
            self.idempotency.hold(asked.claim, answer)

    def _concerned(self, things: Iterable[tuple[Noun, str]]) -> set[str]:
        found: set[str] = set()
        for noun, thing_id in things:
            if noun is Noun.ACCOUNT:
                found.add(thing_id)
            else:
                found |= self.concerns.of(noun, thing_id).touched
        return found

    def _fingerprint(self, things: Iterable[tuple[Noun, str]]) -> str | None:
        """Of the plan that it is about, if it is about one."""
        for noun, thing_id in things:
            if noun is Noun.PLAN:
                return self.plans.fingerprint(thing_id)
            if noun is Noun.OPERATION:
                operation = self.operations.get(thing_id)
                plan_id = None if operation is None else operation.plan_id
                return None if plan_id is None else self.plans.fingerprint(plan_id)
        return None


def _name(noun: Noun, thing_id: str) -> str:
    return f"{noun}/{thing_id}"
