"""The parameters of a call, read the way ECS spells lists, structs and numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

from app.simulator.errors import ApiError, invalid_parameter, missing_parameter

COMMON = frozenset(
    {
        "AccessKeyId",
        "Action",
        "Format",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureNonce",
        "SignatureType",
        "SignatureVersion",
        "Timestamp",
        "Version",
    }
)
"""Parameters about the call, not about what it asks for."""


class Parameters:
    """A view on flat parameters: an empty value is the same as none; unknown ones are ignored."""

    def __init__(self, flat: Mapping[str, str]) -> None:
        self._flat = flat

    def business(self) -> dict[str, str]:
        """Return what the call asks for, without what every call carries."""
        return {name: value for name, value in self._flat.items() if name not in COMMON}

    def with_first_items(self, most: int) -> Parameters | None:
        """Return the same call with only the first items of its batch; None if none are left.

        A call without a batch is a batch of one.
        """
        for batch in ("Permissions", "SecurityGroupRuleId", "SecurityGroupIds", "ResourceId"):
            pattern = re.compile(rf"{batch}\.(\d{{1,4}})(\..*)?", re.ASCII | re.DOTALL)
            places = {key: int(match[1]) for key in self._flat if (match := pattern.fullmatch(key))}
            if not places:
                continue
            kept = sorted(set(places.values()))[:most]
            left_out = {key for key, place in places.items() if place not in kept}
            some = {key: text for key, text in self._flat.items() if key not in left_out}
            return Parameters(some) if kept else None
        return self if most else None

    def get(self, name: str) -> str | None:
        """Return a value, or None where it is absent or empty."""
        return self._flat.get(name) or None

    def need(self, name: str) -> str:
        """Return a value that must be there."""
        value = self.get(name)
        if value is None:
            raise missing_parameter(name)
        return value

    def flag(self, name: str) -> bool | None:
        """Return a boolean, or None where it is absent."""
        value = self.get(name)
        return None if value is None else value.lower() == "true"

    def number(self, name: str, default: int) -> int:
        """Return a whole number."""
        value = self.get(name)
        if value is None:
            return default
        if not re.fullmatch(r"-?\d{1,9}", value, re.ASCII):
            raise invalid_parameter(f'The specified parameter "{name}" is not valid.')
        return int(value)

    def repeated(self, name: str, *, limit: int | None = None) -> list[str]:
        """Return `Name.1`, `Name.2`, … in the order of their numbers; refuse more than `limit`."""
        pattern = re.compile(rf"{re.escape(name)}\.(\d{{1,4}})", re.ASCII)
        found = [
            (int(match[1]), value)
            for key, value in self._flat.items()
            if value and (match := pattern.fullmatch(key))
        ]
        if limit is not None and len(found) > limit:
            raise invalid_parameter(f"At most {limit} {name} can be sent in one call.")
        return [value for _, value in sorted(found)]

    def structs(self, name: str) -> list[dict[str, str]]:
        """Return `Name.N.Field` as one mapping for each N, in order; empty fields are left out."""
        found: dict[int, dict[str, str]] = {}
        for number, field_name, value in self._struct_fields(name):
            fields = found.setdefault(number, {})
            if value:
                fields[field_name] = value
        return [found[number] for number in sorted(found)]

    def _struct_fields(self, name: str) -> Iterator[tuple[int, str, str]]:
        prefix = f"{name}."
        for key, value in self._flat.items():
            if not key.startswith(prefix):
                continue
            number, dot, field_name = key[len(prefix) :].partition(".")
            if dot and len(number) < 5 and number.isascii() and number.isdigit():
                yield int(number), field_name, value

    def json_list(self, name: str, *, limit: int) -> list[str] | None:
        """Return the strings of a parameter that holds a JSON array; None where it is absent."""
        text = self.get(name)
        if text is None:
            return None
        refusal = invalid_parameter(f'The specified parameter "{name}" is not a JSON list.')
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise refusal from error
        if not isinstance(values, list) or len(values) > limit:
            raise refusal
        return [str(value) for value in values]

    def tags(self, too_many: Callable[[], ApiError]) -> dict[str, str]:
        """Return `Tag.N.Key` with `Tag.N.Value`; at most 20, the old lower case is accepted."""
        structs = self.structs("Tag")
        if len(structs) > 20:
            raise too_many()
        return {
            str(fields.get("Key") or fields.get("key") or ""): fields.get("Value")
            or fields.get("value")
            or ""
            for fields in structs
        }
