"""Single values of a request: each refused with the name of what is wrong with it."""

import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.domain.addresses import Block
from app.domain.errors import (
    AppError,
    DuplicateItemError,
    InvalidCidrError,
    InvalidDescriptionError,
    InvalidIdentifierError,
    InvalidInputError,
    InvalidPortError,
    InvalidPriorityError,
    InvalidProtocolError,
)
from app.domain.expiry import read_expiry
from app.domain.rules import MAX_PORT, NAMED_PROTOCOLS, Protocol, check_priority

T = TypeVar("T")

REFUSED_AS = "x-refused-as"
"""In a schema, the code of the problem that a value is which does not fit: it says what an
operation may answer, and is taken out of the contract."""

MOST_ON_A_SIDE = 200
MOST_FLOWS = 100
LONGEST_REASON = 200


def refused(error: AppError) -> PydanticCustomError:
    """Return an error of ours as one that pydantic gives a place to."""
    return PydanticCustomError(error.code, "{detail}", {"detail": str(error)})


def spoken(parse: Callable[[Any], T]) -> Callable[[Any], T]:
    """Let a parser that raises our errors speak to pydantic."""

    def translated(value: Any) -> T:  # noqa: ANN401 - what was sent
        try:
            return parse(value)
        except AppError as error:
            raise refused(error) from error

    return translated


def shown(error: type[AppError], schema: dict[str, Any]) -> WithJsonSchema:
    """Return what the contract says of a value, and which error one is that does not fit."""
    return WithJsonSchema(schema | {REFUSED_AS: error.code})


# --- ids ------------------------------------------------------------------------


def _shaped(name: str, pattern: str) -> Callable[[Any], str]:
    shape = re.compile(pattern, re.ASCII)

    def check(value: object) -> str:
        if isinstance(value, str) and shape.fullmatch(value):
            return value
        raise InvalidIdentifierError(f"{name} looks like {pattern}")

    return spoken(check)


def _identifier(name: str, pattern: str, example: str) -> tuple[BeforeValidator, WithJsonSchema]:
    schema = {"type": "string", "pattern": f"^{pattern}$", "maxLength": 128, "examples": [example]}
    return BeforeValidator(_shaped(name, pattern)), shown(InvalidIdentifierError, schema)


AccountId = Annotated[str, *_identifier("an account id", "[0-9]{16}", "1000000000000001")]
RegionId = Annotated[str, *_identifier("a region id", "[a-z]{2}-[a-z0-9-]{2,30}", "cn-hangzhou")]
InstanceId = Annotated[str, *_identifier("an instance id", "i-[0-9a-zA-Z-]{1,62}", "i-web01")]
GroupId = Annotated[str, *_identifier("a security group id", "sg-[0-9a-zA-Z-]{1,61}", "sg-web")]
VpcId = Annotated[str, *_identifier("a VPC id", "vpc-[0-9a-zA-Z-]{1,60}", "vpc-1")]
RuleId = Annotated[str, *_identifier("a rule id", "[0-9a-zA-Z-]{1,70}", "sgr-web-https")]
PrefixListId = Annotated[str, *_identifier("a prefix list id", "pl-[0-9a-zA-Z-]{1,61}", "pl-1")]
OwnId = Annotated[
    str,
    *_identifier(
        "an id of this service", "[0-9a-zA-Z-]{1,64}", "0b8f6c3e-5d0e-4f5e-8a55-2f6f0c9f7a01"
    ),
]
TierName = Annotated[
    str, *_identifier("a name of tiers", "[A-Za-z][0-9A-Za-z-]{1,40}", "application")
]
RoleArn = Annotated[
    str,
    *_identifier(
        "a role",
        "acs:ram::[0-9]{16}:role/[A-Za-z0-9.@_-]{1,64}",
        "acs:ram::1000000000000001:role/intercommunication",
    ),
]


# --- networks -------------------------------------------------------------------


