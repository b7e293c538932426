"""One story that every client tells: what it sees must be the same, whoever sends the calls.

It runs in the environment of the client that is tried, so it needs nothing but Python.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, Protocol

REGION = "cn-hangzhou"
RULE = {
    "IpProtocol": "tcp",
    "PortRange": "22/22",
    "NicType": "intranet",
    "SourceCidrIp": "10.170.0.1/32",
    "Description": "é *~ +/&",
}
PEER_RULE = {
    "IpProtocol": "udp",
    "PortRange": "53/53",
    "NicType": "intranet",
    "SourceGroupId": "sg-peer",
}


class RefusedError(Exception):
    """The cloud refused; `code` is what the client made of its error body."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Client(Protocol):
    """What a client must be able to do; rules are pairs of ports and peer, in order."""

    def instances(self) -> list[tuple[str, str, str]]: ...
    def members(self, group_id: str) -> list[str]: ...
    def create_group(self, name: str) -> str: ...
    def group_names(self) -> list[str]: ...
    def authorize(self, group_id: str, **fields: str) -> None: ...
    def revoke(self, group_id: str, **fields: str) -> None: ...
    def rules(self, group_id: str) -> list[tuple[str, str]]: ...
    def join(self, group_id: str, instance_id: str) -> None: ...
    def leave(self, group_id: str, instance_id: str) -> None: ...
    def delete_group(self, group_id: str) -> None: ...


Connect = Callable[[str, str, str], Client]
"""Makes a client from an endpoint (host and port), a key and its secret."""


def tell(connect: Connect, endpoint: str, key: str, secret: str) -> list[tuple[str, Any]]:
    """Carry the story out; return what was seen at every step."""
    client = connect(endpoint, key, secret)
    seen: list[tuple[str, Any]] = []

    def step(name: str, act: Callable[[], Any]) -> Any:
        try:
            outcome = act()
        except RefusedError as error:
            outcome = f"refused: {error.code}"
        seen.append((name, outcome))
        return outcome

    everyone = client.instances()
    step("list", lambda: [len(everyone), everyone[0], everyone[-1]])
    group_id = client.create_group("scenario")
    step("create", lambda: [group_id[:3], "scenario" in client.group_names()])
    step("authorize", lambda: client.authorize(group_id, **RULE))
    step("read back", lambda: client.rules(group_id))
    step("authorize again", lambda: client.authorize(group_id, **RULE))
    step("authorize a group", lambda: client.authorize(group_id, **PEER_RULE))
    step("nothing is doubled", lambda: client.rules(group_id))
    step("authorize nonsense", lambda: client.authorize(group_id, **RULE | {"PortRange": "0/1"}))
    step("join", lambda: client.join(group_id, "i-003"))
    step("members", lambda: client.members(group_id))
    step("join again", lambda: client.join(group_id, "i-003"))
    step("delete too early", lambda: client.delete_group(group_id))
    step("leave", lambda: client.leave(group_id, "i-003"))
    step("leave again", lambda: client.leave(group_id, "i-003"))
    step("revoke", lambda: client.revoke(group_id, **RULE))
    step("read what is left", lambda: client.rules(group_id))
    step("revoke again", lambda: client.revoke(group_id, **RULE))
    step("delete", lambda: client.delete_group(group_id))
    step("delete again", lambda: client.delete_group(group_id))
    step("unknown group", lambda: client.rules("sg-none"))
    step("unknown key", lambda: connect(endpoint, "nobody", secret).group_names())
    step("wrong secret", lambda: connect(endpoint, key, "wrong").group_names())
    return seen


def main(connect: Connect) -> None:
    """Tell the story to the endpoint of the command line; print what was seen as JSON."""
    endpoint, key, secret = sys.argv[1:4]
    json.dump(tell(connect, endpoint, key, secret), sys.stdout)
