"""The estate: the whole ground truth as one JSON object, read strictly and printed sorted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

from app.simulator.errors import EstateError
from app.simulator.state import addresses
from app.simulator.state.identifiers import Identifiers, letters
from app.simulator.state.resources import (
    Account,
    Group,
    Instance,
    Interface,
    PortList,
    PrefixList,
    Role,
    Rule,
    Vpc,
)
from app.simulator.state.rule_format import parse_rule, print_rule
from app.simulator.state.store import Store

Json: TypeAlias = dict[str, object]

INTERFACE_STATUSES = ("InUse", "Attaching", "Detaching")
STATUSES = ("Pending", "Starting", "Running", "Stopping", "Stopped")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
_COLLECTIONS = (
    "accounts",
    "vpcs",
    "prefix_lists",
    "port_lists",
    "security_groups",
    "instances",
)


class Entry:
    """One object of an estate, whose fields are taken one by one; what is left over is refused."""

    def __init__(self, value: object, kind: str) -> None:
        if not isinstance(value, Mapping):
            raise EstateError(f"{kind} must be an object")
        self._fields = {name: item for name, item in value.items() if item not in (None, "")}
        self.label = kind

    def name_after(self, id_field: str) -> str:
        """Take the id, and name it in every later complaint."""
        identifier = self.text(id_field)
        self.label = f"{self.label} {identifier}"
        if not _ID.fullmatch(identifier):
            raise EstateError(f"{self.label}: {id_field} is not a possible id")
        return identifier

    def text(self, name: str, choices: Collection[str] = ()) -> str:
        """Take a field that must be there."""
        value = self.optional(name)
        if value is None:
            raise EstateError(f"{self.label}: lacks {name}")
        if choices and value not in choices:
            raise EstateError(f"{self.label}: {name} {value!r} is not one of {', '.join(choices)}")
        return value

    def optional(self, name: str) -> str | None:
        """Take a string that may be absent."""
        value = self._fields.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise EstateError(f"{self.label}: {name} must be a string")
        return value

    def one_of(self, name: str, choices: Sequence[str]) -> str:
        """Take one of the choices; absent is the first."""
        return self.text(name, choices) if name in self._fields else choices[0]

    def flag(self, name: str) -> bool:
        """Take a boolean; absent is false."""
        value = self._fields.pop(name, False)
        if not isinstance(value, bool):
            raise EstateError(f"{self.label}: {name} must be true or false")
        return value

    def number(self, name: str) -> int:
        """Take a whole number that must be there."""
        value = self._fields.pop(name, None)
        if type(value) is not int:
            raise EstateError(f"{self.label}: {name} must be a whole number")
        return value

    def items(self, name: str) -> list[object]:
        """Take a list; absent is empty."""
        value = self._fields.pop(name, [])
        if not isinstance(value, list):
            raise EstateError(f"{self.label}: {name} must be a list")
        return value

    def texts(self, name: str) -> list[str]:
        """Take a list of strings without repetitions; absent is empty."""
        values = [value for value in self.items(name) if isinstance(value, str)]
        if len(set(values)) != len(values):
            raise EstateError(f"{self.label}: {name} repeats a value")
        return values

    def tags(self) -> dict[str, str]:
        """Take the tags; absent is none."""
        value = self._fields.pop("Tags", {})
        if not isinstance(value, Mapping):
            raise EstateError(f"{self.label}: Tags must be an object")
        return {str(key): str(item) for key, item in sorted(value.items())}

    def address(self, text: str) -> str:
        """Return an address in canonical spelling."""
        try:
            return addresses.address(text)
        except ValueError as error:
            raise EstateError(f"{self.label}: {error}") from error

    def done(self) -> None:
        """Refuse the fields that nobody took."""
        if self._fields:
            raise EstateError(f"{self.label}: unknown field {min(self._fields)!r}")


def load(estate: object, identifiers: Identifiers) -> Store:
    """Return a store that holds `estate`; EstateError says why it cannot be.

    Ids that are given are kept, quotas are not looked at.
    """
    whole = Entry(estate, "the estate")
    entries = {name: whole.items(name) for name in _COLLECTIONS}
    whole.done()
    store = Store(identifiers)
    for item in entries["accounts"]:
        _load_account(store, Entry(item, "account"))
    for item in entries["vpcs"]:
        _load_vpc(store, Entry(item, "VPC"))
    for item in entries["prefix_lists"]:
        _load_prefix_list(store, Entry(item, "prefix list"))
    for item in entries["port_lists"]:
        _load_port_list(store, Entry(item, "port list"))
    _load_groups(store, entries["security_groups"])
    instances = [_parse_instance(store, Entry(item, "instance")) for item in entries["instances"]]
    for instance in sorted(instances, key=lambda instance: instance.instance_id):
        _admit_instance(store, instance)
    return store


def _new(identifier: str, taken: Collection[str], label: str) -> str:
    if identifier in taken:
        raise EstateError(f"{label}: the id is there twice")
    return identifier


def _load_account(store: Store, entry: Entry) -> None:
    account_id = _new(entry.name_after("AccountId"), store.accounts, entry.label)
    if not account_id.isdigit():
        raise EstateError(f"{entry.label}: AccountId must be digits")
    login = entry.optional("Login")
    if login in store.logins:
        raise EstateError(f"{entry.label}: the login {login!r} is another account's too")
    keys: dict[str, str] = {}
    inactive: set[str] = set()
    for item in entry.items("AccessKeys"):
        key = Entry(item, f"{entry.label}: access key")
        key_id = key.text("AccessKeyId")
        if key_id in store.key_owners or key_id in keys:
            raise EstateError(f"{entry.label}: the access key {key_id!r} is there twice")
        keys[key_id] = key.text("AccessKeySecret")
        if key.one_of("Status", ("Active", "Inactive")) == "Inactive":
            inactive.add(key_id)
        key.done()
    roles = [_parse_role(Entry(item, f"{entry.label}: role")) for item in entry.items("Roles")]
    entry.done()
    by_name = {role.role_name: role for role in roles}
    if len(by_name) != len(roles):
        raise EstateError(f"{entry.label}: two roles have one name")
    store.add_account(Account(account_id, login, keys, by_name, frozenset(inactive)))


def _parse_role(entry: Entry) -> Role:
    role = Role(
        entry.name_after("RoleName"),
        tuple(sorted(entry.texts("TrustedAccountIds"))),
        entry.optional("ExternalId"),
    )
    entry.done()
    return role


def _owner(store: Store, entry: Entry) -> str:
    owner_id = entry.text("OwnerId")
    if owner_id not in store.accounts:
        raise EstateError(f"{entry.label}: its owner {owner_id} is no account of the estate")
    return owner_id


def _load_vpc(store: Store, entry: Entry) -> None:
    vpc = Vpc(
        _new(entry.name_after("VpcId"), store.vpcs, entry.label),
        _owner(store, entry),
        entry.text("RegionId"),
        entry.flag("ClassicLinkEnabled"),
        entry.optional("Status") or "Available",
    )
    entry.done()
    store.add_vpc(vpc)


def _load_prefix_list(store: Store, entry: Entry) -> None:
    list_id = _new(entry.name_after("PrefixListId"), store.prefix_lists, entry.label)
    family = entry.text("AddressFamily", ("IPv4", "IPv6"))
    descriptions = _prefixes(entry, family)
    blocks = tuple(sorted(descriptions))
    prefix_list = PrefixList(
        list_id,
        _owner(store, entry),
        entry.text("RegionId"),
        family,
        entry.number("MaxEntries"),
        blocks,
        entry.optional("PrefixListName"),
        entry.optional("Description"),
        descriptions={block: text for block, text in descriptions.items() if text},
    )
    entry.done()
    if len(blocks) > prefix_list.max_entries:
        raise EstateError(f"{entry.label}: has more entries than MaxEntries")
    store.prefix_lists[list_id] = prefix_list


def _prefixes(entry: Entry, family: str) -> dict[str, str | None]:
    """Take the blocks, each a string or an object beside its description."""
    canonical = addresses.ipv4_block if family == "IPv4" else addresses.ipv6_block
    found: dict[str, str | None] = {}
    for item in entry.items("Entries"):
        whole = {"Cidr": item} if isinstance(item, str) else item
        one = Entry(whole, f"{entry.label}: entry")
        try:
            block = canonical(one.text("Cidr"))
        except ValueError as error:
            raise EstateError(f"{entry.label}: {error}") from error
        if block in found:
            raise EstateError(f"{entry.label}: Entries repeats a value")
        found[block] = one.optional("Description")
        one.done()
    return found


def _load_port_list(store: Store, entry: Entry) -> None:
    list_id = _new(entry.name_after("PortRangeListId"), store.port_lists, entry.label)
    try:
        ranges = sorted(addresses.ports(text) for text in entry.texts("Entries"))
    except ValueError as error:
        raise EstateError(f"{entry.label}: {error}") from error
    port_list = PortList(
        list_id,
        _owner(store, entry),
        entry.text("RegionId"),
        entry.number("MaxEntries"),
        tuple(f"{low}/{high}" for low, high in ranges),
        entry.optional("PortRangeListName"),
    )
    entry.done()
    if len(ranges) > port_list.max_entries:
        raise EstateError(f"{entry.label}: has more entries than MaxEntries")
    store.port_lists[list_id] = port_list


# ---- groups and their rules


def _load_groups(store: Store, items: list[object]) -> None:
    parsed = [_parse_group(store, Entry(item, "security group")) for item in items]
    groups: dict[str, Group] = {}
    for group, _ in parsed:
        groups[_new(group.group_id, groups, f"security group {group.group_id}")] = group
    for group_id in sorted(groups):
        store.add_group(groups[group_id])
    for group, rules in sorted(parsed, key=lambda pair: pair[0].group_id):
        _load_rules(store, group, rules)


def _parse_group(store: Store, entry: Entry) -> tuple[Group, list[object]]:
    group_id = entry.name_after("SecurityGroupId")
    kind = entry.optional("SecurityGroupType") or "normal"
    group = Group(
        group_id=group_id,
        name=entry.optional("SecurityGroupName") or "",
        owner_id=_owner(store, entry),
        region_id=entry.text("RegionId"),
        vpc_id=_vpc_id(store, entry, "VpcId"),
        kind=kind,
        inner_access=entry.optional("InnerAccessPolicy")
        or ("Drop" if kind == "enterprise" else "Accept"),
        is_managed=entry.flag("ServiceManaged"),
        description=entry.optional("Description"),
        tags=entry.tags(),
        resource_group_id=entry.optional("ResourceGroupId"),
    )
    rules = entry.items("Rules")
    entry.done()
    _check_group(store, group, entry.label)
    return group, rules


def _check_group(store: Store, group: Group, label: str) -> None:
    if group.kind not in ("normal", "enterprise"):
        raise EstateError(f"{label}: SecurityGroupType must be normal or enterprise")
    if group.inner_access not in ("Accept", "Drop"):
        raise EstateError(f"{label}: InnerAccessPolicy must be Accept or Drop")
    if group.is_enterprise and (group.vpc_id is None or group.inner_access != "Drop"):
        raise EstateError(f"{label}: an enterprise group is in a VPC and has no inner access")
    if group.vpc_id and store.vpcs[group.vpc_id].region_id != group.region_id:
        raise EstateError(f"{label}: is in another region than its VPC")


def _vpc_id(store: Store, entry: Entry, name: str) -> str | None:
    vpc_id = entry.optional(name)
    if vpc_id is not None and vpc_id not in store.vpcs:
        raise EstateError(f"{entry.label}: {name} {vpc_id} is no VPC of the estate")
    return vpc_id


def _load_rules(store: Store, group: Group, items: list[object]) -> None:
    rules = [parse_rule(item, group) for item in items]
    for rule in sorted(rules, key=lambda rule: (rule.rule_id == "", rule.rule_id)):
        label = f"rule {rule.rule_id or '(new)'} of {group.group_id}"
        if rule.rule_id in store.rule_groups:
            raise EstateError(f"{label}: the id is there twice")
        if rule.identity() in group.rule_ids:
            raise EstateError(f"{label}: is the same as {group.rule_ids[rule.identity()]}")
        check_rule_names(store, group, rule)
        store.add_rule(group, rule)


def check_rule_names(store: Store, group: Group, rule: Rule) -> None:
    """Raise EstateError if the rule names a group or a list that it cannot name.

    A group of an account that is not in the estate is taken on trust. One of another account
    may be in another VPC, as some of the vendor's pages have it; it is not reached for that.
    """
    label = f"rule {rule.rule_id or '(new)'} of {group.group_id}"
    if rule.prefix_list_id:
        prefix_list = store.prefix_lists.get(rule.prefix_list_id)
        _check_list(prefix_list, group, f"{label}: {rule.prefix_list_id} is no prefix list")
    if rule.port_list_id:
        port_list = store.port_lists.get(rule.port_list_id)
        _check_list(port_list, group, f"{label}: {rule.port_list_id} is no port list")
    if not rule.peer_group_id:
        return
    owner_id = rule.source_group_owner_id or rule.dest_group_owner_id or group.owner_id
    peer = store.groups.get(rule.peer_group_id)
    if peer is None and owner_id not in store.accounts:
        return
    if peer is None or peer.owner_id != owner_id:
        raise EstateError(f"{label}: {rule.peer_group_id} is no group of account {owner_id}")
    if peer.region_id != group.region_id:
        raise EstateError(f"{label}: {rule.peer_group_id} is in another region")
    if peer.vpc_id and group.vpc_id and peer.vpc_id != group.vpc_id and not rule.names_foreign:
        raise EstateError(f"{label}: {rule.peer_group_id} is in another VPC")


def _check_list(named: PrefixList | PortList | None, group: Group, complaint: str) -> None:
    if named is None or (named.owner_id, named.region_id) != (group.owner_id, group.region_id):
        raise EstateError(f"{complaint} of its account there")


# ---- instances


def _parse_instance(store: Store, entry: Entry) -> Instance:
    instance_id = _new(entry.name_after("InstanceId"), store.instances, entry.label)
    network_type = entry.optional("InstanceNetworkType")
    instance = Instance(
        instance_id=instance_id,
        name=entry.optional("InstanceName") or "",
        owner_id=_owner(store, entry),
        region_id=entry.text("RegionId"),
        zone_id=entry.optional("ZoneId") or "",
        status=entry.optional("Status") or "Running",
        vpc_id=_vpc_id(store, entry, "VpcId"),
        locks=tuple(sorted(entry.texts("OperationLocks"))),
        classic_link_vpc_id=_vpc_id(store, entry, "ClassicLinkVpcId"),
        tags=entry.tags(),
    )
    if network_type not in (None, instance.network_type):
        raise EstateError(f"{entry.label}: InstanceNetworkType contradicts VpcId")
    instance.interfaces.extend(_parse_interfaces(instance, entry))
    entry.done()
    _check_instance(store, instance, entry.label)
    return instance


def own_interface_id(instance_id: str) -> str:
    """Return the interface id of an instance whose estate entry names no interfaces."""
    return f"eni-bp1{letters(instance_id, 17)}"


def _parse_interfaces(instance: Instance, entry: Entry) -> list[Interface]:
    listed = entry.items("NetworkInterfaces")
    if not listed:
        return [_short_interface(instance, entry)]
    interfaces = [
        _listed_interface(instance, Entry(item, f"{entry.label}: interface")) for item in listed
    ]
    if sum(interface.is_primary for interface in interfaces) != 1:
        raise EstateError(f"{entry.label}: needs exactly one primary interface")
    return sorted(interfaces, key=lambda item: (not item.is_primary, item.interface_id))


def _short_interface(instance: Instance, entry: Entry) -> Interface:
    private_ip, ipv6 = entry.text("PrivateIp"), entry.optional("Ipv6")
    return Interface(
        own_interface_id(instance.instance_id),
        instance,
        True,
        (entry.address(private_ip),),
        (entry.address(ipv6),) if ipv6 else (),
        _optional_address(entry, "PublicIp"),
        sorted(entry.texts("SecurityGroupIds")),
        _optional_address(entry, "EipAddress"),
    )


def _listed_interface(instance: Instance, entry: Entry) -> Interface:
    interface = Interface(
        entry.name_after("NetworkInterfaceId"),
        instance,
        entry.flag("Primary"),
        tuple(entry.address(text) for text in entry.texts("PrivateIps")),
        tuple(entry.address(text) for text in entry.texts("Ipv6s")),
        _optional_address(entry, "PublicIp"),
        sorted(entry.texts("SecurityGroupIds")),
        _optional_address(entry, "EipAddress"),
        entry.optional("NetworkInterfaceName"),
        entry.optional("Description"),
        entry.tags(),
        entry.one_of("Status", INTERFACE_STATUSES),
        entry.flag("ServiceManaged"),
    )
    entry.done()
    if interface.is_primary and (interface.status != "InUse" or interface.is_managed):
        raise EstateError(f"{entry.label}: a primary interface is InUse, and its instance's")
    return interface


def _optional_address(entry: Entry, name: str) -> str | None:
    text = entry.optional(name)
    return entry.address(text) if text else None


def _check_instance(store: Store, instance: Instance, label: str) -> None:
    if instance.status not in STATUSES:
        raise EstateError(f"{label}: Status must be one of {', '.join(STATUSES)}")
    if instance.vpc_id and store.vpcs[instance.vpc_id].region_id != instance.region_id:
        raise EstateError(f"{label}: is in another region than its VPC")
    if instance.vpc_id is None and (len(instance.interfaces) > 1 or instance.primary.ipv6s):
        raise EstateError(f"{label}: a classic instance has one interface, and no IPv6")
    if instance.classic_link_vpc_id:
        _check_link(instance, store.vpcs[instance.classic_link_vpc_id], label)
    for interface in instance.interfaces:
        _check_interface(store, interface, f"{label}: {interface.interface_id}")


def _check_link(instance: Instance, vpc: Vpc, label: str) -> None:
    """Refuse a link that cannot be. Source: ECS API, AttachClassicLinkVpc."""
    place = (instance.owner_id, instance.region_id)
    if instance.vpc_id or not vpc.classic_link_enabled or (vpc.owner_id, vpc.region_id) != place:
        raise EstateError(
            f"{label}: ClassicLinkVpcId needs a classic instance, and a VPC of the same account "
            "and region with ClassicLinkEnabled"
        )


def _check_interface(store: Store, interface: Interface, label: str) -> None:
    instance = interface.instance
    if not interface.private_ips or any(map(addresses.is_ipv6, interface.private_ips)):
        raise EstateError(f"{label}: needs a private IPv4 address")
    if not all(map(addresses.is_ipv6, interface.ipv6s)):
        raise EstateError(f"{label}: has an IPv4 address among its IPv6 ones")
    if interface.internet_ip and addresses.is_ipv6(interface.internet_ip):
        raise EstateError(f"{label}: PublicIp and EipAddress must be IPv4")
    if interface.elastic_ip and (interface.public_ip or instance.vpc_id is None):
        raise EstateError(f"{label}: EipAddress is for a VPC, and without a PublicIp")
    if not interface.group_ids:
        raise EstateError(f"{label}: is in no security group")
    for group_id in interface.group_ids:
        group = store.groups.get(group_id)
        if group is None:
            raise EstateError(f"{label}: {group_id} is no group of the estate")
        if (group.owner_id, group.region_id) != (instance.owner_id, instance.region_id):
            raise EstateError(f"{label}: {group_id} is of another account or region")
        if group.vpc_id != instance.vpc_id:
            raise EstateError(f"{label}: {group_id} is in another network")
    if len({store.groups[group_id].kind for group_id in interface.group_ids}) != 1:
        raise EstateError(f"{label}: mixes normal and enterprise groups")


def _admit_instance(store: Store, instance: Instance) -> None:
    label = f"instance {instance.instance_id}"
    _new(instance.instance_id, store.instances, label)
    for interface in instance.interfaces:
        _new(interface.interface_id, store.interfaces, f"interface {interface.interface_id}")
    own = list(instance.addresses())
    if len(set(own)) != len(own):
        raise EstateError(f"{label}: has an address twice")
    for text in own:
        for holder in store.holders.get(text, ()):
            other = holder.instance
            if _shares_network(instance, other) or text == holder.internet_ip:
                raise EstateError(f"{label}: {other.instance_id} has the address {text} too")
    store.add_instance(instance)


def _shares_network(one: Instance, other: Instance) -> bool:
    return one.vpc_id == other.vpc_id and one.region_id == other.region_id


# ---- printing


def dump(store: Store) -> Json:
    """Return the estate, canonical and sorted, so that two estates compare by equality."""
    return {
        "accounts": [_print_account(store.accounts[key]) for key in sorted(store.accounts)],
        "vpcs": [_print_vpc(store.vpcs[key]) for key in sorted(store.vpcs)],
        "prefix_lists": [
            _print_prefix_list(store.prefix_lists[key]) for key in sorted(store.prefix_lists)
        ],
        **_print_port_lists(store),
        "security_groups": [_print_group(store.groups[key]) for key in sorted(store.groups)],
        "instances": [_print_instance(store.instances[key]) for key in sorted(store.instances)],
    }


def _print_account(account: Account) -> Json:
    return {
        "AccountId": account.account_id,
        **_present({"Login": account.login}),
        "AccessKeys": [
            {
                "AccessKeyId": key_id,
                "AccessKeySecret": secret,
                **_present({"Status": "Inactive" if key_id in account.inactive_key_ids else None}),
            }
            for key_id, secret in sorted(account.access_keys.items())
        ],
        "Roles": [
            {
                "RoleName": role.role_name,
                "TrustedAccountIds": list(role.trusted_account_ids),
                **_present({"ExternalId": role.external_id}),
            }
            for _, role in sorted(account.roles.items())
        ],
    }


def _print_vpc(vpc: Vpc) -> Json:
    return {
        "VpcId": vpc.vpc_id,
        "OwnerId": vpc.owner_id,
        "RegionId": vpc.region_id,
        "ClassicLinkEnabled": vpc.classic_link_enabled,
        **_present({"Status": vpc.status if vpc.status != "Available" else None}),
    }


def _print_prefix_list(prefix_list: PrefixList) -> Json:
    return {
        "PrefixListId": prefix_list.prefix_list_id,
        **_present({"PrefixListName": prefix_list.name, "Description": prefix_list.description}),
        "OwnerId": prefix_list.owner_id,
        "RegionId": prefix_list.region_id,
        "AddressFamily": prefix_list.address_family,
        "MaxEntries": prefix_list.max_entries,
        "Entries": [
            {"Cidr": block, "Description": text}
            if (text := prefix_list.descriptions.get(block))
            else block
            for block in prefix_list.entries
        ],
    }


def _print_port_lists(store: Store) -> Json:
    """Return the port lists; an estate without any does not speak of them."""
    port_lists = [
        {
            "PortRangeListId": port_list.port_list_id,
            **_present({"PortRangeListName": port_list.name}),
            "OwnerId": port_list.owner_id,
            "RegionId": port_list.region_id,
            "MaxEntries": port_list.max_entries,
            "Entries": list(port_list.entries),
        }
        for _, port_list in sorted(store.port_lists.items())
    ]
    return {"port_lists": port_lists} if port_lists else {}


def _print_group(group: Group) -> Json:
    return {
        "SecurityGroupId": group.group_id,
        **_present({"SecurityGroupName": group.name}),
        "OwnerId": group.owner_id,
        "RegionId": group.region_id,
        **_present({"VpcId": group.vpc_id}),
        "SecurityGroupType": group.kind,
        "InnerAccessPolicy": group.inner_access,
        "ServiceManaged": group.is_managed,
        **_present({"Description": group.description}),
        **_present({"ResourceGroupId": group.resource_group_id}),
        "Tags": dict(group.tags),
        "Rules": [print_rule(group.rules[key]) for key in sorted(group.rules)],
    }


def _print_instance(instance: Instance) -> Json:
    return {
        "InstanceId": instance.instance_id,
        **_present({"InstanceName": instance.name}),
        "OwnerId": instance.owner_id,
        "RegionId": instance.region_id,
        **_present({"ZoneId": instance.zone_id}),
        "Status": instance.status,
        "InstanceNetworkType": instance.network_type,
        **_present({"VpcId": instance.vpc_id}),
        **dict(_print_interfaces(instance)),
        "OperationLocks": list(instance.locks),
        **_present({"ClassicLinkVpcId": instance.classic_link_vpc_id}),
        "Tags": dict(instance.tags),
    }


def _print_interfaces(instance: Instance) -> Iterator[tuple[str, object]]:
    primary = instance.primary
    if _fits_short_form(instance):
        yield "PrivateIp", primary.private_ips[0]
        yield from _present({"Ipv6": "".join(primary.ipv6s), **_internet(primary)}).items()
        yield "SecurityGroupIds", sorted(primary.group_ids)
        return
    yield "NetworkInterfaces", [_print_interface(item) for item in instance.interfaces]


def _fits_short_form(instance: Instance) -> bool:
    primary = instance.primary
    return (
        len(instance.interfaces) == 1
        and primary.interface_id == own_interface_id(instance.instance_id)
        and len(primary.private_ips) == 1
        and len(primary.ipv6s) <= 1
        and not (primary.name or primary.description or primary.tags)
    )


def _print_interface(interface: Interface) -> Json:
    return {
        "NetworkInterfaceId": interface.interface_id,
        "Primary": interface.is_primary,
        "PrivateIps": list(interface.private_ips),
        "Ipv6s": list(interface.ipv6s),
        **_present(_internet(interface)),
        "SecurityGroupIds": sorted(interface.group_ids),
        **_present({"NetworkInterfaceName": interface.name, "Description": interface.description}),
        **({"Tags": dict(interface.tags)} if interface.tags else {}),
        **_present({"Status": interface.status if interface.status != "InUse" else None}),
        **({"ServiceManaged": True} if interface.is_managed else {}),
    }


def _internet(interface: Interface) -> dict[str, str | None]:
    return {"PublicIp": interface.public_ip, "EipAddress": interface.elastic_ip}


def _present(fields: Mapping[str, str | None]) -> Json:
    return {name: value for name, value in fields.items() if value}
