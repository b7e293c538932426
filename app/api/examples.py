"""Requests and answers as they stand in the contract.

They speak of the estate that the simulator starts with, so that whoever presses Execute in
the documentation gets an answer that makes sense.
"""

import json
from typing import Any

from app.domain.exports import PERMISSION_FIELDS, content_of_export, export_table

Json = dict[str, Any]

SHOP, DATA, REGION = "1000000000000001", "1000000000000002", "cn-hangzhou"

_PLAN = "0b8f6c3e-5d0e-4f5e-8a55-2f6f0c9f7a01"
_CONNECTION = "5e3b8f0a-7c1d-4d51-9a3e-6f2f1f6f8b02"
_OPERATION = "9d2a4c7e-1b6f-4a80-8c57-3f0e5a1d9c03"
_LATER = "c41f7b92-8e05-4b3d-b2a6-7d9e0f3a5b04"
_ASSERTION = "f2d96b1a-4c57-4e0b-9f88-0a3c5d7e1b06"
_BACKUP = "e7a0d5b8-2c94-4f16-a7d3-1b8c6e4f2a05"
_FINGERPRINT = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"
READ_WORLD: Json = {
    "read_at": "2026-01-05T08:01:00Z",
    "age_seconds": 2.5,
    "fingerprint": _FINGERPRINT,
    "places": [
        {
            "account_id": account_id,
            "region_id": REGION,
            "read_at": "2026-01-05T08:01:00Z",
            "age_seconds": 2.5,
        }
        for account_id in (SHOP, DATA)
    ],
    "unread_groups": [],
}


EXAMPLE_IDS = {
    "plan": _PLAN,
    "connection": _CONNECTION,
    "operation": _OPERATION,
    "backup": _BACKUP,
    "assertion": _ASSERTION,
}
_API_KEY = "2f6a1c9e-4b7d-4e83-9d15-8a0c3e5b7f06"


def one(value: str, summary: str) -> Json:
    return {"example": {"summary": summary, "value": value}}


ACCOUNT_ID = one(SHOP, "the shop's account")
GROUP_ID = one("sg-web", "the web tier's group")
INSPECTED_GROUP_ID: Json = {
    "open": {"summary": "a group that was left open", "value": "sg-wide-open"},
    "nearly full": {"summary": "a group near its quota of rules", "value": "sg-near-quota"},
}
PLAN_ID = one(_PLAN, "a plan's id, as `create_plan` answers it")
CONNECTION_ID = one(_CONNECTION, "a connection's id, as its operation names it")
OPERATION_ID = one(_OPERATION, "an operation's id, as `create_connection` answers it")
BACKUP_ID = one(_BACKUP, "a backup's id, as its operation names it")
ASSERTION_ID = one(_ASSERTION, "an assertion's id, as `create_assertion` answers it")

# --- the service ------------------------------------------------------------------

LIVE = {"status": "ok"}
READY = {
    "status": "ok",
    "checks": {"serving": True, "database": True, "engine": True, "cloud": True},
}
VERSION = {"version": "0.1.0"}

# --- accounts ---------------------------------------------------------------------

REGISTER: Any = {
    "the service's own": {
        "summary": "the account that the service's identity belongs to",
        "value": {
            "account_id": "1000000000000009",
            "name": "base",
            "region_ids": [REGION],
        },
    },
    "with a role": {
        "summary": "an account with a role for the service",
        "description": "The role's trust policy should demand the `external_id` of the answer.",
        "value": {
            "account_id": SHOP,
            "name": "shop",
            "role_arn": f"acs:ram::{SHOP}:role/intercommunication",
            "region_ids": [REGION],
        },
    },
    "another account": {
        "summary": "the account on the other side",
        "value": {
            "account_id": DATA,
            "name": "data",
            "role_arn": f"acs:ram::{DATA}:role/intercommunication",
            "region_ids": [REGION],
        },
    },
}
CHANGE: Any = {
    "regions": {
        "summary": "one more region",
        "value": {"region_ids": [REGION, "cn-beijing"]},
    },
    "name": {"summary": "another name", "value": {"name": "web shop"}},
}
ACCOUNT: Json = {
    "account_id": SHOP,
    "name": "shop",
    "role_arn": f"acs:ram::{SHOP}:role/intercommunication",
    "external_id": "R3mUqX7bTn2LwZ9cYd5KsV8p",
    "region_ids": [REGION],
    "access": "unchecked",
    "access_detail": "",
    "checked_at": None,
    "created_at": "2026-01-05T08:00:00Z",
}
CHECKED_ACCOUNT: Json = ACCOUNT | {
    "access": "ok",
    "access_detail": "the role can be assumed and belongs to the account",
    "checked_at": "2026-01-05T08:00:10Z",
}
ACCOUNT_CALLS: Json = {
    "items": [
        {
            "region_id": REGION,
            "action": "AuthorizeSecurityGroup",
            "limit": 50,
            "calls": 12,
            "retries": 1,
            "throttled": 0,
            "refused": 0,
            "is_locked": False,
        }
    ]
}
ACCOUNT_PAGE: Json = {"items": [CHECKED_ACCOUNT], "next_cursor": None}

# --- inventory --------------------------------------------------------------------

WEB: Json = {
    "instance_id": "i-web01",
    "account_id": SHOP,
    "region_id": REGION,
    "zone_id": "cn-hangzhou-b",
    "name": "web-1",
    "status": "Running",
    "vpc_id": None,
    "classic_link_vpc_id": None,
    "locks": [],
    "interfaces": [
        {
            "eni_id": "i-web01",
            "addresses": ["10.170.1.1"],
            "public_address": "47.96.1.1",
            "group_ids": ["sg-web"],
        }
    ],
}
INSTANCE_PAGE: Json = {"items": [WEB], "next_cursor": None}

_HTTPS_TO_WEB: Json = {
    "direction": "ingress",
    "policy": "accept",
    "priority": 1,
    "protocol": "tcp",
    "port_range": "443/443",
    "nic_type": "internet",
    "peer": {"cidr": "0.0.0.0/0"},
    "description": "shop",
    "rule_id": "sgr-web-https",
}
_GROUP: Json = {
    "group_id": "sg-web",
    "account_id": SHOP,
    "region_id": REGION,
    "name": "web",
    "vpc_id": None,
    "kind": "normal",
    "managed": False,
}
GROUP_PAGE: Json = {
    "items": [_GROUP | {"description": "web tier", "member_count": 2, "rule_count": 2}],
    "next_cursor": None,
}
GROUP: Json = _GROUP | {
    "inner_access": "accept",
    "rules": [_HTTPS_TO_WEB],
    "members": [WEB],
}

# --- findings ---------------------------------------------------------------------

_ANYBODY_TO_WIDE: Json = {
    "source": {"address": "0.0.0.0/5"},
    "target": {
        "account_id": SHOP,
        "region_id": REGION,
        "instance_id": "i-wide01",
        "address": "10.170.6.1",
    },
    "protocol": "all",
    "port_range": "-1/-1",
    "nic_type": "intranet",
    "address_family": "ipv4",
    "certain": True,
}
FINDING: Json = {
    "code": "classic_intranet_range",
    "severity": "high",
    "title": "A range of the classic intranet is let in",
    "explanation": "sgr-wide-intranet (ingress accept all from 0.0.0.0/0, priority 1) names "
    "4294967296 addresses of the classic network. The classic intranet is shared by all tenants "
    "of a region, and its addresses are given out without a pattern: a range wider than /32 lets "
    "strangers in.",
    "remedy": "Accept a group, or single addresses as /32, then remove this rule.",
    "group_id": "sg-wide-open",
    "account_id": SHOP,
    "rule_ids": ["sgr-wide-intranet"],
    "proof": {
        "removal": "something",
        "statement": "Without the rule, 32 pairs are lost and 0 gained; a block of addresses "
        "counts as one.",
        "basis": "The rule decides about packets of the range; what is lost is what it opens.",
        "because": [],
        "not_with": [],
        "lost": {
            "pairs": 32,
            "port_pairs": 4194336,
            "items": [_ANYBODY_TO_WIDE],
            "truncated": True,
        },
        "gained": {"pairs": 0, "port_pairs": 0, "items": [], "truncated": False},
    },
}
FINDINGS: Json = {
    "items": [FINDING],
    "world": READ_WORLD,
}

