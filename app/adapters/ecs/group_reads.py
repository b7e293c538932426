"""Reads of security groups: which calls, in what order, and what they come to."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from aliyunsdkecs.request.v20140526.DescribePrefixListAttributesRequest import (
    DescribePrefixListAttributesRequest,
)
from aliyunsdkecs.request.v20140526.DescribeSecurityGroupAttributeRequest import (
    DescribeSecurityGroupAttributeRequest,
)
from aliyunsdkecs.request.v20140526.DescribeSecurityGroupReferencesRequest import (
    DescribeSecurityGroupReferencesRequest,
)
from aliyunsdkecs.request.v20140526.DescribeSecurityGroupsRequest import (
    DescribeSecurityGroupsRequest,
)

from app.adapters.ecs.calls import Calls
from app.adapters.ecs.codes import UNREADABLE_LIST
from app.adapters.ecs.cursors import page_of, token_after
from app.adapters.ecs.groups import (
    GROUPS,
    PERMISSIONS,
    Attribute,
    attribute,
    summary,
    whole_group,
)
from app.adapters.ecs.paging import Item, batches, items, settled
from app.adapters.ecs.together import Together, results
from app.adapters.ecs.transport import Reply, build
from app.domain.addresses import Block
from app.domain.errors import CloudError, CloudNotFoundError, CloudRefusedError
from app.domain.groups import Group, GroupRef
from app.domain.rules import NicType
from app.ports.ecs import GroupPage, InventoryFilter

IDS_A_CALL = 100
RULES_A_PAGE = 1000
LARGEST_PAGE = 50
GROUPS_A_REFERENCE_CALL = 10
REFERENCES_A_CALL = 100
"""Upper bounds of single calls. Source: ECS API, the actions of those names."""

NO_SUCH_GROUP = "InvalidSecurityGroupId.*"


@dataclass(frozen=True, slots=True)
class GroupReads:
    """Groups, their rules, and who names them."""

    calls: Calls
    together: Together
    classic: set[str]
    """Ids of groups that were seen in the classic network, which they never leave."""

    def groups(self, group_ids: Sequence[str]) -> tuple[Group, ...]:
        """Read groups in one round trip, or two where a group turns out to be a classic one.

        In the order asked for. A group is only there when both actions show it: one that was
        just created or deleted is not yet, or no longer, to be relied upon.
        """
        ids = list(dict.fromkeys(group_ids))
        listings = [self.together.start(self._listed, part) for part in batches(ids, IDS_A_CALL)]
        attributes = self._attributes(ids)
        listed = {key: item for part in results(listings) for key, item in part.items()}
        place = self.calls.place
        with self.calls.understanding("DescribeSecurityGroupAttribute"):
            return tuple(
                whole_group(listed[group_id], found, place=place)
                for group_id, found in attributes.items()
                if group_id in listed
            )

    def _listed(self, group_ids: list[str]) -> Mapping[str, Item]:
        def page(token: str | None) -> Reply:
            fields = {
                "SecurityGroupIds": json.dumps(group_ids),
                "MaxResults": IDS_A_CALL,
                "NextToken": token,
            }
            return self.calls.read(build(DescribeSecurityGroupsRequest, fields))

        with self.calls.understanding("DescribeSecurityGroups"):
            _, found = settled(page, GROUPS, same=_group_id)
            return {item["SecurityGroupId"]: item for item in found}

    def _attributes(self, ids: Sequence[str]) -> Mapping[str, Attribute]:
        """Read inner access policy and rules: one side in a VPC, both in the classic network.

        The second side is asked for at once where the group is known to be classic.
        """
        intranet = {key: self._start(key, NicType.INTRANET) for key in ids}
        early = {key: self._start(key, NicType.INTERNET) for key in ids if key in self.classic}
        sides = {key: side for key in ids if (side := intranet[key].result()) is not None}
        classic = [key for key, side in sides.items() if not side.in_vpc]
        self.classic.update(classic)
        internet = {
            key: early[key] if key in early else self._start(key, NicType.INTERNET)
            for key in classic
        }
        for key, future in internet.items():
            other = future.result()
            if other is None:
                del sides[key]
            else:
                sides[key] = sides[key].beside(other)
        return sides

    def _start(self, group_id: str, nic_type: NicType) -> "Future[Attribute | None]":
        return self.together.start(self._side, group_id, nic_type)

    def _side(self, group_id: str, nic_type: NicType) -> Attribute | None:
        """Read inner access policy and the rules of one side; None if there is no such group."""

        def page(token: str | None) -> Reply:
            fields = {
                "SecurityGroupId": group_id,
                "NicType": nic_type.value,
                "Direction": "all",
                "MaxResults": RULES_A_PAGE,
                "NextToken": token,
            }
            return self.calls.read(build(DescribeSecurityGroupAttributeRequest, fields))

        try:
            with self.calls.understanding("DescribeSecurityGroupAttribute"):
                return attribute(*settled(page, PERMISSIONS, same=_whole))
        except CloudNotFoundError as error:
            if not _is_code(error, NO_SUCH_GROUP):
                raise
            return None

    def references(self, group_ids: Sequence[str]) -> Mapping[str, frozenset[GroupRef]]:
        """Read who names the groups; a group that does not exist is left out."""
        parts = batches(group_ids, GROUPS_A_REFERENCE_CALL)
        answers = [self.together.start(self._references, part) for part in parts]
        return {key: refs for answer in results(answers) for key, refs in answer.items()}

    def _references(self, group_ids: list[str]) -> Mapping[str, frozenset[GroupRef]]:
        request = build(DescribeSecurityGroupReferencesRequest, {"SecurityGroupIds": group_ids})
        try:
            reply = self.calls.read(request)
        except CloudNotFoundError as error:
            if not _is_code(error, NO_SUCH_GROUP):
                raise
            return self._one_by_one(group_ids)
        with self.calls.understanding("DescribeSecurityGroupReferences"):
            found = dict.fromkeys(group_ids, frozenset[GroupRef]())
            for item in items(reply, "SecurityGroupReferences", "SecurityGroupReference"):
                found[item["SecurityGroupId"]] = _refs(item)
        if sum(map(len, found.values())) < REFERENCES_A_CALL:
            return found
        # The cloud stops at so many without saying so.
        return self._one_by_one(group_ids)

    def _one_by_one(self, group_ids: list[str]) -> Mapping[str, frozenset[GroupRef]]:
        if len(group_ids) > 1:
            alone = [self._references([group_id]) for group_id in group_ids]
            return {key: refs for answer in alone for key, refs in answer.items()}
        if self._side(group_ids[0], NicType.INTRANET) is None:
            return {}
        raise CloudRefusedError(
            f"the cloud does not list all groups that name {group_ids[0]}",
            group_id=group_ids[0],
            limit=REFERENCES_A_CALL,
        )

    def prefix_list(self, prefix_list_id: str) -> tuple[Block, ...] | None:
        """Read a prefix list, which comes in one page."""
        fields = {"PrefixListId": prefix_list_id}
        try:
            reply = self.calls.read(build(DescribePrefixListAttributesRequest, fields))
        except CloudRefusedError as error:
            if any(_is_code(error, pattern) for pattern in UNREADABLE_LIST):
                return None
            raise
        with self.calls.understanding("DescribePrefixListAttributes"):
            return tuple(Block.read(item["Cidr"]) for item in items(reply, "Entries", "Entry"))

    def count(self) -> int:
        """Read how many groups there are, without reading them."""
        fields = {"PageNumber": 1, "PageSize": 1}
        reply = self.calls.read(build(DescribeSecurityGroupsRequest, fields))
        with self.calls.understanding("DescribeSecurityGroups"):
            return int(reply["TotalCount"])

    def page(self, wanted: InventoryFilter, *, limit: int, token: str | None) -> GroupPage:
        """Read one page of the inventory."""
        number, size = page_of(token, limit, LARGEST_PAGE)
        fields = {
            "SecurityGroupName": wanted.name,
            "SecurityGroupId": wanted.group_id,
            "VpcId": wanted.vpc_id,
            "IsQueryEcsCount": "true",
            "PageNumber": number,
            "PageSize": size,
        }
        reply = self.calls.read(build(DescribeSecurityGroupsRequest, fields))
        with self.calls.understanding("DescribeSecurityGroups"):
            return GroupPage(
                tuple(summary(item, place=self.calls.place) for item in items(reply, *GROUPS)),
                token_after(number, size, int(reply["TotalCount"])),
            )


def _refs(item: Item) -> frozenset[GroupRef]:
    naming = items(item, "ReferencingSecurityGroups", "ReferencingSecurityGroup")
    return frozenset(GroupRef(ref["SecurityGroupId"], str(ref["AliUid"])) for ref in naming)


def _group_id(item: Item) -> str:
    return str(item["SecurityGroupId"])


def _whole(item: Item) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(item.items()))


def _is_code(error: CloudError, pattern: str) -> bool:
    return fnmatchcase(str(error.facts.get("cloud_code")), pattern)
