from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from app.simulator import wire
from app.simulator.credentials import Caller
from app.simulator.dispatcher import Dispatcher, Reply
from tests.simulator.estates import ACCOUNT, BASE_ACCOUNT, OTHER_ACCOUNT, Cloud, pair

ROLE = f"acs:ram::{ACCOUNT}:role/intercommunication"


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(pair())


def stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def signed(
    cloud: Cloud, *, secret: str = f"secret-{ACCOUNT}", method: str = "POST", **changes: Any
) -> dict[str, str]:
    """A signed call; None takes a parameter away before it is signed."""
    whole = {
        "Action": "DescribeRegions",
        "Version": "2014-05-26",
        "Format": "JSON",
        "AccessKeyId": f"key-{ACCOUNT}",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureType": "",
        "SignatureNonce": uuid4().hex,
        "Timestamp": stamp(cloud.clock.now),
        **changes,
    }
    parameters = {name: str(value) for name, value in whole.items() if value is not None}
    text = wire.string_to_sign(method, parameters)
    return {"Signature": wire.sign(secret, text), **parameters}


def send(cloud: Cloud, parameters: dict[str, str], method: str = "POST") -> Reply:
    return cloud.dispatcher.handle(method, parameters)


def outcome(cloud: Cloud, parameters: dict[str, str], method: str = "POST") -> tuple[int, Any]:
    reply = send(cloud, parameters, method)
    return reply.status, reply.body.get("Code")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_well_signed_call_is_answered(cloud: Cloud, method: str) -> None:
    assert outcome(cloud, signed(cloud, method=method), method) == (200, None)


def test_a_call_signed_for_another_method_is_refused(cloud: Cloud) -> None:
    assert outcome(cloud, signed(cloud, method="GET")) == (400, "SignatureDoesNotMatch")


def test_a_wrong_signature_is_answered_with_the_string_to_sign(cloud: Cloud) -> None:
    parameters = signed(cloud, secret="wrong")
    reply = send(cloud, parameters)
    assert (reply.status, reply.body["Code"]) == (400, "SignatureDoesNotMatch")
    end = f"server string to sign is:{wire.string_to_sign('POST', parameters)}"
    assert str(reply.body["Message"]).endswith(end)


def test_a_signature_of_odd_characters_is_merely_wrong(cloud: Cloud) -> None:
    parameters = signed(cloud) | {"Signature": "ключ"}
    assert outcome(cloud, parameters) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    "name",
    ["Action", "Version", "AccessKeyId", "Timestamp", "SignatureNonce", "SignatureMethod"],
)
def test_common_parameters_are_required(cloud: Cloud, name: str) -> None:
    absent: dict[str, Any] = {name: None}
    assert outcome(cloud, signed(cloud, **absent)) == (400, "MissingParameter")


def test_a_missing_signature_is_told(cloud: Cloud) -> None:
    parameters = signed(cloud)
    del parameters["Signature"]
    assert outcome(cloud, parameters) == (400, "MissingParameter")


@pytest.mark.parametrize(("offset", "status"), [(-890, 200), (890, 200), (-910, 400), (910, 400)])
def test_the_clock_may_be_off_by_fifteen_minutes(cloud: Cloud, offset: int, status: int) -> None:
    parameters = signed(cloud, Timestamp=stamp(cloud.clock.now + offset))
    code = "InvalidTimeStamp.Expired" if status == 400 else None
    assert outcome(cloud, parameters) == (status, code)


def test_a_clock_offset_of_the_cloud_makes_a_right_clock_wrong(cloud: Cloud) -> None:
    cloud.dispatcher.put_settings({"clock_offset_seconds": 3600})
    assert outcome(cloud, signed(cloud)) == (400, "InvalidTimeStamp.Expired")


@pytest.mark.parametrize(
    "text",
    ["2026-01-01 00:00:00", "2023-11-14T22:13:2Z", "2023-11-14T22:13:20z", "٢٠٢٣-11-14T22:13:20Z"],
)
def test_a_malformed_timestamp_is_refused(cloud: Cloud, text: str) -> None:
    parameters = signed(cloud, Timestamp=text)
    assert outcome(cloud, parameters) == (400, "InvalidTimeStamp.Format")


def test_an_unknown_key_is_not_found(cloud: Cloud) -> None:
    assert outcome(cloud, signed(cloud, AccessKeyId="no")) == (404, "InvalidAccessKeyId.NotFound")


def test_a_nonce_is_used_once_in_thirty_one_minutes(cloud: Cloud) -> None:
    parameters = signed(cloud)
    assert outcome(cloud, parameters) == (200, None)
    assert outcome(cloud, parameters) == (400, "SignatureNonceUsed")
    cloud.clock.now += 31 * 60 + 1
    again = signed(cloud, SignatureNonce=parameters["SignatureNonce"])
    assert outcome(cloud, again) == (200, None)


def test_a_nonce_of_a_refused_signature_is_not_used_up(cloud: Cloud) -> None:
    assert outcome(cloud, signed(cloud, secret="wrong", SignatureNonce="n"))[0] == 400
    assert outcome(cloud, signed(cloud, SignatureNonce="n")) == (200, None)


def test_checks_come_in_the_order_of_the_gateway(cloud: Cloud) -> None:
    everything_wrong = {
        "secret": "wrong",
        "Action": "Nonsense",
        "Timestamp": "1999-01-01T00:00:00Z",
        "AccessKeyId": "no",
        "RegionId": "nowhere",
    }
    codes = []
    for repaired in ("Action", "Timestamp", "AccessKeyId", "secret", "RegionId"):
        codes.append(outcome(cloud, signed(cloud, **everything_wrong))[1])
        del everything_wrong[repaired]
        everything_wrong |= {"Action": "DescribeInstances"} if repaired == "Action" else {}
    assert codes == [
        "InvalidAction.NotFound",
        "InvalidTimeStamp.Expired",
        "InvalidAccessKeyId.NotFound",
        "SignatureDoesNotMatch",
        "InvalidRegionId.NotFound",
    ]


