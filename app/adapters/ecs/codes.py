"""What the cloud's error codes mean to us: one table, the cloud's own spellings included."""

from fnmatch import fnmatchcase
from functools import lru_cache

from app.adapters.ecs.transport import RefusedError
from app.domain.errors import (
    CloudBusyError,
    CloudError,
    CloudManagedError,
    CloudNotFoundError,
    CloudQuotaError,
    CloudRefusedError,
    CloudThrottledError,
    CloudUnavailableError,
    OutcomeUnknownError,
    StillProcessingError,
)


class BaseIdentityError(CloudRefusedError):
    """The cloud does not accept the access key that the service itself was given."""


MEANING: tuple[tuple[str, type[CloudError]], ...] = (
    ("Throttling*", CloudThrottledError),
    ("Rejected.Throttling*", CloudThrottledError),
    ("InvalidAccessKeyId.*", BaseIdentityError),
    ("InvalidAccessKeySecret", BaseIdentityError),
    ("SignatureDoesNotMatch", BaseIdentityError),
    ("IncompleteSignature", BaseIdentityError),
    ("Forbidden.AccessKeyDisabled", BaseIdentityError),
    ("MissingSecurityToken", BaseIdentityError),
    ("InvalidSecurityToken.*", BaseIdentityError),
    ("InternalError", CloudUnavailableError),
    ("UnknownError", CloudUnavailableError),
    ("RequestTimeout", CloudUnavailableError),
    ("ServiceUnavailable*", CloudUnavailableError),
    ("InvalidGressFlow.Malformed", CloudUnavailableError),
    ("IdempotentProcessing", StillProcessingError),
    ("LastTokenProcessing", StillProcessingError),
    ("OperationConflict*", OutcomeUnknownError),
    ("DependencyViolation", CloudBusyError),
    ("*ResourceManagedByCloudProduct", CloudManagedError),
    ("InvalidOperation.EniServiceManaged", CloudManagedError),
    ("*LimitExceed*", CloudQuotaError),
    ("Quota*", CloudQuotaError),
    ("*.QuotaExceed*", CloudQuotaError),
    ("InvalidAction.NotFound", CloudRefusedError),
    ("InvalidApi.NotFound", CloudRefusedError),
    ("InvalidParam.SecurityGroupRuleId", CloudNotFoundError),
    ("InvalidSecurityGroupRule.RuleNotExist", CloudNotFoundError),
    ("InvalidSecurityGroupId.Malformed", CloudNotFoundError),
    ("InvalidInstanceId.Malformed", CloudNotFoundError),
    ("*.NotFound", CloudNotFoundError),
)
"""Patterns of codes, the first that matches counts; every other code is a plain refusal.

Source: ECS API, common error codes, and the error codes of each action.
"""

ALREADY_MEMBER = frozenset({"InvalidInstanceId.AlreadyExists"})
NOT_A_MEMBER = frozenset({"InstanceNotInSecurityGroup", "InvalidSecurityGroupAssociation.NotFound"})
GROUP_IS_GONE = frozenset({"InvalidSecurityGroupId.NotFound"})
"""Refusals that say that what was asked is already so.

Source: ECS API, JoinSecurityGroup, LeaveSecurityGroup and DeleteSecurityGroup.
"""

UNREADABLE_LIST = ("*.NotFound", "Forbidden*", "NoPermission*", "InvalidPrefixListId.*")
"""Answers to DescribePrefixListAttributes for a list that this account cannot read."""


@lru_cache(maxsize=512)
def kind_of(code: str) -> type[CloudError]:
    """Return the error that a code of the cloud means."""
    for pattern, kind in MEANING:
        if fnmatchcase(code, pattern):
            return kind
    return CloudRefusedError


def is_key_fault(code: str) -> bool:
    """Say whether the cloud refused the key, signature or token and not the call itself."""
    return kind_of(code) is BaseIdentityError


def is_transient(refusal: RefusedError) -> bool:
    """Say whether the same read may well succeed a moment later."""
    return refusal.status >= 500 or kind_of(refusal.code) in {
        CloudThrottledError,
        CloudUnavailableError,
    }
