"""What a demonstration shows: tables in a terminal, plain text elsewhere."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from app.cli.accounts import call
from app.cli.loading import fail
from app.settings import DEMO_API_KEY

ACCOUNTS = {"1000000000000001": "shop", "1000000000000002": "data"}
COLOURS = {"blocked": "red", "reachable": "green", "unknown": "yellow"}

Document = dict[str, Any]
Packet = tuple[str, str, str, int | None]


class Story:
    """Calls the service as any client would, and shows what it answers."""

    def __init__(self, cloud: str, url: str) -> None:
        self._cloud = cloud
        self._url = url
        live = sys.stdout.isatty()
        self._console = Console(highlight=False, soft_wrap=True, width=None if live else 200)
        self._box = box.ROUNDED if live else None
        self._gained: set[tuple[str, str]] = set()

    def call(self, verb: str, path: str, body: Document | None = None) -> Document:
        answer: Document = call(self._url, verb, path, body)
        return answer

    def say(self, text: str) -> None:
        self._console.print(text)

    def accounts(self) -> None:
        """Register the demo estate's two accounts and verify that they let the service in."""
        self.say(f"[bold]Simulated cloud[/] at {self._cloud}, [bold]service[/] at {self._url}")
        for account_id, name in ACCOUNTS.items():
            role = f"acs:ram::{account_id}:role/intercommunication"
            body = {
                "account_id": account_id,
                "name": name,
                "role_arn": role,
                "region_ids": ["cn-hangzhou"],
            }
            self.call("POST", "/v1/accounts", body)
            found = self.call("POST", f"/v1/accounts/{account_id}/check")
            self.say(f"account {account_id} ({name}): access {found['access']}")

    def verdict(self, title: str, flow: Document) -> str:
        """Ask whether the flow is reachable, show why, and return the verdict."""
        answer = self.call("POST", "/v1/reachability/explain", {"flows": [flow]})
        item = answer["items"][0]
        verdict: str = item["verdict"]
        colour = COLOURS[verdict]
        self.say(f"\n[bold]{title}[/]: [{colour}]{verdict}[/{colour}]. {escape(item['summary'])}")
        for side in ("egress", "ingress"):
            rules = ", ".join(
                f"{each['group_id']}/{each['rule_id']}" for each in item[side]["rules"]
            )
            self.say(f"  {side}: {item[side]['verdict']} ({item[side]['code']}) {rules}".rstrip())
        return verdict

    def plan(self, request: Document) -> None:
        """Show what a connect request would do; nothing is changed by that."""
        plan = self.call("POST", "/v1/plans", {"kind": "connect", "connection": request})
        self.say(f"\n[bold]Plan[/] {plan['id']}")
        table = Table("change", "where", "what", "why", box=self._box)
        for change in plan["changes"]:
            for rule in change.get("rules") or [None]:
                table.add_row(
                    change["action"],
                    f"{change['account_id']}\n{change['group_id']}",
                    _rule(rule) if rule else escape(str(change.get("instance_id", ""))),
                    escape(change["reason"]),
                )
        self._console.print(table)
        gained = plan["gained"]
        self.say(
            f"opens {gained['pairs']} pair(s), {plan['extra_pairs']} of them not asked for; "
            f"closes {plan['lost']['pairs']}; {plan['calls']} calls of the cloud"
        )
        self._gained = {(_end(each["source"]), _end(each["target"])) for each in gained["items"]}
        for item in gained["items"]:
            asked = "asked for" if item["asked"] else "extra"
            self.say(
                f"  gained: {_end(item['source'])} -> {_end(item['target'])} "
                f"{item['protocol']} {item['port_range']} ({asked})"
            )
        for quota in plan["quotas"]:
            self.say(
                f"  quota {quota['name']} of {quota['subject']}: "
                f"{quota['used']} -> {quota['after']} of {quota['limit']}"
            )

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[Document], None]]:
        """Show how an operation fares: a bar in a terminal, nothing elsewhere."""
        self.say(f"\n[bold]{title}[/]")
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage}%"))
        live = self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=not live) as bar:
            task = bar.add_task("pending", total=100)

            def show(operation: Document) -> None:
                bar.update(task, completed=operation["progress"], description=operation["status"])

            yield show

    def steps(self, operation: Document) -> None:
        """Show the recorded steps of an operation."""
        table = Table("step", "status", "cloud request", box=self._box)
        for step in operation["steps"]:
            table.add_row(
                escape(step["name"]), step["status"], ", ".join(step["cloud_request_ids"])
            )
        self._console.print(table)
        self.say(f"operation {operation['id']}: [bold]{operation['status']}[/]")

    def second_opinion(self, flow: Document) -> None:
        """Let the simulator's own packet walk judge the same flow on the ground truth."""
        ends = (flow["source"]["instance_id"], flow["target"]["instance_id"])
        packet = _packet(*ends, flow["protocol"], flow["port"])
        found = self._control("POST", "packets", packet)
        self.say(f"  packet walk of the simulator: {found['verdict']} ({found['reason']})")

    def walk(self, flow: Document) -> dict[Packet, str]:
        """Let the packet walk judge every pair of instances, for the asked flow and others."""
        names = [each["InstanceId"] for each in self.ground_truth()["instances"]]
        others = (("tcp", flow["port"]), ("tcp", 22), ("tcp", 8080), ("udp", 53), ("icmp", None))
        packets = [
            (source, target, protocol, port)
            for source in names
            for target in names
            for protocol, port in others
            if source != target
        ]
        found = self._control("POST", "packets", [_packet(*each) for each in packets])
        return {each: one["verdict"] for each, one in zip(packets, found, strict=True)}

    def prove(self, before: dict[Packet, str], after: dict[Packet, str]) -> None:
        """Show which packets changed between two walks; fail if the plan did not name one."""
        changed = [packet for packet, verdict in after.items() if verdict != before[packet]]
        self.say(
            f"  proof: the packet walk judged {len(after)} packets between all instances, before "
            f"and after; {len(changed)} changed:"
        )
        for source, target, protocol, port in changed:
            foretold = (source, target) in self._gained
            word = "as the plan said" if foretold else "NOT in the plan"
            self.say(f"    {source} -> {target} {protocol} {port}: {word}")
            if not foretold:
                raise fail("something opened that the plan did not name")

    def backups(self, operation: Document) -> None:
        """Show the backups that were made before the first change."""
        for backup_id in operation["backup_ids"]:
            backup = self.call("GET", f"/v1/backups/{backup_id}")
            self.say(
                f"  backup {backup_id} of {backup['group_id']}, sha256 {backup['sha256'][:16]}…"
            )

    def ground_truth(self) -> Any:  # noqa: ANN401 - JSON
        return self._control("GET", "estate")

    def compare(self, start: object, end: object) -> None:
        """Say that the cloud is as it was; fail if it is not."""
        if start != end:
            raise fail("the cloud is not as it was at the start")
        rules = json.dumps(end).count("SecurityGroupRuleId")
        self.say(f"\n[bold]Ground truth[/]: equal to the start, all {rules} rules of it")

    def invitation(self) -> None:
        """Say where to go on."""
        key = os.environ.get("INTERCOM_API_KEY", DEMO_API_KEY)
        self.say(
            f"\nOpen [bold]{self._url}/docs[/] and press Execute on any example. "
            f"API key: [bold]{escape(key)}[/]\nCtrl-C stops the service and the simulator."
        )

    def _control(self, verb: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        url = f"{self._cloud}/_simulator/{path}"
        answer = httpx.request(verb, url, json=body, timeout=60, trust_env=False)
        answer.raise_for_status()
        return answer.json()


def _packet(source: str, target: str, protocol: str, port: int | None) -> Document:
    packet: Document = {"source": source, "destination": target, "protocol": protocol}
    return packet if port is None else packet | {"destination_port": port}


def _rule(rule: Document) -> str:
    peer = rule["peer"]
    named = peer.get("cidr") or peer.get("prefix_list_id") or peer.get("group_id")
    if "account_id" in peer:
        named = f"{peer['account_id']}/{named}"
    own = f" to {rule['own_cidr']}" if rule.get("own_cidr") else ""
    return escape(
        f"{rule['direction']} {rule['policy']} {rule['protocol']} {rule['port_range']} "
        f"from {named}{own}, priority {rule['priority']}, {rule['nic_type']}"
    )


def _end(end: Document) -> str:
    return str(end.get("instance_id") or end.get("address") or end.get("security_group_id"))
