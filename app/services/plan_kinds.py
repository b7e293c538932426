"""What a kind of plan consists of: how it is made, and what to read to see whether it took effect.

A further kind is one service with these two functions and one line in the composition root.
Plans to connect and to disconnect belong to a connection and are made by `plans` itself.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from app.domain.documents import Document
from app.domain.groups import Place
from app.domain.plan import Plan
from app.domain.plan_documents import plan_document
from app.domain.world import World
from app.ports.store import KeptPlan
from app.services.scopes import GroupAt, InstanceAt, Scope, known_from

TAKEN_BACK = "taken_back"
"""The mode of a plan to restore that takes an earlier operation back."""


@dataclass(frozen=True, slots=True)
class Made:
    """A plan with the world that it was made for, and how it is spelt."""

    plan: Plan
    world: World
    document: Document


class PlanKind(Protocol):
    def plan(self, request: Document, known: Document | None = None) -> Made:
        """Read and plan; nothing is kept. `known` is the world that an earlier plan of the same
        request was made for, as that was kept.
        """
        ...

    def scope(self, kept: KeptPlan) -> Scope:
        """What to read to see whether the plan took effect."""
        ...


def spelt(
    plan: Plan, world: World, scope: Scope, ours: Collection[str], details: Document | None = None
) -> Made:
    """Spell a plan that belongs to no connection.

    `ours` are groups and instances that its operation has to itself; `details` is what its kind
    says besides. The scope that was read is kept with it: `scope_of_plan` reads it again.
    """
    document = plan_document(plan) | {
        "rests_on": {"rules": [], "memberships": []},
        "needs": {"rules": [], "memberships": []},
        "ours": sorted(ours),
        "read": {
            "groups": _located(scope.groups | scope.our_groups | scope.optional_groups),
            "instances": _located(scope.instances | scope.our_instances | scope.optional_instances),
            "lists": _located(scope.known.lists),
        },
    }
    return Made(plan, world, document | (details or {}))


def scope_of_plan(kept: KeptPlan) -> Scope:
    """The scope of a plan that `spelt` has spelt; what was there may be gone by now."""
    read = kept.document["read"]
    known = known_from(kept.world)
    lists = frozenset((_place(each), each["id"]) for each in read["lists"])
    return Scope(
        our_groups=frozenset((_place(each), each["id"]) for each in read["groups"]),
        our_instances=frozenset((_place(each), each["id"]) for each in read["instances"]),
        known=replace(known, lists=known.lists | lists),
    )


def _located(things: Collection[GroupAt] | Collection[InstanceAt]) -> list[Document]:
    return [
        {"account_id": place.account_id, "region_id": place.region_id, "id": name}
        for place, name in sorted(things)
    ]


def _place(document: Mapping[str, str]) -> Place:
    return Place(document["account_id"], document["region_id"])
