"""Rules and memberships kept before an operation, or because somebody asked for it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.documents import Document, group_document, read_group
from app.domain.errors import BackupCorruptError
from app.domain.groups import Eni, Group, Instance, Place
from app.domain.rules import GroupPeer
from app.domain.world import World


class BackupOrigin(StrEnum):
    """Why there is a backup: an operation was about to change the group, somebody asked for it,
    or it was brought from elsewhere.
    """

    OPERATION = "operation"
    MANUAL = "manual"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Backup:
    """One group at one instant, complete: `content` holds the group, its rules (both NIC
    types, both directions), its inner access policy, its members and the groups that its
    rules name, each with its members.

    `operation_id` is the operation before which it was taken.
    """

    backup_id: str
    place: Place
    group_id: str
    created_at: datetime
    content: Document
    sha256: str
    operation_id: str | None = None
    origin: BackupOrigin = BackupOrigin.OPERATION

    def check(self) -> None:
        """Compare the content with its hash, and with the group that it is filed under.

        Raises:
            BackupCorruptError: they differ.
        """
        filed = {
            "account_id": self.place.account_id,
            "region_id": self.place.region_id,
            "group_id": self.group_id,
        }
        if digest(self.content) != self.sha256 or not self.content.items() >= filed.items():
            raise BackupCorruptError("the backup's hash differs", backup_id=self.backup_id)


def canonical_text(content: Document) -> str:
    """Return a document as canonical JSON: the same text for the same content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(content: Document) -> str:
    """Return the SHA-256 of a document in its canonical JSON form."""
    return hashlib.sha256(canonical_text(content).encode("utf-8")).hexdigest()


# --- content ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeptMember:
    """An interface that was in a group; `primary` are those that Join and Leave speak of."""

    instance_id: str
    interface_id: str
    primary: bool


@dataclass(frozen=True, slots=True)
class KeptGroup:
    """A group as a backup holds it.

    `named` are the groups that its rules named and that could be read, each without its own
    rules: enough to give those rules their meaning where such a group is gone.
    """

    group: Group
    members: tuple[KeptMember, ...]
    named: tuple["KeptGroup", ...] = ()

    @property
    def primary_ids(self) -> frozenset[str]:
        """Instances that were in the group with their primary interface."""
        return frozenset(each.instance_id for each in self.members if each.primary)


def kept_document(world: World, group_id: str) -> Document:
    """Spell a group of a world with all that a backup holds of it."""
    group = world.groups[group_id]
    return {
        **group_document(group),
        "members": [_member_document(*each) for each in world.members(group_id)],
        "named_groups": [
            {**group_document(replace(peer, rules=())), "members": members}
            for peer, members in _named(world, group)
        ],
    }


def _named(world: World, group: Group) -> Iterator[tuple[Group, list[Document]]]:
    """Groups that rules name and of which every member is known, by id."""
    refs = {held.rule.peer for held in group.rules if isinstance(held.rule.peer, GroupPeer)}
    for peer in sorted(refs):
        named = world.groups.get(peer.group_id)
        if named is None or peer.group_id not in world.complete:
            continue
        if named.place.account_id == peer.account_id:
            yield named, [_member_document(*each) for each in world.members(peer.group_id)]


def _member_document(instance: Instance, eni: Eni) -> Document:
    return {
        "instance_id": instance.instance_id,
        "interface_id": eni.eni_id,
        "primary": eni == instance.primary,
    }


def read_kept(content: Mapping[str, Any]) -> KeptGroup:
    """Return what a backup's content holds; older ones know nothing of groups that are named."""
    return KeptGroup(
        group=read_group(content),
        members=tuple(
            KeptMember(each["instance_id"], each["interface_id"], each["primary"])
            for each in content["members"]
        ),
        named=tuple(read_kept(each) for each in content.get("named_groups", ())),
    )
