"""The official SDK that signs by version 1: aliyun-python-sdk-ecs."""

import json
from importlib import import_module
from typing import Any

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient

from tests.clients.scenario import REGION, RefusedError, main


class OlderSdk:
    def __init__(self, endpoint: str, key: str, secret: str) -> None:
        self._client = AcsClient(key, secret, REGION, timeout=10)
        self._client.add_endpoint(REGION, "Ecs", endpoint)

    def _call(self, action: str, **fields: Any) -> Any:
        module = import_module(f"aliyunsdkecs.request.v20140526.{action}Request")
        request = getattr(module, f"{action}Request")()
        for name, value in fields.items():
            getattr(request, f"set_{name}")(value)
        try:
            return json.loads(self._client.do_action_with_exception(request))
        except ServerException as error:
            raise RefusedError(error.get_error_code()) from error

    def instances(self) -> list[tuple[str, str, str]]:
        found: list[Any] = []
        while True:
            page = self._call("DescribeInstances", PageSize=100, PageNumber=len(found) // 100 + 1)
            found += page["Instances"]["Instance"]
            if len(found) >= page["TotalCount"]:
                break
        return [
            (item["InstanceId"], item["Status"], item["InnerIpAddress"]["IpAddress"][0])
            for item in found
        ]

    def members(self, group_id: str) -> list[str]:
        answer = self._call("DescribeInstances", SecurityGroupId=group_id)
        return [item["InstanceId"] for item in answer["Instances"]["Instance"]]

    def create_group(self, name: str) -> str:
        answer = self._call("CreateSecurityGroup", SecurityGroupName=name)
        return str(answer["SecurityGroupId"])

    def group_names(self) -> list[str]:
        answer = self._call("DescribeSecurityGroups", PageSize=50)
        return [item["SecurityGroupName"] for item in answer["SecurityGroups"]["SecurityGroup"]]

    def authorize(self, group_id: str, **fields: str) -> None:
        permissions = [fields]
        self._call("AuthorizeSecurityGroup", SecurityGroupId=group_id, Permissions=permissions)

    def revoke(self, group_id: str, **fields: str) -> None:
        self._call("RevokeSecurityGroup", SecurityGroupId=group_id, Permissions=[fields])

    def rules(self, group_id: str) -> list[tuple[str, str]]:
        answer = self._call(
            "DescribeSecurityGroupAttribute", SecurityGroupId=group_id, NicType="intranet"
        )
        return [
            (item["PortRange"], item["SourceCidrIp"] or item["SourceGroupId"])
            for item in answer["Permissions"]["Permission"]
        ]

    def join(self, group_id: str, instance_id: str) -> None:
        self._call("JoinSecurityGroup", SecurityGroupId=group_id, InstanceId=instance_id)

    def leave(self, group_id: str, instance_id: str) -> None:
        self._call("LeaveSecurityGroup", SecurityGroupId=group_id, InstanceId=instance_id)

    def delete_group(self, group_id: str) -> None:
        self._call("DeleteSecurityGroup", SecurityGroupId=group_id)


if __name__ == "__main__":
    main(OlderSdk)