# --- what if ----------------------------------------------------------------------

SUPPOSE: Any = {
    "without a rule": {
        "summary": "what closes without the rule that is open to everybody?",
        "value": {
            "changes": [
                {
                    "action": "remove_rule",
                    "account_id": SHOP,
                    "region_id": REGION,
                    "group_id": "sg-wide-open",
                    "rule_id": "sgr-wide-intranet",
                }
            ],
            "most_items": 20,
        },
    },
    "with a rule": {
        "summary": "what opens if the database let the web tier in?",
        "value": {
            "changes": [
                {
                    "action": "add_rule",
                    "account_id": DATA,
                    "region_id": REGION,
                    "group_id": "sg-db",
                    "rule": {
                        "direction": "ingress",
                        "protocol": "tcp",
                        "port_range": "3306/3306",
                        "peer": {"group_id": "sg-web", "account_id": SHOP},
                    },
                }
            ]
        },
    },
    "with a member": {
        "summary": "what opens if i-web01 joined the application's group?",
        "value": {
            "changes": [
                {
                    "action": "join",
                    "account_id": SHOP,
                    "region_id": REGION,
                    "group_id": "sg-app",
                    "instance_id": "i-web01",
                }
            ]
        },
    },
}
SUPPOSED: Json = {
    "gained": {"pairs": 0, "port_pairs": 0, "items": [], "truncated": False},
    "lost": {"pairs": 32, "port_pairs": 4194336, "items": [_ANYBODY_TO_WIDE], "truncated": True},
    "world": READ_WORLD,
}

# --- reachability -----------------------------------------------------------------

_WEB_SIDE: Json = {"account_id": SHOP, "region_id": REGION, "instance_id": "i-web01"}
_DB_SIDE: Json = {"account_id": DATA, "region_id": REGION, "instance_id": "i-db01"}

EXPLAIN: Any = {
    "between instances": {
        "summary": "may i-app01 and i-web01 reach i-db01 on 3306?",
        "value": {
            "flows": [
                {
                    "source": _WEB_SIDE | {"instance_id": instance_id},
                    "target": _DB_SIDE,
                    "protocol": "tcp",
                    "port": 3306,
                }
                for instance_id in ("i-app01", "i-web01")
            ]
        },
    },
    "from an address": {
        "summary": "may 10.170.1.1 reach i-db01 on 3306?",
        "value": {
            "flows": [
                {
                    "source": {"address": "10.170.1.1"},
                    "target": _DB_SIDE,
                    "protocol": "tcp",
                    "port": 3306,
                    "nic_type": "intranet",
                    "address_family": "ipv4",
                }
            ],
            "refresh": True,
        },
    },
    "in a VPC": {
        "summary": "may i-vpc-web01 ping i-ent01?",
        "value": {
            "flows": [
                {
                    "source": _WEB_SIDE | {"instance_id": "i-vpc-web01"},
                    "target": _WEB_SIDE | {"instance_id": "i-ent01"},
                    "protocol": "icmp",
                }
            ]
        },
    },
}

_BY_DEFAULT: Json = {"verdict": "allowed", "code": "default", "rules": []}
_OPENING_RULE: Json = {
    "direction": "ingress",
    "policy": "accept",
    "priority": 1,
    "protocol": "tcp",
    "port_range": "3306/3306",
    "nic_type": "intranet",
    "peer": {"group_id": "sg-app", "account_id": SHOP},
    "description": "application tier to database tier",
    "rule_id": "sgr-db-from-app",
    "group_id": "sg-db",
    "account_id": DATA,
}
_REACHABLE: Json = {
    "verdict": "reachable",
    "code": "rule",
    "summary": "tcp port 3306 from i-app01 (10.170.2.1) to i-db01 (10.170.3.1) on the intranet "
    "side is reachable: egress of i-app01 (10.170.2.1) is allowed by default, and ingress of "
    "i-db01 (10.170.3.1) is allowed by rule sgr-db-from-app of sg-db.",
    "egress": _BY_DEFAULT,
    "ingress": {"verdict": "allowed", "code": "rule", "rules": [_OPENING_RULE]},
    "shared_group_ids": [],
}
_WAY = "tcp port 3306 from i-web01 (10.170.1.1) to i-db01 (10.170.3.1) on the intranet side is"
_BLOCKED: Json = {
    "verdict": "blocked",
    "code": "default",
    "summary": f"{_WAY} blocked: ingress of i-db01 (10.170.3.1) is refused by default.",
    "egress": _BY_DEFAULT,
    "ingress": {"verdict": "blocked", "code": "default", "rules": []},
    "shared_group_ids": [],
}
_HELD_BACK: Json = _BLOCKED | {
    "hindrances": [
        {
            "code": "ingress_default",
            "detail": "i-db01 (10.170.3.1): no rule of sg-db accepts all of tcp port 3306, and "
            "the two ends share no group",
            "group_id": "sg-db",
        }
    ],
    "remedy": [
        {
            "action": "add_rules",
            "account_id": DATA,
            "region_id": REGION,
            "group_id": "sg-db",
            "rules": [
                {
                    "direction": "ingress",
                    "policy": "accept",
                    "priority": 1,
                    "protocol": "tcp",
                    "port_range": "3306/3306",
                    "nic_type": "intranet",
                    "peer": {"cidr": "10.170.1.1/32"},
                    "own_cidr": "10.170.3.1/32",
                    "description": "",
                }
            ],
            "reason": "no better ingress rule of i-db01 (10.170.3.1) lets it pass",
        }
    ],
}
EXPLANATION: Json = {
    "items": [_REACHABLE | {"hindrances": [], "remedy": []}, _HELD_BACK],
    "world": READ_WORLD,
}

# --- views of many ends ---------------------------------------------------------------

SHOP_PART: Json = {"account_id": SHOP, "region_id": REGION}
DATA_PART: Json = {"account_id": DATA, "region_id": REGION}

