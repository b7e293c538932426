"""A group's rules as an answer lists them, printed once for as long as they stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.simulator.actions.permissions import PRINTED, peer_names, permission_row
from app.simulator.state.resources import Group, Rule
from app.simulator.state.store import Store
from app.simulator.wire import Listing

MOST_KEPT = 4096
"""Listings kept at most, one for each group and side; then all of them are forgotten."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A listing, and all that it depends on: the rules, and the names of their peers."""

    rules: Sequence[Rule]
    named: Sequence[Rule]
    names: Sequence[tuple[str, str]]
    listing: Listing

    def holds(self, store: Store, group: Group, rules: Sequence[Rule]) -> bool:
        """Tell whether the listing still says what these rules are."""
        return self.rules == rules and self.names == [
            peer_names(store, group, rule) for rule in self.named
        ]


def list_permissions(
    store: Store, group: Group, side: str, rules: Sequence[Rule], *, priority_type: str
) -> Listing:
    """Return the printed rules; those of the last call for this side, if none has changed.

    Rules never change but are replaced, so that looking at which ones they are is enough.
    """
    key = (group.group_id, f"{side} {priority_type}")
    kept = store.listings.get(key)
    if isinstance(kept, _Kept) and kept.holds(store, group, rules):
        return kept.listing
    named = [rule for rule in rules if rule.peer_group_id or rule.prefix_list_id]
    names = [peer_names(store, group, rule) for rule in named]
    rows = [permission_row(store, group, rule, priority_type=priority_type) for rule in rules]
    listing = Listing(PRINTED, rows)
    if len(store.listings) >= MOST_KEPT:
        store.listings.clear()
    store.listings[key] = _Kept(rules, named, names, listing)
    return listing
