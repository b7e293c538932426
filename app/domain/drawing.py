"""Pictures as text: SVG with a layout of its own, and Mermaid.

Columns go from who reaches to who is reached. Every line leaves and enters a node at a place
of its own, has its label beside the node on its left, and crosses further columns on a lane
between the nodes; so no label meets another one, and no line runs behind a node.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape

from app.domain.picture import Link, Node, Picture, Share

NODE_WIDTH, LABEL_WIDTH, CURVE_WIDTH = 230, 190, 90
COLUMN_WIDTH = NODE_WIDTH + LABEL_WIDTH + CURVE_WIDTH
LINE_HEIGHT, PORT_HEIGHT, GAP, MARGIN, HEAD = 16, 20, 26, 24, 112
NODE_TEXT, LABEL_TEXT = 27, 27
"""Characters that fit into a node's line and into a label."""

COLOURS: Mapping[Share, str] = {
    Share.EVERY_PAIR: "#1b6e43",
    Share.SOME_PAIRS: "#b45309",
    Share.UNKNOWN: "#6b7280",
}
DASHES: Mapping[Share, str] = {
    Share.EVERY_PAIR: "none",
    Share.SOME_PAIRS: "9 4",
    Share.UNKNOWN: "2 4",
}
LEGEND: Mapping[Share, str] = {
    Share.EVERY_PAIR: "from every instance to every instance",
    Share.SOME_PAIRS: "between some of them, or not all alike",
    Share.UNKNOWN: "unknown: what decides could not be read",
}

# --- words ------------------------------------------------------------------------


def printable(text: str) -> str:
    """Return a text that can stand in a picture: what does not show becomes a mark."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def label(what: Sequence[str], most: int = LABEL_TEXT) -> str:
    """Say as much of what passes as fits, and how much more there is."""
    text = "; ".join(what)
    if len(text) <= most:
        return text
    parts = text.replace("; ", ", ").split(", ")
    for shown in range(len(parts) - 1, 0, -1):
        tried = f"{text[: _end(text, shown)]} +{len(parts) - shown}"
        if len(tried) <= most:
            return tried
    return _short(text, most)


def _end(text: str, parts: int) -> int:
    """Where the part of that number ends."""
    found = -1
    for _ in range(parts):
        found = min(at for sign in ",;" if (at := text.find(sign, found + 1)) >= 0)
    return found


def _instances(node: Node) -> str:
    return "1 instance" if node.instances == 1 else f"{node.instances} instances"


_INSIDE: Mapping[Share, str] = {
    Share.EVERY_PAIR: "inside: ",
    Share.SOME_PAIRS: "inside, some: ",
    Share.UNKNOWN: "inside, unknown: ",
}


def _lines(node: Node) -> list[str]:
    """Return what stands in a node: who, how many, and what they may send one another."""
    names = [part for each in node.names[:3] for part in _parted(each)]
    if node.alike > 1:
        names = [part for each in node.names[:2] for part in _parted(each)]
        names += [f"and {node.alike - 2} more alike"] if node.alike > 2 else []
    elif len(node.names) > 3:
        names.append(f"and {len(node.names) - 3} more groups")
    lines = [*names, *([_instances(node)] if node.instances else [])]
    if node.within:
        inside = _INSIDE[node.share]
        lines.append(inside + label(node.within, NODE_TEXT - len(inside)))
    return [_short(printable(each), NODE_TEXT) for each in lines]


def _parted(name: str) -> list[str]:
    """Give the id of a group a line of its own where it does not fit beside the name."""
    before, bracket, after = name.rpartition(" (")
    if len(name) <= NODE_TEXT or not bracket:
        return [name]
    return [before, f"({after}"]


# --- Mermaid ----------------------------------------------------------------------


def mermaid(picture: Picture, notes: Sequence[str] = ()) -> str:
    """Return a flowchart in Mermaid's language, with a line for each link and each note."""
    lines = ["flowchart LR", *(f"  %% {_entities(printable(each))}" for each in notes)]
    for number, node in enumerate(picture.nodes):
        text = "<br/>".join(_entities(each) for each in _lines(node))
        lines.append(f'  n{number}["{text}"]')
    for link in picture.links:
        arrow = "-->" if link.share is Share.EVERY_PAIR else "-.->"
        mark = "unknown: " if link.share is Share.UNKNOWN else ""
        text = _entities(printable(mark + label(link.what, 60)))
        lines.append(f'  n{link.source} {arrow}|"{text}"| n{link.target}')
    for share, colour in COLOURS.items():
        places = [str(at) for at, link in enumerate(picture.links) if link.share is share]
        if places:
            lines.append(f"  linkStyle {','.join(places)} stroke:{colour}")
    lines += [f"  %% {name}: {LEGEND[share]}" for share, name in _MERMAID_LEGEND.items()]
    return "\n".join(lines) + "\n"


