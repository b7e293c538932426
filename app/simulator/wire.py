"""The RPC protocol: parameters, version 1 signatures, and answers in JSON or XML."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold."""


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
    canonical = "&".join(
        f"{percent_encode(name)}={percent_encode(value)}"
        for name, value in sorted(parameters.items())
        if name != "Signature"
    )
    return f"{method}&%2F&{percent_encode(canonical)}"


def sign(secret: str, text: str) -> str:
    """Return the version 1 signature of a string to sign."""
    digest = hmac.digest(f"{secret}&".encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(digest).decode()


def to_json(body: object) -> bytes:
    """Return a body as JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def to_xml(root: str, body: Mapping[str, object]) -> bytes:
    """Return a body as XML: a list becomes its element repeated.

    Source: ECS API, Responses.
    """
    return f"<?xml version='1.0' encoding='UTF-8'?>{''.join(_element(root, body))}".encode()


def _element(name: str, value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _element(name, item)
        return
    yield f"<{name}>"
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _element(key, item)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    else:
        yield escape(_FORBIDDEN.sub("\ufffd", str(value)))
    yield f"</{name}>"