MATRIX: Any = {
    "two accounts": {
        "summary": "everything that passes between the instances of both accounts",
        "value": {"scope": [SHOP_PART, DATA_PART]},
    },
    "from a group": {
        "summary": "from the application tier to two databases, as a table",
        "value": {
            "scope": [SHOP_PART | {"security_group_ids": ["sg-app"]}],
            "targets": [DATA_PART | {"instance_ids": ["i-db01", "i-db02"]}],
            "format": "csv",
        },
    },
    "a picture": {
        "summary": "both accounts as a picture",
        "value": {"scope": [SHOP_PART, DATA_PART], "format": "svg"},
    },
    "a flowchart": {
        "summary": "the public side of the shop, as Mermaid text",
        "value": {
            "scope": [SHOP_PART],
            "nic_type": "internet",
            "address_family": "ipv4",
            "format": "mermaid",
        },
    },
}
WHO_CAN_REACH: Any = {
    "a database": {
        "summary": "who reaches i-db01 on 3306?",
        "value": {"instance": _DB_SIDE, "protocol": "tcp", "port": 3306},
    },
    "among some": {
        "summary": "who in the shop reaches i-db01 on 22, as a table?",
        "value": {
            "instance": _DB_SIDE,
            "protocol": "tcp",
            "port": 22,
            "scope": [SHOP_PART],
            "format": "csv",
        },
    },
    "a picture": {
        "summary": "who reaches i-db01 on 3306, as a picture?",
        "value": {"instance": _DB_SIDE, "protocol": "tcp", "port": 3306, "format": "svg"},
    },
}
_A_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" role="img">…</svg>'
MATRIX_ANSWER: Json = {
    "pairs": {"asked": 6, "reachable": 6, "unknown": 0, "blocked": 0},
    "classes": [
        {
            "name": "sg-app",
            "security_group_ids": ["sg-app"],
            "instances": [
                {
                    "account_id": SHOP,
                    "region_id": REGION,
                    "instance_id": "i-app01",
                    "address": "10.170.2.1",
                },
                {
                    "account_id": SHOP,
                    "region_id": REGION,
                    "instance_id": "i-stopped01",
                    "address": "10.170.8.1",
                },
                {
                    "account_id": SHOP,
                    "region_id": REGION,
                    "instance_id": "i-locked01",
                    "address": "10.170.8.2",
                },
            ],
        },
        {
            "name": "sg-db",
            "security_group_ids": ["sg-db"],
            "instances": [
                {
                    "account_id": DATA,
                    "region_id": REGION,
                    "instance_id": "i-db01",
                    "address": "10.170.3.1",
                },
                {
                    "account_id": DATA,
                    "region_id": REGION,
                    "instance_id": "i-db02",
                    "address": "10.170.3.2",
                },
            ],
        },
    ],
    "items": [
        {
            "source": "sg-app",
            "target": "sg-db",
            "pairs": 6,
            "reachable": [{"protocol": "tcp", "port_range": "3306/3306"}],
            "unknown": [],
        }
    ],
    "truncated": False,
    "world": READ_WORLD,
}
MATRIX_TEXTS: dict[str, str] = {
    "csv": (
        "source,source_instance_ids,target,target_instance_ids,pairs,verdict,protocol,port_range,"
        "source_port_range,read_at\r\n"
        "sg-app,i-app01 i-locked01 i-stopped01,sg-db,i-db01 i-db02,6,reachable,tcp,3306/3306,,"
        "2026-01-05T08:01:00Z\r\n"
    ),
    "svg": _A_PICTURE,
    "mermaid": (
        "flowchart LR\n"
        "  %% Read 2026-01-05T08:01:00Z, 2 s before this was drawn.\n"
        '  n0["app #40;sg-app#41;<br/>3 instances"]\n'
        '  n1["db #40;sg-db#41;<br/>2 instances"]\n'
        '  n0 -->|"tcp 3306"| n1\n'
        "  linkStyle 0 stroke:#1b6e43\n"
        "  %% solid green: from every instance to every instance\n"
        "  %% dotted orange: between some of them, or not all alike\n"
        "  %% dotted grey: unknown: what decides could not be read\n"
    ),
}
CIRCLE_ANSWER: Json = {
    "address": "10.170.3.1",
    "interface_id": "i-db01",
    "further": [],
    "reached_by": {
        "instances": [
            {
                "account_id": SHOP,
                "region_id": REGION,
                "instance_id": "i-app01",
                "address": "10.170.2.1",
                "security_group_ids": ["sg-app"],
                "verdict": "reachable",
                "code": "rule",
            },
            {
                "account_id": DATA,
                "region_id": REGION,
                "instance_id": "i-db02",
                "address": "10.170.3.2",
                "security_group_ids": ["sg-db"],
                "verdict": "reachable",
                "code": "intra_group",
            },
            {
                "account_id": SHOP,
                "region_id": REGION,
                "instance_id": "i-locked01",
                "address": "10.170.8.2",
                "security_group_ids": ["sg-app"],
                "verdict": "reachable",
                "code": "rule",
            },
            {
                "account_id": SHOP,
                "region_id": REGION,
                "instance_id": "i-stopped01",
                "address": "10.170.8.1",
                "security_group_ids": ["sg-app"],
                "verdict": "reachable",
                "code": "rule",
            },
        ],
        "addresses": [],
        "unread_groups": [],
        "blocked_instances": 14,
    },
    "reaches": {
        "instances": [
            {
                "account_id": DATA,
                "region_id": REGION,
                "instance_id": "i-db02",
                "address": "10.170.3.2",
                "security_group_ids": ["sg-db"],
                "verdict": "reachable",
                "code": "intra_group",
            },
            {
                "account_id": SHOP,
                "region_id": REGION,
                "instance_id": "i-wide01",
                "address": "10.170.6.1",
                "security_group_ids": ["sg-wide-open"],
                "verdict": "reachable",
                "code": "rule",
            },
        ],
        "addresses": [{"address": "0.0.0.0/0", "verdict": "reachable", "code": "default"}],
        "unread_groups": [],
        "blocked_instances": 16,
    },
    "world": READ_WORLD,
}
CIRCLE_TEXTS: dict[str, str] = {
    "csv": (
        "own_address,direction,instance_id,address,verdict,code,read_at\r\n"
        "10.170.3.1,reached_by,i-app01,10.170.2.1,reachable,rule,2026-01-05T08:01:00Z\r\n"
        "10.170.3.1,reached_by,i-db02,10.170.3.2,reachable,intra_group,2026-01-05T08:01:00Z\r\n"
        "10.170.3.1,reached_by,i-locked01,10.170.8.2,reachable,rule,2026-01-05T08:01:00Z\r\n"
        "10.170.3.1,reached_by,i-stopped01,10.170.8.1,reachable,rule,2026-01-05T08:01:00Z\r\n"
        "10.170.3.1,reaches,i-db02,10.170.3.2,reachable,intra_group,2026-01-05T08:01:00Z\r\n"
        "10.170.3.1,reaches,i-wide01,10.170.6.1,reachable,rule,2026-01-05T08:01:00Z\r\n"
        "10.170.3.1,reaches,,0.0.0.0/0,reachable,default,2026-01-05T08:01:00Z\r\n"
    ),
    "svg": _A_PICTURE,
    "mermaid": (
        "flowchart LR\n"
        "  %% Read 2026-01-05T08:01:00Z, 2 s before this was drawn.\n"
        '  n0["i-db01 #40;10.170.3.1#41;<br/>1 instance"]\n'
        '  n1["app #40;sg-app#41;<br/>3 instances"]\n'
        '  n2["db #40;sg-db#41;<br/>1 instance"]\n'
        '  n3["wide-open #40;sg-wide-open#41;<br/>1 instance"]\n'
        '  n4["0.0.0.0/0"]\n'
        '  n1 -->|"tcp 3306"| n0\n'
        '  n2 -->|"tcp 3306"| n0\n'
        '  n0 -->|"tcp 3306"| n2\n'
        '  n0 -->|"tcp 3306"| n3\n'
        '  n0 -->|"tcp 3306"| n4\n'
        "  linkStyle 0,1,2,3,4 stroke:#1b6e43\n"
        "  %% solid green: from every instance to every instance\n"
        "  %% dotted orange: between some of them, or not all alike\n"
        "  %% dotted grey: unknown: what decides could not be read\n"
    ),
}

# --- connect requests ----------------------------------------------------------------


def _instances(account_id: str, *instance_ids: str) -> Json:
    return {"account_id": account_id, "region_id": REGION, "instance_ids": list(instance_ids)}


_MYSQL = [{"protocol": "tcp", "port_range": "3306/3306"}]

