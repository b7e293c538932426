"""What all shapes have in common."""

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

COMPONENT = "x-component"
"""In a schema, the name of the component that it shall be replaced with: pydantic cannot refer
to a model that a field does not hold."""


class In(BaseModel):
    """What a caller sends: closed, so that no misspelt field is ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """What we answer: every field is there, unless it says that it may be left out."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


def names_of(value: object) -> Collection[str]:
    """Names that a part of a request has: of what was sent, or of the model made of it."""
    if isinstance(value, BaseModel):
        return type(value).model_fields.keys()
    return value.keys() if isinstance(value, dict) else ()


def left_out(description: str) -> Any:  # noqa: ANN401 - pydantic's own Field
    """A field of an answer that is absent where it says nothing."""
    return Field(default=None, exclude_if=_is_none, description=description)


def _is_none(value: object) -> bool:
    return value is None
