"""Reads of instances: which calls, in what order, and what they come to."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aliyunsdkecs.request.v20140526.DescribeClassicLinkInstancesRequest import (
    DescribeClassicLinkInstancesRequest,
)
from aliyunsdkecs.request.v20140526.DescribeInstancesRequest import DescribeInstancesRequest
from aliyunsdkecs.request.v20140526.DescribeNetworkInterfacesRequest import (
    DescribeNetworkInterfacesRequest,
)

from app.adapters.ecs.calls import Calls
from app.adapters.ecs.cursors import page_of, token_after
from app.adapters.ecs.instances import INSTANCES, INTERFACES, instance, secondary_ids
from app.adapters.ecs.paging import MOST_PASSES, Item, agree, batches, items, settled, unstable
from app.adapters.ecs.together import Together, results
from app.adapters.ecs.transport import Reply, build
from app.domain.addresses import AddressFamily, Block
from app.domain.groups import Instance
from app.ports.ecs import InstancePage, InventoryFilter

IDS_A_CALL = 100
INSTANCES_A_PAGE = 100
INTERFACES_A_PAGE = 500
"""Upper bounds of single calls. Source: ECS API, the actions of those names."""


@dataclass(frozen=True, slots=True)
class InstanceReads:
    """Instances with all their interfaces and the groups of each."""

    calls: Calls
    together: Together

    def instances(self, instance_ids: Sequence[str]) -> tuple[Instance, ...]:
        """Read instances by id, in the order asked for; those that do not exist are left out."""
        found = self._by_ids(instance_ids)
        read = {item.instance_id: item for item in self._whole(found)}
        return tuple(read[key] for key in dict.fromkeys(instance_ids) if key in read)

    def members(self, group_id: str) -> tuple[Instance, ...]:
        """Read who is in the group, by the primary interface or by another one."""
        primary = self.together.start(self._listed, {"SecurityGroupId": group_id})
        others = self.together.start(self._interfaces, {"SecurityGroupId": group_id})
        found = primary.result()
        known = {item["InstanceId"] for item in found}
        owners = [item.get("InstanceId") for item in others.result()]
        found += self._by_ids(key for key in owners if key and key not in known)
        members = (
            item for item in self._whole(found) if group_id in frozenset(item.all_group_ids())
        )
        return tuple(sorted(members, key=_instance_id))

    def everybody(self, *, most: int) -> tuple[Instance, ...] | None:
        """Read every instance, by id; None if there are more than `most`.

        After the first page, which says how many there are, all others are read at the same
        time, and several pages until two passes in a row have the same instances.
        """
        found: list[Item] = []
        for _ in range(1 + MOST_PASSES):
            again = self._pages(most)
            if again is None:
                return None
            with self.calls.understanding("DescribeInstances"):
                before = [_id_and_groups(item) for item in found]
                settled_down = agree(before, [_id_and_groups(item) for item in again])
            if settled_down or len(again) <= INSTANCES_A_PAGE:
                return tuple(sorted(self._whole(again), key=_instance_id))
            found = again
        raise unstable()

    def _pages(self, most: int) -> list[Item] | None:
        first = self._page(1)
        with self.calls.understanding("DescribeInstances"):
            total = int(first["TotalCount"])
        if total > most:
            return None
        others = [
            self.together.start(self._page, number)
            for number in range(2, 1 + -(-total // INSTANCES_A_PAGE))
        ]
        with self.calls.understanding("DescribeInstances"):
            return [item for page in (first, *results(others)) for item in items(page, *INSTANCES)]

    def _page(self, number: int) -> Reply:
        fields = {"PageNumber": number, "PageSize": INSTANCES_A_PAGE}
        return self.calls.read(build(DescribeInstancesRequest, fields))

    def owners_of(self, addresses: Sequence[Block], vpc_id: str | None) -> tuple[Instance, ...]:
        """Read the instances that have an address within one of the blocks.

        Single addresses are asked for by name; for a wider block the whole network is listed.
        """
        if not addresses:
            return ()
        if all(block.is_single for block in addresses):
            found = self._by_addresses(addresses, vpc_id)
        else:
            found = self._listed(_network(vpc_id))
        owners = (item for item in self._whole(found) if _has_one_of(item, addresses))
        return tuple(sorted(owners, key=_instance_id))

    def links(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        """Read which classic instances are linked with which VPC; a link fits one page."""
        parts = batches(instance_ids, IDS_A_CALL)
        answers = [self.together.start(self._links, part) for part in parts]
        return {key: vpc_id for answer in results(answers) for key, vpc_id in answer.items()}

    def page(self, wanted: InventoryFilter, *, limit: int, token: str | None) -> InstancePage:
        """Read one page of the inventory."""
        number, size = page_of(token, limit, INSTANCES_A_PAGE)
        fields = {
            "InstanceName": wanted.name,
            "SecurityGroupId": wanted.group_id,
            "VpcId": wanted.vpc_id,
            "PageNumber": number,
            "PageSize": size,
        }
        reply = self.calls.read(build(DescribeInstancesRequest, fields))
        with self.calls.understanding("DescribeInstances"):
            found = items(reply, *INSTANCES)
            next_token = token_after(number, size, int(reply["TotalCount"]))
        return InstancePage(self._whole(found), next_token)

    # --- from listings to instances ------------------------------------------------

    def _whole(self, found: Sequence[Item]) -> tuple[Instance, ...]:
        """Read the interfaces that a listing of instances only names, and put all together."""
        with self.calls.understanding("DescribeInstances"):
            wanted = [eni_id for item in found for eni_id in secondary_ids(item)]
        answers = [
            self.together.start(self._interfaces, {"NetworkInterfaceIds": part})
            for part in batches(wanted, IDS_A_CALL)
        ]
        with self.calls.understanding("DescribeNetworkInterfaces"):
            others = {
                item["NetworkInterfaceId"]: item for part in results(answers) for item in part
            }
            place = self.calls.place
            return tuple(instance(item, others, place=place) for item in found)

    def _by_ids(self, instance_ids: Iterable[str]) -> list[Item]:
        answers = [
            self.together.start(self._listed, {"InstanceIds": json.dumps(part)})
            for part in batches(instance_ids, IDS_A_CALL)
        ]
        return [item for part in results(answers) for item in part]

    def _by_addresses(self, addresses: Sequence[Block], vpc_id: str | None) -> list[Item]:
        """Ask for instances by the primary interface's addresses, then for all others' owners."""
        by_family: dict[AddressFamily, list[str]] = {}
        for block in addresses:
            by_family.setdefault(block.family, []).append(block.address)
        listings, others = [], []
        for family, texts in by_family.items():
            for part in batches(texts, IDS_A_CALL):
                filters = _network(vpc_id) | _primary_filter(family, part, vpc_id)
                listings.append(self.together.start(self._listed, filters))
                if vpc_id is not None:
                    filters = {"VpcId": vpc_id} | _other_filter(family, part)
                    others.append(self.together.start(self._interfaces, filters))
        found = {item["InstanceId"]: item for part in results(listings) for item in part}
        owners = {item.get("InstanceId") for part in results(others) for item in part}
        found |= {
            item["InstanceId"]: item
            for item in self._by_ids(sorted(filter(None, owners - found.keys())))
        }
        return list(found.values())

    # --- listings ------------------------------------------------------------------

    def _listed(self, filters: Mapping[str, object]) -> list[Item]:
        def page(token: str | None) -> Reply:
            fields = {**filters, "MaxResults": INSTANCES_A_PAGE, "NextToken": token}
            return self.calls.read(build(DescribeInstancesRequest, fields))

        with self.calls.understanding("DescribeInstances"):
            return settled(page, INSTANCES, same=_id_and_groups)[1]

    def _interfaces(self, filters: Mapping[str, object]) -> list[Item]:
        def page(token: str | None) -> Reply:
            fields = {
                **filters,
                "Type": "Secondary",
                "MaxResults": INTERFACES_A_PAGE,
                "NextToken": token,
            }
            return self.calls.read(build(DescribeNetworkInterfacesRequest, fields))

        with self.calls.understanding("DescribeNetworkInterfaces"):
            return settled(page, INTERFACES, same=_id_and_groups)[1]

    def _links(self, instance_ids: list[str]) -> Mapping[str, str]:
        fields = {"InstanceId": ",".join(instance_ids), "PageNumber": 1, "PageSize": IDS_A_CALL}
        reply = self.calls.read(build(DescribeClassicLinkInstancesRequest, fields))
        with self.calls.understanding("DescribeClassicLinkInstances"):
            return {item["InstanceId"]: item["VpcId"] for item in items(reply, "Links", "Link")}


def _network(vpc_id: str | None) -> dict[str, object]:
    return {"InstanceNetworkType": "classic"} if vpc_id is None else {"VpcId": vpc_id}


def _primary_filter(
    family: AddressFamily, texts: list[str], vpc_id: str | None
) -> dict[str, object]:
    if family is AddressFamily.IPV6:
        return {"Ipv6Addresss": texts}
    name = "InnerIpAddresses" if vpc_id is None else "PrivateIpAddresses"
    return {name: json.dumps(texts)}


def _other_filter(family: AddressFamily, texts: list[str]) -> dict[str, object]:
    name = "Ipv6Addresss" if family is AddressFamily.IPV6 else "PrivateIpAddresss"
    return {name: texts}


def _has_one_of(item: Instance, addresses: Sequence[Block]) -> bool:
    own = [block for eni in item.enis for block in eni.addresses]
    return any(block.within(wanted) for block in own for wanted in addresses)


def _instance_id(item: Instance) -> str:
    return item.instance_id


def _id_and_groups(item: Item) -> tuple[str, tuple[str, ...]]:
    groups = (item.get("SecurityGroupIds") or {}).get("SecurityGroupId") or ()
    return str(item.get("NetworkInterfaceId") or item["InstanceId"]), tuple(sorted(groups))
