"""docs/faults.md says of every fault which test shows what becomes of it."""

from tests.house.faults_page import PAGE, ROWS, marked, written


def test_its_table_is_that_of_the_marks() -> None:
    assert written() == PAGE.read_text("utf-8"), "`make faults-page` writes it anew"


def test_every_fault_is_shown_by_a_test_or_belongs_to_another_feature() -> None:
    tests = marked()
    assert [name for name, row in ROWS.items() if not (tests.get(name) or row.elsewhere)] == []


def test_no_test_speaks_of_a_fault_that_is_not_in_the_table() -> None:
    assert set(marked()) <= set(ROWS)