BY_GROUP: Json = {
    "method": "group_authorization",
    "source": _instances(SHOP, "i-web01"),
    "target": _instances(DATA, "i-db01"),
    "flows": _MYSQL,
    "scope": "instance",
    "bidirectional": False,
    "reason": "orders service reads the order database",
}
BY_ADDRESS: Json = {
    "method": "address_rules",
    "source": _instances(SHOP, "i-web01", "i-web02"),
    "target": _instances(DATA, "i-db02"),
    "flows": [*_MYSQL, {"protocol": "icmp"}],
    "reason": "orders service reads the order database",
}
BY_ADDRESS_BY_HAND: Json = {
    "method": "address_rules",
    "source": {"addresses": ["10.170.1.1/32"]},
    "target": _instances(DATA, "i-report01"),
    "flows": [{"protocol": "tcp", "port_range": "8080/8090"}],
    "reason": "web tier reads reports",
}
BY_SHARED_GROUP: Json = {
    "method": "shared_group",
    "source": _instances(SHOP, "i-web01"),
    "target": _instances(SHOP, "i-app01"),
    "security_group_id": "sg-shared",
    "bidirectional": True,
    "reason": "web and application tier form a cluster",
}
BY_DEDICATED_GROUP: Json = {
    "method": "dedicated_group",
    "source": _instances(SHOP, "i-web02"),
    "target": _instances(SHOP, "i-app01"),
    "group_name": "web-app-cluster",
    "bidirectional": True,
    "reason": "web and application tier form a cluster",
}
VPC_BY_GROUP: Json = {
    "method": "group_authorization",
    "source": _instances(SHOP, "i-vpc-web01"),
    "target": _instances(DATA, "i-vpc-db01"),
    "flows": _MYSQL,
    "reason": "orders service reads the order database",
}
VPC_BY_ADDRESS: Json = {
    "method": "address_rules",
    "source": {"addresses": ["172.16.1.0/28"]},
    "target": _instances(DATA, "i-vpc-db01"),
    "flows": _MYSQL,
    "reason": "web subnet reads the order database",
}
VPC_BY_SHARED_GROUP: Json = {
    "method": "shared_group",
    "source": _instances(SHOP, "i-vpc-web01"),
    "target": _instances(SHOP, "i-vpc-app01"),
    "security_group_id": "sg-vpc-app",
    "bidirectional": True,
    "reason": "web and application tier form a cluster",
}
VPC_BY_DEDICATED_GROUP: Json = {
    "method": "dedicated_group",
    "source": _instances(SHOP, "i-vpc-web01"),
    "target": _instances(SHOP, "i-vpc-app01"),
    "bidirectional": True,
    "reason": "web and application tier form a cluster",
}

UNTIL = "2035-12-31T18:00:00Z"
BY_GROUP_UNTIL: Json = BY_GROUP | {
    "flows": [{"protocol": "tcp", "port_range": "3307/3307"}],
    "expires_at": UNTIL,
    "reason": "migration of the order database",
}

_NAMED: dict[str, tuple[str, str, Json]] = {
    "4-group-authorization-classic": (
        "Method 4, classic network: authorize a group of another account",
        "A rule in `sg-db` names `sg-web`. With `scope: instance` it is limited to i-db01.",
        BY_GROUP,
    ),
    "4-group-authorization-until": (
        "Method 4, classic network: for a time",
        "The connection ends by itself. The time has to be still to come.",
        BY_GROUP_UNTIL,
    ),
    "1-address-rules-classic": (
        "Method 1, classic network: let the addresses of instances in",
        "One rule for each source address, limited to i-db02.",
        BY_ADDRESS,
    ),
    "1-address-rules-by-hand": (
        "Method 1, classic network: let an address in that is entered by hand",
        "Nothing is read or changed on the side of the source.",
        BY_ADDRESS_BY_HAND,
    ),
    "2-shared-group-classic": (
        "Method 2, classic network: join one group that exists",
        "Members of one basic group reach each other, on everything.",
        BY_SHARED_GROUP,
    ),
    "3-dedicated-group-classic": (
        "Method 3, classic network: a group made for the purpose",
        "The new group has no rules: it opens nothing but its members to each other.",
        BY_DEDICATED_GROUP,
    ),
    "4-group-authorization-vpc": (
        "Method 4, VPC: authorize a group of another account",
        "The VPC is shared by both accounts.",
        VPC_BY_GROUP,
    ),
    "1-address-rules-vpc": (
        "Method 1, VPC: let a block of addresses in",
        "In a VPC a source may be wider than one address.",
        VPC_BY_ADDRESS,
    ),
    "2-shared-group-vpc": ("Method 2, VPC: join one group that exists", "", VPC_BY_SHARED_GROUP),
    "3-dedicated-group-vpc": (
        "Method 3, VPC: a group made for the purpose",
        "",
        VPC_BY_DEDICATED_GROUP,
    ),
}


def _named(summary: str, description: str, value: Json) -> Json:
    return {"summary": summary, "description": description or summary, "value": value}


TIGHTEN: Json = {
    "kind": "tighten",
    "account_id": SHOP,
    "region_id": REGION,
    "security_group_id": "sg-wide-open",
    "needed": [
        {
            "source": _instances(SHOP, "i-app01"),
            "target": _instances(SHOP, "i-wide01"),
            "flows": [{"protocol": "tcp", "port_range": "9100/9100"}],
            "reason": "the application reads its figures",
        }
    ],
    "watch_seconds": 2,
    "assertions": [
        {
            "kind": "must_never_reach",
            "source": {"addresses": ["10.170.1.1/32"]},
            "target": _instances(SHOP, "i-wide01"),
            "flows": [{"protocol": "tcp", "port_range": "22/22"}],
        }
    ],
}
APPLY_REQUESTS: Any = {
    "nothing to confirm": _named("Nothing to confirm", "For every kind but `tighten`.", {}),
    "what will be lost": _named(
        "What will be lost", "As the plan says it in `tighten.confirm_lost`.", {"confirm_lost": 108}
    ),
}


def _tier(name: str, account_id: str, *instance_ids: str) -> Json:
    return {
        "name": name,
        "account_id": account_id,
        "region_id": REGION,
        "instance_ids": [*instance_ids],
    }


CONNECT_REQUESTS: Any = {name: _named(*each) for name, each in _NAMED.items()}
PLAN_REQUESTS: Any = {
    **{
        name: _named(summary, description, {"kind": "connect", "connection": value})
        for name, (summary, description, value) in _NAMED.items()
    },
    "disconnect": _named(
        "Take a connection back",
        "Put in the id of a connection that stands.",
        {"kind": "disconnect", "connection_id": _CONNECTION},
    ),
    "tighten": _named(
        "Narrow what is too open",
        "The demonstration's open group lets everybody in; the backup server is all that needs it.",
        TIGHTEN,
    ),
    "repair": _named(
        "Repair a connection",
        "Put in the id of a connection that is broken: what is missing is added, nothing removed.",
        {"kind": "repair", "connection_id": _CONNECTION},
    ),
    "move": _named(
        "Move a connection to another method",
        "The new path stands and is seen before anything of the old one goes. Put in the id of a "
        "connection that stands.",
        {
            "kind": "move",
            "connection_id": _CONNECTION,
            "to": {"method": "address_rules", "scope": "instance"},
        },
    ),
    "restore": _named(
        "Restore a backup",
        "`full` makes the group equal to the backup.",
        {"kind": "restore", "backup_id": _BACKUP, "mode": "full"},
    ),
    "tiers": _named(
        "Lay the three tiers of an application",
        "A group for each; web 80, application 8080, database 3306, each open to the tier before "
        "it alone. The database is in another account. Nobody may reach the web tier yet.",
        {
            "kind": "tiers",
            "name": "shop",
            "tiers": [
                _tier("web", SHOP, "i-web01", "i-web02"),
                _tier("application", SHOP, "i-app01"),
                _tier("database", DATA, "i-db01", "i-db02"),
            ],
        },
    ),
    "compact": _named(
        "Say the rules of a group by fewer",
        "Nothing opens and nothing closes, for any address; each step comes with its proof.",
        {
            "kind": "compact",
            "account_id": SHOP,
            "region_id": REGION,
            "security_group_id": "sg-vpc2",
        },
    ),
    "restore in part": _named(
        "Restore what is missing",
        "`partial` removes nothing.",
        {"kind": "restore", "backup_id": _BACKUP, "mode": "partial"},
    ),
}

