"""Errors that somebody could make in what carries operations out, as changes of its source.

Where a text is not found any more the test says so, and the error has to be written anew for the
code as it is now.
"""

from tests.domain.planted.errors import Edit

CHANGES = "app/services/changes.py"
DISCONNECTING = "app/domain/disconnecting.py"
ENDINGS = "app/services/endings.py"
EXECUTION = "app/services/execution.py"
INTERVENTIONS = "app/services/interventions.py"
LEDGER = "app/services/ledger.py"
OBSERVATION = "app/domain/observation.py"
OPERATIONS = "app/services/operations.py"
PERFORMING = "app/adapters/ecs/performing.py"
QUEUEING = "app/services/queueing.py"
SWEEPING = "app/services/sweeping.py"
VERIFICATION = "app/services/verification.py"
WAY_BACK = "app/services/way_back.py"

TRY_FIRST = {
    "nobody waits for a turn": 44,
    "what other connections need is not counted": 29,
    "nobody looks for what came late": 71,
    "what was noted as done is sent again": 241,
    "what was begun is cancelled as if it had touched nothing": 87,
    "what does not show is taken for gone at once": 330,
    "what is left is not told": 15,
    "what was added is left when an operation goes back": 15,
}
"""Seeds that caught an error when somebody looked, to spare the search; all are tried after it."""

ERRORS: dict[str, tuple[Edit, ...]] = {
    "no backup is taken": (
        Edit(
            EXECUTION,
            "backup_ids = self._backups.take(work, planned.world, changes, operation.operation_id)",
            "backup_ids: tuple[str, ...] = ()",
        ),
    ),
    "a call without an answer counts as refused": (
        Edit(
            CHANGES,
            'return self._end(course, step, token, "unknown", error)\n        except AppError',
            'return self._end(course, step, token, "refused", error) | '
            '{"outcome": "refused"}\n        except AppError',
        ),
    ),
    "nobody waits for a turn": (
        Edit(QUEUEING, "return not work.turns.ahead(operation_id)", "return True"),
    ),
    "what appears is ours, whatever its marker": (
        Edit(
            OBSERVATION,
            "        and mark(held.description) == mark(new.description)\n",
            "",
        ),
    ),
    "success is recorded before anything was seen": (
        Edit(
            VERIFICATION,
            "    ) -> Document:\n        if observation.missing:",
            "    ) -> Document:\n        if False and observation.missing:",
        ),
        Edit(VERIFICATION, "if closed and operation.kind", "if False and operation.kind"),
    ),
    "a second try has a token of its own": (
        Edit(
            PERFORMING,
            "    request = request_for(change, token=token)\n",
            '    request = request_for(change, token=f"{token}:again" if again else token)\n',
        ),
    ),
    "the intent is not kept before the call": (
        Edit(
            CHANGES,
            'token, "begun", at=now)\n            work.commit()\n        return step, maybe_done',
            'token, "begun", at=now)\n        return step, maybe_done',
        ),
    ),
    "the audit is not told before the call": (
        Edit(
            CHANGES,
            '            record_call(work, course.operation_id, token, "begun", at=now)\n',
            "",
        ),
    ),
    "a turn is kept for ever": (Edit(ENDINGS, "        work.turns.release(operation_id)\n", ""),),
    "what other connections need is not counted": (
        Edit(
            ENDINGS,
            "        work.ledger.use(entry.entry_id, operation.connection_id)",
            "        pass",
        ),
    ),
    "nobody looks for what came late": (
        Edit(
            SWEEPING,
            "return [each for each in ended if each.settled_by is None and self._is_open(each)]",
            "return []",
        ),
    ),
    "what was noted as done is sent again": (
        Edit(
            CHANGES,
            "if earlier is not None and earlier.outcome in MADE:",
            "if False and earlier is not None:",
        ),
    ),
    "what was begun is cancelled as if it had touched nothing": (
        Edit(
            INTERVENTIONS,
            "    if work.intents.of_operation(operation.operation_id):\n        path",
            "    if False and work.intents.of_operation(operation.operation_id):\n        path",
        ),
    ),
    "what does not show is taken for gone at once": (
        Edit(
            EXECUTION,
            'if planned.kept.document.get("gone") and not sure:',
            'if planned.kept.document.get("gone") and False:',
        ),
    ),
    "what is left is not told": (
        Edit(
            WAY_BACK,
            "remaining=[effect_document(effect) for effect in remaining]",
            "remaining=[]",
        ),
    ),
    "a plan is applied as often as somebody asks": (
        Edit(
            OPERATIONS,
            "if strict and not work.plans.mark_applied",
            "if False and not work.plans.mark_applied",
        ),
        Edit(OPERATIONS, "if kept.applied_by is not None:", "if False:"),
    ),
    "the group goes before its members": (
        Edit(
            DISCONNECTING,
            "(not isinstance(entry.effect, CreatedGroup), order[entry.entry_id])",
            "(isinstance(entry.effect, CreatedGroup), order[entry.entry_id])",
        ),
    ),
    "what was added is left when an operation goes back": (
        Edit(
            LEDGER,
            "return tuple(each for each in effects if any(True for _ in "
            "missing(world, [inverse(each)])))",
            "return ()",
        ),
    ),
    "a rule edited by hand is taken for ours": (
        Edit(
            DISCONNECTING,
            "if group_id in world.groups and held not in world.groups[group_id].rules:",
            "if False:",
        ),
        Edit(CHANGES, "    if edited:\n", "    if False:\n"),
    ),
}
