"""Guardrails as documents: as they are configured, and as they are told."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from app.domain.addresses import Block
from app.domain.documents import Document
from app.domain.errors import InvalidInputError, UnknownFieldError
from app.domain.guardrails import GuardedPorts, Guardrails
from app.domain.rules import PortRange, Protocol

T = TypeVar("T")


def guardrails_document(guardrails: Guardrails) -> Document:
    return {
        "version": guardrails.version,
        "max_addresses": guardrails.addresses,
        "public_ports": [str(each) for each in guardrails.public_ports],
        "guarded_ports": [_guarded_document(each) for each in guardrails.guarded_ports],
        "max_ports": guardrails.ports,
        "all_protocols": guardrails.all_protocols,
        "include_intra_group": guardrails.include_intra_group,
        "protected_group_ids": sorted(guardrails.protected_groups),
        "protected_rule_ids": sorted(guardrails.protected_rules),
        "max_rules": guardrails.rules,
        "max_extra_pairs": guardrails.extra_pairs,
    }


def _guarded_document(guarded: GuardedPorts) -> Document:
    return {
        "name": guarded.name,
        "protocol": guarded.protocol.value,
        "port_ranges": [str(each) for each in guarded.ports],
        "addresses": [str(each) for each in guarded.sources],
        "security_group_ids": list(guarded.group_ids),
    }


def read_guardrails(document: Mapping[str, object], default: Guardrails) -> Guardrails:
    """Read guardrails as they are configured; what is left out is as in `default`.

    Raises:
        UnknownFieldError, InvalidInputError: which field, and why.
    """
    _check_names(document, _NAMES, "guardrails")
    spelt: Document = guardrails_document(default) | dict(document)
    return Guardrails(
        version=_text(spelt, "version"),
        addresses=_number(spelt, "max_addresses") or 0,
        public_ports=_all(spelt, "public_ports", _ports_of(Protocol.TCP)),
        guarded_ports=tuple(_guarded(each) for each in _items(spelt, "guarded_ports")),
        ports=_number(spelt, "max_ports"),
        all_protocols=_flag(spelt, "all_protocols"),
        include_intra_group=_flag(spelt, "include_intra_group"),
        protected_groups=frozenset(_all(spelt, "protected_group_ids", str)),
        protected_rules=frozenset(_all(spelt, "protected_rule_ids", str)),
        rules=_number(spelt, "max_rules"),
        extra_pairs=_number(spelt, "max_extra_pairs"),
    )


_NAMES = frozenset(guardrails_document(Guardrails()))
_GUARDED_NAMES = frozenset({"name", "protocol", "port_ranges", "addresses", "security_group_ids"})


def _guarded(document: object) -> GuardedPorts:
    if not isinstance(document, Mapping):
        raise InvalidInputError("guarded_ports: each is an object", field="guarded_ports")
    _check_names(document, _GUARDED_NAMES, "guarded_ports")
    spelt: Document = {"protocol": "tcp", "addresses": [], "security_group_ids": [], **document}
    protocol = Protocol.parse(_text(spelt, "protocol"))
    if not protocol.has_ports:
        raise InvalidInputError("protocol: guarded ports are of tcp or udp", field="protocol")
    ports = _all(spelt, "port_ranges", _ports_of(protocol))
    if not ports:
        raise InvalidInputError("port_ranges: at least one", field="port_ranges")
    return GuardedPorts(
        name=_text(spelt, "name"),
        protocol=protocol,
        ports=ports,
        sources=_all(spelt, "addresses", Block.parse),
        group_ids=_all(spelt, "security_group_ids", str),
    )


def _check_names(document: Mapping[str, object], known: frozenset[str], where: str) -> None:
    for name in document:
        if name not in known:
            raise UnknownFieldError(f"{where}: there is no {name}", field=name)


def _ports_of(protocol: Protocol) -> Callable[[str], PortRange]:
    return lambda text: PortRange.parse(text, protocol)


def _text(document: Document, name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"{name}: a text that is not empty", field=name)
    return value


def _flag(document: Document, name: str) -> bool:
    value = document[name]
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name}: true or false", field=name)
    return value


def _number(document: Document, name: str) -> int | None:
    """A whole number; only what is off without a limit may be left open."""
    value = document[name]
    if value is None and name != "max_addresses":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidInputError(f"{name}: a whole number from 0", field=name)
    return value


def _items(document: Document, name: str) -> list[object]:
    value = document[name]
    if not isinstance(value, list):
        raise InvalidInputError(f"{name}: a list", field=name)
    return value


def _all(document: Document, name: str, read: Callable[[str], T]) -> tuple[T, ...]:
    found: list[T] = []
    for each in _items(document, name):
        if not isinstance(each, str):
            raise InvalidInputError(f"{name}: a list of texts", field=name)
        found.append(read(each))
    return tuple(found)
