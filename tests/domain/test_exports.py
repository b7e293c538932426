"""Exports are read back as what they were made of."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.backups import digest, kept_document, read_kept
from app.domain.documents import Document
from app.domain.exports import (
    SUSPECT,
    BadExportError,
    content_of_export,
    content_of_table,
    export_document,
    export_table,
)
from app.domain.rules import HeldRule
from app.domain.world import World
from tests.support.strategies import worlds
from tests.support.worlds import group, instance, rule, world

DESCRIPTIONS = st.one_of(
    st.sampled_from(
        ["", "web", "=1+1", "'quoted", "a,b", 'say "so"', "two\nlines", "@x", "ü — 网"]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
)


@st.composite
def kept(draw: st.DrawFn) -> Document:
    """The content of a backup of a group of some world, with texts that people write."""
    drawn: World = draw(worlds(all_read=True))
    group_id = draw(st.sampled_from(sorted(drawn.groups)))
    old = drawn.groups[group_id]
    seen: dict[object, HeldRule] = {held.rule: held for held in old.rules}
    rules = [replace(held, description=draw(DESCRIPTIONS)) for held in seen.values()]
    new = replace(
        old,
        name=draw(DESCRIPTIONS),
        description=draw(DESCRIPTIONS),
        tags=(("tier", draw(DESCRIPTIONS)),),
        rules=tuple(sorted(rules, key=lambda held: held.rule_id)),
    )
    return kept_document(replace(drawn, groups={**drawn.groups, group_id: new}), group_id)


@given(kept())
def test_an_exported_json_is_read_back_as_the_same_content(content: Document) -> None:
    sent = json.loads(json.dumps(export_document(content, digest(content))))
    assert content_of_export(sent) == content
    assert digest(content_of_export(sent)) == sent["sha256"]


@given(kept())
def test_an_exported_table_is_read_back_as_the_same_content(content: Document) -> None:
    assert content_of_table(export_table(content)) == content


@given(kept())
def test_an_export_has_one_entry_for_each_side_of_the_network(content: Document) -> None:
    attributes = export_document(content, "")["attributes"]
    spoken = {each["nic_type"] for each in content["rules"]} | {"intranet"}
    sides = sorted(spoken) if content["vpc_id"] else ["internet", "intranet"]
    assert [each["NicType"] for each in attributes] == sides
    permissions = [one for each in attributes for one in each["Permissions"]["Permission"]]
    told = [one["SecurityGroupRuleId"] for one in permissions]
    assert sorted(told) == [each["rule_id"] for each in content["rules"]]


@pytest.mark.parametrize("first", [each for each in SUSPECT if each != "'"])
def test_a_table_holds_no_formula_that_a_spreadsheet_would_run(first: str) -> None:
    held = replace(rule(), description=f"{first}cmd()")
    there = world(groups=[group(rules=[held])], instances=[instance()], complete=["sg-1"])
    content = kept_document(there, "sg-1")
    table = export_table(content)
    assert f"'{first}cmd()" in table.replace("\r\n", "\n").replace("'\r", "'\r")
    assert content_of_table(table)["rules"][0]["description"] == f"{first}cmd()"


def test_two_rules_that_say_the_same_are_no_group() -> None:
    held = rule()
    there = world(groups=[group(rules=[held])], instances=[instance()], complete=["sg-1"])
    document = export_document(kept_document(there, "sg-1"), "")
    [permission] = document["attributes"][1]["Permissions"]["Permission"]
    document["attributes"][1]["Permissions"]["Permission"].append(permission)
    with pytest.raises(BadExportError, match="two rules say the same"):
        content_of_export(document)


def test_a_backup_of_before_groups_were_named_is_read() -> None:
    there = world(groups=[group(rules=[rule()])], instances=[instance()], complete=["sg-1"])
    content = kept_document(there, "sg-1")
    for name in ("named_groups", "description", "tags"):
        del content[name]
    assert read_kept(content).named == ()
    assert content_of_table(export_table(content))["rules"] == content["rules"]