_MERMAID_LEGEND = {
    Share.EVERY_PAIR: "solid green",
    Share.SOME_PAIRS: "dotted orange",
    Share.UNKNOWN: "dotted grey",
}


def _entities(text: str) -> str:
    """Spell what Mermaid or HTML could take for its own as numbered entities."""
    return "".join(f"#{ord(each)};" if each in '"#&<>;`|[]{}()\\' else each for each in text)


# --- where everything stands ------------------------------------------------------


@dataclass(slots=True)
class _Box:
    """A node in its column, or (`node` is None) the lane of a line that goes on further."""

    node: Node | None
    column: int
    left: list["_Line"] = field(default_factory=list)
    right: list["_Line"] = field(default_factory=list)
    top: float = 0.0

    @property
    def height(self) -> float:
        if self.node is None:
            return PORT_HEIGHT
        ports = max(len(self.left), len(self.right))
        return max(_card_height(self.node), PORT_HEIGHT * ports + 8)

    @property
    def middle(self) -> float:
        return self.top + self.height / 2

    @property
    def x(self) -> float:
        return MARGIN + self.column * COLUMN_WIDTH

    def wish(self, *, leftwards: bool) -> float:
        """How far down it would best stand, for those that it is joined with on one side."""
        lines, step = (self.right, 1) if leftwards else (self.left, -1)
        if not lines:
            return self.middle
        return sum(_height_beside(self, step, line) for line in lines) / len(lines)

    def port(self, line: "_Line", side: list["_Line"]) -> float:
        if self.node is None:
            return self.middle
        step = self.height / len(side)
        return self.top + step * (side.index(line) + 0.5)


@dataclass(eq=False, slots=True)
class _Line:
    """One link, or two that go both ways alike, from left to right."""

    link: Link
    forwards: bool
    backwards: bool
    boxes: list[_Box]


