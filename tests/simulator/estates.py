"""Builders of estates, keyword-only with defaults, and a caller that needs no HTTP."""

from dataclasses import dataclass
from typing import Any

import pytest

from app.simulator.credentials import Caller
from app.simulator.dispatcher import Dispatcher
from app.simulator.packets import judge

ACCOUNT = "1000000000000001"
OTHER_ACCOUNT = "1000000000000002"
BASE_ACCOUNT = "1000000000000009"
REGION = "cn-hangzhou"


def account(account_id: str, **fields: Any) -> dict[str, Any]:
    key = {"AccessKeyId": f"key-{account_id}", "AccessKeySecret": f"secret-{account_id}"}
    return {"AccountId": account_id, "AccessKeys": [key], **fields}


def vpc(vpc_id: str = "vpc-1", *, owner: str = ACCOUNT, **fields: Any) -> dict[str, Any]:
    return {"VpcId": vpc_id, "OwnerId": owner, "RegionId": REGION, **fields}


def group(group_id: str, *rules: dict[str, Any], owner: str = ACCOUNT, **fields: Any) -> Any:
    return {
        "SecurityGroupId": group_id,
        "SecurityGroupName": group_id.removeprefix("sg-"),
        "OwnerId": owner,
        "RegionId": REGION,
        "Rules": list(rules),
        **fields,
    }


def rule(rule_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """An ingress rule that accepts tcp/22 on the intranet; None takes a field away."""
    default = {"SourceCidrIp": "10.170.1.1"} if not _has_peer(fields) else {}
    whole = {
        "SecurityGroupRuleId": rule_id,
        "Direction": "ingress",
        "IpProtocol": "tcp",
        "PortRange": "22/22",
        "NicType": "intranet",
        **default,
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def _has_peer(fields: dict[str, Any]) -> bool:
    return any(name.endswith(("CidrIp", "GroupId", "PrefixListId")) for name in fields)


def instance(instance_id: str, address: str, *groups: str, **fields: Any) -> dict[str, Any]:
    return {
        "InstanceId": instance_id,
        "InstanceName": instance_id.removeprefix("i-"),
        "OwnerId": ACCOUNT,
        "RegionId": REGION,
        "ZoneId": f"{REGION}-b",
        "PrivateIp": address,
        "SecurityGroupIds": list(groups),
        **fields,
    }


def estate(
    *,
    groups: list[Any] | None = None,
    instances: list[Any] | None = None,
    vpcs: list[Any] | None = None,
    prefix_lists: list[Any] | None = None,
    accounts: list[Any] | None = None,
) -> dict[str, Any]:
    """Two accounts, and whatever else the test is about."""
    role = {"RoleName": "intercommunication", "TrustedAccountIds": [BASE_ACCOUNT]}
    return {
        "accounts": accounts
        or [
            account(ACCOUNT, Login="a@example.com", Roles=[role]),
            account(OTHER_ACCOUNT, Login="b@example.com", Roles=[role | {"ExternalId": "e-2"}]),
            account(BASE_ACCOUNT),
        ],
        "vpcs": vpcs or [],
        "prefix_lists": prefix_lists or [],
        "security_groups": groups or [],
        "instances": instances or [],
    }


def pair(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A in sg-1 and B in sg-2, classic; the rules are those of sg-2."""
    return estate(
        groups=[group("sg-1"), group("sg-2", *rules, **fields)],
        instances=[
            instance("i-a", "10.170.1.1", "sg-1", PublicIp="47.96.0.1"),
            instance("i-b", "10.170.1.2", "sg-2", PublicIp="47.96.0.2"),
        ],
    )


def vpc_pair(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The same in a VPC, with IPv6."""
    return estate(
        vpcs=[vpc()],
        groups=[group("sg-1", VpcId="vpc-1"), group("sg-2", *rules, VpcId="vpc-1", **fields)],
        instances=[
            instance("i-a", "172.16.0.1", "sg-1", VpcId="vpc-1", Ipv6="2408::a"),
            instance("i-b", "172.16.0.2", "sg-2", VpcId="vpc-1", Ipv6="2408::b"),
        ],
    )


class RefusedError(Exception):
    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body['Code']}: {body['Message']}")
        self.status = status
        self.code = body["Code"]
        self.message = body["Message"]


@dataclass
class Clock:
    """A clock that stands still until it is told to move; sleeping moves it."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Cloud:
    """A dispatcher with a short way to call it."""

    def __init__(self, ground_truth: dict[str, Any]) -> None:
        self.clock = Clock()
        self.dispatcher = Dispatcher(ground_truth, clock=self.clock, sleep=self.clock.sleep)

    def __call__(
        self, action: str, *, account_id: str = ACCOUNT, region: str | None = REGION, **fields: Any
    ) -> Any:
        """Call an action; a list is repeated as Name.1, …, its objects as Name.1.Field."""
        parameters = _flat(fields) | ({"RegionId": region} if region else {})
        reply = self.dispatcher.call(Caller(account_id), action, parameters)
        if reply.status != 200:
            raise RefusedError(reply.status, reply.body)
        return reply.body

    def refusal(self, action: str, **fields: Any) -> tuple[int, str]:
        """Return the status and code of a refusal; nothing may have changed."""
        before = self.estate()
        with pytest.raises(RefusedError) as refused:
            self(action, **fields)
        assert self.estate() == before
        return refused.value.status, refused.value.code

    def estate(self) -> Any:
        return self.dispatcher.estate()

    def rules(self, group_id: str, **fields: Any) -> list[Any]:
        """The rules of a group as DescribeSecurityGroupAttribute lists them, intranet side."""
        answer = self(
            "DescribeSecurityGroupAttribute",
            SecurityGroupId=group_id,
            **{"NicType": "intranet", **fields},
        )
        permissions: list[Any] = answer["Permissions"]["Permission"]
        return permissions

    def verdict(self, source: str, destination: str, port: int | None = 22, **fields: Any) -> str:
        """The reason that the packet walk gives, for tcp unless told."""
        packet = {
            "source": source,
            "destination": destination,
            "protocol": "tcp",
            "destination_port": port,
            **fields,
        }
        verdict = judge(self.dispatcher.store, packet)
        return f"{'reachable' if verdict.is_reachable else 'blocked'}: {verdict.reason}"


def _flat(fields: dict[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in fields.items():
        if not isinstance(value, list):
            flat[name.replace("__", ".")] = str(value)
            continue
        for number, item in enumerate(value, 1):
            parts = item if isinstance(item, dict) else {"": item}
            for key, text in parts.items():
                flat[f"{name}.{number}{'.' if key else ''}{key}"] = str(text)
    return flat
