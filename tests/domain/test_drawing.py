"""Pictures can be read: nothing lies on anything else, and no text is taken for markup."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.drawing import label, mermaid, svg
from app.domain.flows import Traffic
from app.domain.matrix import Matrix
from app.domain.picture import MOST_LINKS, MOST_NODES, Link, Node, Picture, Share, picture_of, words
from app.domain.rules import ANY_PORT, PortRange, Protocol
from tests.support.worlds import group, instance, rule, world

SVG = "{http://www.w3.org/2000/svg}"
CHARACTER, LABEL_HEIGHT = 6.4, 11
"""Size in pixels of what a label is written in."""

Area = tuple[float, float, float, float]
"""Left, top, right and bottom edge."""

HOSTILE = '<script>alert("x")</script> & \'; --> ]]> \u202e\x00`#'
texts = st.sampled_from(["web", "a group with quite a long name (sg-0123456789)", HOSTILE])
whats = st.lists(
    st.sampled_from(["tcp 22, 80, 443", "everything", "udp 1-65534", HOSTILE]),
    min_size=1,
    max_size=3,
    unique=True,
).map(tuple)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    count = draw(st.integers(0, MOST_NODES))
    nodes = [
        Node(tuple(draw(st.lists(texts, min_size=1, max_size=5))), number, 0, draw(whats))
        for number in range(count)
    ]
    ends = st.tuples(st.integers(0, max(count - 1, 0)), st.integers(0, max(count - 1, 0)))
    pairs = draw(st.lists(ends, max_size=MOST_LINKS if count else 0, unique=True))
    links = [
        Link(source, target, draw(st.sampled_from(Share)), draw(whats))
        for source, target in pairs
        if source != target
    ]
    return Picture(tuple(nodes), tuple(links))


def overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def boxes(root: ET.Element) -> list[Area]:
    found = []
    for each in root.iterfind(f"{SVG}g/{SVG}rect"):
        x, y, width, height = (float(each.attrib[name]) for name in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


def labels(root: ET.Element) -> list[Area]:
    found = []
    for each in root.iterfind(f"{SVG}text[@font-size='11']"):
        x, y = float(each.attrib["x"]), float(each.attrib["y"])
        width = len(each.text or "") * CHARACTER
        found.append((x, y - LABEL_HEIGHT + 2, x + width, y + 2))
    return found


def straights(root: ET.Element) -> Iterator[Area]:
    """Every level piece of every line."""
    for each in root.iterfind(f"{SVG}path[@fill='none']"):
        x = y = 0.0
        for sign, numbers in re.findall(r"([MHC])([^MHC]*)", each.attrib["d"]):
            values = [float(number) for number in numbers.split()]
            if sign == "H":
                yield (min(x, values[0]), y - 0.5, max(x, values[0]), y + 0.5)
                x = values[0]
            else:
                x, y = values[-2:]


@settings(max_examples=100, deadline=None)
@given(pictures())
def test_no_label_meets_another_one_and_no_line_runs_behind_a_node(picture: Picture) -> None:
    root = ET.fromstring(svg(picture, HOSTILE))
    nodes, told = boxes(root), labels(root)
    assert len(nodes) == len(picture.nodes)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for area in (*nodes, *told):
        assert area[0] >= 0
        assert area[1] >= 70, "the legend has its place to itself"
        assert area[2] <= width
        assert area[3] <= height
    assert not any(overlap(*each) for each in combinations(nodes, 2))
    assert not any(overlap(*each) for each in combinations(told, 2))
    assert not any(overlap(one, other) for one in nodes for other in told)
    lines = list(straights(root))
    assert not any(overlap(line, node) for line in lines for node in nodes)
    assert not any(overlap(line, text) for line in lines for text in told)


@settings(max_examples=100, deadline=None)
@given(pictures())
def test_every_link_is_a_line_with_its_colour_and_all_that_passes(picture: Picture) -> None:
    root = ET.fromstring(svg(picture, "title"))
    said = [each.text for each in root.iterfind(f"{SVG}path/{SVG}title")]
    arrows = sum(
        name in each.attrib
        for each in root.iterfind(f"{SVG}path[@fill='none']")
        for name in ("marker-start", "marker-end")
    )
    assert arrows == len(picture.links)
    assert {_shown("; ".join(link.what)) for link in picture.links} == set(said)
    assert {each.tag for each in root.iter()} <= {
        f"{SVG}{name}" for name in ("svg", "title", "defs", "marker", "path", "rect", "text", "g")
    }


def _shown(text: str) -> str:
    return text.replace("\u202e", "\ufffd").replace("\x00", "\ufffd")


@settings(max_examples=100, deadline=None)
@given(pictures())
def test_a_flowchart_has_a_line_for_each_node_and_link_whatever_their_names(
    picture: Picture,
) -> None:
    first, *lines = mermaid(picture).splitlines()
    assert first == "flowchart LR"
    nodes = [
        line for line in lines if re.fullmatch(r'  n\d+\["[^"\[\]<>`]*(<br/>[^"<>`]*)*"\]', line)
    ]
    links = [line for line in lines if re.fullmatch(r'  n\d+ -\.?->?\|"[^"|<>]*"\| n\d+', line)]
    assert len(nodes) == len(picture.nodes)
    assert len(links) == len(picture.links)
    rest = [line for line in lines if line not in nodes and line not in links]
    assert all(line.startswith(("  linkStyle ", "  %% ")) for line in rest)


def test_labels_say_how_much_they_leave_out() -> None:
    assert label(["tcp 22, 80", "udp 53"]) == "tcp 22, 80; udp 53"
    long = ["icmp", "tcp 22, 80, 443, 8080, 8443, 9200", "udp 53"]
    assert label(long) == "icmp; tcp 22, 80, 443 +4"
    assert len(label(["x" * 100])) == 27


def test_words_join_ports_and_tell_source_ports() -> None:
    def tcp(first: int, last: int, source: PortRange = ANY_PORT) -> Traffic:
        return Traffic(Protocol.TCP, PortRange(first, last), source)

    assert words([tcp(80, 80), tcp(22, 30), tcp(31, 40)]) == ("tcp 22-40, 80",)
    assert words([tcp(1, 65535), Traffic(Protocol.ICMP)]) == ("icmp", "tcp")
    assert words([tcp(80, 80, PortRange(30, 40))]) == ("tcp 80 from port 30-40",)
    assert words([Traffic(Protocol.ALL), tcp(80, 80)]) == ("everything",)


def test_many_groups_fold_into_few_nodes_and_none_is_lost() -> None:
    """Each is open on a port of its own, so that no two stand alike."""
    everybody = [
        instance(instance_id=f"i-{number}", addresses=[f"10.0.{number}.1"], groups=[f"sg-{number}"])
        for number in range(40)
    ]
    groups = [
        group(group_id=f"sg-{number}", rules=[rule(ports=f"{number + 1}", peer="10.0.0.0/16")])
        for number in range(40)
    ]
    of = world(groups=groups, instances=everybody)
    picture = picture_of(Matrix(of, of.instances, of.instances), of.groups)
    assert len(picture.links) <= MOST_LINKS
    assert sum(node.instances for node in picture.nodes) == 40
    assert picture.nodes[-1].names == (f"…and {41 - len(picture.nodes)} more",)


def test_sets_of_groups_that_stand_alike_become_one_node_and_none_is_lost() -> None:
    """Forty shops of two tiers, and a host that reaches every database."""
    shops = range(40)
    of = world(
        groups=[
            group(group_id="sg-jump"),
            *(group(group_id=f"sg-web-{n:02}", inner_access="drop") for n in shops),
            *(
                group(
                    group_id=f"sg-db-{n:02}",
                    rules=[
                        rule(rule_id="sgr-1", ports="3306", peer=f"sg-web-{n:02}"),
                        rule(rule_id="sgr-2", ports="22", peer="sg-jump"),
                    ],
                    inner_access="drop",
                )
                for n in shops
            ),
        ],
        instances=[
            instance(instance_id="i-jump", addresses=["10.9.0.1"], groups=["sg-jump"]),
            *(
                instance(
                    instance_id=f"i-{tier}-{n}",
                    addresses=[f"10.{at}.{n}.1"],
                    groups=[f"sg-{tier}-{n:02}"],
                )
                for at, tier in enumerate(("web", "db"))
                for n in shops
            ),
        ],
    )
    picture = picture_of(Matrix(of, of.instances, of.instances), of.groups)
    by_name = {node.names[0]: (at, node) for at, node in enumerate(picture.nodes)}
    assert {name: (node.alike, node.instances, len(node.names), node.folded)
            for name, (_, node) in by_name.items()} == {
        "sg-jump": (1, 1, 1, 0), "sg-web-00": (40, 40, 40, 0), "sg-db-00": (40, 40, 40, 0),
    }  # fmt: skip
    jump, web, db = (by_name[name][0] for name in ("sg-jump", "sg-web-00", "sg-db-00"))
    assert {(each.source, each.target, each.share, each.what) for each in picture.links} == {
        (jump, db, Share.EVERY_PAIR, ("tcp 22",)),
        (web, db, Share.SOME_PAIRS, ("tcp 3306",)),
    }
    drawn = [each.text for each in ET.fromstring(svg(picture, "t")).iter(f"{SVG}text")]
    assert "and 38 more alike" in drawn


def test_what_is_linked_stays_together_when_the_rest_is_folded() -> None:
    """Forty shops of two tiers, none like another one: a few whole shops are seen, not one tier
    of all of them.
    """
    shops = range(40)
    of = world(
        groups=[
            *(group(group_id=f"sg-web-{n:02}") for n in shops),
            *(
                group(
                    group_id=f"sg-db-{n:02}",
                    rules=[rule(ports=f"{22 + n}", peer=f"sg-web-{n:02}")],
                )
                for n in shops
            ),
        ],
        instances=[
            instance(instance_id=f"i-{tier}-{n}", addresses=[f"10.{at}.{n}.1"],
                     groups=[f"sg-{tier}-{n:02}"])
            for at, tier in enumerate(("web", "db"))
            for n in shops
        ],
    )  # fmt: skip
    picture = picture_of(Matrix(of, of.instances, of.instances), of.groups)
    kept = {name for node in picture.nodes if not node.folded for name in node.names}
    pairs = [n for n in shops if {f"sg-web-{n:02}", f"sg-db-{n:02}"} <= kept]
    assert len(pairs) >= len(kept) // 2 >= 11
    assert len(picture.links) >= len(pairs)


def test_a_long_name_gives_its_id_a_line_of_its_own() -> None:
    node = Node(("managed-by-gateway (sg-managed-gateway)",), 1)
    told = [each.text for each in ET.fromstring(svg(Picture((node,), ()), "t")).iter(f"{SVG}text")]
    assert "managed-by-gateway" in told
    assert "(sg-managed-gateway)" in told


def test_a_link_between_some_pairs_is_not_drawn_as_one_between_all() -> None:
    of = world(
        groups=[
            group(group_id="sg-1", inner_access="drop"),
            group(
                group_id="sg-2",
                inner_access="drop",
                rules=[rule(ports="22", peer="10.0.0.1/32")],
            ),
        ],
        instances=[
            instance(instance_id="i-1", addresses=["10.0.0.1"], groups=["sg-1"]),
            instance(instance_id="i-2", addresses=["10.0.0.2"], groups=["sg-1"]),
            instance(instance_id="i-3", addresses=["10.0.0.3"], groups=["sg-2"]),
        ],
    )
    (link,) = picture_of(Matrix(of, of.instances, of.instances), of.groups).links
    assert (link.share, link.what) == (Share.SOME_PAIRS, ("tcp 22",))
