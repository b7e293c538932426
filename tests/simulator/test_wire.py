import hashlib
from urllib.parse import urlencode

import pytest

from app.simulator import wire

VECTOR = {
    "AccessKeyId": "testid",
    "Action": "DescribeRegions",
    "Format": "XML",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
    "SignatureVersion": "1.0",
    "Timestamp": "2016-02-23T12:46:24Z",
    "Version": "2014-05-26",
}


def test_the_manuals_example_is_signed_as_the_manual_says() -> None:
    text = wire.string_to_sign("GET", VECTOR)
    assert text.startswith("GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format")
    assert "%26Timestamp%3D2016-02-23T12%253A46%253A24Z%26Version%3D2014-05-26" in text
    assert wire.sign("testsecret", text) == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


def test_method_counts_in_the_signature_and_the_signature_itself_does_not() -> None:
    get = wire.string_to_sign("GET", VECTOR)
    assert wire.string_to_sign("POST", VECTOR) == get.replace("GET&", "POST&", 1)
    assert wire.string_to_sign("GET", VECTOR | {"Signature": "x"}) == get


def test_encoding_leaves_only_the_unreserved_characters() -> None:
    assert wire.percent_encode("aZ09-_.~") == "aZ09-_.~"
    assert wire.percent_encode(" *+/é中") == "%20%2A%2B%2F%C3%A9%E4%B8%AD"


def test_empty_values_are_kept_when_parameters_are_read() -> None:
    assert wire.parse_form("SignatureType=&A=b%20c&D=e+f") == {
        "SignatureType": "",
        "A": "b c",
        "D": "e f",
    }


def test_lists_become_repeated_elements_in_xml() -> None:
    body = {"RequestId": "R", "Regions": {"Region": [{"Id": "a<b"}, {"Ok": True}]}, "Empty": "\x01"}
    assert (
        wire.to_xml("DescribeRegionsResponse", body)
        .decode()
        .endswith(
            "<DescribeRegionsResponse><RequestId>R</RequestId><Regions><Region><Id>a&lt;b</Id></Region>"
            "<Region><Ok>true</Ok></Region></Regions><Empty>\ufffd</Empty></DescribeRegionsResponse>"
        )
    )


# ---- version 3

V3_QUERY = {
    "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
    "RegionId": "cn-shanghai",
}
V3_HEADERS = {
    "host": "ecs.cn-shanghai.aliyuncs.com",
    "x-acs-action": "RunInstances",
    "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    "x-acs-date": "2023-10-26T10:22:32Z",
    "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
    "x-acs-version": "2014-05-26",
}
V3_SIGNATURE = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
V3_AUTHORIZATION = (
    f"ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders={';'.join(V3_HEADERS)},"
    f"Signature={V3_SIGNATURE}"
)


def test_the_vendors_example_of_version_three_is_signed_as_it_says() -> None:
    text = wire.v3_string_to_sign("POST", "/", V3_QUERY, V3_HEADERS, b"")
    canonical_hash = "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
    assert text == f"ACS3-HMAC-SHA256\n{canonical_hash}"
    assert wire.v3_sign("YourAccessKeySecret", text) == V3_SIGNATURE


def test_a_version_three_call_is_read_from_its_headers() -> None:
    headers = V3_HEADERS | {"authorization": V3_AUTHORIZATION, "accept": "application/json"}
    call = wire.read_call("POST", "/", urlencode(V3_QUERY) + "&Action=Other", headers, b"")
    assert call.parameters == V3_QUERY | {
        "AccessKeyId": "YourAccessKeyId",
        "Action": "RunInstances",
        "Format": "JSON",
        "SignatureNonce": V3_HEADERS["x-acs-signature-nonce"],
        "Timestamp": "2023-10-26T10:22:32Z",
        "Version": "2014-05-26",
    }
    assert call.signed_headers is not None
    assert call.signed_headers.is_complete
    assert call.signed_headers.signature == V3_SIGNATURE


@pytest.mark.parametrize(
    "changes",
    [
        {"authorization": V3_AUTHORIZATION.replace("host;", "")},
        {"authorization": V3_AUTHORIZATION.replace("Signature=", "Sign=")},
        {"authorization": "ACS3-HMAC-SM3 " + V3_AUTHORIZATION.partition(" ")[2]},
        {"x-acs-content-sha256": "0" * 64},
        {"x-acs-security-token": "which is not signed"},
    ],
)
def test_a_signature_that_leaves_something_out_is_incomplete(changes: dict[str, str]) -> None:
    headers = V3_HEADERS | {"authorization": V3_AUTHORIZATION} | changes
    call = wire.read_call("POST", "/", urlencode(V3_QUERY), headers, b"")
    assert call.signed_headers is not None
    assert not call.signed_headers.is_complete


def test_without_such_a_header_a_call_is_version_ones() -> None:
    call = wire.read_call("POST", "/", "A=1&B=", {"x-acs-action": "X"}, b"B=2&C=3")
    assert call == wire.Call({"A": "1", "B": "2", "C": "3"})


def test_the_older_example_of_the_vendor_is_signed_as_it_says() -> None:
    spelt_otherwise = {name: text for name, text in VECTOR.items() if name != "Timestamp"}
    text = wire.string_to_sign("GET", spelt_otherwise | {"TimeStamp": VECTOR["Timestamp"]})
    assert wire.sign("testsecret", text) == "CT9X0VtwR86fNWSnsc6v8YGOjuE="
