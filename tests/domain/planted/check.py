"""A fast search for an error in the `app` that is found first: a program, not a test.

It says `caught` and how it ends with 3, or that nothing was found and ends with 0. Anything else
means that it could not search.
"""

import sys
from pathlib import Path

import app
from tests.support.agreeing import compare_with_the_walk
from tests.support.honesty import ask

CAUGHT = 3
ESTATES = 150


def search() -> None:
    for number in range(ESTATES):
        compare_with_the_walk(f"planted {number}", 40)
        ask(f"planted {number}", 10)


def main() -> int:
    assert app.__file__ is not None
    print(Path(app.__file__).parent)
    try:
        search()
    except AssertionError as error:
        print(f"caught: {str(error)[:300]}")
        return CAUGHT
    print("nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
