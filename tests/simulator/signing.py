"""Signed requests of both versions, as a server sees them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from app.simulator import wire
from app.simulator.dispatcher import Reply
from tests.simulator.estates import ACCOUNT, Cloud

KEY, SECRET = f"key-{ACCOUNT}", f"secret-{ACCOUNT}"


@dataclass(frozen=True)
class Sent:
    """An HTTP request as the server sees it."""

    method: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    path: str = "/"

    def to(self, cloud: Cloud) -> Reply:
        call = wire.read_call(
            self.method, self.path, urlencode(self.query), self.headers, self.body
        )
        return cloud.dispatcher.handle(
            self.method, call.parameters, self.headers, call.signed_headers
        )

    def outcome(self, cloud: Cloud) -> tuple[int, Any]:
        reply = self.to(cloud)
        return reply.status, reply.body.get("Code")


def version_one(cloud: Cloud, action: str = "DescribeRegions", **fields: str) -> Sent:
    query = {
        "Action": action,
        "Version": "2014-05-26",
        "AccessKeyId": KEY,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid4().hex,
        "Timestamp": stamp(cloud),
        **fields,
    }
    text = wire.string_to_sign("POST", query)
    return Sent("POST", query | {"Signature": wire.sign(SECRET, text)}, {"host": "h"})


def version_three(
    cloud: Cloud,
    action: str = "DescribeRegions",
    *,
    key: tuple[str, str] = (KEY, SECRET),
    body: Mapping[str, str] | None = None,
    version: str = "2014-05-26",
    token: str | None = None,
    **fields: str,
) -> Sent:
    payload = urlencode(body or {}).encode()
    signed = {
        "host": "127.0.0.1:8090",
        "x-acs-action": action,
        "x-acs-content-sha256": hashlib.sha256(payload).hexdigest(),
        "x-acs-date": stamp(cloud),
        "x-acs-signature-nonce": uuid4().hex,
        "x-acs-version": version,
        **({"x-acs-security-token": token} if token else {}),
        **({"content-type": "application/x-www-form-urlencoded"} if payload else {}),
    }
    text = wire.v3_string_to_sign("POST", "/", fields, signed, payload)
    authorization = (
        f"{wire.V3_ALGORITHM} Credential={key[0]},SignedHeaders={';'.join(sorted(signed))},"
        f"Signature={wire.v3_sign(key[1], text)}"
    )
    headers = signed | {"authorization": authorization, "accept": "*/*"}
    return Sent("POST", fields, headers, payload)


def stamp(cloud: Cloud) -> str:
    return datetime.fromtimestamp(cloud.clock.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
