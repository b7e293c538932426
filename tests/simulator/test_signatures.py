"""Signed calls of both versions: any altered byte is refused, and XML says what JSON says."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.simulator.estates import ACCOUNT, BASE_ACCOUNT, OTHER_ACCOUNT, Cloud, pair, rule
from tests.simulator.signing import KEY, Sent, version_one, version_three

OPEN = {"SecurityGroupId": "sg-2", "Description": "é *~ +/&"}


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud(pair(rule("sgr-1", Description="<ü> & more")))


VERSIONS = pytest.mark.parametrize("sign", [version_one, version_three])


@VERSIONS
def test_a_well_signed_call_is_answered_once(cloud: Cloud, sign: Any) -> None:
    sent = sign(cloud, **OPEN)
    assert sent.outcome(cloud) == (200, None)
    assert sent.outcome(cloud) == (400, "SignatureNonceUsed")


def test_version_three_answers_json_unless_asked_and_takes_a_form(cloud: Cloud) -> None:
    assert version_three(cloud).to(cloud).encoded().startswith(b"{")
    assert version_three(cloud, Format="XML").to(cloud).encoded().startswith(b"<?xml")
    sent = version_three(cloud, "DescribeSecurityGroupAttribute", RegionId="cn-hangzhou", body=OPEN)
    assert sent.to(cloud).body["SecurityGroupId"] == "sg-2"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"x-acs-date": "2020-01-01T00:00:00Z"}, "InvalidTimeStamp.Expired"),
        ({"x-acs-date": "yesterday"}, "InvalidTimeStamp.Format"),
        ({"x-acs-date": ""}, "MissingParameter"),
        ({"x-acs-signature-nonce": ""}, "MissingParameter"),
        ({"x-acs-action": ""}, "MissingParameter"),
        ({"x-acs-action": "Nonsense"}, "InvalidAction.NotFound"),
        ({"authorization": "ACS3-HMAC-SHA256 Credential="}, "IncompleteSignature"),
        ({"host": "elsewhere"}, "SignatureDoesNotMatch"),
    ],
)
def test_checks_of_version_three(cloud: Cloud, changes: dict[str, str], code: str) -> None:
    sent = version_three(cloud)
    assert replace(sent, headers=sent.headers | changes).outcome(cloud)[1] == code


def test_a_role_signs_with_its_token_in_a_header(cloud: Cloud) -> None:
    answer = cloud(
        "AssumeRole",
        account_id=BASE_ACCOUNT,
        RoleArn=f"acs:ram::{ACCOUNT}:role/intercommunication",
        RoleSessionName="session",
    )
    given_out = answer["Credentials"]
    key = (given_out["AccessKeyId"], given_out["AccessKeySecret"])
    call: dict[str, Any] = {"key": key, "action": "GetCallerIdentity", "version": "2015-04-01"}
    sent = version_three(cloud, **call, token=given_out["SecurityToken"])
    assert sent.to(cloud).body["IdentityType"] == "AssumedRoleUser"
    assert version_three(cloud, **call).outcome(cloud) == (400, "MissingSecurityToken")


def test_a_disabled_key_is_refused_in_the_words_of_the_product() -> None:
    estate = pair()
    estate["accounts"][0]["AccessKeys"][0]["Status"] = "Inactive"
    cloud = Cloud(estate)
    assert cloud.estate()["accounts"][0]["AccessKeys"][0]["Status"] == "Inactive"
    assert version_one(cloud).outcome(cloud) == (403, "Forbidden.AccessKeyDisabled")
    sts = version_three(cloud, "GetCallerIdentity", version="2015-04-01")
    assert sts.outcome(cloud) == (400, "InvalidAccessKeyId.Inactive")


# ---- altered calls

UNSIGNED = {"accept", "authorization"}


@st.composite
def altered(draw: st.DrawFn, text: str) -> str:
    """The text with one character replaced, added or removed."""
    at = draw(st.integers(0, len(text)))
    fresh = draw(st.characters(min_codepoint=0x21, max_codepoint=0x17F))
    kind = draw(st.sampled_from(("replaced", "added", "removed")))
    if kind == "added":
        return text[:at] + fresh + text[at:]
    return text[:at] + ("" if kind == "removed" else fresh) + text[at + 1 :]


def tampered(data: st.DataObject, sent: Sent) -> Sent:
    """The request with one byte of a name, of a value, or of its body another one."""
    headers = [name for name in sent.headers if name not in UNSIGNED]
    places = [("query", name) for name in sent.query]
    if "authorization" in sent.headers:
        places += [("header", name) for name in headers] + [("method", ""), ("body", "")]
    place, name = data.draw(st.sampled_from(places))
    if place == "header":
        value = data.draw(altered(sent.headers[name]))
        assume(value.isascii() and value.strip() != sent.headers[name])
        return replace(sent, headers=sent.headers | {name: value})
    if place == "method":
        return replace(sent, method="GET")
    if place == "body":
        return replace(sent, body=data.draw(altered(sent.body.decode())).encode())
    query = dict(sent.query)
    if data.draw(st.booleans()):
        query[data.draw(altered(name))] = query.pop(name)
    else:
        query[name] = data.draw(altered(query[name]))
    return replace(sent, query=query)


@VERSIONS
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_a_call_altered_in_any_signed_byte_is_refused(
    cloud: Cloud, sign: Any, data: st.DataObject
) -> None:
    fields = {"RegionId": "cn-hangzhou", **OPEN}
    sent = sign(cloud, "RevokeSecurityGroup", **fields)
    other = tampered(data, sent)
    assume(other != sent)
    before = cloud.estate()
    assert other.to(cloud).status >= 400
    assert cloud.estate() == before


@VERSIONS
def test_a_secret_of_somebody_else_does_not_sign(cloud: Cloud, sign: Any) -> None:
    sent = sign(cloud)
    for part in (sent.query, sent.headers):
        for name, value in part.items():
            part[name] = value.replace(KEY, f"key-{OTHER_ACCOUNT}")
    assert sent.outcome(cloud) == (400, "SignatureDoesNotMatch")


# ---- JSON and XML


def flat(element: ET.Element) -> Any:
    """What an XML answer says, with every list of one or none as a list of its elements."""
    children = list(element)
    if not children:
        return element.text or ""
    names: dict[str, list[Any]] = {}
    for child in children:
        names.setdefault(child.tag, []).append(flat(child))
    return names


NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def expected(value: Any) -> Any:
    """What XML must say for a JSON value: a list is its element repeated, all is text."""
    if isinstance(value, dict):
        kept = {name: expected(item) for name, item in value.items() if item != []}
        return {
            name: item if isinstance(value[name], list) else [item] for name, item in kept.items()
        } or ""
    if isinstance(value, list):
        return [expected(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return NOT_IN_XML.sub("\ufffd", str(value))


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("DescribeRegions", {}),
        ("DescribeInstances", {}),
        ("DescribeInstanceAttribute", {"InstanceId": "i-a"}),
        ("DescribeSecurityGroups", {}),
        ("DescribeSecurityGroupAttribute", {"SecurityGroupId": "sg-2", "NicType": "intranet"}),
        ("DescribeSecurityGroupReferences", {"SecurityGroupId.1": "sg-1"}),
        ("DescribeNetworkInterfaces", {}),
        ("DescribePrefixLists", {}),
        ("DescribeAccountAttributes", {}),
        ("DescribeClassicLinkInstances", {"VpcId": "vpc-none"}),
        ("JoinSecurityGroup", {"SecurityGroupId": "sg-none", "InstanceId": "i-a"}),
        ("Nonsense", {}),
    ],
)
def test_xml_and_json_carry_the_same(cloud: Cloud, action: str, fields: dict[str, str]) -> None:
    call = {"RegionId": "cn-hangzhou", **fields}
    as_xml = version_one(cloud, action, **call).to(cloud)
    as_json = version_one(cloud, action, **call, Format="JSON").to(cloud)
    root = ET.fromstring(as_xml.encoded())
    assert root.tag == (f"{action}Response" if as_xml.status == 200 else "Error")
    said = json.loads(as_json.encoded())
    assert (as_xml.status, len(said.pop("RequestId"))) == (as_json.status, 36)
    read = flat(root)
    assert len(read.pop("RequestId")[0]) == 36
    assert read == expected(said)
