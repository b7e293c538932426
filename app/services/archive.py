"""Backups that people ask for: taken by hand, compared, carried elsewhere and brought back."""

from collections.abc import Mapping, Sequence

from app.domain.backups import Backup, BackupOrigin, KeptGroup, digest, kept_document, read_kept
from app.domain.concerns import Noun, concern_of_backup
from app.domain.documents import Document
from app.domain.errors import BackupCorruptError, BackupMismatchError, TargetNotFoundError
from app.domain.exports import content_of_export, content_of_table, export_document, export_table
from app.domain.groups import GroupRef, Place
from app.domain.principals import Role
from app.domain.versions import (
    compare_versions,
    named_by,
    renamed,
    version_of,
    versions_document,
)
from app.ports.ecs import Clouds, InventoryFilter
from app.ports.store import Store
from app.services.access import check_accounts, check_thing
from app.services.backups import BackupsService
from app.services.kept_worlds import read_around
from app.services.scopes import GroupAt, Scope
from app.services.worlds import Worlds

GROUPS_A_PAGE = 50

CURRENT = "current"
"""What a backup is compared with where it is not another backup: the group as it is now."""


class ArchiveService:
    """Takes, compares, exports and imports; what is kept is kept by `BackupsService`."""

    def __init__(
        self,
        *,
        store: Store,
        worlds: Worlds,
        clouds: Clouds,
        backups: BackupsService,
    ) -> None:
        self._store = store
        self._worlds = worlds
        self._clouds = clouds
        self._backups = backups

    def take(self, place: Place, group_ids: Sequence[str] | None) -> tuple[Backup, ...]:
        """Back up these groups, or all of the account and region, as they are at one instant.

        Raises:
            TargetNotFoundError, AccountUnreachableError, CloudUnavailableError
        """
        check_accounts(Role.OPERATOR, {place.account_id})
        self._check_known(place)
        named = frozenset((place, group_id) for group_id in group_ids or ())
        found = frozenset[GroupAt]() if group_ids is not None else self._all(place)
        world = self._worlds.read(Scope(groups=named, our_groups=found))
        there = sorted(group_id for _, group_id in named | found if group_id in world.groups)
        contents = [kept_document(world, group_id) for group_id in there]
        with self._store.write() as work:
            taken = [
                self._backups.keep(work, place, content, BackupOrigin.MANUAL)
                for content in contents
            ]
            work.commit()
        return tuple(self._backups.get(each.backup_id) for each in taken)

    def _check_known(self, place: Place) -> None:
        if place not in self._worlds.places():
            raise TargetNotFoundError(
                "the account is not registered, or not with this region",
                account_id=place.account_id,
                region_id=place.region_id,
            )

    def _all(self, place: Place) -> frozenset[GroupAt]:
        cloud = self._clouds.of(place.account_id, place.region_id)
        found: set[GroupAt] = set()
        token: str | None = None
        while True:
            page = cloud.page_of_groups(InventoryFilter(), limit=GROUPS_A_PAGE, token=token)
            found |= {(place, each.group.group_id) for each in page.items}
            token = page.next_token
            if token is None:
                return frozenset(found)

    # --- comparing ---

    def difference(self, backup_id: str, against: str) -> Document:
        """Say what is different in `against` (`current`, or another backup of the same group):
        its rules, its members, and what therefore opens and closes in the world of now.

        Raises:
            NotFoundError, BackupCorruptError
            BackupMismatchError: the two backups are of different groups.
        """
        backup = self._backups.get(backup_id)
        self._check_known(backup.place)
        if against != CURRENT:
            with self._store.read() as work:
                check_thing(work, Role.VIEWER, Noun.BACKUP, against)
        other = None if against == CURRENT else self._backups.get(against)
        kept = [backup] if other is None else [backup, other]
        sides = [read_kept(each.content) for each in kept]
        around = read_around(self._worlds, sides, self._worlds.places(), self._stand_ins(sides))
        sides = [renamed(side, around.called) for side in sides]
        group_id = sides[0].group.group_id
        if other is not None and sides[0].group.ref != sides[1].group.ref:
            raise BackupMismatchError(
                "the two backups are of different groups",
                group_ids=[backup.group_id, other.group_id],
            )
        before = version_of(around.world, sides[0], around.gone)
        after = around.world
        if other is not None:
            after = version_of(around.world, sides[1], around.gone)
        found = compare_versions(before, after, group_id)
        heads = {"backup_id": backup_id, "against": against, "group_id": group_id}
        return heads | versions_document(found)

    def _stand_ins(self, sides: Sequence[KeptGroup]) -> Mapping[GroupRef, str]:
        """Groups that were made anew for some that these groups are, or name."""
        refs = {ref for side in sides for ref in (side.group.ref, *named_by(side))}
        with self._store.read() as work:
            return work.successors.of(refs)

    # --- carrying ---

    def export(self, backup_id: str) -> tuple[str, Document]:
        """Return a name for the file and what is in it.

        Raises:
            NotFoundError, BackupCorruptError
        """
        backup = self._backups.get(backup_id)
        return _file_name(backup), export_document(backup.content, backup.sha256)

    def export_csv(self, backup_id: str) -> tuple[str, str]:
        """Return a name for the file and what is in it, as a table."""
        backup = self._backups.get(backup_id)
        return _file_name(backup), export_table(backup.content)

    def import_json(self, document: Document) -> Backup:
        """Keep what an export holds as a backup of its group.

        Raises:
            BadExportError, TargetNotFoundError
            BackupCorruptError: the export says a hash, and it is that of something else.
        """
        content = content_of_export(document)
        said = document.get("sha256")
        if said is not None and said != digest(content):
            raise BackupCorruptError("what the export holds has another hash than it says")
        return self._import(content)

    def import_csv(self, text: str) -> Backup:
        """Keep what a table holds as a backup of its group."""
        return self._import(content_of_table(text))

    def _import(self, content: Document) -> Backup:
        place = Place(content["account_id"], content["region_id"])
        concern = concern_of_backup(place.account_id, content)
        check_accounts(Role.OPERATOR, concern.accounts)
        self._check_known(place)
        with self._store.write() as work:
            backup = self._backups.keep(work, place, content, BackupOrigin.IMPORT)
            work.commit()
        return backup


def _file_name(backup: Backup) -> str:
    return f"ecs_{backup.place.region_id}_{backup.group_id}"
