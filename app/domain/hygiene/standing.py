"""How each rule of a group stands among the others, over every packet it can match."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.flows import DecidingRule
from app.domain.hygiene.finding import Removal
from app.domain.hygiene.pools import Pool, bits, fewest, lowest
from app.domain.rules import Policy


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a rule over every packet that it can match.

    `matches` says that there are such packets at all. `hidden_by` are rules of its own group
    one of which decides before it, whatever the packet: it never decides; none if it does.
    `opposed` says that one of those that decide does the contrary. `beaten_by` are the drops
    that decide some of the packets an accept matches.

    `spared` says what its removal would change, as far as the rules alone can tell: None if
    something. `carriers` then say the same in its place, `by_default` that for some packets no
    rule does, `not_with` which other spared rules are needed once this one is gone. `twins`
    are those of the same rank that match the same packets.
    """

    deciding: DecidingRule
    matches: bool
    hidden_by: tuple[DecidingRule, ...] = ()
    opposed: bool = False
    beaten_by: tuple[DecidingRule, ...] = ()
    spared: Removal | None = None
    carriers: tuple[DecidingRule, ...] = ()
    by_default: bool = False
    not_with: tuple[DecidingRule, ...] = ()
    twins: tuple[DecidingRule, ...] = ()

    @property
    def decides(self) -> bool:
        return self.matches and not self.hidden_by


def standings(alone: Pool, company: Sequence[Pool]) -> Mapping[DecidingRule, Standing]:
    """Judge every rule of the one group of `alone`.

    `company` are pools of that group with the other groups of its members of today. A rule
    is spared only if it is so by itself and in all of them.
    """
    return _Judgement(alone, company).standings()


class _Judgement:
    def __init__(self, alone: Pool, company: Sequence[Pool]) -> None:
        self.alone = alone
        self.company = company
        self.cells = [alone.cells(position) for position in range(len(alone.rules))]

    def standings(self) -> Mapping[DecidingRule, Standing]:
        found = {deciding: self._standing(deciding) for deciding in self.alone.rules}
        spared = [each.deciding for each in found.values() if each.spared and not each.hidden_by]
        for deciding in spared:
            found[deciding] = self._beside(found[deciding], spared)
        return found

    def _standing(self, deciding: DecidingRule) -> Standing:
        position = self.alone.position[deciding]
        cells = self.cells[position]
        if not cells:
            return Standing(deciding, matches=False)
        winners = [self.alone.winners(cell) for cell in cells]
        if all(self.alone.hides(cell, position) for cell in cells):
            return Standing(
                deciding,
                matches=True,
                hidden_by=self._named(fewest(winners)),
                opposed=self._opposed(position, winners),
                spared=Removal.NOTHING_EVER,
            )
        standing = Standing(deciding, matches=True, beaten_by=self._beaten_by(position, winners))
        return self._spared(standing, position)

    def _opposed(self, position: int, winners: Iterable[int]) -> bool:
        accepted = self.alone.accepts(1 << position)
        return any(self.alone.accepts(lowest(each)) is not accepted for each in winners)

    def _beaten_by(self, position: int, winners: Iterable[int]) -> tuple[DecidingRule, ...]:
        alone = self.alone
        if not alone.accepts(1 << position):
            return ()
        drops = [each for each in winners if each and not alone.accepts(lowest(each))]
        return self._named(fewest(drops))

    def _spared(self, standing: Standing, position: int) -> Standing:
        cells = self.cells[position]
        if all(self.alone.covers(cell, position) for cell in cells):
            covering = self.alone.sure & self.alone.as_good(position) & ~(1 << position)
            return replace(
                standing,
                spared=Removal.NOTHING_EVER,
                carriers=self._named(fewest([cell & covering for cell in cells])),
            )
        if not all(self._is_spared_in(pool, standing.deciding) for pool in self._pools()):
            return standing
        rest = [lowest(cell & self.alone.sure & ~(1 << position)) for cell in cells]
        return replace(
            standing,
            spared=Removal.NOTHING_NOW,
            carriers=self._named(fewest([each for each in rest if each])),
            by_default=not all(rest),
        )

    def _pools(self) -> Sequence[Pool]:
        return (self.alone, *self.company)

    def _is_spared_in(
        self, pool: Pool, deciding: DecidingRule, gone: DecidingRule | None = None
    ) -> bool:
        """Whether a rule is spared in a pool, with another one gone already."""
        position = pool.position[deciding]
        cells = pool.cells(position)
        left = ~(1 << pool.position[gone]) if gone is not None else -1
        return all(pool.spares(cell & left, position) for cell in cells)

    def _beside(self, standing: Standing, spared: Sequence[DecidingRule]) -> Standing:
        """Add which other spared rules would no longer be: twins, at the least."""
        deciding = standing.deciding
        others = [each for each in spared if each != deciding and self._meet(each, deciding)]
        not_with = tuple(each for each in others if not self._is_spared_without(each, deciding))
        twins = tuple(each for each in not_with if self._is_twin(each, deciding))
        return replace(standing, not_with=not_with, twins=twins)

    def _is_spared_without(self, deciding: DecidingRule, gone: DecidingRule) -> bool:
        """Whether a rule is still spared once another one is gone."""
        position, left = self.alone.position[deciding], ~(1 << self.alone.position[gone])
        if all(self.alone.covers(cell & left, position) for cell in self.cells[position]):
            return True  # and so it is in any company
        return all(self._is_spared_in(pool, deciding, gone) for pool in self._pools())

    def _meet(self, one: DecidingRule, other: DecidingRule) -> bool:
        bit = 1 << self.alone.position[other]
        return any(cell & bit for cell in self.cells[self.alone.position[one]])

    def _is_twin(self, one: DecidingRule, other: DecidingRule) -> bool:
        first, second = self.alone.position[one], self.alone.position[other]
        return (
            one.held.rule.rank == other.held.rule.rank and self.cells[first] == self.cells[second]
        )

    def _named(self, mask: int) -> tuple[DecidingRule, ...]:
        return tuple(self.alone.rules[position] for position in bits(mask))


def is_accept(deciding: DecidingRule) -> bool:
    return deciding.held.rule.policy is Policy.ACCEPT
