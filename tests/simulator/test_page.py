"""docs/simulator.md says what is so: its tables are generated, its examples are carried out."""

import json
import re
from typing import Any

from app.simulator.actions import ACTIONS
from app.simulator.dispatcher import Dispatcher
from app.simulator.faults import KINDS
from app.simulator.server import running
from tests.simulator.page import PAGE, PARTIAL, written

TEXT = PAGE.read_text("utf-8")


def example(name: str) -> Any:
    found = re.search(rf"```json {name}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_its_tables_are_those_of_the_code() -> None:
    assert written(TEXT) == TEXT, "`make simulator-page` writes them anew"


def test_what_it_calls_partial_is_an_action() -> None:
    assert PARTIAL.keys() <= {name for _, name in ACTIONS}


def test_it_names_every_kind_of_fault() -> None:
    assert [kind for kind in KINDS if f"\n| `{kind}` |" not in TEXT] == []


def test_its_estate_settings_and_faults_are_taken() -> None:
    cloud = Dispatcher(example("estate"))
    assert Dispatcher(cloud.estate()).estate() == cloud.estate()
    cloud.put_settings(example("settings"))
    cloud.put_faults(example("faults"))


def test_its_client_gets_an_answer() -> None:
    found = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    with running() as simulator:
        names: dict[str, Any] = {}
        exec(found[1].replace("127.0.0.1:8090", simulator.endpoint), names)
    assert json.loads(names["answer"])["SecurityGroups"]["SecurityGroup"]