COMPARE_REQUESTS: Any = {
    "accounts": _named(
        "Two accounts: by address or by group",
        "Nobody can join a group of another account.",
        {
            "connection": {
                "source": _instances(SHOP, "i-web01"),
                "target": _instances(DATA, "i-db01"),
                "flows": _MYSQL,
            }
        },
    ),
    "tiers": _named(
        "Two tiers of one account",
        "All four methods are possible, and open differently much.",
        {
            "connection": {
                "source": _instances(SHOP, "i-web01", "i-web02"),
                "target": _instances(SHOP, "i-app01"),
                "flows": [{"protocol": "tcp", "port_range": "9090/9090"}],
            }
        },
    ),
    "enterprise": _named(
        "An enterprise group: only addresses",
        "Enterprise groups know no peers and no inner access.",
        {
            "connection": {
                "source": _instances(SHOP, "i-vpc-web01"),
                "target": _instances(SHOP, "i-ent01"),
                "flows": _MYSQL,
            }
        },
    ),
    "nothing works": _named(
        "Two networks that are not connected: nothing",
        "That no method is possible is an answer as well; each says why.",
        {
            "connection": {
                "source": _instances(SHOP, "i-web01"),
                "target": _instances(SHOP, "i-vpc-app01"),
                "flows": _MYSQL,
            }
        },
    ),
}

# --- assertions -------------------------------------------------------------------

_WEB_TIER: Json = {
    "account_id": SHOP,
    "region_id": REGION,
    "instance_ids": ["i-web01", "i-web02"],
}
_DB_TIER: Json = {"account_id": DATA, "region_id": REGION, "instance_ids": ["i-db01"]}
_NEVER: Json = {
    "kind": "must_never_reach",
    "source": _WEB_TIER,
    "target": _DB_TIER,
    "flows": [{"protocol": "tcp", "port_range": "22/22"}],
    "owner": "the database team",
    "reason": "nobody logs in to the database from the web tier",
}
ASSERTION_REQUESTS: Any = {
    "must never reach": _named(
        "The web tier never logs in to the database",
        "No packet of it may ever pass, between any of their addresses.",
        _NEVER,
    ),
    "must reach": _named(
        "The application reaches its database",
        "Between groups: whoever is a member when it is looked at.",
        {
            "kind": "must_reach",
            "source": {"account_id": SHOP, "region_id": REGION, "security_group_ids": ["sg-app"]},
            "target": _DB_TIER,
            "flows": [{"protocol": "tcp", "port_range": "3306/3306"}],
            "owner": "the shop team",
            "reason": "orders are kept in the database",
        },
    ),
    "addresses": _named(
        "An address never gets in",
        "Everything, from one address that nobody of ours has.",
        {
            "kind": "must_never_reach",
            "source": {"addresses": ["10.170.99.9/32"]},
            "target": _DB_TIER,
            "owner": "the database team",
            "reason": "the machine was given back",
        },
    ),
}
_HOLDS: Json = {
    "status": "holds",
    "pairs": 2,
    "against": {"count": 0, "items": []},
    "unread": [],
}
_SAID: Json = {
    "id": _ASSERTION,
    **_NEVER,
    "nic_type": "intranet",
    "address_family": "ipv4",
    "status": "holds",
    "checked_at": "2026-01-05T08:03:00Z",
    "managed_by": None,
    "created_at": "2026-01-05T08:03:00Z",
}
ASSERTION: Json = _SAID | {
    "judgement": _HOLDS,
    "states": [{"status": "holds", "at": "2026-01-05T08:03:00Z", "judgement": _HOLDS}],
}
ASSERTION_PAGE: Json = {"items": [_SAID], "next_cursor": None}

# --- plans ------------------------------------------------------------------------

_NEW_RULE: Json = {
    "direction": "ingress",
    "policy": "accept",
    "priority": 1,
    "protocol": "tcp",
    "port_range": "3306/3306",
    "nic_type": "intranet",
    "peer": {"group_id": "sg-web", "account_id": SHOP},
    "own_cidr": "10.170.3.1/32",
    "description": "orders service reads the order database",
}
_KEPT_RULE: Json = _NEW_RULE | {
    "rule_id": "sgr-0f3a5b04",
    "description": f"intercom:{_OPERATION}:1 orders service reads the order database",
}


def _let_in_by(rule: Json) -> Json:
    named = rule | {"group_id": "sg-db", "account_id": DATA}
    return _REACHABLE | {
        "summary": f"{_WAY} reachable: egress of i-web01 (10.170.1.1) is allowed by default, and "
        f"ingress of i-db01 (10.170.3.1) is allowed by rule {rule['rule_id']} of sg-db.",
        "ingress": {"verdict": "allowed", "code": "rule", "rules": [named]},
    }


_AFTER = _let_in_by(_NEW_RULE | {"rule_id": "new-1"})
_NOW = _let_in_by(_KEPT_RULE)
_TRAFFIC: Json = {
    "source": _WEB_SIDE | {"address": "10.170.1.1"},
    "target": _DB_SIDE | {"address": "10.170.3.1"},
    "protocol": "tcp",
    "port_range": "3306/3306",
    "nic_type": "intranet",
    "address_family": "ipv4",
}
_EXTRA: Json = _TRAFFIC | {
    "source": _WEB_SIDE | {"instance_id": "i-web02", "address": "10.170.1.2"},
    "asked": False,
    "certain": True,
}


def _quota(name: str, subject: str, limit: int) -> Json:
    return {
        "name": name,
        "account_id": DATA,
        "subject": subject,
        "used": 1,
        "after": 2,
        "limit": limit,
    }


PLAN: Json = {
    "id": _PLAN,
    "kind": "connect",
    "changes": [
        {
            "action": "add_rules",
            "account_id": DATA,
            "region_id": REGION,
            "group_id": "sg-db",
            "rules": [_NEW_RULE],
            "reason": "sg-db guards i-db01; sg-web of account 1000000000000001 stands for the "
            "source and its 2 members",
        }
    ],
    "asked": {"pairs": 1, "items": [_TRAFFIC | {"before": _BLOCKED, "after": _AFTER}]},
    "gained": {
        "pairs": 2,
        "port_pairs": 2,
        "items": [_TRAFFIC | {"asked": True, "certain": True}, _EXTRA],
        "truncated": False,
    },
    "lost": {"pairs": 0, "port_pairs": 0, "items": [], "truncated": False},
    "extra_pairs": 1,
    "quotas": [
        _quota("peer_groups_per_group", "sg-db", 20),
        _quota("rules_per_group", "sg-db", 200),
        _quota("rules_per_nic", "i-db02", 1000),
    ],
    "calls": 5,
    "warnings": [],
    "rests_on": {"rules": [], "memberships": []},
    "fingerprint": _FINGERPRINT,
    "created_at": "2026-01-05T08:02:00Z",
    "expires_at": "2026-01-05T09:02:00Z",
}

