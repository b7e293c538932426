"""Every documented refusal, by action: what brings it about, or that only the `error` fault does.

The test calls each one; `tests.simulator.page` prints them into docs/simulator.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulator.estates import (
    ACCOUNT,
    BASE_ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    Cloud,
    account,
    estate,
    group,
    instance,
    rule,
    vpc,
)
from tests.simulator.signing import Sent, version_one, version_three

Call = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A refusal and what brings it about: a call, perhaps after others, or a signed request.

    `by_fault`: only the `error` fault does. `mark`: D documented, R our choice of code or status,
    U the vendor's pages leave it open.
    """

    action: str
    status: int
    code: str
    when: str
    mark: str = "D"
    call: Call = field(default_factory=dict)
    before: tuple[tuple[str, Call], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    sent: Callable[[Cloud], Sent] | None = None
    by_fault: bool = False


def world() -> dict[str, Any]:
    """One estate in which every refusal that an estate can bring about is one call away."""
    in_vpc = {"VpcId": "vpc-1"}
    lists = [
        {
            "PrefixListId": list_id,
            "OwnerId": ACCOUNT,
            "RegionId": REGION,
            "AddressFamily": family,
            "MaxEntries": most,
        }
        for list_id, family, most in (
            ("pl-4", "IPv4", 10),
            ("pl-6", "IPv6", 10),
            ("pl-large", "IPv4", 50),
        )
    ]
    disabled = {"AccessKeyId": "off", "AccessKeySecret": "off", "Status": "Inactive"}
    role = {"RoleName": "reader", "TrustedAccountIds": [BASE_ACCOUNT]}
    base = account(BASE_ACCOUNT)
    base["AccessKeys"].append(disabled)
    nics = [
        {
            "NetworkInterfaceId": f"eni-{number}",
            "Primary": number == 1,
            "PrivateIps": [f"172.16.0.{number}"],
            "SecurityGroupIds": ["sg-vpc"],
            **more,
        }
        for number, more in (
            (1, {}),
            (2, {}),
            (3, {"Status": "Attaching"}),
            (4, {"ServiceManaged": True}),
        )
    ]
    multi = instance("i-v", "") | in_vpc | {"NetworkInterfaces": nics}
    del multi["PrivateIp"], multi["SecurityGroupIds"]
    ports = {"PortRangeListId": "prl-1", "OwnerId": ACCOUNT, "RegionId": REGION, "MaxEntries": 2}
    return {"port_lists": [ports]} | estate(
        accounts=[account(ACCOUNT, Roles=[role]), account(OTHER_ACCOUNT), base],
        vpcs=[
            vpc(),
            vpc("vpc-2"),
            vpc("vpc-3", ClassicLinkEnabled=True),
            vpc("vpc-new", Status="Pending"),
            vpc("vpc-foreign", owner=OTHER_ACCOUNT),
        ],
        prefix_lists=lists,
        groups=[
            group("sg-home", rule("sgr-in"), rule("sgr-80", PortRange="80/80")),
            group("sg-extra"),
            group("sg-peer"),
            group("sg-foreign", owner=OTHER_ACCOUNT),
            group("sg-vpc", rule("sgr-v"), **in_vpc),
            group(
                "sg-vpc-peer",
                rule("sgr-out", Direction="egress", DestCidrIp="10.0.0.0/8"),
                **in_vpc,
            ),
            group("sg-vpc2", VpcId="vpc-2"),
            group(
                "sg-lists",
                rule("sgr-from", SourcePrefixListId="pl-4"),
                rule("sgr-to", Direction="egress", DestPrefixListId="pl-4"),
                **in_vpc,
            ),
            group("sg-ent", SecurityGroupType="enterprise", **in_vpc),
            group("sg-managed", ServiceManaged=True, **in_vpc),
            group("sg-beijing") | {"RegionId": "cn-beijing", "VpcId": None},
        ],
        instances=[
            instance("i-a", "10.170.1.1", "sg-home"),
            instance("i-starting", "10.170.1.2", "sg-home", Status="Starting"),
            instance("i-locked", "10.170.1.3", "sg-home", OperationLocks=["security"]),
            instance("i-foreign", "10.170.1.4", "sg-foreign", OwnerId=OTHER_ACCOUNT),
            multi,
        ],
    )


CASES: list[Case] = []


def refused(action: str, status: int, code: str, when: str, **call: Any) -> None:
    """A refusal that a call brings about; fields in lower case belong to the case."""
    own = {name: call.pop(name) for name in ("mark", "before", "settings", "sent") if name in call}
    CASES.append(Case(action, status, code, when, call=call, **own))


def only_by_fault(action: str, status: int, code: str, when: str, mark: str = "D") -> None:
    """A refusal that no estate brings about."""
    CASES.append(Case(action, status, code, when, mark=mark, by_fault=True))


MANAGED = "InvalidOperation.ResourceManagedByCloudProduct"
NO_GROUP = ("InvalidSecurityGroupId.NotFound", "the group is not there, or another account's")
BAD_GROUP = ("InvalidSecurityGroupId.Malformed", "the group's id is none")


# ---- the gateway


def altered(**changes: str) -> Callable[[Cloud], Sent]:
    """A call of version 1 that is signed with these parameters."""
    return lambda cloud: version_one(cloud, **{"action": "DescribeRegions", **changes})


def without(name: str) -> Callable[[Cloud], Sent]:
    def sent(cloud: Cloud) -> Sent:
        whole = version_one(cloud)
        return replace(whole, query={key: text for key, text in whole.query.items() if key != name})

    return sent


def with_header(name: str, value: str) -> Callable[[Cloud], Sent]:
    def sent(cloud: Cloud) -> Sent:
        whole = version_three(cloud)
        return replace(whole, headers=whole.headers | {name: value})

    return sent


def with_method(method: str) -> Callable[[Cloud], Sent]:
    return lambda cloud: replace(version_one(cloud), method=method)


def twice(cloud: Cloud) -> Sent:
    whole = version_one(cloud)
    whole.to(cloud)
    return whole


def with_session(
    token: str | None, *, later_seconds: int = 0, **asked: str
) -> Callable[[Cloud], Sent]:
    """A call with an assumed role's key; no token, or `right` for the right one."""

    def sent(cloud: Cloud) -> Sent:
        answer = cloud("AssumeRole", account_id=BASE_ACCOUNT, **ASSUME, **asked)["Credentials"]
        cloud.clock.now += later_seconds
        key = (answer["AccessKeyId"], answer["AccessKeySecret"])
        whole = answer["SecurityToken"] if token == "right" else token
        return version_three(cloud, key=key, token=whole)

    return sent


def disabled(version: str, action: str) -> Callable[[Cloud], Sent]:
    return lambda cloud: version_three(cloud, action, version=version, key=("off", "off"))


ASSUME = {"RoleArn": f"acs:ram::{ACCOUNT}:role/reader", "RoleSessionName": "session"}
ANY = "every action"
refused(
    ANY,
    400,
    "MissingParameter",
    "a parameter that every call needs is not there",
    sent=without("Action"),
)
refused(
    ANY,
    400,
    "MissingParameter.RegionId",
    "RegionId is not there",
    sent=altered(action="DescribeInstances"),
)
refused(
    ANY,
    400,
    "InvalidParameter",
    "a value that has no code of its own",
    sent=altered(SignatureMethod="HMAC-MD5"),
)
refused(
    ANY,
    404,
    "InvalidAction.NotFound",
    "the action, or its version, is unknown",
    mark="U",
    sent=altered(action="Nonsense"),
)
only_by_fault(ANY, 404, "InvalidApi.NotFound", "the action, or its version, is unknown", mark="U")
only_by_fault(ANY, 403, "InvalidAction", "the action is not valid")
refused(ANY, 403, "UnsupportedHTTPMethod", "neither GET nor POST", sent=with_method("PUT"))
refused(
    ANY,
    404,
    "InvalidAccessKeyId.NotFound",
    "the key is unknown (the pages say 400 and 404)",
    sent=altered(AccessKeyId="no"),
)
refused(
    ANY,
    400,
    "InvalidAccessKeyId.NotFound",
    "the same, elsewhere in the pages (by the setting `unknown_key_status`)",
    settings={"variants": {"unknown_key_status": 400}},
    sent=altered(AccessKeyId="no"),
)
refused(
    ANY,
    400,
    "InvalidAccessKeyId.Inactive",
    "the key is disabled, says STS",
    mark="U",
    sent=disabled("2015-04-01", "GetCallerIdentity"),
)
refused(
    ANY,
    403,
    "Forbidden.AccessKeyDisabled",
    "the key is disabled, says ECS",
    sent=disabled("2014-05-26", "DescribeRegions"),
)
refused(
    ANY,
    400,
    "SignatureDoesNotMatch",
    "the secret is another one, or the call was altered",
    sent=with_method("GET"),
)
refused(
    ANY,
    400,
    "IncompleteSignature",
    "the header of version 3 is malformed, or leaves something unsigned",
    sent=with_header("authorization", "ACS3-HMAC-SHA256"),
)
refused(ANY, 400, "SignatureNonceUsed", "the nonce was used within 31 minutes", sent=twice)
refused(
    ANY,
    400,
    "InvalidTimeStamp.Expired",
    "the clocks differ by more than 15 minutes",
    sent=altered(Timestamp="2020-01-01T00:00:00Z"),
)
refused(
    ANY,
    400,
    "InvalidTimeStamp.Format",
    "the time is not written as it must be",
    sent=altered(Timestamp="now"),
)
only_by_fault(ANY, 400, "IllegalTimestamp", "the time is not there")
refused(
    ANY,
    400,
    "MissingSecurityToken",
    "a temporary key comes without its token",
    sent=with_session(None),
)
refused(
    ANY,
    400,
    "InvalidSecurityToken.MismatchWithAccessKey",
    "the token is another key's",
    mark="R",
    sent=with_session("other"),
)
refused(
    ANY,
    400,
    "InvalidSecurityToken.Expired",
    "the token has expired",
    mark="R",
    sent=with_session("right", later_seconds=3600),
)
for code in ("Throttling", "Throttling.User", "Throttling.Api"):
    refused(
        ANY,
        400,
        code,
        "too many calls (by the setting `rate_limits`, or the fault `throttle`)",
        settings={"rate_limits": {"reads_per_minute": 0, "code": code}},
        sent=altered(),
    )
refused(
    ANY,
    403,
    "Forbidden.RAM",
    "the session's policy does not allow it (or the fault `forbidden`)",
    sent=with_session("right", Policy='{"Version": "1", "Statement": []}'),
)
for code in (
    "Forbidden.SubUser",
    "Forbidden.Unauthorized",
    "Forbidden.RiskControl",
):
    only_by_fault(ANY, 403, code, "the caller may not do this")
refused(
    ANY,
    404,
    "InvalidRegionId.NotFound",
    "the region is unknown",
    sent=altered(action="DescribeInstances", RegionId="nowhere"),
)
only_by_fault(ANY, 409, "OperationConflict", "somebody changes the same thing")
only_by_fault(ANY, 500, "InternalError", "try again")
only_by_fault(ANY, 503, "ServiceUnavailable", "try again")
only_by_fault(ANY, 503, "ServiceUnavailable.RegionMaintaining", "try again later")

TOKENS = "actions with a ClientToken"
refused(
    TOKENS,
    400,
    "IdempotentParameterMismatch",
    "the token was used with other parameters",
    before=(("CreateSecurityGroup", {"ClientToken": "t"}),),
    ClientToken="t",
    SecurityGroupName="other",
)
only_by_fault(
    TOKENS, 403, "InvalidIdempotenceParameter.Mismatch", "the same, elsewhere in the pages"
)
only_by_fault(
    TOKENS,
    403,
    "IdempotentProcessing",
    "the token's first call is under way (also with a `hold` or a `delay`)",
)
only_by_fault(TOKENS, 403, "LastTokenProcessing", "the same, elsewhere in the pages")

# ---- regions and instances

refused(
    "DescribeRegions",
    404,
    "InvalidAcceptLanguage.NotFound",
    "the language is unknown",
    AcceptLanguage="tlh",
)
only_by_fault("DescribeRegions", 403, "Unauthorized.EmptyRegion", "the account may see no region")
for name, code in {
    "Status": "InvalidStatus.NotFound",
    "InstanceNetworkType": "InvalidNetworkType.NotFound",
    "LockReason": "InvalidLockReason.NotFound",
    "Filter.1.Key": "InvalidFilterKey.NotFound",
    "InstanceChargeType": "InvalidInstanceChargeType.NotFound",
}.items():
    refused("DescribeInstances", 404, code, f"`{name}` is none of its values", **{name: "x"})
refused(
    "DescribeInstances",
    400,
    "InvalidTag.Mismatch",
    "a tag has a value and no key",
    **{"Tag.1.Value": "x"},
)
refused(
    "DescribeInstances",
    400,
    "InvalidTagCount",
    "more than 20 tags",
    Tag=[{"Key": f"k{n}"} for n in range(21)],
)
for action in ("DescribeSecurityGroups", "DescribeNetworkInterfaces", "DescribePrefixLists"):
    refused(
        action,
        400,
        "InvalidTag.Mismatch",
        "a tag has a value and no key",
        mark="R",
        **{"Tag.1.Value": "x"},
    )
    refused(
        action,
        400,
        "InvalidTagCount",
        "more than 20 tags",
        mark="R",
        Tag=[{"Key": f"k{n}"} for n in range(21)],
    )
refused("DescribeInstances", 400, "DryRunOperation", "`DryRun`, and all is well", DryRun="true")
refused(
    "DescribeInstanceAttribute",
    404,
    "InvalidInstanceId.NotFound",
    "the instance is not there, or another account's",
    InstanceId="i-foreign",
)

MODIFY = "ModifyInstanceAttribute"
refused(
    MODIFY,
    404,
    "InvalidInstanceId.NotFound",
    "the instance is not there, or another account's",
    InstanceId="i-no",
)
refused(MODIFY, 404, *NO_GROUP, InstanceId="i-v", SecurityGroupIds=["sg-no"])
refused(
    MODIFY,
    403,
    "IncorrectInstanceStatus",
    "neither running nor stopped",
    InstanceId="i-starting",
    SecurityGroupIds=["sg-home"],
)
refused(
    MODIFY,
    403,
    "InstanceLockedForSecurity",
    "the instance is locked",
    InstanceId="i-locked",
    SecurityGroupIds=["sg-home"],
)
refused(
    MODIFY,
    403,
    "OperationDenied",
    "the instance is classic",
    mark="R",
    InstanceId="i-a",
    SecurityGroupIds=["sg-extra"],
)
refused(
    MODIFY,
    403,
    "SecurityGroupInstanceLimitExceed",
    "a group is full",
    settings={"quotas": {"addresses_per_vpc_group": 0}},
    InstanceId="i-v",
    SecurityGroupIds=["sg-vpc-peer"],
)
refused(
    MODIFY,
    403,
    "InvalidOperation.InvalidRegion",
    "a group is in another region",
    region=None,
    InstanceId="i-v",
    SecurityGroupIds=["sg-beijing"],
)
refused(
    MODIFY,
    400,
    "InvalidParameter",
    "a group is named twice",
    InstanceId="i-v",
    SecurityGroupIds=["sg-vpc", "sg-vpc"],
)
refused(
    MODIFY,
    403,
    MANAGED,
    "a cloud product manages a group",
    InstanceId="i-v",
    SecurityGroupIds=["sg-managed"],
)
refused(
    MODIFY,
    403,
    "InvalidOperation.InvalidSecurityGroupType",
    "normal and enterprise groups together",
    mark="R",
    InstanceId="i-v",
    SecurityGroupIds=["sg-vpc", "sg-ent"],
)
refused(
    MODIFY,
    403,
    "InstanceLockedForSecurity",
    "the instance is locked, whatever is changed",
    InstanceId="i-locked",
    InstanceName="other",
)
for action, target in (
    (MODIFY, {"InstanceId": "i-v", "groups": "SecurityGroupIds"}),
    (
        "ModifyNetworkInterfaceAttribute",
        {"NetworkInterfaceId": "eni-2", "groups": "SecurityGroupId"},
    ),
):
    groups = target.pop("groups")
    two: Call = target | {groups: ["sg-vpc", "sg-vpc-peer"]}
    refused(action, 400, *BAD_GROUP, mark="R", **two | {groups: ["sg*"]})
    refused(
        action,
        400,
        "InvalidInstanceId.Mismatch",
        "a group of another network",
        mark="R",
        **two | {groups: ["sg-vpc2"]},
    )
    refused(
        action,
        403,
        "InstanceSecurityGroupLimitExceeded",
        "more groups than it may have",
        mark="R",
        settings={"quotas": {"groups_per_interface": 1}},
        **two,
    )
    refused(
        action,
        403,
        "AclLimitExceed",
        "the rules of all its groups are too many",
        mark="R",
        settings={"quotas": {"rules_per_interface": 1}},
        **two,
    )
NIC = "ModifyNetworkInterfaceAttribute"
alone: Call = {"NetworkInterfaceId": "eni-2", "SecurityGroupId": ["sg-vpc-peer"]}
refused(
    NIC,
    404,
    "InvalidEniId.NotFound",
    "the interface is not there, or another account's",
    mark="R",
    **alone | {"NetworkInterfaceId": "eni-no"},
)
refused(
    NIC,
    400,
    "InvalidOperation.InvalidEniState",
    "the interface is being attached or detached",
    mark="R",
    **alone | {"NetworkInterfaceId": "eni-3"},
)
refused(
    NIC,
    403,
    "InvalidOperation.EniServiceManaged",
    "a cloud product manages the interface",
    mark="R",
    **alone | {"NetworkInterfaceId": "eni-4"},
)
refused(NIC, 404, *NO_GROUP, mark="R", **alone | {"SecurityGroupId": ["sg-no"]})
refused(
    NIC,
    403,
    MANAGED,
    "a cloud product manages a group",
    mark="R",
    **alone | {"SecurityGroupId": ["sg-managed"]},
)
refused(
    NIC,
    403,
    "InvalidOperation.InvalidSecurityGroupType",
    "normal and enterprise groups together",
    mark="R",
    **alone | {"SecurityGroupId": ["sg-vpc", "sg-ent"]},
)
refused(
    NIC,
    403,
    "SecurityGroupInstanceLimitExceed",
    "a group is full",
    mark="R",
    settings={"quotas": {"addresses_per_vpc_group": 0}},
    **alone,
)
only_by_fault(MODIFY, 403, "InstanceNotInSecurityGroup", "the instance is not in a group")
only_by_fault(MODIFY, 400, "InvalidOperation.InvalidEcsState", "the instance cannot change now")
only_by_fault(MODIFY, 500, "InternalError", "try again")

# ---- memberships

for action in ("JoinSecurityGroup", "LeaveSecurityGroup"):
    both = {"SecurityGroupId": "sg-extra", "InstanceId": "i-a"}
    nic = {"SecurityGroupId": "sg-vpc-peer", "NetworkInterfaceId": "eni-2"}
    refused(action, 404, *NO_GROUP, **both | {"SecurityGroupId": "sg-foreign"})
    refused(
        action,
        404,
        "InvalidInstanceId.NotFound",
        "the instance is not there, or another account's",
        **both | {"InstanceId": "i-foreign"},
    )
    refused(
        action,
        400,
        "InvalidInstanceId.Malformed",
        "the instance's id is none",
        **both | {"InstanceId": "i*"},
    )
    refused(
        action,
        403,
        "IncorrectInstanceStatus",
        "neither running nor stopped",
        **both | {"InstanceId": "i-starting"},
    )
    refused(
        action,
        403,
        "InstanceLockedForSecurity",
        "the instance is locked",
        **both | {"InstanceId": "i-locked"},
    )
    refused(
        action,
        403,
        MANAGED,
        "a cloud product manages the group",
        SecurityGroupId="sg-managed",
        InstanceId="i-v",
    )
    refused(
        action,
        400,
        "MissingParameter.RegionId",
        "an interface without its region",
        region=None,
        **nic,
    )
    refused(
        action,
        404,
        "InvalidEniId.NotFound",
        "the interface is not there, or another account's",
        **nic | {"NetworkInterfaceId": "eni-no"},
    )
    refused(
        action,
        403,
        "InvalidOperation.InvalidEniType",
        "a primary interface",
        **nic | {"NetworkInterfaceId": "eni-1"},
    )
    refused(
        action,
        400,
        "InvalidOperation.InvalidEniState",
        "the interface is being attached or detached",
        **nic | {"NetworkInterfaceId": "eni-3"},
    )
    refused(
        action,
        403,
        "InvalidOperation.EniServiceManaged",
        "a cloud product manages the interface",
        **nic | {"NetworkInterfaceId": "eni-4"},
    )
    refused(action, 400, *BAD_GROUP, mark="R", **both | {"SecurityGroupId": "sg*"})
    only_by_fault(action, 504, "RequestTimeout", "try again")
JOIN = "JoinSecurityGroup"
both = {"SecurityGroupId": "sg-extra", "InstanceId": "i-a"}
refused(
    JOIN,
    403,
    "InvalidInstanceId.AlreadyExists",
    "a member already",
    SecurityGroupId="sg-home",
    InstanceId="i-a",
)
refused(
    JOIN,
    400,
    "InvalidInstanceId.Mismatch",
    "another VPC, or classic and VPC",
    SecurityGroupId="sg-vpc",
    InstanceId="i-a",
)
refused(
    JOIN,
    403,
    "InstanceSecurityGroupLimitExceeded",
    "the instance has as many groups as it may (the pages say 400 and 403)",
    settings={"quotas": {"groups_per_interface": 1}},
    **both,
)
refused(
    JOIN,
    400,
    "InstanceSecurityGroupLimitExceeded",
    "the same, elsewhere in the pages (by the setting `join_limit_status`)",
    settings={
        "quotas": {"groups_per_interface": 1},
        "variants": {"join_limit_status": 400},
    },
    **both,
)
refused(
    JOIN,
    403,
    "SecurityGroupInstanceLimitExceeded",
    "the group is full",
    settings={"quotas": {"instances_per_classic_group": 0}},
    **both,
)
refused(
    JOIN,
    403,
    "AclLimitExceed",
    "the rules of all its groups are too many",
    mark="U",
    settings={"quotas": {"rules_per_interface": 1}},
    **both,
)
refused(
    JOIN,
    403,
    "InvalidOperation.VpcMismatch",
    "an interface of another VPC",
    SecurityGroupId="sg-vpc2",
    NetworkInterfaceId="eni-2",
)
refused(
    JOIN,
    403,
    "InvalidParam.EniIdAndInstanceId.Conflict",
    "an instance and an interface",
    **both,
    NetworkInterfaceId="eni-2",
)
refused(
    JOIN,
    403,
    "InvalidOperation.InvalidSecurityGroupType",
    "normal and enterprise groups together",
    mark="R",
    SecurityGroupId="sg-ent",
    InstanceId="i-v",
)
only_by_fault(JOIN, 400, "NotBelongUser", "the resource is another account's")
only_by_fault(JOIN, 500, "InternalError", "try again")
LEAVE = "LeaveSecurityGroup"
refused(
    LEAVE,
    403,
    "InvalidParam.EniIdAndInstanceId.Conflict",
    "an instance and an interface",
    mark="R",
    **both,
    NetworkInterfaceId="eni-2",
)
refused(
    LEAVE,
    403,
    "InstanceLastSecurityGroup",
    "it would be in no group",
    SecurityGroupId="sg-home",
    InstanceId="i-a",
)
refused(
    LEAVE,
    403,
    "InvalidSecurityGroupAssociation.NotFound",
    "not a member (since July 2024)",
    mark="U",
    **both,
)
refused(
    LEAVE,
    403,
    "InstanceNotInSecurityGroup",
    "not a member (the table of 2021; by the setting `leave_of_non_member`)",
    settings={"variants": {"leave_of_non_member": "not_in_group"}},
    **both,
)

# ---- groups

CREATE = "CreateSecurityGroup"
refused(
    CREATE,
    400,
    "InvalidSecurityGroupName.Malformed",
    "the name is not as it must be",
    SecurityGroupName="1",
)
refused(
    CREATE,
    400,
    "InvalidSecurityGroupDiscription.Malformed",
    "the description is not as it must be",
    Description="x",
)
only_by_fault(CREATE, 400, "InvalidDescription.Malformed", "the same, spelt right")
refused(
    CREATE,
    403,
    "QuotaExceed.SecurityGroup",
    "too many groups",
    settings={"quotas": {"groups_per_region": 1}},
)
refused(
    CREATE,
    404,
    "InvalidVpcId.NotFound",
    "the VPC is not there, or not the caller's to use",
    VpcId="vpc-foreign",
)
refused(
    CREATE,
    403,
    "InvalidVpcId.NotFound",
    "no VPC, where classic is not offered or for an enterprise group",
    settings={"variants": {"classic_network_offered": False}},
)
refused(CREATE, 400, "IncorrectVpcStatus", "the VPC is not available yet", VpcId="vpc-new")
refused(
    CREATE,
    400,
    "InvalidTagKey.Malformed",
    "a tag's key is not as it must be",
    Tag=[{"Key": "acs:x"}],
)
refused(
    CREATE,
    400,
    "InvalidTagValue.Malformed",
    "a tag's value is not as it must be",
    Tag=[{"Key": "k", "Value": "http://"}],
)
refused(CREATE, 400, "Duplicate.TagKey", "a key twice", Tag=[{"Key": "k"}, {"Key": "k"}])
refused(
    CREATE, 404, "InvalidResourceGroup.NotFound", "the resource group is none", ResourceGroupId="x"
)
only_by_fault(CREATE, 403, "IdempotentProcessing", "the token's first call is under way")
only_by_fault(CREATE, 500, "InternalError", "try again")
DELETE = "DeleteSecurityGroup"
refused(
    DELETE,
    403,
    "DependencyViolation",
    "it has members, or a rule names it",
    SecurityGroupId="sg-home",
)
refused(DELETE, 403, MANAGED, "a cloud product manages it", SecurityGroupId="sg-managed")
refused(DELETE, 404, *NO_GROUP, mark="R", SecurityGroupId="sg-no")
refused(DELETE, 400, *BAD_GROUP, mark="R", SecurityGroupId="sg*")
only_by_fault(DELETE, 403, "InvalidOperation.DeletionProtection", "it is protected", mark="U")
only_by_fault(DELETE, 500, "InternalError", "try again")
refused(
    "DescribeSecurityGroups", 400, "DryRunOperation", "`DryRun`, and all is well", DryRun="true"
)
READ = "DescribeSecurityGroupAttribute"
refused(
    READ,
    404,
    "InvalidRegionId.NotFound",
    "the region is unknown",
    region="nowhere",
    SecurityGroupId="sg-home",
)
refused(READ, 404, *NO_GROUP, SecurityGroupId="sg-foreign")
refused(READ, 400, *BAD_GROUP, SecurityGroupId="sg*")
refused(
    READ,
    400,
    "InvalidNicType.ValueNotSupported",
    "NicType is none of its values",
    SecurityGroupId="sg-home",
    NicType="x",
)
refused(
    READ,
    400,
    "InvalidParamter",
    "Direction is none of its values",
    SecurityGroupId="sg-home",
    Direction="x",
)
only_by_fault(READ, 500, "InternalError", "try again")
REFERENCES = "DescribeSecurityGroupReferences"
refused(REFERENCES, 400, "InvalidSecurityGroupId.Malformed", "no group, or more than ten")
refused(REFERENCES, 404, *NO_GROUP, SecurityGroupId=["sg-no"])
RENAME = "ModifySecurityGroupAttribute"
refused(RENAME, 404, *NO_GROUP, SecurityGroupId="sg-no")
refused(RENAME, 400, *BAD_GROUP, mark="R", SecurityGroupId="sg*")
refused(
    RENAME,
    400,
    "InvalidSecurityGroupName.Malformed",
    "the name is not as it must be",
    SecurityGroupId="sg-home",
    SecurityGroupName="1",
)
refused(
    RENAME,
    400,
    "InvalidSecurityGroupDiscription.Malformed",
    "the description is not as it must be",
    SecurityGroupId="sg-home",
    Description="x",
)
refused(RENAME, 403, MANAGED, "a cloud product manages it", SecurityGroupId="sg-managed")
POLICY = "ModifySecurityGroupPolicy"
isolate = {"SecurityGroupId": "sg-home", "InnerAccessPolicy": "Drop"}
refused(POLICY, 400, *BAD_GROUP, **isolate | {"SecurityGroupId": "sg*"})
refused(
    POLICY,
    400,
    "InvalidPolicy.Malformed",
    "neither Accept nor Drop",
    **isolate | {"InnerAccessPolicy": "x"},
)
refused(POLICY, 400, "MissingParamter.RegionId", "RegionId is not there", region=None, **isolate)
refused(POLICY, 404, *NO_GROUP, mark="R", **isolate | {"SecurityGroupId": "sg-no"})
refused(
    POLICY,
    403,
    "InvalidOperation.NotSupportEnterpriseGroup",
    "an enterprise group",
    mark="R",
    **isolate | {"SecurityGroupId": "sg-ent"},
)

# ---- rules

SSH = {
    "SecurityGroupId": "sg-extra",
    "IpProtocol": "tcp",
    "PortRange": "22/22",
    "NicType": "intranet",
}


def far(direction: str) -> str:
    return "Source" if direction == "ingress" else "Dest"


def rule_cases(action: str, direction: str, *, is_revoke: bool) -> None:
    """What authorizing, revoking and modifying refuse alike, in one direction."""
    is_modify = action.startswith("Modify")
    first = len(CASES)
    side, near = far(direction), far("egress" if direction == "ingress" else "ingress")
    cidr = SSH | {f"{side}CidrIp": "10.0.0.1/32"}
    named = SSH | {f"{side}GroupId": "sg-peer"}
    in_vpc = {"SecurityGroupId": "sg-vpc-peer"}
    refused(action, 404, *NO_GROUP, **cidr | {"SecurityGroupId": "sg-no"})
    refused(action, 400, *BAD_GROUP, **cidr | {"SecurityGroupId": "sg*"})
    refused(
        action,
        404,
        f"Invalid{side}GroupId.NotFound",
        "the peer is not there, or not of the named account",
        **named | {f"{side}GroupId": "sg-foreign"},
    )
    only_by_fault(action, 400, f"Invalid{side}Group.NotFound", "the same, elsewhere in the pages")
    refused(
        action,
        400,
        f"Invalid{side}GroupId.Mismatch",
        "the peer is in another VPC",
        **named | in_vpc | {f"{side}GroupId": "sg-vpc2"},
    )
    refused(
        action,
        403,
        f"Invalid{side}GroupId.Mismatch",
        "an enterprise group names a group, or is named",
        mark="R",
        **named | {"SecurityGroupId": "sg-ent", f"{side}GroupId": "sg-vpc"},
    )
    refused(
        action,
        403,
        "InvalidNetworkType.Conflict",
        "classic and VPC, of two accounts",
        **named
        | {
            "SecurityGroupId": "sg-vpc",
            f"{side}GroupId": "sg-foreign",
            f"{side}GroupOwnerId": OTHER_ACCOUNT,
        },
    )
    refused(
        action,
        400,
        "InvalidSecurityGroup.InvalidNetworkType",
        "classic and VPC without ClassicLink",
        **named | {f"{side}GroupId": "sg-vpc"},
    )
    refused(
        action,
        403,
        "InvalidParamter.Conflict",
        "the peer is the group itself",
        **named | {f"{side}GroupId": "sg-extra"},
    )
    refused(
        action,
        400,
        "InvalidParamter.Conflict",
        "source and destination are the same",
        **cidr,
        **{f"{near}CidrIp": "10.0.0.1"},
    )
    refused(
        action,
        400,
        "InvalidIpProtocol.ValueNotSupported",
        "the protocol is unknown",
        **cidr | {"IpProtocol": "x"},
    )
    refused(
        action,
        400,
        "OperationDenied",
        "protocol and ports do not go together",
        **cidr | {"IpProtocol": "icmp"},
    )
    refused(
        action,
        400,
        "InvalidSourcePortRange.Malformed",
        "SourcePortRange is none",
        **cidr,
        SourcePortRange="x",
    )
    refused(
        action,
        400,
        f"Invalid{side}CidrIp.Malformed",
        "the address is none",
        **cidr | {f"{side}CidrIp": "10.0.0.256"},
    )
    refused(
        action,
        400,
        f"Invalid{near}CidrIp.Malformed",
        "the address on the group's own side is none",
        mark="R",
        **cidr | {f"{near}CidrIp": "10.0.0.256"},
    )
    only_by_fault(
        action,
        400,
        f"InvalidParam.{'SourceIp' if side == 'Source' else 'DestIp'}",
        "the same, elsewhere in the pages",
    )
    for at in ("Source", "Dest"):
        refused(
            action,
            400,
            f"InvalidParam.Ipv6{at}CidrIp",
            "the IPv6 address is none, or the group classic",
            **cidr | in_vpc | {f"Ipv6{at}CidrIp": "x"},
        )
    only_by_fault(action, 400, "ILLEGAL_IPV6_CIDR", "the same, elsewhere in the pages")
    any_port = {"PortRange": "-1/-1"}
    refused(
        action,
        400,
        "InvalidParam.Ipv4ProtocolConflictWithIpv6Address",
        "icmp or IPv4 with an IPv6 address",
        **SSH | in_vpc | any_port | {"IpProtocol": "icmp", f"Ipv6{side}CidrIp": "2408::/64"},
    )
    refused(
        action,
        400,
        "InvalidParam.Ipv6ProtocolConflictWithIpv4Address",
        "icmpv6 with an IPv4 address",
        **cidr | in_vpc | any_port | {"IpProtocol": "icmpv6"},
    )
    refused(action, 400, "InvalidPolicy.Malformed", "neither accept nor drop", **cidr, Policy="x")
    refused(
        action, 400, "InvalidPriority.Malformed", "the priority is no number", **cidr, Priority="x"
    )
    refused(
        action,
        400,
        "InvalidPriority.ValueNotSupported",
        "the priority is not within 1 and 100",
        **cidr,
        Priority="101",
    )
    refused(
        action,
        400,
        "InvalidNicType.ValueNotSupported",
        "NicType is none of its values",
        **cidr | {"NicType": "x"},
    )
    refused(
        action,
        400,
        "InvalidSecurityGroupDiscription.Malformed",
        "the description is too long",
        **cidr,
        Description="x" * 513,
    )
    refused(
        action,
        404,
        "InvalidPrefixListId.NotFound",
        "the prefix list is not there",
        **SSH | in_vpc,
        **{f"{side}PrefixListId": "pl-no"},
    )
    refused(
        action,
        400,
        "InvalidParam.PrefixListAddressFamilyMismatch",
        "the prefix list is of the other family",
        **SSH | in_vpc | any_port | {"IpProtocol": "icmp", f"{side}PrefixListId": "pl-6"},
    )
    refused(
        action,
        400,
        "NotSupported.ClassicNetworkPrefixList",
        "the group is classic",
        **SSH,
        **{f"{side}PrefixListId": "pl-4"},
    )
    only_by_fault(action, 404, "NotSupported.GrayFunction", "prefix lists are not offered")
    listed = {name: text for name, text in cidr.items() if name != "PortRange"} | in_vpc
    refused(
        action,
        400,
        "InvalidPortRangeListId.NotFound",
        "the port list is not there",
        **listed,
        PortRangeListId="prl-no",
    )
    refused(
        action,
        400,
        "InvalidParam.ProtocolNotSupportPortRangeList",
        "a port list, and neither tcp nor udp",
        **listed | {"IpProtocol": "icmp"},
        PortRangeListId="prl-1",
    )
    refused(
        action,
        400,
        "NotSupported.ClassicNetworkPortRangeList",
        "a port list, and the group is classic",
        mark="R",
        **listed | {"SecurityGroupId": "sg-extra"},
        PortRangeListId="prl-1",
    )
    refused(
        action,
        403,
        MANAGED,
        "a cloud product manages the group or the peer",
        **cidr | {"SecurityGroupId": "sg-managed"},
    )
    refused(
        action,
        403 if is_revoke else 400,
        "InvalidNicType.Mismatch",
        "NicType internet in a VPC",
        mark="D" if is_revoke else "R",
        **cidr | in_vpc | {"NicType": "internet"},
    )
    if not is_modify:
        refused(
            action,
            400,
            "InvalidParameter",
            "Permissions beside the same fields",
            mark="R",
            **cidr,
            Permissions=[cidr],
        )
    only_by_fault(action, 400, "VPCDisabled", "the VPC is disabled")
    only_by_fault(action, 500, "InternalError", "try again")
    only_by_fault(action, 500, "InvalidGressFlow.Malformed", "try again")
    if is_modify:  # the pages have no table of their own for it
        CASES[first:] = [replace(case, mark="R") for case in CASES[first:]]


def authorize_cases(action: str, direction: str) -> None:
    side = far(direction)
    cidr = SSH | {f"{side}CidrIp": "10.0.0.1/32"}
    named = SSH | {f"{side}GroupId": "sg-peer"}
    rule_cases(action, direction, is_revoke=False)
    refused(
        action,
        403,
        f"Invalid{side}GroupId.Mismatch",
        "a group as peer, and NicType not intranet",
        **named | {"NicType": "internet"},
    )
    refused(
        action,
        400,
        "InvalidIpProtocol.Malformed",
        "PortRange is none",
        **cidr | {"PortRange": "9/1"},
    )
    refused(action, 400, f"MissingParameter.{side}", "no peer", **SSH)
    only_by_fault(action, 403, "MissingParameter", "no peer, in older pages")
    refused(
        action,
        403,
        "AuthorizationLimitExceed",
        "too many rules, or too many groups named",
        settings={"quotas": {"rules_per_group": 0}},
        **cidr,
    )
    refused(
        action,
        403,
        "LimitExceed.PrefixListAssociationResource",
        "too many groups name the prefix list",
        settings={"quotas": {"associations_per_prefix_list": 0}},
        **SSH | {"SecurityGroupId": "sg-vpc", f"{side}PrefixListId": "pl-4"},
    )


def revoke_cases(action: str, direction: str) -> None:
    side = far(direction)
    cidr = SSH | {f"{side}CidrIp": "10.0.0.1/32"}
    rule_cases(action, direction, is_revoke=True)
    refused(
        action,
        403,
        "InvalidNicType.Mismatch",
        "a group as peer, and NicType not intranet",
        **SSH | {f"{side}GroupId": "sg-peer", "NicType": "internet"},
    )
    refused(
        action,
        400,
        "InvalidIpPortRange.Malformed",
        "PortRange is none",
        **cidr | {"PortRange": "9/1"},
    )
    refused(action, 400, "MissingParameter", "no peer", **SSH)
    refused(
        action,
        403,
        "InvalidGroupAuthItem.NotFound",
        "no rule has these fields (by the setting `revoke_of_missing_rule`, else success)",
        settings={"variants": {"revoke_of_missing_rule": "refused"}},
        **cidr,
    )
    unknown = (
        "InvalidParam.SecurityGroupRuleId"
        if direction == "ingress"
        else "InvalidSecurityGroupRule.RuleNotExist"
    )
    refused(
        action,
        400,
        unknown,
        "no rule has the id",
        SecurityGroupId="sg-extra",
        SecurityGroupRuleId=["sgr-no"],
    )


authorize_cases("AuthorizeSecurityGroup", "ingress")
for action in ("AuthorizeSecurityGroup", "RevokeSecurityGroup"):
    only_by_fault(
        action, 403, "InvalidNetworkType.Mismatch", "classic and VPC, elsewhere in the pages"
    )
authorize_cases("AuthorizeSecurityGroupEgress", "egress")
for action in ("AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress"):
    only_by_fault(
        action,
        403,
        "InvalidSecurityGroup.IsSame",
        "the peer is the group itself, elsewhere in the pages",
    )
revoke_cases("RevokeSecurityGroup", "ingress")
revoke_cases("RevokeSecurityGroupEgress", "egress")
only_by_fault(
    "RevokeSecurityGroupEgress",
    400,
    "InvalidDestCidrIp.sMalformed",
    "the address is none, misspelt",
)

for action, direction, own, ports in (
    (
        "ModifySecurityGroupRule",
        "ingress",
        {"SecurityGroupId": "sg-home", "SecurityGroupRuleId": "sgr-in"},
        "InvalidIpProtocol.Malformed",
    ),
    (
        "ModifySecurityGroupEgressRule",
        "egress",
        {"SecurityGroupId": "sg-vpc-peer", "SecurityGroupRuleId": "sgr-out"},
        "InvalidParam.PortRange",
    ),
):
    rule_cases(action, direction, is_revoke=False)
    peer = f"{far(direction)}GroupId"
    refused(
        action,
        403,
        f"Invalid{peer}.Mismatch",
        "a group as peer, and NicType not intranet",
        mark="R",
        **SSH | {peer: "sg-peer", "NicType": "internet"},
    )
    refused(action, 400, f"MissingParameter.{far(direction)}", "no peer", mark="R", **SSH)
    refused(
        action,
        404,
        "SecurityGroupRule.NotFound",
        "no rule has the id, or these fields",
        **own | {"SecurityGroupRuleId": "sgr-no"},
    )
    refused(action, 400, ports, "PortRange is none", **own, PortRange="0/1")
    refused(
        action,
        400,
        "InvalidOperation.ModifyPortRangeType",
        "from a range to a port list, or back",
        **own,
        PortRangeListId="prl-1",
    )
    refused(
        action,
        400,
        "InvalidParameter",
        "another kind of peer, another NicType, or a rule that is there",
        mark="R",
        **own,
        SourceGroupId="sg-peer",
        DestGroupId="sg-peer",
    )
    larger = {
        "SecurityGroupId": "sg-lists",
        "SecurityGroupRuleId": "sgr-from" if direction == "ingress" else "sgr-to",
        f"{far(direction)}PrefixListId": "pl-large",
    }
    refused(
        action,
        403,
        "AuthorizationLimitExceed",
        "a prefix list that costs more rules than are left, or too many groups named",
        mark="R",
        settings={"quotas": {"rules_per_group": 30}},
        **larger,
    )
    refused(
        action,
        403,
        "LimitExceed.PrefixListAssociationResource",
        "too many groups name the prefix list",
        mark="R",
        settings={"quotas": {"associations_per_prefix_list": 0}},
        **larger,
    )

# ---- prefix lists, tags, interfaces, links, STS

refused(
    "DescribePrefixListAttributes",
    404,
    "InvalidPrefixListId.NotFound",
    "the prefix list is not there",
    mark="R",
    PrefixListId="pl-no",
)
refused(
    "DescribePrefixListAssociations",
    404,
    "InvalidPrefixListId.NotFound",
    "the prefix list is not there",
    mark="R",
    PrefixListId="pl-no",
)
refused(
    "CreatePrefixList",
    400,
    "InvalidParameter",
    "a value is not as it must be",
    mark="R",
    PrefixListName="web",
    AddressFamily="IPv4",
    MaxEntries="0",
)
refused(
    "CreatePrefixList",
    403,
    "LimitExceed.PrefixList",
    "too many prefix lists",
    mark="R",
    settings={"quotas": {"prefix_lists_per_region": 0}},
    PrefixListName="web",
    AddressFamily="IPv4",
    MaxEntries="1",
)
TAG = "TagResources"
tagging = {"ResourceType": "securitygroup", "ResourceId": ["sg-home"], "Tag": [{"Key": "k"}]}
refused(
    TAG,
    404,
    "InvalidResourceId.NotFound",
    "the resource is not there, or another account's",
    **tagging | {"ResourceId": ["sg-no"]},
)
refused(
    TAG,
    404,
    "InvalidResourceType.NotFound",
    "neither a group nor an instance nor an interface",
    **tagging | {"ResourceType": "disk"},
)
refused(
    TAG,
    400,
    "NumberExceed.ResourceIds",
    "more than 50 resources",
    **tagging | {"ResourceId": ["sg-home"] * 51},
)
refused(
    TAG,
    400,
    "NumberExceed.Tags",
    "more than 20 tags in a call",
    **tagging | {"Tag": [{"Key": f"k{n}"} for n in range(21)]},
)
refused(
    TAG, 400, "Duplicate.TagKey", "a key twice", **tagging | {"Tag": [{"Key": "k"}, {"Key": "k"}]}
)
refused(
    TAG,
    400,
    "InvalidTagKey.Malformed",
    "a key is not as it must be",
    **tagging | {"Tag": [{"Key": "aliyun"}]},
)
refused(
    TAG,
    400,
    "InvalidTagValue.Malformed",
    "a value is not as it must be",
    **tagging | {"Tag": [{"Key": "k", "Value": "https://"}]},
)
refused(
    TAG,
    403,
    "QuotaExceed.Tags",
    "more than 20 tags on a resource",
    settings={"quotas": {"tags_per_resource": 0}},
    **tagging,
)
only_by_fault(TAG, 400, "OperationDenied.QuotaExceed", "the same, elsewhere in the pages")
only_by_fault(TAG, 403, "NoPermission.Tag", "the caller may not tag")
refused(
    TAG,
    403,
    MANAGED,
    "a cloud product manages the group",
    **tagging | {"ResourceId": ["sg-managed"]},
)
LINKS = "DescribeClassicLinkInstances"
refused(LINKS, 403, "InvalidInstanceId.NotFound", "the instance is not there", InstanceId="i-no")
refused(
    LINKS,
    403,
    "InvalidParameter.ToManyInstanceIds",
    "more than 100 instances",
    InstanceId=",".join(["i-a"] * 101),
)
refused(LINKS, 403, "InvalidParameter.InvalidInstanceIdAndVpcId", "neither a VPC nor an instance")
refused(
    LINKS,
    403,
    "InvalidInstanceId.NotBelong",
    "the instance is another account's",
    InstanceId="i-foreign",
)
refused(LINKS, 403, "InvalidVpc.NotBelong", "the VPC is another account's", VpcId="vpc-foreign")
STS = "AssumeRole"
refused(
    STS,
    403,
    "NoPermission",
    "the role does not trust the caller, or wants another ExternalId",
    account_id=OTHER_ACCOUNT,
    **ASSUME,
)
refused(
    STS,
    400,
    "InvalidParameter.RoleSessionName",
    "the session's name is not as it must be",
    **ASSUME | {"RoleSessionName": "a b"},
)
refused(
    STS,
    400,
    "InvalidParameter.DurationSeconds",
    "not within 900 and 3600",
    **ASSUME,
    DurationSeconds="1",
)
refused(
    STS,
    400,
    "InvalidParameter.RoleArn",
    "the role's name is none",
    mark="R",
    **ASSUME | {"RoleArn": "reader"},
)
refused(STS, 400, "InvalidParameter.PolicyGrammar", "the policy is none", **ASSUME, Policy="{")
refused(
    STS,
    404,
    "EntityNotExist.Role",
    "the role is not there",
    mark="U",
    **ASSUME | {"RoleArn": f"acs:ram::{ACCOUNT}:role/no"},
)

_TOLD = {(case.action, case.status, case.code) for case in CASES}


def is_told(action: str, status: int, code: object) -> bool:
    """Tell whether docs/simulator.md says that the action may be refused so."""
    return any((name, status, code) in _TOLD for name in (action, ANY, TOKENS))
