"""A digest of what a plan was computed from, and what differs when it no longer matches."""

import hashlib
from collections.abc import Iterator, Mapping

from app.domain.documents import Document, rule_document
from app.domain.groups import Group, Instance
from app.domain.intents import canonical
from app.domain.world import World


def world_document(world: World) -> Document:
    """Spell what decides: ids, memberships, addresses, policies and the meaning of rules.

    Names and descriptions are left out: they may change without making a plan stale.
    """
    return {
        "groups": {key: _group(group) for key, group in sorted(world.groups.items())},
        "instances": {key: _instance(each) for key, each in sorted(world.instances.items())},
        "prefix_lists": {
            key: sorted(str(block) for block in blocks)
            for key, blocks in sorted(world.prefix_lists.items())
        },
        "references": {
            key: sorted(f"{ref.account_id}/{ref.group_id}" for ref in refs)
            for key, refs in sorted(world.references.items())
        },
        "complete": sorted(world.complete),
        "networks": sorted(network or "" for network in world.networks),
        "unread": sorted(f"{ref.account_id}/{ref.group_id}" for ref in world.unread),
    }


def _group(group: Group) -> Document:
    return {
        "account_id": group.place.account_id,
        "region_id": group.place.region_id,
        "vpc_id": group.vpc_id,
        "kind": group.kind.value,
        "inner_access": group.inner_access.value,
        "managed": group.managed,
        "rules": {held.rule_id: rule_document(held.rule) for held in group.rules},
    }


def _instance(instance: Instance) -> Document:
    return {
        "account_id": instance.place.account_id,
        "region_id": instance.place.region_id,
        "vpc_id": instance.vpc_id,
        "classic_link_vpc_id": instance.classic_link_vpc_id,
        "locks": sorted(instance.locks),
        "interfaces": {
            eni.eni_id: {
                "addresses": sorted(str(block) for block in eni.addresses),
                "public_address": str(eni.public_address) if eni.public_address else None,
                "group_ids": sorted(eni.group_ids),
            }
            for eni in instance.enis
        },
    }


def fingerprint(document: Document) -> str:
    """Return the SHA-256 of a world document."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def drift(before: Mapping[str, object], after: Mapping[str, object]) -> list[Document]:
    """List what differs between two world documents: a path, the value before and after.

    Sorted by path; a value that was or is absent is None.
    """
    return [
        {"path": f"/{path}", "before": old, "after": new}
        for path, old, new in _differences(before, after, "")
    ]


def _differences(before: object, after: object, path: str) -> Iterator[tuple[str, object, object]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            inner = f"{path}/{key}" if path else str(key)
            yield from _differences(before.get(key), after.get(key), inner)
    elif before != after:
        yield path, before, after