COMPARISON: Json = {
    "situation": {
        "code": "several_accounts",
        "accounts": 2,
        "instances": 2,
        "roles": 2,
        "advised": "group_authorization",
        "advice": "authorize groups where several accounts are involved",
    },
    "asked_pairs": 1,
    "methods": [
        {
            "method": "address_rules",
            "possible": True,
            "advised": False,
            "refusal": None,
            "work": {
                "changes": [
                    {
                        "action": "add_rules",
                        "account_id": DATA,
                        "region_id": REGION,
                        "group_id": "sg-db",
                        "reason": "sg-db is a group of i-db01; its other members stay closed",
                        "rules": [
                            {
                                "direction": "ingress",
                                "policy": "accept",
                                "priority": 1,
                                "protocol": "tcp",
                                "port_range": "3306/3306",
                                "nic_type": "intranet",
                                "peer": {"cidr": "10.170.1.1/32"},
                                "own_cidr": "10.170.3.1/32",
                                "description": "",
                            }
                        ],
                    }
                ],
                "rules": 1,
                "memberships": 0,
                "groups": 0,
                "calls": 5,
                "gained": {
                    "pairs": 1,
                    "port_pairs": 1,
                    "items": [
                        {
                            "source": {
                                "account_id": SHOP,
                                "region_id": REGION,
                                "instance_id": "i-web01",
                                "address": "10.170.1.1",
                            },
                            "target": {
                                "account_id": DATA,
                                "region_id": REGION,
                                "instance_id": "i-db01",
                                "address": "10.170.3.1",
                            },
                            "protocol": "tcp",
                            "port_range": "3306/3306",
                            "nic_type": "intranet",
                            "address_family": "ipv4",
                            "asked": True,
                            "certain": True,
                        }
                    ],
                    "truncated": False,
                },
                "extra_pairs": 0,
                "extra_port_pairs": 0,
                "quotas": [
                    {
                        "name": "peer_groups_per_group",
                        "account_id": DATA,
                        "subject": "sg-db",
                        "used": 1,
                        "after": 1,
                        "limit": 20,
                        "still_fit": None,
                    },
                    {
                        "name": "rules_per_group",
                        "account_id": DATA,
                        "subject": "sg-db",
                        "used": 1,
                        "after": 2,
                        "limit": 200,
                        "still_fit": 198,
                    },
                    {
                        "name": "rules_per_nic",
                        "account_id": DATA,
                        "subject": "i-db02",
                        "used": 1,
                        "after": 2,
                        "limit": 1000,
                        "still_fit": 998,
                    },
                ],
                "still_fit": 198,
                "undoing": {"rules": 1, "memberships": 0, "groups": 0, "calls": 5},
                "survives": {
                    "source_address": False,
                    "target_address": False,
                    "one_more_source": False,
                    "one_more_target": False,
                },
                "warnings": [],
            },
        },
        {
            "method": "shared_group",
            "possible": False,
            "advised": False,
            "refusal": {
                "code": "method_not_possible",
                "detail": "a group belongs to one account, and only its instances can join it",
                "obstacles": [
                    {
                        "code": "cross_account_not_possible",
                        "detail": "a group belongs to one account, and "
                        "only its instances can join it",
                        "account_id": SHOP,
                    }
                ],
            },
            "work": None,
        },
        {
            "method": "dedicated_group",
            "possible": False,
            "advised": False,
            "refusal": {
                "code": "method_not_possible",
                "detail": "a group belongs to one account, and only its instances can join it",
                "obstacles": [
                    {
                        "code": "cross_account_not_possible",
                        "detail": "a group belongs to one account, and "
                        "only its instances can join it",
                        "account_id": SHOP,
                    }
                ],
            },
            "work": None,
        },
        {
            "method": "group_authorization",
            "possible": True,
            "advised": True,
            "refusal": None,
            "work": {
                "changes": [
                    {
                        "action": "add_rules",
                        "account_id": DATA,
                        "region_id": REGION,
                        "group_id": "sg-db",
                        "reason": "sg-db guards i-db01; sg-web of account "
                        "1000000000000001 stands for the source "
                        "and its 2 members",
                        "rules": [
                            {
                                "direction": "ingress",
                                "policy": "accept",
                                "priority": 1,
                                "protocol": "tcp",
                                "port_range": "3306/3306",
                                "nic_type": "intranet",
                                "peer": {"group_id": "sg-web", "account_id": SHOP},
                                "own_cidr": "10.170.3.1/32",
                                "description": "",
                            }
                        ],
                    }
                ],
                "rules": 1,
                "memberships": 0,
                "groups": 0,
                "calls": 5,
                "gained": {
                    "pairs": 2,
                    "port_pairs": 2,
                    "items": [
                        {
                            "source": {
                                "account_id": SHOP,
                                "region_id": REGION,
                                "instance_id": "i-web01",
                                "address": "10.170.1.1",
                            },
                            "target": {
                                "account_id": DATA,
                                "region_id": REGION,
                                "instance_id": "i-db01",
                                "address": "10.170.3.1",
                            },
                            "protocol": "tcp",
                            "port_range": "3306/3306",
                            "nic_type": "intranet",
                            "address_family": "ipv4",
                            "asked": True,
                            "certain": True,
                        },
                        {
                            "source": {
                                "account_id": SHOP,
                                "region_id": REGION,
                                "instance_id": "i-web02",
                                "address": "10.170.1.2",
                            },
                            "target": {
                                "account_id": DATA,
                                "region_id": REGION,
                                "instance_id": "i-db01",
                                "address": "10.170.3.1",
                            },
                            "protocol": "tcp",
                            "port_range": "3306/3306",
                            "nic_type": "intranet",
                            "address_family": "ipv4",
                            "asked": False,
                            "certain": True,
                        },
                    ],
                    "truncated": False,
                },
                "extra_pairs": 1,
                "extra_port_pairs": 1,
                "quotas": [
                    {
                        "name": "peer_groups_per_group",
                        "account_id": DATA,
                        "subject": "sg-db",
                        "used": 1,
                        "after": 2,
                        "limit": 20,
                        "still_fit": 18,
                    },
                    {
                        "name": "rules_per_group",
                        "account_id": DATA,
                        "subject": "sg-db",
                        "used": 1,
                        "after": 2,
                        "limit": 200,
                        "still_fit": 198,
                    },
                    {
                        "name": "rules_per_nic",
                        "account_id": DATA,
                        "subject": "i-db02",
                        "used": 1,
                        "after": 2,
                        "limit": 1000,
                        "still_fit": 998,
                    },
                ],
                "still_fit": 18,
                "undoing": {"rules": 1, "memberships": 0, "groups": 0, "calls": 5},
                "survives": {
                    "source_address": True,
                    "target_address": False,
                    "one_more_source": True,
                    "one_more_target": False,
                },
                "warnings": [],
            },
        },
    ],
    "recommended": "address_rules",
    "reasons": [
        (
            "address_rules opens the least besides what was asked for: 0 extra pairs, 0 "
            "ports nobody asked for"
        ),
        (
            "the vendor's page would advise group_authorization (authorize groups where "
            "several accounts are involved), which opens 1 extra pair, 1 port nobody "
            "asked for"
        ),
        "quotas have room for 198 more connections like this one",
    ],
    "fingerprint": "718c5b3c527b139f7fb1c9b27b0bda367047473083e2868f51fd2f62c2d955eb",
}

# --- operations -------------------------------------------------------------------

OPERATION: Json = {
    "id": _OPERATION,
    "kind": "connect",
    "status": "pending",
    "done": False,
    "progress": 0,
    "steps": [],
    "connection_id": _CONNECTION,
    "plan_id": _PLAN,
    "backup_ids": [],
    "result": None,
    "error": None,
    "rollback_asked_at": None,
    "settles": None,
    "settled_by": None,
    "actor": "bootstrap",
    "created_at": "2026-01-05T08:03:00Z",
    "started_at": None,
    "finished_at": None,
}
DISCONNECTING: Json = OPERATION | {"id": _LATER, "kind": "disconnect"}


