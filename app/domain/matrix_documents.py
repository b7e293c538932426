"""Matrices and circles as JSON documents and as tables."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice

from app.domain.documents import Document
from app.domain.flows import Outcome, Traffic
from app.domain.matrix import EndClass, Entry, Matrix
from app.domain.plan_documents import end_document, traffic_document
from app.domain.reach import Circle, Reached
from app.domain.rules import Direction
from app.domain.sentences import name
from app.domain.world import InterfaceEnd

TRUNCATED = "truncated"
MOST_ENTRIES = 5000
"""Entries that are listed; the counts are of all."""

SAID = {Direction.INGRESS: "reached_by", Direction.EGRESS: "reaches"}
"""What the circle of a direction is called."""


def shown(matrix: Matrix, most: int = MOST_ENTRIES) -> tuple[Sequence[Entry], bool]:
    """Return the first entries, and whether there are more."""
    found = list(islice(matrix.entries(), most + 1))
    return found[:most], len(found) > most


def matrix_document(matrix: Matrix, entries: Sequence[Entry], *, truncated: bool) -> Document:
    counts = matrix.counts
    return {
        "pairs": {
            "asked": counts.asked,
            "reachable": counts.reachable,
            "unknown": counts.unknown,
            "blocked": counts.asked - counts.reachable - counts.unknown,
        },
        "classes": [_class(each) for each in matrix.classes],
        "items": [_entry(each) for each in entries],
        "truncated": truncated,
    }


def _class(each: EndClass) -> Document:
    return {
        "name": each.name,
        "security_group_ids": list(each.group_ids),
        "instances": [end_document(end) for end in each.ends],
    }


def _entry(entry: Entry) -> Document:
    return {
        "source": entry.source.name,
        "target": entry.target.name,
        "pairs": entry.pairs,
        "reachable": [traffic_document(each) for each in entry.reachable],
        "unknown": [traffic_document(each) for each in entry.unknown],
    }


def matrix_table(entries: Iterable[Entry], read_at: str, *, truncated: bool) -> str:
    """Return a row for each kind of packets between two classes, each with the time of reading.

    Where entries were left out, the last row has the verdict `truncated`, and nothing else.
    """
    rows = (
        (*_ends(entry), entry.pairs, outcome.value, *_packets(traffic), read_at)
        for entry in entries
        for outcome, told in (
            (Outcome.REACHABLE, entry.reachable),
            (Outcome.UNKNOWN, entry.unknown),
        )
        for traffic in told
    )
    cut = [("", "", "", "", "", TRUNCATED, "", "", "", read_at)] if truncated else []
    return _table(_MATRIX_COLUMNS, chain(rows, cut))


_MATRIX_COLUMNS = (
    "source",
    "source_instance_ids",
    "target",
    "target_instance_ids",
    "pairs",
    "verdict",
    "protocol",
    "port_range",
    "source_port_range",
    "read_at",
)


def _ends(entry: Entry) -> tuple[str, str, str, str]:
    source, target = entry.source, entry.target
    return (
        source.name,
        " ".join(source.instance_ids),
        target.name,
        " ".join(target.instance_ids),
    )


def _packets(traffic: Traffic) -> tuple[str, str, str]:
    spelt = traffic_document(traffic)
    return (spelt["protocol"], spelt["port_range"], spelt.get("source_port_range", ""))


def circle_document(circle: Circle) -> Document:
    return {
        "instances": [_reached(each) for each in circle.interfaces],
        "addresses": [_reached(each) for each in circle.addresses],
        "unread_groups": [_reached(each) for each in circle.groups],
        "blocked_instances": circle.blocked,
    }


def _reached(each: Reached) -> Document:
    document = {
        **end_document(each.end),
        "verdict": each.outcome.value,
        "code": each.cause.value,
    }
    if isinstance(each.end, InterfaceEnd):
        document["security_group_ids"] = sorted(each.end.eni.group_ids)
    return document


def circles_table(
    circles: Sequence[tuple[InterfaceEnd, Mapping[Direction, Circle]]], read_at: str
) -> str:
    """Return a row for each other end of each own address, with the time of reading."""
    rows = (
        (
            own.block.address,
            SAID[direction],
            each.end.instance.instance_id if isinstance(each.end, InterfaceEnd) else "",
            each.end.block.address if isinstance(each.end, InterfaceEnd) else name(each.end),
            each.outcome.value,
            each.cause.value,
            read_at,
        )
        for own, by_direction in circles
        for direction, circle in by_direction.items()
        for each in (*circle.interfaces, *circle.addresses, *circle.groups)
    )
    columns = ("own_address", "direction", "instance_id", "address", "verdict", "code", "read_at")
    return _table(columns, rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
