"""A little of the contract against a real account; only on request, with `-m live`.

It makes one group in a VPC of the account, and deletes it again. Set the access key of an
identity of that account, and where: `INTERCOM_LIVE_ACCESS_KEY_ID`,
`INTERCOM_LIVE_ACCESS_KEY_SECRET`, `INTERCOM_LIVE_ACCOUNT_ID`, `INTERCOM_LIVE_REGION_ID` and
`INTERCOM_LIVE_VPC_ID`.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.adapters.ecs.clouds import SdkClouds
from app.domain.changes import Authorize, CreateGroup, DeleteGroup, NewRule, Revoke
from app.domain.groups import Place
from app.domain.rules import Direction, HeldRule
from app.ports.ecs import Ecs
from tests.support.clouds import TickingClock, access, access_of
from tests.support.worlds import rule

pytestmark = pytest.mark.live

RULES = (
    rule(ports="22", peer="10.0.0.1/32"),
    rule(ports="22", peer="10.0.0.1/32", policy="drop", priority=100),
    rule(ports="80", peer="10.0.0.1/32", own="10.0.0.2/32"),
    rule(ports="22", peer="2001:db8::/32"),
    rule(protocol="icmp", peer="10.0.0.0/8"),
)


def setting(name: str) -> str:
    value = os.environ.get(f"INTERCOM_LIVE_{name}")
    if not value:
        pytest.skip(f"INTERCOM_LIVE_{name} is not set")
    return value


@dataclass(frozen=True)
class Live:
    ecs: Ecs
    place: Place
    group_id: str

    def add(self, held: HeldRule, token: str) -> None:
        new = (NewRule(held.rule, "contract test"),)
        change = Authorize(self.place, self.group_id, Direction.INGRESS, new)
        self.ecs.perform(change, token=token)


@pytest.fixture
def live() -> Iterator[Live]:
    place = Place(setting("ACCOUNT_ID"), setting("REGION_ID"))
    own = access(place.account_id, role_arn=None, region_ids=(place.region_id,))
    clouds = SdkClouds(
        ecs_endpoint=None,
        sts_endpoint=None,
        base_access_key_id=setting("ACCESS_KEY_ID"),
        base_access_key_secret=setting("ACCESS_KEY_SECRET"),
        base_role_name=None,
        access_of=access_of(own),
        clock=TickingClock(),
    )
    ecs = clouds.of(place.account_id, place.region_id)
    name = f"intercommunication-{uuid.uuid4().hex[:8]}"
    change = CreateGroup(place, "sg-new", name, setting("VPC_ID"))
    group_id = ecs.perform(change, token=name).group_id
    assert group_id
    yield Live(ecs, place, group_id)
    ecs.perform(DeleteGroup(place, group_id), token=f"{name}-gone")
    clouds.close()


@pytest.mark.parametrize("held", RULES, ids=str)
def test_authorizing_twice_leaves_one_rule_that_reads_back(live: Live, held: HeldRule) -> None:
    for token in ("first", "second"):
        live.add(held, f"{live.group_id}-{token}")
    (found,) = live.ecs.groups([live.group_id])[0].rules
    assert found.rule == held.rule
    gone = Revoke(live.place, live.group_id, Direction.INGRESS, (found,))
    live.ecs.perform(gone, token=f"{live.group_id}-gone")
    assert live.ecs.groups([live.group_id])[0].rules == ()
