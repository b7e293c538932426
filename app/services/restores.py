"""Planning to restore a backup, and to take a restore back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.backups import BackupOrigin, KeptGroup, read_kept
from app.domain.changes import (
    AddedRule,
    CreatedGroup,
    DeletedGroup,
    Effect,
    Joined,
    Left,
    inverse,
    new_group_id,
    way_back,
)
from app.domain.documents import Document, read_effect
from app.domain.errors import InUseError, InvalidStateError, NotFoundError
from app.domain.fingerprint import fingerprint, world_document
from app.domain.groups import GroupRef, Place
from app.domain.observation import missing
from app.domain.operations import Operation
from app.domain.plan import Limits, Plan, PlannedChange
from app.domain.planning import Bounds, cloud_calls
from app.domain.quotas import quotas
from app.domain.restoring import (
    Remapped,
    Restoration,
    RestoreMode,
    Target,
    plan_restore,
    restoration_document,
)
from app.domain.rules import GroupPeer
from app.domain.versions import named_by, world_difference
from app.domain.world import World
from app.ports.store import BackupFilter, KeptPlan, Store
from app.services.backups import existing_backup
from app.services.kept_worlds import read_around
from app.services.plan_kinds import TAKEN_BACK, Made, scope_of_plan, spelt
from app.services.scopes import Scope, known_from
from app.services.worlds import Worlds


class RestoresService:
    """Finds what a backup needs to mean the same again: groups that its rules name may be gone."""

    def __init__(self, *, store: Store, worlds: Worlds, limits: Limits, bounds: Bounds) -> None:
        self._store = store
        self._worlds = worlds
        self._limits = limits
        self._bounds = bounds

    def plan(self, request: Document, known: Document | None = None) -> Made:
        """Plan what a request asks for: to restore a backup, or to take a restore back.

        Raises:
            NotFoundError, BackupCorruptError, BackupMismatchError, TargetManagedError,
            GuardrailViolationError, QuotaInsufficientError, NoSafeOrderError, InUseError
        """
        if "operation_id" in request:
            return self._taking_back(request["operation_id"], known)
        return self._restoring(request["backup_id"], RestoreMode(request["mode"]), known)

    def scope(self, kept: KeptPlan) -> Scope:
        """What to read to see whether a plan took effect."""
        return scope_of_plan(kept)

    # --- a backup ---

    def _restoring(self, backup_id: str, mode: RestoreMode, known: Document | None) -> Made:
        found = self._found(backup_id, known)
        called = {
            GroupRef(each.group_id, each.place.account_id): each.becomes for each in found.remapped
        }
        made = plan_restore(
            found.world,
            found.targets,
            called,
            mode,
            limits=self._limits,
            bounds=self._bounds,
            gone=found.gone,
        )
        details = restoration_document(made, mode.value, found.backup_ids, found.remapped)
        made = self._naming_connections(made, details)
        ours = {target.group_id for target in found.targets}
        ours |= {target.kept.group.group_id for target in found.targets}
        told: Document = {
            "restore": details,
            "was_kept_here": self._was_kept_here(found.backup_ids),
        }
        return spelt(made.plan, found.world, found.scope, ours, told)

    def _was_kept_here(self, backup_ids: Sequence[str]) -> bool:
        """Whether we read from the cloud ourselves what is brought back: what somebody imports
        may never have been there.
        """
        with self._store.read() as work:
            backups = [existing_backup(work, each) for each in backup_ids]
            return all(
                each.origin is not BackupOrigin.IMPORT or work.backups.was_taken(each.sha256)
                for each in backups
            )

    def _naming_connections(self, made: Restoration, details: Document) -> Restoration:
        """Say of what goes which connections rest on it."""
        going: list[Document] = details["going"]
        with self._store.read() as work:
            entries = work.ledger.of_groups({each["group_id"] for each in going})
        users = {_subject(entry.effect): entry.users for entry in entries}
        warned: set[str] = set()
        for each in going:
            subject = each["rule"]["rule_id"] if "rule" in each else each["instance_id"]
            needing = sorted(users.get((each["group_id"], subject), ()))
            if needing:
                each["connection_ids"] = needing
                warned |= {*needing}
        warnings = [f"connection {each} rests on what goes" for each in sorted(warned)]
        plan = replace(made.plan, warnings=(*made.plan.warnings, *warnings))
        return replace(made, plan=plan)

    def _found(self, backup_id: str, known: Document | None) -> "_Found":
        """Read the world, round by round: a group that is gone is looked for among the backups,
        and so are the groups that its own rules name.
        """
        with self._store.read() as work:
            backup = existing_backup(work, backup_id)
        sides = [read_kept(backup.content)]
        backup_ids = [backup_id]
        while True:
            found = self._read(sides, backup_ids, known)
            further = [self._kept_of(ref, sides) for ref in sorted(found.gone)]
            if not any(side for side, _ in further):
                return found
            for side, of in further:
                if side is not None:
                    sides.append(side)
                    backup_ids += of

    def _read(
        self, sides: Sequence[KeptGroup], backup_ids: Sequence[str], known: Document | None
    ) -> "_Found":
        refs = {ref for side in sides for ref in (side.group.ref, *named_by(side))}
        with self._store.read() as work:
            stand_ins = work.successors.of(refs)
        around = read_around(self._worlds, sides, self._worlds.places(), stand_ins, known)
        gone = around.gone & refs
        unsaid = _Found(around.world, (), (), tuple(backup_ids), gone, around.scope)
        return _assembled(sides, unsaid, around.called)

    def _kept_of(
        self, ref: GroupRef, sides: Sequence[KeptGroup]
    ) -> tuple[KeptGroup | None, list[str]]:
        """What is known of a group that is gone: its newest backup, or what the backup of a group
        that named it says; None if there is neither.

        Raises:
            BackupCorruptError
        """
        region_id = sides[0].group.place.region_id
        wanted = BackupFilter(ref.account_id, region_id, ref.group_id)
        with self._store.read() as work:
            page = work.backups.page(limit=1, position=None, wanted=wanted)
        for backup in page.items:
            backup.check()
            return read_kept(backup.content), [backup.backup_id]
        for side in sides:
            for named in side.named:
                if named.group.ref == ref:
                    return named, []
        return None, []

    # --- back again ---

    def _taking_back(self, operation_id: str, known: Document | None) -> Made:
        """Plan to take back what of a restore is still in effect; what others made since stays.

        Raises:
            InvalidStateError: the operation is no restore that succeeded.
            InUseError: connections need what it made, or somebody uses a group that it made.
        """
        with self._store.read() as work:
            operation = work.operations.get(operation_id)
            kept = None if operation is None else work.plans.get(operation.plan_id or "")
        if operation is None or kept is None:
            raise NotFoundError("there is no such operation", operation_id=operation_id)
        effects = _effects(operation)
        scope = replace(
            _scope_of_effects(effects), known=known_from(kept.world if known is None else known)
        )
        world = self._worlds.read(scope)
        standing = [each for each in effects if any(missing(world, [inverse(each)]))]
        left = [each for each in standing if _can_go_back(world, each, standing)]
        self._check_unused(operation, world, left)
        changes = way_back(left)
        after = world
        for change in changes:
            after = after.after(change)
        plan = Plan(
            kind="restore",
            changes=tuple(
                PlannedChange(each, f"takes back operation {operation_id}") for each in changes
            ),
            asked=(),
            difference=world_difference(world, after),
            quotas=quotas(world, after, changes, self._limits),
            calls=cloud_calls(after, changes),
            fingerprint=fingerprint(world_document(world)),
            warnings=tuple(_of_what_is_gone(standing, left)),
        )
        made = Restoration(plan, (), (), ())
        details = restoration_document(made, TAKEN_BACK, (), ())
        ours = {each.group_id for each in effects}
        manages = {"manages": kept.document["manages"]} if "manages" in kept.document else {}
        return spelt(made.plan, world, scope, ours, {"restore": details} | manages)

    def _check_unused(self, operation: Operation, world: World, left: Sequence[Effect]) -> None:
        rules = {each.held.rule_id for each in left if isinstance(each, AddedRule)}
        made = {each.group_id for each in left if isinstance(each, CreatedGroup)}
        with self._store.read() as work:
            entries = work.ledger.of_groups({each.group_id for each in left})
        users = {
            user
            for entry in entries
            for user in entry.users
            if entry.effect.group_id in made
            or (isinstance(entry.effect, AddedRule) and entry.effect.held.rule_id in rules)
        }
        if users:
            raise InUseError(
                "connections need what the operation made",
                operation_id=operation.operation_id,
                connection_ids=sorted(users),
            )
        used = sorted(group_id for group_id in made if _is_used(world, group_id, left))
        if used:
            raise InUseError(
                "a group that the operation made is in use by now",
                operation_id=operation.operation_id,
                group_ids=used,
            )


def _subject(effect: Effect) -> tuple[str, str]:
    """The group and the rule or member that an entry of the ledger is about."""
    match effect:
        case AddedRule(group_id=group_id, held=held):
            return group_id, held.rule_id
        case Joined(group_id=group_id, instance_id=instance_id):
            return group_id, instance_id
        case _:
            return effect.group_id, ""


def _is_used(world: World, group_id: str, left: Sequence[Effect]) -> bool:
    """Whether somebody else is in a group, or names it: then it cannot be deleted."""
    ours = {each.instance_id for each in left if isinstance(each, Joined)}
    rules = {each.held.rule_id for each in left if isinstance(each, AddedRule)}
    naming = {
        held.rule_id
        for group in world.groups.values()
        for held in group.rules
        if isinstance(held.rule.peer, GroupPeer) and held.rule.peer.group_id == group_id
    }
    return bool(world.member_ids(group_id) - ours or naming - rules)


def _can_go_back(world: World, effect: Effect, effects: Sequence[Effect]) -> bool:
    """Whether the group and the instance of an effect are still there, or come back with it."""
    deleted = {each.group_id for each in effects if isinstance(each, DeletedGroup)}
    if effect.group_id not in world.groups.keys() | deleted:
        return False
    return not isinstance(effect, Joined | Left) or effect.instance_id in world.instances


def _of_what_is_gone(standing: Sequence[Effect], left: Sequence[Effect]) -> Iterator[str]:
    for each in standing:
        if each not in left:
            yield f"what was done in {each.group_id} cannot be taken back: it is gone by now"


def _effects(operation: Operation) -> list[Effect]:
    if operation.result is None:
        raise InvalidStateError(
            "only what succeeded is taken back so",
            operation_id=operation.operation_id,
            status=operation.status.value,
        )
    return [read_effect(each) for each in operation.result["effects"]]


def _scope_of_effects(effects: Sequence[Effect]) -> Scope:
    return Scope(
        our_groups=frozenset((each.place, each.group_id) for each in effects),
        our_instances=frozenset(
            (each.place, each.instance_id) for each in effects if isinstance(each, Joined | Left)
        ),
    )


# --- what was found ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """`gone` are groups that rules name and that nothing stands for, yet or ever."""

    world: World
    targets: tuple[Target, ...]
    remapped: tuple[Remapped, ...]
    backup_ids: tuple[str, ...]
    gone: frozenset[GroupRef]
    scope: Scope


def _assembled(sides: Sequence[KeptGroup], found: _Found, called: Mapping[GroupRef, str]) -> _Found:
    """Say what each group is called now, and which have to be made anew under a name of ours.

    `called` are groups that stand for some that are gone already.
    """
    names = dict(called)
    targets: list[Target] = []
    free = _free_names(found.world)
    for side in sides:
        ref = side.group.ref
        if ref in found.gone and ref not in names:
            names[ref] = next(free)
        group_id = names.get(ref, ref.group_id)
        if side is sides[0] or group_id not in found.world.groups:
            targets.append(Target(group_id, side))
    region_id = sides[0].group.place.region_id
    remapped = tuple(
        Remapped(Place(ref.account_id, region_id), ref.group_id, group_id)
        for ref, group_id in sorted(names.items())
    )
    gone = found.gone - names.keys()
    return replace(found, targets=tuple(targets), remapped=remapped, gone=gone)


def _free_names(world: World) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if new_group_id(number) not in world.groups:
            yield new_group_id(number)