def _step(number: int, name: str, *cloud_request_ids: str) -> Json:
    return {
        "number": number,
        "name": name,
        "status": "succeeded",
        "attempts": 1,
        "detail": "",
        "cloud_request_ids": list(cloud_request_ids),
        "started_at": f"2026-01-05T08:03:0{number}Z",
        "finished_at": f"2026-01-05T08:03:0{number}Z",
    }


FINISHED: Json = OPERATION | {
    "status": "succeeded",
    "done": True,
    "progress": 100,
    "steps": [
        _step(1, "check"),
        _step(2, "back up"),
        _step(3, "change 1: add_rules sg-db", "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"),
        _step(4, "verify, look 1"),
        _step(5, "record"),
    ],
    "backup_ids": [_BACKUP],
    "result": {
        "verdicts": [_TRAFFIC | _NOW],
        "effects": [
            {
                "kind": "added_rule",
                "account_id": DATA,
                "region_id": REGION,
                "group_id": "sg-db",
                "rule": _KEPT_RULE,
            }
        ],
        "adopted": [],
        "foreign_changes": [],
        "warnings": [],
    },
    "started_at": "2026-01-05T08:03:00Z",
    "finished_at": "2026-01-05T08:03:05Z",
}
CANCELLED: Json = OPERATION | {
    "status": "cancelled",
    "done": True,
    "progress": 100,
    "error": {
        "type": "/problems/cancelled",
        "title": "Somebody cancelled the operation",
        "status": 409,
        "code": "cancelled",
        "detail": "somebody cancelled the operation",
    },
    "finished_at": "2026-01-05T08:03:01Z",
}
TURNING_BACK: Json = OPERATION | {
    "status": "running",
    "progress": 60,
    "steps": FINISHED["steps"][:3],
    "backup_ids": [_BACKUP],
    "rollback_asked_at": "2026-01-05T08:03:04Z",
    "started_at": "2026-01-05T08:03:00Z",
}
RESUMING: Json = OPERATION | {"id": _LATER, "settles": _OPERATION}


def _event(number: int, status: str, progress: int) -> str:
    data = {
        "operation_id": _OPERATION,
        "kind": "status",
        "status": status,
        "done": progress == 100,
        "progress": progress,
    }
    return f"id: {number}\nevent: status\ndata: {json.dumps(data)}\n\n"


EVENTS = _event(41, "running", 0) + ": still here\n\n" + _event(47, "succeeded", 100)
OPERATION_PAGE: Json = {"items": [FINISHED], "next_cursor": None}

# --- connections ------------------------------------------------------------------

_SUMMARY: Json = {
    "id": _CONNECTION,
    "method": "group_authorization",
    "status": "active",
    "request": BY_GROUP,
    "adopted": [],
    "created_at": "2026-01-05T08:03:00Z",
    "disconnected_at": None,
    "expires_at": None,
    "ending": None,
}
EXTEND: Any = {
    "later": {"summary": "end it at another time", "value": {"expires_at": UNTIL}},
}
CONNECTION: Json = _SUMMARY | {
    "conditions": [],
    "checked_at": None,
    "ledger": [
        {
            "kind": "added_rule",
            "operation_id": _OPERATION,
            "account_id": DATA,
            "region_id": REGION,
            "group_id": "sg-db",
            "shared_with": [],
            "rule": _KEPT_RULE,
        }
    ],
}
EXTENDED: Json = CONNECTION | {"request": BY_GROUP_UNTIL, "expires_at": UNTIL}
_CONDITION: Json = {
    "type": "broken",
    "status": "true",
    "reason": "rule_removed",
    "message": "rule sgr-m5e0000000000001 is gone from sg-db",
    "last_transition_at": "2026-01-06T08:00:00Z",
    "evidence": [
        {
            "kind": "rule_removed",
            "account_id": DATA,
            "region_id": REGION,
            "group_id": "sg-db",
            "rule_id": "sgr-m5e0000000000001",
        }
    ],
}
CHECKED: Json = CONNECTION | {
    "conditions": [
        _CONDITION | {"type": "intact", "status": "false", "reason": "broken", "evidence": []},
        _CONDITION
        | {
            "type": "widened",
            "status": "false",
            "reason": "as_granted",
            "message": "nothing passes that did not",
            "evidence": [],
        },
        _CONDITION,
    ],
    "checked_at": "2026-01-06T08:00:00Z",
}
CONNECTION_PAGE: Json = {"items": [_SUMMARY], "next_cursor": None}

# --- backups ----------------------------------------------------------------------

_KEPT: Json = {
    "id": _BACKUP,
    "group_id": "sg-db",
    "account_id": DATA,
    "region_id": REGION,
    "operation_id": _OPERATION,
    "origin": "operation",
    "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "created_at": "2026-01-05T08:03:01Z",
}
BACKUP: Json = _KEPT | {
    "content": _GROUP
    | {
        "group_id": "sg-db",
        "account_id": DATA,
        "name": "db",
        "description": "database tier",
        "tags": {"tier": "db"},
        "named_groups": [],
        "inner_access": "accept",
        "rules": [
            {
                key: value
                for key, value in _OPENING_RULE.items()
                if key not in {"group_id", "account_id"}
            }
        ],
        "members": [
            {"instance_id": each, "interface_id": each, "primary": True}
            for each in ("i-db01", "i-db02")
        ],
    }
}
BACKUP_PAGE: Json = {"items": [_KEPT], "next_cursor": None}

# --- backups by hand ---------------------------------------------------------------

BACKUP_REQUESTS: Any = {
    "groups": _named(
        "Two groups",
        "With all their rules and members, at one instant.",
        {**SHOP_PART, "security_group_ids": ["sg-web", "sg-app"]},
    ),
    "one group": _named(
        "One group",
        "Its versions are listed with `group_id`.",
        {**DATA_PART, "security_group_ids": ["sg-db"]},
    ),
    "everything": _named("A whole account and region", "Every group of it.", SHOP_PART),
}
TAKEN_BACKUPS: Json = {
    "items": [
        _KEPT
        | {
            "id": f"{_BACKUP[:-1]}{number}",
            "group_id": group_id,
            "account_id": SHOP,
            "operation_id": None,
            "origin": "manual",
        }
        for number, group_id in enumerate(("sg-app", "sg-web"), 6)
    ],
    "next_cursor": None,
}


def _exported_permission(**fields: str) -> Json:
    return dict.fromkeys(PERMISSION_FIELDS, "") | fields


_FROM_APP = _exported_permission(
    SecurityGroupRuleId="sgr-db-from-app",
    Direction="ingress",
    NicType="intranet",
    Policy="Accept",
    Priority="1",
    IpProtocol="TCP",
    PortRange="3306/3306",
    SourceGroupId="sg-app",
    SourceGroupOwnerAccount=SHOP,
    Description="application tier to database tier",
)


def _exported_side(nic_type: str, *permissions: Json) -> Json:
    return {
        "RegionId": REGION,
        "SecurityGroupId": "sg-db",
        "SecurityGroupName": "db",
        "Description": "database tier",
        "VpcId": "",
        "InnerAccessPolicy": "Accept",
        "NicType": nic_type,
        "Permissions": {"Permission": list(permissions)},
    }


def _exported_members(*instance_ids: str) -> list[Json]:
    return [{"instance_id": each, "interface_id": each, "primary": True} for each in instance_ids]