def _cidr(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidCidrError("an address block is a string, address/length")
    return str(Block.parse(value))


def _address(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidCidrError("an address is a string")
    return Block.parse_address(value).address


def _protocol(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidProtocolError("a protocol is a string")
    return Protocol.parse(value).value


def _port_range(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidPortError("a port range is a string, first/last")
    return value


def _port(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_PORT:
        raise InvalidPortError("a port is a whole number from 1 to 65535")
    return value


def _priority(value: object) -> int:
    if type(value) is not int:
        raise InvalidPriorityError("a priority is a whole number from 1 to 100")
    return check_priority(value)


Cidr = Annotated[
    str,
    BeforeValidator(spoken(_cidr)),
    shown(InvalidCidrError, {"type": "string", "maxLength": 49, "examples": ["10.170.1.1/32"]}),
]
Address = Annotated[
    str,
    BeforeValidator(spoken(_address)),
    shown(InvalidCidrError, {"type": "string", "maxLength": 45, "examples": ["10.170.1.1"]}),
]
ProtocolName = Annotated[
    str,
    BeforeValidator(spoken(_protocol)),
    shown(InvalidProtocolError, {"type": "string", "enum": sorted(NAMED_PROTOCOLS)}),
]
PortRangeText = Annotated[
    str,
    BeforeValidator(spoken(_port_range)),
    shown(
        InvalidPortError,
        {
            "type": "string",
            "pattern": "^(-1/-1|[1-9][0-9]{0,4}/[1-9][0-9]{0,4})$",
            "examples": ["3306/3306"],
        },
    ),
]
Port = Annotated[
    int,
    BeforeValidator(spoken(_port)),
    shown(InvalidPortError, {"type": "integer", "minimum": 1, "maximum": MAX_PORT}),
]
Priority = Annotated[
    int,
    BeforeValidator(spoken(_priority)),
    shown(InvalidPriorityError, {"type": "integer", "minimum": 1, "maximum": 100}),
]


# --- texts ----------------------------------------------------------------------

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNPRINTED = frozenset({"Cc", "Cn", "Co", "Cs", "Zl", "Zp"})
MARKER = "intercom:"


def check_text(value: str) -> str:
    """Return a text that shows what it says and cannot be taken for our marker.

    Raises:
        InvalidDescriptionError
    """
    if any(each in BIDI or unicodedata.category(each) in UNPRINTED for each in value):
        raise InvalidDescriptionError("the text holds characters that do not show")
    if MARKER in value.lower():
        raise InvalidDescriptionError(f"the text holds {MARKER}, the mark of this service")
    return value


def _text(value: object, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise InvalidDescriptionError(f"a text of at most {longest} characters")
    return check_text(value)


def _reason(value: object) -> str:
    return _text(value, LONGEST_REASON)


def _name(value: object) -> str:
    name = _text(value, 128)
    if not name.strip():
        raise InvalidDescriptionError("a name has at least one character")
    return name


def _group_name(value: object) -> str:
    if isinstance(value, str) and GROUP_NAME.fullmatch(value):
        return value
    raise InvalidInputError(
        "a group name has 2 to 128 letters, digits and : _ - . and starts with a letter"
    )


_GROUP_NAME = "[A-Za-z\u4e00-\u9fff][A-Za-z0-9\u4e00-\u9fff:_.-]{1,127}"
GROUP_NAME = re.compile(_GROUP_NAME)

Reason = Annotated[
    str,
    BeforeValidator(spoken(_reason)),
    shown(InvalidDescriptionError, {"type": "string", "maxLength": LONGEST_REASON}),
]
Name = Annotated[
    str,
    BeforeValidator(spoken(_name)),
    shown(InvalidDescriptionError, {"type": "string", "minLength": 1, "maxLength": 128}),
]
GroupName = Annotated[
    str,
    BeforeValidator(spoken(_group_name)),
    WithJsonSchema({"type": "string", "pattern": f"^{_GROUP_NAME}$"}),
]
FilterText = Annotated[
    str,
    BeforeValidator(spoken(_name)),
    shown(InvalidDescriptionError, {"type": "string", "minLength": 1, "maxLength": 128}),
]


# --- times ----------------------------------------------------------------------


def _expiry(value: object) -> str:
    read_expiry(value)
    assert isinstance(value, str)
    return value


ExpiryText = Annotated[
    str,
    BeforeValidator(spoken(_expiry)),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "maxLength": 64,
            "examples": ["2026-03-01T18:00:00Z"],
        }
    ),
]

# --- lists and booleans -----------------------------------------------------------


def once(items: list[T]) -> list[T]:
    """Return a list that names nothing twice.

    Raises:
        DuplicateItemError
    """
    if len(set(items)) != len(items):
        raise DuplicateItemError("the list names the same thing twice")
    return items


_ONCE = AfterValidator(spoken(once))


def _some(most: int) -> Any:  # noqa: ANN401 - pydantic's own Field
    return Field(min_length=1, max_length=most, json_schema_extra={"uniqueItems": True})


InstanceIds = Annotated[list[InstanceId], _some(MOST_ON_A_SIDE), _ONCE]
GroupIds = Annotated[list[GroupId], _some(MOST_ON_A_SIDE), _ONCE]
Cidrs = Annotated[list[Cidr], _some(MOST_ON_A_SIDE), _ONCE]
RegionIds = Annotated[list[RegionId], _some(50), _ONCE]


def _truth(value: object) -> bool:
    if value not in {"true", "false", True, False}:
        raise InvalidInputError("either true or false")
    return value in {"true", True}


QueryBool = Annotated[bool, BeforeValidator(spoken(_truth)), WithJsonSchema({"type": "boolean"})]


# --- backups ----------------------------------------------------------------------

Against = Annotated[
    str,
    *_identifier("`current`, or an id of this service,", "[0-9a-zA-Z-]{1,64}", "current"),
]


class ExportFormat(StrEnum):
    """How a backup is spelt as a file."""

    JSON = "json"
    CSV = "csv"
