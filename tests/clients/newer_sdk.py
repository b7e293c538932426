"""The official SDK that signs by version 3 unless told otherwise: alibabacloud_ecs20140526.

The fourth argument, where there is one, is its `signature_algorithm`.
"""

import re
import sys
from typing import Any

from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client as Sdk
from alibabacloud_tea_openapi.utils_models import Config

from tests.clients.scenario import REGION, RefusedError, main

ALGORITHM = sys.argv[4] if len(sys.argv) > 4 else None


class NewerSdk:
    def __init__(self, endpoint: str, key: str, secret: str) -> None:
        config = Config(
            access_key_id=key,
            access_key_secret=secret,
            region_id=REGION,
            endpoint=endpoint,
            protocol="HTTP",
            signature_algorithm=ALGORITHM,
        )
        self._client = Sdk(config)

    def _call(self, action: str, **fields: Any) -> Any:
        request = getattr(models, f"{action}Request")(region_id=REGION, **fields)
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
        try:
            return getattr(self._client, method)(request).body
        except Exception as error:
            code = getattr(error, "code", None)
            if code is None:
                raise
            raise RefusedError(str(code)) from error

    def instances(self) -> list[tuple[str, str, str]]:
        found: list[Any] = []
        token = None
        while True:
            page = self._call("DescribeInstances", max_results=100, next_token=token)
            found += page.instances.instance
            token = page.next_token
            if not token:
                break
        return [
            (item.instance_id, item.status, item.inner_ip_address.ip_address[0]) for item in found
        ]

    def members(self, group_id: str) -> list[str]:
        answer = self._call("DescribeInstances", security_group_id=group_id)
        return [item.instance_id for item in answer.instances.instance]

    def create_group(self, name: str) -> str:
        answer = self._call("CreateSecurityGroup", security_group_name=name)
        return str(answer.security_group_id)

    def group_names(self) -> list[str]:
        answer = self._call("DescribeSecurityGroups", page_size=50)
        return [item.security_group_name for item in answer.security_groups.security_group]

    def authorize(self, group_id: str, **fields: str) -> None:
        kind = models.AuthorizeSecurityGroupRequestPermissions
        permissions = [kind().from_map(fields)]
        self._call("AuthorizeSecurityGroup", security_group_id=group_id, permissions=permissions)

    def revoke(self, group_id: str, **fields: str) -> None:
        kind = models.RevokeSecurityGroupRequestPermissions
        permissions = [kind().from_map(fields)]
        self._call("RevokeSecurityGroup", security_group_id=group_id, permissions=permissions)

    def rules(self, group_id: str) -> list[tuple[str, str]]:
        answer = self._call(
            "DescribeSecurityGroupAttribute", security_group_id=group_id, nic_type="intranet"
        )
        return [
            (item.port_range, item.source_cidr_ip or item.source_group_id)
            for item in answer.permissions.permission
        ]

    def join(self, group_id: str, instance_id: str) -> None:
        self._call("JoinSecurityGroup", security_group_id=group_id, instance_id=instance_id)

    def leave(self, group_id: str, instance_id: str) -> None:
        self._call("LeaveSecurityGroup", security_group_id=group_id, instance_id=instance_id)

    def delete_group(self, group_id: str) -> None:
        self._call("DeleteSecurityGroup", security_group_id=group_id)


if __name__ == "__main__":
    main(NewerSdk)
