"""The RPC protocol: parameters, signatures of versions 1 and 3, and answers in JSON or XML."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold."""

_READ_AS_ANOTHER = {"\r": "&#13;"}
"""A character that readers of XML take for another one unless it is spelt so."""


def parse_form(text: str) -> dict[str, str]:
    """Return the parameters of a query or a form body; empty values are kept, being signed too."""
    return dict(parse_qsl(text, keep_blank_values=True, errors="replace"))


def percent_encode(text: str) -> str:
    """Encode as RFC 3986 does: all but letters, digits and `-_.~`."""
    return quote(text, safe="~")


def string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Return what version 1 signs: the method and all sorted parameters but the signature.

    Source: ECS API, Signature method.
    """
    canonical = _canonical_query(
        {name: value for name, value in parameters.items() if name != "Signature"}
    )
    return f"{method}&%2F&{percent_encode(canonical)}"


def _canonical_query(parameters: Mapping[str, str]) -> str:
    return "&".join(
        f"{percent_encode(name)}={percent_encode(value)}"
        for name, value in sorted(parameters.items())
    )


def sign(secret: str, text: str) -> str:
    """Return the version 1 signature of a string to sign."""
    digest = hmac.digest(f"{secret}&".encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(digest).decode()


# ---- version 3: the signature is in a header, and so are action and version

V3_ALGORITHM = "ACS3-HMAC-SHA256"
_V3_AUTHORIZATION = re.compile(
    rf"{V3_ALGORITHM}\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([a-z0-9;-]+)\s*,"
    r"\s*Signature=([0-9a-fA-F]{64})",
    re.ASCII,
)
_V3_ALWAYS_SIGNED = frozenset(
    {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"}
)
_V3_COMMON = {
    "Action": "x-acs-action",
    "Version": "x-acs-version",
    "Timestamp": "x-acs-date",
    "SignatureNonce": "x-acs-signature-nonce",
    "SecurityToken": "x-acs-security-token",
}


@dataclass(frozen=True, slots=True)
class SignedHeaders:
    """What a version 3 call is signed with; `is_complete` only if everything it must sign is."""

    signature: str
    string_to_sign: str
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it is understood: its parameters, and the signature if it is in the headers.

    What version 3 says in headers stands among the parameters under version 1's names.
    """

    parameters: dict[str, str]
    signed_headers: SignedHeaders | None = None


def read_call(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Call:
    """Return the call of an HTTP request; header names are in lower case.

    Source: ECS API, Request syntax and signature method V3.
    """
    in_query = parse_form(query)
    parameters = dict(in_query)
    if body:
        parameters.update(parse_form(body.decode("utf-8", "replace")))
    authorization = headers.get("authorization", "")
    if not authorization.startswith("ACS3-"):
        return Call(parameters)
    for name, header in _V3_COMMON.items():
        parameters.pop(name, None)
        if header in headers:
            parameters[name] = headers[header].strip()
    parameters.setdefault("Format", "JSON")
    match = _V3_AUTHORIZATION.fullmatch(authorization.strip())
    if match is None:
        return Call(parameters, SignedHeaders("", "", is_complete=False))
    parameters["AccessKeyId"] = match[1]
    names = match[2].split(";")
    text = v3_string_to_sign(method, path, in_query, {n: headers.get(n, "") for n in names}, body)
    must = _V3_ALWAYS_SIGNED | {name for name in headers if name.startswith("x-acs-")}
    digest = headers.get("x-acs-content-sha256", "").strip().lower()
    is_complete = must <= set(names) and digest == hashlib.sha256(body).hexdigest()
    return Call(parameters, SignedHeaders(match[3].lower(), text, is_complete))


def v3_string_to_sign(
    method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> str:
    """Return what version 3 signs: a digest of the whole request, with these headers of it.

    Source: ECS API, Request syntax and signature method V3.
    """
    canonical = "\n".join(
        (
            method,
            path or "/",
            _canonical_query(query),
            *(f"{name}:{headers[name].strip()}" for name in sorted(headers)),
            "",
            ";".join(sorted(headers)),
            hashlib.sha256(body).hexdigest(),
        )
    )
    return f"{V3_ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def v3_sign(secret: str, text: str) -> str:
    """Return the version 3 signature of a string to sign."""
    return hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()


# ---- answers


class Listing:
    """Objects of the same fields in an answer, whose JSON is made once however often it is sent.

    A field is a text in all of them, or a number in all of them.
    """

    def __init__(self, names: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
        self._names = tuple(names)
        self._rows: Sequence[Sequence[str | int]] | None = rows
        self._json = b""

    def items(self) -> list[dict[str, object]]:
        """Return the objects, to be kept or changed at will."""
        rows = self._rows
        if rows is None:
            parsed: list[dict[str, object]] = json.loads(self._json)
            return parsed
        return [dict(zip(self._names, row, strict=True)) for row in rows]

    def as_json(self) -> bytes:
        """Return the list as JSON."""
        rows = self._rows
        if rows is not None:
            form = _form(self._names)
            is_text = bool(rows) and all(isinstance(value, str) for value in rows[0])
            spell: Callable[[Any], str] = encode_basestring if is_text else _spell
            self._json = f"[{','.join([form % tuple(map(spell, row)) for row in rows])}]".encode()
            self._rows = None
        return self._json


@lru_cache(maxsize=64)
def _form(names: tuple[str, ...]) -> str:
    """Return the JSON of an object with these fields, with a gap for each value."""
    return f"{{{','.join(f'{encode_basestring(name)}:%s' for name in names)}}}"


def _spell(value: str | int) -> str:
    return encode_basestring(value) if isinstance(value, str) else str(value)


def plain(value: object) -> object:
    """Return a body without listings, which are lists then."""
    if isinstance(value, Listing):
        return value.items()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def to_json(body: object) -> bytes:
    """Return a body as JSON."""
    if isinstance(body, Listing):
        return body.as_json()
    if isinstance(body, dict) and _holds_listing(body):
        fields = (b"%b:%b" % (_dumps(name), to_json(item)) for name, item in body.items())
        return b"{%b}" % b",".join(fields)
    return _dumps(body)


def _holds_listing(value: object) -> bool:
    """Tell whether there is a listing in a body; none is within a list."""
    if isinstance(value, dict):
        return any(_holds_listing(item) for item in value.values())
    return isinstance(value, Listing)


def _dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def to_xml(root: str, body: Mapping[str, object]) -> bytes:
    """Return a body as XML: a list becomes its element repeated.

    Source: ECS API, Responses.
    """
    return f"<?xml version='1.0' encoding='UTF-8'?>{''.join(_element(root, body))}".encode()


def _element(name: str, value: object) -> Iterator[str]:
    if isinstance(value, list | Listing):
        for item in value.items() if isinstance(value, Listing) else value:
            yield from _element(name, item)
        return
    yield f"<{name}>"
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _element(key, item)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    else:
        yield escape(_FORBIDDEN.sub("\ufffd", str(value)), _READ_AS_ANOTHER)
    yield f"</{name}>"