class _Layout:
    """Columns of boxes, in an order with few crossings."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        linked = {place for each in picture.links for place in (each.source, each.target)}
        self.alone = [node for at, node in enumerate(picture.nodes) if at not in linked]
        self._rank = _ranks(picture, sorted(linked))
        self._boxes = {
            at: _Box(picture.nodes[at], column)
            for at, column in _columns(picture, self._rank).items()
        }
        width = 1 + max((each.column for each in self._boxes.values()), default=-1)
        self.columns: list[list[_Box]] = [[] for _ in range(width)]
        for at in sorted(self._boxes, key=self._rank.__getitem__):
            self.columns[self._boxes[at].column].append(self._boxes[at])
        self.lines = [self._line(link, both=both) for link, both in _bundled(picture.links)]
        self._stack()
        for sweep in range(8):
            self._order(leftwards=bool(sweep % 2))
        self._order_ports()
        self.bottom = self._stack()

    def _line(self, link: Link, *, both: bool) -> _Line:
        forwards = self._rank[link.source] < self._rank[link.target]
        ends = (link.source, link.target) if forwards else (link.target, link.source)
        first, last = (self._boxes[each] for each in ends)
        lanes = [_Box(None, column) for column in range(first.column + 1, last.column)]
        line = _Line(link, forwards or both, both or not forwards, [first, *lanes, last])
        for lane in lanes:
            self.columns[lane.column].append(lane)
        for left, right in zip(line.boxes, line.boxes[1:], strict=False):
            left.right.append(line)
            right.left.append(line)
        return line

    def _stack(self) -> float:
        heights = [sum(box.height + GAP for box in column) for column in self.columns]
        tallest = max(heights, default=0.0)
        for column, height in zip(self.columns, heights, strict=True):
            top = HEAD + (tallest - height) / 2
            for box in column:
                box.top = top
                top += box.height + GAP
        return HEAD + tallest

    def _order(self, *, leftwards: bool) -> None:
        """Put each box at the mean height of those it is joined with on one side."""
        for column in reversed(self.columns) if leftwards else self.columns:
            column.sort(key=lambda box: box.wish(leftwards=leftwards))
            self._stack()

    def _order_ports(self) -> None:
        for column in self.columns:
            for box in column:
                box.left.sort(key=partial(_height_beside, box, -1))
                box.right.sort(key=partial(_height_beside, box, 1))


def _height_beside(box: _Box, step: int, line: _Line) -> float:
    """How far down the box stands that a line goes on to, or comes from."""
    at = next(at for at, each in enumerate(line.boxes) if each is box)
    return line.boxes[at + step].middle


def _ranks(picture: Picture, linked: Sequence[int]) -> dict[int, int]:
    """Order nodes from those that reach others to those that are reached."""
    lead = dict.fromkeys(linked, 0)
    for link in picture.links:
        lead[link.source] += 1
        lead[link.target] -= 1
    order = sorted(linked, key=lambda at: (-lead[at], at))
    return {at: number for number, at in enumerate(order)}


def _columns(picture: Picture, rank: Mapping[int, int]) -> dict[int, int]:
    """Give each node a column to the right of all that are joined with it and come before."""
    column = dict.fromkeys(rank, 0)
    for at in sorted(rank, key=rank.__getitem__):
        for link in picture.links:
            for one, other in ((link.source, link.target), (link.target, link.source)):
                if other == at and rank[one] < rank[at]:
                    column[at] = max(column[at], column[one] + 1)
    return column


def _bundled(links: Iterable[Link]) -> Iterator[tuple[Link, bool]]:
    """Make one line of two links that say the same both ways."""
    there = {(each.source, each.target): each for each in links}
    for link in there.values():
        back = there.get((link.target, link.source))
        alike = back is not None and (back.what, back.share) == (link.what, link.share)
        if not alike or link.source < link.target:
            yield link, alike


# --- SVG --------------------------------------------------------------------------


def svg(picture: Picture, title: str, notes: Sequence[str] = ()) -> str:
    """Return a picture that stands by itself, on white; each text is escaped.

    `notes` say beneath the title what a reader has to know of it.
    """
    layout = _Layout(picture)
    alone = list(_alone(layout))
    columns = len(layout.columns) * COLUMN_WIDTH - LABEL_WIDTH - CURVE_WIDTH
    width = max(columns, ALONE_IN_A_ROW * (NODE_WIDTH + GAP)) + 2 * MARGIN
    height = layout.bottom + _alone_height(layout) + MARGIN
    parts = [
        _opening(width, height),
        f"<title>{_xml(title)}</title>",
        f"<defs>{''.join(_marker(share) for share in Share)}</defs>",
        f'<rect width="{width}" height="{height:.0f}" fill="#ffffff"/>',
        *_header(title, notes),
        *(each for line in layout.lines for each in _drawn(line)),
        *(each for column in layout.columns for box in column for each in _node(box)),
        *alone,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _opening(width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        'font-family="system-ui, sans-serif" font-size="12">'
    )


def _xml(text: str) -> str:
    return escape(printable(text), quote=True)


def _text(x: float, y: float, text: str, extra: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}"{extra}>{_xml(text)}</text>'


def _marker(share: Share) -> str:
    return (
        f'<marker id="{share.name.lower()}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" '
        'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto-start-reverse">'
        f'<path d="M0 0 8 4 0 8z" fill="{COLOURS[share]}"/></marker>'
    )


def _header(title: str, notes: Sequence[str]) -> Iterator[str]:
    yield _text(MARGIN, 32, title, ' font-size="16" font-weight="600" fill="#111827"')
    yield _text(MARGIN, 54, " ".join(notes), ' fill="#4b5563"')
    for at, share in enumerate(Share):
        x = MARGIN + at * 320
        yield (
            f'<path d="M{x} 78h40" stroke="{COLOURS[share]}" stroke-width="2" '
            f'stroke-dasharray="{DASHES[share]}" marker-end="url(#{share.name.lower()})"/>'
        )
        yield _text(x + 50, 82, LEGEND[share], ' fill="#374151"')


def _drawn(line: _Line) -> Iterator[str]:
    share, first = line.link.share, line.boxes[0]
    y = first.port(line, first.right)
    x = first.x + NODE_WIDTH
    path = [f"M{x:.0f} {y:.0f}H{x + LABEL_WIDTH:.0f}"]
    before = y
    for box in line.boxes[1:]:
        here = box.port(line, box.left)
        start, half = box.x - CURVE_WIDTH, CURVE_WIDTH / 2
        path.append(
            f"C{start + half:.0f} {before:.0f} {start + half:.0f} {here:.0f} {box.x:.0f} {here:.0f}"
        )
        if box.node is None:
            path.append(f"H{box.x + NODE_WIDTH + LABEL_WIDTH:.0f}")
        before = here
    markers = "".join(
        f' marker-{place}="url(#{share.name.lower()})"'
        for place, there in (("end", line.forwards), ("start", line.backwards))
        if there
    )
    said = "; ".join(line.link.what)
    yield (
        f'<path d="{"".join(path)}" fill="none" stroke="{COLOURS[share]}" stroke-width="1.6" '
        f'stroke-dasharray="{DASHES[share]}"{markers}><title>{_xml(said)}</title></path>'
    )
    yield _text(x + 14, y - 4, label(line.link.what), f' font-size="11" fill="{COLOURS[share]}"')


def _node(box: _Box) -> Iterator[str]:
    if box.node is not None:
        yield from _card(box.node, box.x, box.top, box.height)


def _card(node: Node, x: float, y: float, height: float) -> Iterator[str]:
    fill = "#f3f4f6" if node.folded else "#eef4ff"
    yield (
        f'<g><title>{_xml(", ".join(node.names))}</title><rect x="{x:.0f}" y="{y:.0f}" '
        f'width="{NODE_WIDTH}" height="{height:.0f}" rx="6" fill="{fill}" stroke="#64748b"/>'
    )
    lines = _lines(node)
    top = y + (height - LINE_HEIGHT * len(lines)) / 2 + 12
    names = len(lines) - bool(node.instances) - bool(node.within)
    for at, text in enumerate(lines):
        style = ' font-weight="600" fill="#111827"' if at < names else ' fill="#4b5563"'
        yield _text(x + 10, top + at * LINE_HEIGHT, text, style)
    yield "</g>"


ALONE_IN_A_ROW = 4


def _alone(layout: _Layout) -> Iterator[str]:
    """Draw the nodes without any line beneath the others."""
    if not layout.alone:
        return
    yield _text(MARGIN, layout.bottom + 12, "Nothing passes to or from:", ' fill="#374151"')
    y = layout.bottom + 24
    for row in _rows_alone(layout):
        for at, node in enumerate(row):
            yield from _card(node, MARGIN + at * (NODE_WIDTH + GAP), y, _card_height(node))
        y += max(map(_card_height, row)) + GAP / 2


def _rows_alone(layout: _Layout) -> list[list[Node]]:
    alone = layout.alone
    return [alone[at : at + ALONE_IN_A_ROW] for at in range(0, len(alone), ALONE_IN_A_ROW)]


def _card_height(node: Node) -> float:
    return LINE_HEIGHT * len(_lines(node)) + 18


def _alone_height(layout: _Layout) -> float:
    rows = _rows_alone(layout)
    return sum(max(map(_card_height, row)) + GAP / 2 for row in rows) + 24 if rows else 0.0
