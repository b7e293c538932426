"""Rules and memberships kept before an operation."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from app.domain.documents import Document
from app.domain.errors import BackupCorruptError
from app.domain.groups import Place


@dataclass(frozen=True, slots=True)
class Backup:
    """One group at one instant, complete: `content` holds the group, its rules (both NIC
    types, both directions), its inner access policy and its members.
    """

    backup_id: str
    place: Place
    group_id: str
    created_at: datetime
    content: Document
    sha256: str
    operation_id: str | None = None

    def check(self) -> None:
        """Compare the content with its hash.

        Raises:
            BackupCorruptError: they differ.
        """
        if digest(self.content) != self.sha256:
            raise BackupCorruptError("the backup's hash differs", backup_id=self.backup_id)


def digest(content: Document) -> str:
    """Return the SHA-256 of a document in its canonical JSON form."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
