"""What the rooms of one transaction have in common."""

from dataclasses import dataclass, field

from app.domain.concerns import Noun
from app.domain.operations import Operation
from app.domain.principals import Sight


@dataclass(frozen=True, slots=True)
class Around:
    """`sight` is what listings may show. What was added is noted, for the audit to tell."""

    sight: Sight = None
    added: list[tuple[Noun, str]] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)

    def note(self, noun: Noun, thing_id: str, operation: Operation | None = None) -> None:
        self.added.append((noun, thing_id))
        if operation is not None:
            self.operations.append(operation)

    def forget(self) -> None:
        self.added.clear()
        self.operations.clear()
