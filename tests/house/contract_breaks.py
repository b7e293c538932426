"""What a later contract takes away from those who rely on an earlier one.

`python -m tests.house.contract_breaks [REVISION]` compares openapi.json with the one of a
revision, HEAD by default. A break that is meant is declared in docs/contract.md, in the words
that are printed here.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.house.repository import ROOT, text

METHODS = ("get", "post", "patch", "put", "delete")
BOUNDS = {
    "minimum": 1, "minLength": 1, "minItems": 1, "maximum": -1, "maxLength": -1, "maxItems": -1,
}  # fmt: skip
"""Keywords of a schema, and the direction in which they take fewer values."""

PAGE = "docs/contract.md"


class Comparison:
    """An earlier contract and a later one; shapes are compared once for each way they go."""

    def __init__(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        self._before = before
        self._after = after
        self._seen: set[tuple[str, str, bool]] = set()

    def breaks(self) -> list[str]:
        """Everything that breaks a client which relied on the earlier contract, in words."""
        found: list[str] = []
        for path, item in self._before["paths"].items():
            for method in METHODS:
                if method in item:
                    name = f"{method.upper()} {path}"
                    later = self._after["paths"].get(path, {}).get(method)
                    if later is None:
                        found.append(f"{name}: the operation is gone")
                    else:
                        found += self._operation(name, item[method], later)
        return list(dict.fromkeys(found))

    def _operation(self, name: str, old: Any, new: Any) -> Iterator[str]:
        if old["operationId"] != new["operationId"]:
            yield f"{name}: the operation {old['operationId']} has another name"
        yield from self._parameters(name, old, new)
        body, later = old.get("requestBody"), new.get("requestBody")
        if later is not None and later.get("required") and not (body or {}).get("required"):
            yield f"{name}: a body is required"
        for kind, content in (body or {}).get("content", {}).items():
            where = f"{name}: body"
            if kind not in (later or {}).get("content", {}):
                yield f"{where}: {kind} is not taken"
            else:
                found = later["content"][kind]["schema"]
                yield from self._schema(where, content["schema"], found, sent=True)
        for status, answer in old["responses"].items():
            if int(status) < 400:
                yield from self._answer(f"{name}: {status}", answer, new["responses"].get(status))

    def _parameters(self, name: str, old: Any, new: Any) -> Iterator[str]:
        before, after = _by_name(old), _by_name(new)
        for key, parameter in before.items():
            where = f"{name}: parameter {key[1]}"
            if key not in after:
                yield f"{where} is gone"
                continue
            if after[key].get("required") and not parameter.get("required"):
                yield f"{where} is required"
            yield from self._schema(where, parameter["schema"], after[key]["schema"], sent=True)
        for key in after.keys() - before.keys():
            if after[key].get("required"):
                yield f"{name}: parameter {key[1]} is required"

    def _answer(self, where: str, old: Any, new: Any) -> Iterator[str]:
        if new is None:
            yield f"{where} is not answered"
            return
        for header in old.get("headers", {}).keys() - new.get("headers", {}).keys():
            yield f"{where}: header {header} is gone"
        for kind, content in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{where}: {kind} is not answered"
            else:
                later = new["content"][kind]["schema"]
                yield from self._schema(where, content["schema"], later, sent=False)

    def _schema(self, where: str, old: Any, new: Any, *, sent: bool) -> Iterator[str]:
        """Compare what a value may be: what is sent may not become narrower, and no member that
        was answered may go. New values and shapes in answers are to be expected.
        """
        names = (old.get("$ref", ""), new.get("$ref", ""))
        if all(names):
            if (*names, sent) in self._seen:
                return
            self._seen.add((*names, sent))
            where = names[0].rpartition("/")[2]
        old, new = _resolved(self._before, old), _resolved(self._after, new)
        yield from self._values(where, old, new, sent=sent)
        yield from self._members(where, old, new, sent=sent)
        if "items" in old and "items" in new:
            yield from self._schema(f"{where}[]", old["items"], new["items"], sent=sent)
        yield from self._kinds(where, old, new, sent=sent)

    def _values(self, where: str, old: Any, new: Any, *, sent: bool) -> Iterator[str]:
        if "type" in old and "type" in new and old["type"] != new["type"]:
            yield f"{where}: {old['type']} became {new['type']}"
        before, after = _listed(old), _listed(new)
        if sent and after is not None:
            for value in sorted(before - after) if before is not None else ["any other value"]:
                yield f"{where}: {value} is not taken"
        if sent:
            for keyword, direction in BOUNDS.items():
                later, earlier = new.get(keyword), old.get(keyword)
                if later is not None and (earlier is None or (later - earlier) * direction > 0):
                    yield f"{where}: {keyword} is {later}"
            if "pattern" in new and new["pattern"] != old.get("pattern"):
                yield f"{where}: pattern is {new['pattern']}"

    def _members(self, where: str, old: Any, new: Any, *, sent: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            if name in after:
                yield from self._schema(f"{where}.{name}", schema, after[name], sent=sent)
            elif sent and new.get("additionalProperties", True) is False:
                yield f"{where}.{name}: the field is not taken"
            elif not sent and "properties" in new:
                yield f"{where}.{name}: the field is not answered"
        needed = set(new.get("required", ())) - set(old.get("required", ()))
        missing = (set(old.get("required", ())) - set(new.get("required", ()))) & after.keys()
        if sent:
            yield from (f"{where}.{name}: the field is required" for name in sorted(needed))
        else:
            yield from (f"{where}.{name}: the field may be absent" for name in sorted(missing))

    def _kinds(self, where: str, old: Any, new: Any, *, sent: bool) -> Iterator[str]:
        """Compare the members of unions, which go by the names of their shapes."""
        before, after = _union(old), _union(new)
        for name in before.keys() & after.keys():
            yield from self._schema(where, before[name], after[name], sent=sent)
        if sent and after:
            yield from (
                f"{where}: no longer {each}" for each in sorted(before.keys() - after.keys())
            )


def _by_name(operation: Any) -> dict[tuple[str, str], Any]:
    return {(each["in"], each["name"]): each for each in operation.get("parameters", [])}


def _resolved(document: Any, schema: Any) -> Any:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _listed(schema: Any) -> set[str] | None:
    if "const" in schema:
        return {str(schema["const"])}
    return {str(each) for each in schema["enum"]} if "enum" in schema else None


def _union(schema: Any) -> dict[str, Any]:
    members = schema.get("oneOf", schema.get("anyOf", []))
    return {str(each.get("$ref", each.get("type"))).rpartition("/")[2]: each for each in members}


# --- the repository ---------------------------------------------------------------------


def declared() -> list[str]:
    """Breaks that are meant: what stands in backticks at the beginning of a list's line."""
    return re.findall(r"^- `([^`]+)`", text(PAGE), re.MULTILINE)


def is_declared(told: str) -> bool:
    """Say whether a break is meant; `*` stands for anything in a declaration."""
    patterns = (re.escape(each).replace(r"\*", ".*") for each in declared())
    return any(re.fullmatch(pattern, told) for pattern in patterns)


def at(revision: str) -> dict[str, Any] | None:
    """Return the contract of a revision; None where there is no such history."""
    git = ["git", "-c", "safe.directory=*", "show", f"{revision}:openapi.json"]
    shown = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False)
    return json.loads(shown.stdout) if shown.returncode == 0 else None


def undeclared(before: dict[str, Any]) -> list[str]:
    """Breaks of the present contract against an earlier one that nobody has declared."""
    found = Comparison(before, json.loads(text("openapi.json"))).breaks()
    return [each for each in found if not is_declared(each)]


def main() -> int:
    revision = sys.argv[1] if len(sys.argv) > 1 else "HEAD"
    before = at(revision)
    if before is None:
        sys.stdout.write(f"there is no openapi.json at {revision}\n")
        return 1
    breaks = undeclared(before)
    sys.stdout.write("".join(f"- `{each}`\n" for each in breaks) or "nothing breaks\n")
    return 1 if breaks else 0


if __name__ == "__main__":
    sys.exit(main())
