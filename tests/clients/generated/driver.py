"""The README's program with every example of the contract: run as `python driver.py`, beside it.

It stands outside the house: it runs, and is type-checked, where a client was made.
"""

import json
from pathlib import Path
from typing import Any

from intercom_client.models import (
    ConnectByAddressRules,
    ConnectByDedicatedGroup,
    ConnectByGroupAuthorization,
    ConnectBySharedGroup,
)
from readme import ConnectRequest, client, there_and_back

SHAPES: dict[str, type[ConnectRequest]] = {
    "address_rules": ConnectByAddressRules,
    "shared_group": ConnectBySharedGroup,
    "dedicated_group": ConnectByDedicatedGroup,
    "group_authorization": ConnectByGroupAuthorization,
}

examples: dict[str, Any] = json.loads(Path("examples.json").read_text("utf-8"))
for name, request in examples.items():
    shape = SHAPES[request["method"]]
    backups = there_and_back(client, shape.from_dict(request))
    print(name, len(backups))
