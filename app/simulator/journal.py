"""What was called, by whom, and what came of it; without secrets."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from app.simulator.parameters import COMMON

_SECRET = COMMON | {"ExternalId", "Password"}
MOST_ENTRIES = 100_000
MOST_CHARACTERS = 100_000_000
MOST_COUNTED = 1000
"""Of calls, of the text in their parameters, and of actions, whatever somebody calls them.

Older calls are forgotten, so that neither a long run nor large calls fill the memory; counts go on.
"""


@dataclass(slots=True)
class CallEntry:
    """One call, entered when it arrives and completed as it goes on.

    `status` None: not answered yet, or the reply was lost. `applied`: the action was carried out,
    whatever the caller was told. `version`: that of the ground truth after it.
    """

    seq: int
    at: str
    action: str
    region_id: str
    parameters: dict[str, str]
    user_agent: str
    version: int
    account_id: str | None = None
    status: int | None = None
    code: str | None = None
    applied: bool = False
    faults: list[str] = field(default_factory=list)


class Journal:
    """The calls since the start or the last clearing, in the order of arrival."""

    def __init__(self) -> None:
        self._entries: deque[CallEntry] = deque()
        self._characters = 0
        self._counts: Counter[str] = Counter()
        self._seq = 0

    def enter(
        self, *, at: str, parameters: Mapping[str, str], user_agent: str, version: int
    ) -> CallEntry:
        """Note that a call has arrived; sequence numbers go on after a clearing."""
        self._seq += 1
        action = parameters.get("Action", "")
        entry = CallEntry(
            seq=self._seq,
            at=at,
            action=action,
            region_id=parameters.get("RegionId", ""),
            parameters={key: text for key, text in parameters.items() if key not in _SECRET},
            user_agent=user_agent,
            version=version,
        )
        self._entries.append(entry)
        self._characters += _size(entry)
        while len(self._entries) > MOST_ENTRIES or self._characters > MOST_CHARACTERS:
            self._characters -= _size(self._entries.popleft())
        if action in self._counts or len(self._counts) < MOST_COUNTED:
            self._counts[action] += 1
        return entry

    def clear(self) -> None:
        """Forget all calls."""
        self._entries.clear()
        self._characters = 0
        self._counts = Counter()

    def as_json(self) -> dict[str, object]:
        """Return the calls and how many there were of each action."""
        return {
            "items": [asdict(entry) for entry in self._entries],
            "counts": dict(sorted(self._counts.items())),
        }


def _size(entry: CallEntry) -> int:
    texts = (*entry.parameters, *entry.parameters.values(), entry.user_agent)
    return sum(map(len, texts))
