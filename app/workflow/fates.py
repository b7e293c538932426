"""What became of an operation's journals, and taking over those that nobody goes on with."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from dbos import DBOS

from app.ports.engine import Fate

LIVE = frozenset({"ENQUEUED", "DELAYED", "PENDING"})
AT_A_TIME = 200


def renewed(operation_id: str, version: str) -> str:
    """The id of the journal that an operation gets in place of one of an earlier version."""
    return f"{operation_id}:{version}"


def recover(tenure_id: str, version: str) -> bool:
    """Put back into the queue what a tenure began; say whether nothing is left of it.

    Idempotent: what another process has taken up in the meantime is no longer the tenure's.
    """
    DBOS._recover_pending_workflows([tenure_id])  # noqa: SLF001 - there is no public way
    left = DBOS.list_workflows(
        executor_id=tenure_id,
        app_version=version,
        status="PENDING",
        limit=1,
        load_input=False,
        load_output=False,
    )
    return not left


def holders(version: str) -> frozenset[str]:
    """Return who has begun an operation and not ended it."""
    pending = DBOS.list_workflows(
        app_version=version, status="PENDING", load_input=False, load_output=False
    )
    return frozenset(each.executor_id for each in pending if each.executor_id)


def abandoned(
    operation_ids: Collection[str], versions: Collection[str], present: str
) -> Mapping[str, Fate]:
    """Return those of the operations of which no journal is gone on with.

    `versions` are those that living processes speak, `present` is our own.
    """
    found: dict[str, Fate] = {}
    ids = sorted(operation_ids)
    for first in range(0, len(ids), AT_A_TIME):
        found |= _abandoned(ids[first : first + AT_A_TIME], versions, present)
    return found


def _abandoned(ids: list[str], versions: Collection[str], present: str) -> Mapping[str, Fate]:
    journals: defaultdict[str, list[tuple[str, str | None]]] = defaultdict(list)
    wanted = [each for one in ids for each in (one, renewed(one, present))]
    for each in DBOS.list_workflows(workflow_ids=wanted, load_input=False, load_output=False):
        operation_id = each.workflow_id.split(":", 1)[0]
        journals[operation_id].append((each.status, each.app_version))
    fates = ((operation_id, _fate(journals[operation_id], versions)) for operation_id in ids)
    return {operation_id: fate for operation_id, fate in fates if fate is not None}


def _fate(journals: Iterable[tuple[str, str | None]], versions: Collection[str]) -> Fate | None:
    fate = Fate.GIVEN_UP
    for status, version in journals:
        if status in LIVE:
            if version is None or version in versions:
                return None
            fate = Fate.OUTDATED
    return fate