def test_only_get_and_post_are_understood(cloud: Cloud) -> None:
    assert outcome(cloud, signed(cloud, method="PUT"), "PUT") == (403, "UnsupportedHTTPMethod")


def test_answers_are_xml_unless_json_is_asked_for(cloud: Cloud) -> None:
    plain = send(cloud, signed(cloud, Format=None))
    assert plain.encoded().decode().endswith("</DescribeRegionsResponse>")
    refused = send(cloud, signed(cloud, Format=None, Action="No"))
    assert "<Error><RequestId>" in refused.encoded().decode()
    assert send(cloud, signed(cloud, Format="json")).encoded().startswith(b"{")


# ---- STS


def assumed(cloud: Cloud, *, role: str = ROLE, **fields: Any) -> Any:
    answer = cloud(
        "AssumeRole",
        account_id=BASE_ACCOUNT,
        region=None,
        RoleArn=role,
        RoleSessionName="session",
        **fields,
    )
    return answer["Credentials"]


def as_role(cloud: Cloud, credentials: Any, **changes: Any) -> dict[str, str]:
    return signed(
        cloud,
        secret=credentials["AccessKeySecret"],
        **{
            "AccessKeyId": credentials["AccessKeyId"],
            "SecurityToken": credentials["SecurityToken"],
            **changes,
        },
    )


def test_a_role_acts_for_its_account(cloud: Cloud) -> None:
    parameters = as_role(cloud, assumed(cloud), Action="GetCallerIdentity", Version="2015-04-01")
    body = send(cloud, parameters).body
    assert body["AccountId"] == ACCOUNT
    assert body["IdentityType"] == "AssumedRoleUser"
    assert body["Arn"] == f"acs:ram::{ACCOUNT}:assumed-role/intercommunication/session"


def test_a_token_is_needed_must_fit_and_expires(cloud: Cloud) -> None:
    credentials = assumed(cloud, DurationSeconds=900)
    missing = as_role(cloud, credentials, SecurityToken=None)
    assert outcome(cloud, missing) == (400, "MissingSecurityToken")
    wrong = as_role(cloud, credentials, SecurityToken="other")
    assert outcome(cloud, wrong) == (400, "InvalidSecurityToken.MismatchWithAccessKey")
    assert outcome(cloud, as_role(cloud, credentials)) == (200, None)
    cloud.clock.now += 900
    expired = as_role(cloud, credentials)
    assert outcome(cloud, expired) == (400, "InvalidSecurityToken.Expired")


def test_tokens_outlive_a_change_of_the_estate(cloud: Cloud) -> None:
    credentials = assumed(cloud)
    cloud.dispatcher.replace_estate(pair())
    assert outcome(cloud, as_role(cloud, credentials)) == (200, None)


def test_a_role_trusts_only_the_accounts_it_names(cloud: Cloud) -> None:
    assert cloud.refusal(
        "AssumeRole", account_id=OTHER_ACCOUNT, RoleArn=ROLE, RoleSessionName="session"
    ) == (403, "NoPermission")


def test_a_role_with_an_external_id_insists_on_it(cloud: Cloud) -> None:
    role = f"acs:ram::{OTHER_ACCOUNT}:role/intercommunication"
    call = {"account_id": BASE_ACCOUNT, "RoleArn": role, "RoleSessionName": "session"}
    assert cloud.refusal("AssumeRole", **call) == (403, "NoPermission")
    assert cloud.refusal("AssumeRole", **call, ExternalId="e-1") == (403, "NoPermission")
    assert cloud("AssumeRole", **call, ExternalId="e-2")["Credentials"]


def test_a_role_without_an_external_id_accepts_any(cloud: Cloud) -> None:
    assert assumed(cloud, ExternalId="whatever")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"RoleSessionName": "a b"}, 400, "InvalidParameter.RoleSessionName"),
        ({"DurationSeconds": 899}, 400, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": 3601}, 400, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": "x"}, 400, "InvalidParameter.DurationSeconds"),
        ({"Policy": "{"}, 400, "InvalidParameter.PolicyGrammar"),
        ({"RoleArn": ROLE + "2"}, 404, "EntityNotExist.Role"),
        ({"RoleArn": "nonsense"}, 400, "InvalidParameter.RoleArn"),
        ({"RoleArn": ""}, 400, "MissingParameter"),
    ],
)
def test_assume_role_says_what_is_wrong(
    cloud: Cloud, changes: dict[str, Any], status: int, code: str
) -> None:
    call = {"RoleArn": ROLE, "RoleSessionName": "session", **changes}
    assert cloud.refusal("AssumeRole", account_id=BASE_ACCOUNT, **call) == (status, code)


def test_a_key_says_whose_it_is(cloud: Cloud) -> None:
    assert cloud("GetCallerIdentity", region=None)["AccountId"] == ACCOUNT


def test_two_dispatchers_of_one_seed_give_the_same_ids() -> None:
    answers = [
        Dispatcher(pair(), seed=7).call(
            _caller(), "CreateSecurityGroup", {"RegionId": "cn-hangzhou"}
        )
        for _ in range(2)
    ]
    assert answers[0].body["SecurityGroupId"] == answers[1].body["SecurityGroupId"]
    assert str(answers[0].body["SecurityGroupId"]).startswith("sg-bp1")


def _caller() -> Caller:

    return Caller(ACCOUNT)
