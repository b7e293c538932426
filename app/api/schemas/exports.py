"""Backups as files: in the shape of the cloud's own answers, or as a table.

Source: ECS API, DescribeSecurityGroupAttribute.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, StrictBool, StrictInt, StrictStr
from pydantic.alias_generators import to_pascal

from app.api.schemas.base import In, Out
from app.api.schemas.values import AccountId, GroupId, InstanceId, RegionId
from app.domain.exports import COLUMNS
from app.domain.groups import GroupKind

MOST_RULES = 5000
MOST_MEMBERS = 5000
LONGEST_TABLE = 1024 * 1024

Text = Annotated[StrictStr, Field(max_length=1024)]

AS_THE_CLOUD = ConfigDict(alias_generator=to_pascal)
"""The cloud's own spelling of names."""


class _Permission(BaseModel):
    model_config = AS_THE_CLOUD

    security_group_rule_id: Text = ""
    direction: Text
    nic_type: Text = ""
    policy: Text = ""
    ip_protocol: Text
    port_range: Text = ""
    source_port_range: Text = ""
    source_cidr_ip: Text = ""
    ipv6_source_cidr_ip: Text = ""
    source_group_id: Text = ""
    source_group_name: Text = ""
    source_group_owner_account: Text = ""
    source_prefix_list_id: Text = ""
    source_prefix_list_name: Text = ""
    dest_cidr_ip: Text = ""
    ipv6_dest_cidr_ip: Text = ""
    dest_group_id: Text = ""
    dest_group_name: Text = ""
    dest_group_owner_account: Text = ""
    dest_prefix_list_id: Text = ""
    dest_prefix_list_name: Text = ""
    port_range_list_id: Text = ""
    port_range_list_name: Text = ""
    create_time: Text = ""
    description: Text = ""


class _Attribute(BaseModel):
    model_config = AS_THE_CLOUD

    security_group_name: Text = ""
    description: Text = ""
    vpc_id: Text = ""
    inner_access_policy: Text = ""


class _Group(BaseModel):
    kind: GroupKind = GroupKind.BASIC


# --- out --------------------------------------------------------------------------


class ExportedPermission(_Permission, Out):
    """A rule as the cloud answers it; a field that does not apply is empty."""

    priority: str


class ExportedPermissions(Out):
    """Rules."""

    model_config = AS_THE_CLOUD

    permission: list[ExportedPermission]


class ExportedAttribute(_Attribute, Out):
    """A group with its rules of one NIC type, as DescribeSecurityGroupAttribute answers it."""

    region_id: str
    security_group_id: str
    nic_type: Annotated[str, Field(description="Of the rules in this entry.")]
    permissions: ExportedPermissions


class ExportedTag(Out):
    """What people wrote on a group."""

    key: str
    value: str


class ExportedMember(Out):
    """An interface in a group."""

    instance_id: str
    interface_id: str
    primary: bool


class ExportedNamedGroup(_Group, Out):
    """A group that the rules name, without its own rules."""

    group_id: str
    account_id: str
    region_id: str
    name: str
    description: str
    vpc_id: Annotated[str, Field(description="Empty: in the classic network.")]
    inner_access: str
    managed: bool
    tags: list[ExportedTag]
    members: list[ExportedMember]


class ExportedGroup(_Group, Out):
    """A backup as a file; it can be imported as it is."""

    format: Literal["json"]
    account_id: str
    sha256: Annotated[str, Field(description="Of the backup: an import is compared with it.")]
    managed: bool
    tags: list[ExportedTag]
    attributes: Annotated[
        list[ExportedAttribute], Field(description="One entry for each NIC type of the network.")
    ]
    members: list[ExportedMember]
    named_groups: list[ExportedNamedGroup]


# --- in ---------------------------------------------------------------------------


class ImportedPermission(_Permission, In):
    """A rule as the cloud answers it; a field that does not apply is empty or left out."""

    priority: StrictInt | StrictStr = "1"


class ImportedPermissions(In):
    """Rules."""

    model_config = AS_THE_CLOUD

    permission: Annotated[list[ImportedPermission], Field(max_length=MOST_RULES)]


class ImportedAttribute(_Attribute, In):
    """A group with its rules of one NIC type, as DescribeSecurityGroupAttribute answers it."""

    region_id: RegionId
    security_group_id: GroupId
    nic_type: Text = ""
    request_id: Text = ""
    next_token: Annotated[
        Literal[""], Field(description="Empty: an answer that goes on is not the whole group.")
    ] = ""
    permissions: ImportedPermissions


class ImportedTag(In):
    """What people wrote on a group."""

    key: Text
    value: Text


class ImportedMember(In):
    """An interface in a group."""

    instance_id: InstanceId
    interface_id: Text
    primary: StrictBool


class ImportedNamedGroup(_Group, In):
    """A group that the rules name, without its own rules."""

    group_id: GroupId
    account_id: AccountId
    region_id: RegionId
    name: Text = ""
    description: Text = ""
    vpc_id: Annotated[Text, Field(description="Empty: in the classic network.")] = ""
    inner_access: Literal["accept", "drop"] = "accept"
    managed: StrictBool = False
    tags: Annotated[list[ImportedTag], Field(max_length=20)] = []
    members: Annotated[list[ImportedMember], Field(max_length=MOST_MEMBERS)] = []


class JsonImport(_Group, In):
    """An export, or an answer of the cloud with the account that it is of."""

    format: Literal["json"]
    account_id: AccountId
    sha256: Annotated[
        StrictStr,
        Field(
            pattern="^([0-9a-f]{64})?$",
            description="What the content has to hash to; left out where it was written by hand.",
        ),
    ] = ""
    managed: StrictBool = False
    tags: Annotated[list[ImportedTag], Field(max_length=20)] = []
    attributes: Annotated[list[ImportedAttribute], Field(min_length=1, max_length=2)]
    members: Annotated[list[ImportedMember], Field(max_length=MOST_MEMBERS)] = []
    named_groups: Annotated[list[ImportedNamedGroup], Field(max_length=200)] = []

    def document(self) -> dict[str, Any]:
        """Return what was sent, with the names that it was sent with."""
        document = self.model_dump(mode="json", by_alias=True)
        for attribute in document["attributes"]:
            for permission in attribute["Permissions"]["Permission"]:
                permission["Priority"] = str(permission["Priority"])
        return document | {"sha256": self.sha256 or None}


class CsvImport(In):
    """A table as it was exported."""

    format: Literal["csv"]
    table: Annotated[
        StrictStr,
        Field(max_length=LONGEST_TABLE, description="First line: " + ",".join(COLUMNS) + "."),
    ]


class ImportRequest(RootModel[Annotated[JsonImport | CsvImport, Field(discriminator="format")]]):
    """A backup that was exported, here or elsewhere."""
