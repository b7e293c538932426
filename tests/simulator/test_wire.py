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
