"""A client that is not the vendor's: the ECS driver of apache-libcloud, which reads XML.

The driver knows groups and memberships; rules are written through its connection.
"""

import ast
from typing import Any

from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider

from tests.clients.scenario import REGION, RefusedError, main


class LibcloudDriver:
    def __init__(self, endpoint: str, key: str, secret: str) -> None:
        host, _, port = endpoint.partition(":")
        self._driver = get_driver(Provider.ALIYUN_ECS)(
            key, secret, region=REGION, secure=False, host=host, port=int(port)
        )

    def _try(self, act: Any, *arguments: Any, **fields: Any) -> Any:
        try:
            return act(*arguments, **fields)
        except BaseHTTPError as error:
            raise RefusedError(ast.literal_eval(error.message)["code"]) from error

    def _call(self, action: str, **fields: Any) -> Any:
        parameters = {"Action": action, "RegionId": REGION, **fields}
        return self._try(self._driver.connection.request, "/", parameters)

    def instances(self) -> list[tuple[str, str, str]]:
        nodes = self._try(self._driver.list_nodes)
        return [(node.id, node.state.capitalize(), node.private_ips[0]) for node in nodes]

    def members(self, group_id: str) -> list[str]:
        nodes = self._try(self._driver.list_nodes, ex_filters={"SecurityGroupId": group_id})
        return [node.id for node in nodes]

    def create_group(self, name: str) -> str:
        group_id = str(self._try(self._driver.ex_create_security_group, description="by libcloud"))
        self._try(
            self._driver.ex_modify_security_group_by_id,
            group_id=group_id,
            name=name,
            description="by libcloud",
        )
        return group_id

    def group_names(self) -> list[str]:
        return [group.name for group in self._try(self._driver.ex_list_security_groups)]

    def authorize(self, group_id: str, **fields: str) -> None:
        self._call("AuthorizeSecurityGroup", SecurityGroupId=group_id, **fields)

    def revoke(self, group_id: str, **fields: str) -> None:
        self._call("RevokeSecurityGroup", SecurityGroupId=group_id, **fields)

    def rules(self, group_id: str) -> list[tuple[str, str]]:
        call = {"SecurityGroupId": group_id, "NicType": "intranet"}
        answer = self._call("DescribeSecurityGroupAttribute", **call).object
        driven = self._try(
            self._driver.ex_list_security_group_attributes, group_id, nic_type="intranet"
        )
        peers = [
            item.findtext("SourceCidrIp") or item.findtext("SourceGroupId")
            for item in answer.findall("Permissions/Permission")
        ]
        return [(rule.port_range, peer) for rule, peer in zip(driven, peers, strict=True)]

    def _node(self, instance_id: str) -> Any:
        return self._driver.list_nodes(ex_node_ids=[instance_id])[0]

    def join(self, group_id: str, instance_id: str) -> None:
        self._try(self._driver.ex_join_security_group, self._node(instance_id), group_id)

    def leave(self, group_id: str, instance_id: str) -> None:
        self._try(self._driver.ex_leave_security_group, self._node(instance_id), group_id)

    def delete_group(self, group_id: str) -> None:
        self._try(self._driver.ex_delete_security_group_by_id, group_id)


if __name__ == "__main__":
    main(LibcloudDriver)
