"""Questions about what would open and close if something were changed."""

from collections.abc import Sequence

from app.domain.addresses import Block
from app.domain.changes import Join, Leave
from app.domain.documents import Document, read_rule
from app.domain.groups import Place
from app.domain.plan_documents import exposure_document
from app.domain.rules import GroupPeer, Policy, PrefixListPeer
from app.domain.suppositions import (
    AddRule,
    RemoveRule,
    SetInnerAccess,
    Supposition,
    what_if,
)
from app.services.memory import Memory
from app.services.scopes import Known, Scope


class SuppositionsService:
    """Reads the read scope of a change as a plan does, and compares; nothing is changed."""

    def __init__(self, *, memory: Memory) -> None:
        self._memory = memory

    def what_if(self, changes: Sequence[Document], *, most: int, refresh: bool = False) -> Document:
        """Return what would be gained and lost, at most `most` items of each.

        Raises:
            TargetNotFoundError: a group, an instance or a rule does not exist, or a group that
                a supposed rule names, of a registered account.
            InvalidInputError: the cloud would never hold it.
        """
        suppositions = [_read(change) for change in changes]
        look = self._memory.look(refresh=refresh)
        world = look.world(_scope(suppositions))
        found = what_if(world, suppositions, cap=most)
        return {
            "gained": exposure_document(found.gained),
            "lost": exposure_document(found.lost),
            "world": look.document(world),
        }


def _read(change: Document) -> Supposition:
    place, group_id = Place(change["account_id"], change["region_id"]), change["group_id"]
    match change["action"]:
        case "add_rule":
            peer = {"account_id": place.account_id, **change["rule"]["peer"]}
            return AddRule(place, group_id, read_rule({**change["rule"], "peer": peer}))
        case "remove_rule":
            return RemoveRule(place, group_id, change["rule_id"])
        case "join":
            return Join(place, group_id, change["instance_id"])
        case "leave":
            return Leave(place, group_id, change["instance_id"])
        case _:
            return SetInnerAccess(place, group_id, Policy(change["inner_access"]))


def _scope(suppositions: Sequence[Supposition]) -> Scope:
    """Return what the changes touch, and whom supposed rules would name."""
    rules = [(each.place, each.rule) for each in suppositions if isinstance(each, AddRule)]
    peers, lists, blocks = set(), set(), set()
    for place, rule in rules:
        match rule.peer:
            case GroupPeer(group_id, account_id):
                peers.add((Place(account_id, place.region_id), group_id))
            case PrefixListPeer(prefix_list_id):
                lists.add((place, prefix_list_id))
            case Block() as block if block.is_single:
                blocks.add(block)
            case _:
                pass
    return Scope(
        peers=frozenset(peers),
        addresses=frozenset(blocks),
        known=Known(lists=frozenset(lists)),
        groups=frozenset((each.place, each.group_id) for each in suppositions),
        instances=frozenset(
            (each.place, each.instance_id)
            for each in suppositions
            if isinstance(each, Join | Leave)
        ),
        regions=frozenset(each.place.region_id for each in suppositions),
    )
