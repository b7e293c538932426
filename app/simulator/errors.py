"""Refusals: what the cloud answers instead of doing it, by code and HTTP status."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal in the cloud's own words; the misspelt codes are the cloud's too."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message


class ReplyLostError(Exception):
    """The connection ends without a reply; whether the call was applied is not told."""


class MalformedReplyError(Exception):
    """The call ends with a reply that is none; `body` is what was to be answered."""

    def __init__(self, shape: str, body: dict[str, object]) -> None:
        super().__init__(shape)
        self.shape = shape
        self.body = body


class EstateError(Exception):
    """An estate, or a part of one, that contradicts itself; the text is the reason."""


class ControlError(Exception):
    """A control call that cannot be carried out; `status` is what HTTP answers."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def missing_parameter(name: str) -> ApiError:
    """Return the refusal of a call that lacks the parameter `name`.

    Source: ECS API, common error codes.
    """
    code = f"MissingParameter.{name}" if name == "RegionId" else "MissingParameter"
    return ApiError(
        code,
        400,
        f'The input parameter "{name}" that is mandatory for this request is not supplied.',
    )


def invalid_parameter(reason: str) -> ApiError:
    """Return the refusal of a value that no more exact code exists for."""
    return ApiError("InvalidParameter", 400, reason)


def internal_error() -> ApiError:
    """Return the refusal of a call that may have been done. Source: ECS API, common error codes."""
    return ApiError(
        "InternalError", 500, "The request processing has failed due to some unknown error."
    )


def group_not_found() -> ApiError:
    """Return the answer for a group that is not there, or is another account's."""
    return ApiError(
        "InvalidSecurityGroupId.NotFound", 404, "The specified SecurityGroupId does not exist."
    )


def group_malformed() -> ApiError:
    """Return the refusal of something that cannot be a group's id."""
    return ApiError(
        "InvalidSecurityGroupId.Malformed", 400, "The specified SecurityGroupId is not valid."
    )


def instance_not_found() -> ApiError:
    """Return the answer for an instance that is not there, or is another account's."""
    return ApiError("InvalidInstanceId.NotFound", 404, "The specified InstanceId does not exist.")


def managed() -> ApiError:
    """Return the refusal of every change to a group that a cloud product manages.

    Source: ECS user guide, Managed security groups.
    """
    return ApiError(
        "InvalidOperation.ResourceManagedByCloudProduct",
        403,
        "A group that is managed by a cloud product cannot be changed, nor named in a rule.",
    )