EXPORT: Json = {
    "format": "json",
    "account_id": DATA,
    "sha256": "b7c1ecfda8844fc8ea47cb25ccbf3b22f1e7e82e92a0fa91a308979c319cdbe3",
    "kind": "normal",
    "managed": False,
    "tags": [{"key": "tier", "value": "db"}],
    "attributes": [_exported_side("internet"), _exported_side("intranet", _FROM_APP)],
    "members": _exported_members("i-db01", "i-db02"),
    "named_groups": [
        {
            "group_id": "sg-app",
            "account_id": SHOP,
            "region_id": REGION,
            "name": "app",
            "description": "application tier",
            "vpc_id": "",
            "kind": "normal",
            "inner_access": "accept",
            "managed": False,
            "tags": [{"key": "tier", "value": "app"}],
            "members": _exported_members("i-app01", "i-locked01", "i-stopped01"),
        }
    ],
}
EXPORTED_TABLE = export_table(content_of_export(EXPORT))
IMPORTS: Any = {
    "as exported": _named(
        "As it was exported", "The hash says that nothing was changed on the way.", EXPORT
    ),
    "of the cloud": _named(
        "An answer of the cloud",
        "`DescribeSecurityGroupAttribute`, with the account that it is of; members are not in it.",
        {
            "format": "json",
            "account_id": SHOP,
            "attributes": [
                {
                    "RequestId": "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E",
                    "RegionId": REGION,
                    "SecurityGroupId": "sg-spare",
                    "SecurityGroupName": "spare",
                    "VpcId": "",
                    "InnerAccessPolicy": "Accept",
                    "Permissions": {
                        "Permission": [
                            {
                                "Direction": "ingress",
                                "NicType": "intranet",
                                "Policy": "Accept",
                                "Priority": 1,
                                "IpProtocol": "TCP",
                                "PortRange": "8080/8080",
                                "SourceCidrIp": "10.170.1.1/32",
                            }
                        ]
                    },
                }
            ],
        },
    ),
    "as a table": _named(
        "A table", "As it was exported.", {"format": "csv", "table": EXPORTED_TABLE}
    ),
}
IMPORTED_BACKUP: Json = _KEPT | {
    "operation_id": None,
    "origin": "import",
    "sha256": EXPORT["sha256"],
}
_BY_HAND: Json = {
    "rule_id": "sgr-by-hand",
    "direction": "ingress",
    "policy": "accept",
    "priority": 1,
    "protocol": "tcp",
    "port_range": "22/22",
    "nic_type": "intranet",
    "peer": {"cidr": "10.170.1.1/32"},
    "description": "",
}
_SSH_TO_DB: Json = _TRAFFIC | {"port_range": "22/22", "asked": False, "certain": True}
BACKUP_DIFFERENCE: Json = {
    "backup_id": _BACKUP,
    "against": "current",
    "group_id": "sg-db",
    "identical": False,
    "rules": {"added": [_BY_HAND], "removed": []},
    "members": {"joined": [], "left": []},
    "inner_access": {"before": "accept", "after": "accept"},
    "gained": {
        "pairs": 2,
        "items": [
            _SSH_TO_DB,
            _SSH_TO_DB
            | {"target": _TRAFFIC["target"] | {"instance_id": "i-db02", "address": "10.170.3.2"}},
        ],
        "truncated": False,
    },
    "lost": {"pairs": 0, "items": [], "truncated": False},
}

# --- guardrails -------------------------------------------------------------------

GUARDRAILS: Json = {
    "version": "built-in",
    "max_addresses": 65536,
    "public_ports": [],
    "guarded_ports": [],
    "max_ports": None,
    "all_protocols": True,
    "include_intra_group": False,
    "protected_group_ids": [],
    "protected_rule_ids": [],
    "max_rules": None,
    "max_extra_pairs": None,
}
GUARDRAILS_TRIAL: Any = {
    "in force": _named("Those in force", "Hold a plan against them.", {"plan_id": _PLAN}),
    "stricter": _named(
        "Stricter ones",
        "Databases are for the application's group alone, and nothing opens unasked.",
        {
            "plan_id": _PLAN,
            "guardrails": {
                "guarded_ports": [
                    {
                        "name": "databases",
                        "port_ranges": ["3306/3306", "5432/5432"],
                        "security_group_ids": ["sg-app"],
                    }
                ],
                "max_extra_pairs": 0,
            },
        },
    ),
}
GUARDRAILS_VERDICT: Json = {
    "plan_id": _PLAN,
    "violations": [
        {
            "code": "too_many_extra_pairs",
            "detail": "the plan opens 1 pairs that nobody asked for; at most 0 may be opened by "
            "one operation",
            "value": 1,
            "limit": 0,
        },
        {
            "code": "guarded_port",
            "detail": "tcp port 3306 of i-db01 would be open to 10.170.1.1/32, 10.170.1.2/32: "
            "databases may be reached from named sources only",
            "account_id": DATA,
            "group_id": "sg-db",
            "instance_id": "i-db01",
        },
    ],
}


# --- access -----------------------------------------------------------------------

API_KEY_ID = one(_API_KEY, "a key's id, as `create_api_key` answers it")
API_KEY_REQUESTS: Json = {
    "operator": {
        "summary": "a pipeline that changes both accounts",
        "value": {
            "name": "orders pipeline",
            "grants": [
                {"account_id": SHOP, "role": "operator"},
                {"account_id": DATA, "role": "operator"},
            ],
            "lifetime_days": 30,
        },
    },
    "viewer": {
        "summary": "somebody who looks",
        "value": {"name": "dashboard", "grants": [{"account_id": "*", "role": "viewer"}]},
    },
}
API_KEY: Json = {
    "id": _API_KEY,
    "name": "orders pipeline",
    "prefix": "4be1c0d29f37",
    "status": "active",
    "grants": API_KEY_REQUESTS["operator"]["value"]["grants"],
    "created_by": "bootstrap",
    "created_at": "2026-01-05T08:00:00Z",
    "expires_at": "2026-02-04T08:00:00Z",
    "revoked_at": None,
}
NEW_API_KEY: Json = API_KEY | {"key": "ick_4be1c0d29f37_" + "0" * 80}
API_KEY_PAGE: Json = {"items": [API_KEY], "next_cursor": None}

FREEZE_REQUESTS: Json = {
    "an account": {
        "summary": "Nothing is to change in one account",
        "value": {"frozen": True, "reason": "migration of the shop", "account_id": SHOP},
    },
    "lift": {
        "summary": "Let it go on",
        "value": {"frozen": False, "reason": "migration done", "account_id": SHOP},
    },
}
FREEZES: Json = {
    "frozen": False,
    "items": [
        {
            "account_id": SHOP,
            "reason": "migration of the shop",
            "actor": "bootstrap",
            "since": "2026-01-05T08:00:00Z",
        }
    ],
}

# --- audit ------------------------------------------------------------------------

_HASHES = ("7d" * 32, "3f" * 32)
AUDIT_EVENT: Json = {
    "number": 42,
    "at": "2026-01-05T08:03:00Z",
    "actor": "bootstrap",
    "action": "create_connection",
    "target": f"operation/{_OPERATION}",
    "account_ids": [SHOP, DATA],
    "outcome": "done",
    "plan_fingerprint": _FINGERPRINT,
    "detail": {
        "request_id": "6f1c2a5e0b7d4c0f9a3e",
        "things": [
            f"operation/{_OPERATION}",
            f"plan/{_PLAN}",
            f"connection/{_CONNECTION}",
        ],
    },
    "previous_hash": _HASHES[0],
    "hash": _HASHES[1],
}
AUDIT_PAGE: Json = {"items": [AUDIT_EVENT], "next_cursor": None}
AUDIT_VERIFY: Json = {
    "all": {"summary": "Everything that is there", "value": {}},
    "with a head": {
        "summary": "And that a head is in it which was kept elsewhere",
        "value": {"head": {"number": 42, "hash": _HASHES[1]}},
    },
}
AUDIT_VERIFICATION: Json = {
    "valid": True,
    "checked": 42,
    "head": {"number": 42, "hash": _HASHES[1]},
    "faults": [],
}
