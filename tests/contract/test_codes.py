"""One table says what the cloud's codes mean."""

from fnmatch import fnmatchcase

import pytest

from app.adapters.ecs.calls import kind_of_change, kind_of_read
from app.adapters.ecs.codes import MEANING, BaseIdentityError, is_transient, kind_of
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

CASES: list[tuple[str, int, type[CloudError], type[CloudError]]] = [
    # code, status, meaning for a read, meaning for a change
    ("Throttling", 400, CloudThrottledError, CloudThrottledError),
    ("Throttling.User", 400, CloudThrottledError, CloudThrottledError),
    ("Throttling.Api", 503, CloudThrottledError, CloudThrottledError),
    ("Rejected.Throttling", 429, CloudThrottledError, CloudThrottledError),
    ("InternalError", 500, CloudUnavailableError, OutcomeUnknownError),
    ("InternalError", 400, CloudUnavailableError, OutcomeUnknownError),
    ("ServiceUnavailable", 503, CloudUnavailableError, OutcomeUnknownError),
    ("ServiceUnavailable.RegionMaintaining", 503, CloudUnavailableError, OutcomeUnknownError),
    ("RequestTimeout", 504, CloudUnavailableError, OutcomeUnknownError),
    ("InvalidGressFlow.Malformed", 500, CloudUnavailableError, OutcomeUnknownError),
    ("NobodyKnows", 502, CloudUnavailableError, OutcomeUnknownError),
    ("IdempotentProcessing", 403, CloudUnavailableError, StillProcessingError),
    ("LastTokenProcessing", 403, CloudUnavailableError, StillProcessingError),
    ("OperationConflict", 409, CloudUnavailableError, OutcomeUnknownError),
    ("InvalidSecurityGroupId.NotFound", 404, CloudNotFoundError, CloudNotFoundError),
    ("InvalidSecurityGroupId.Malformed", 400, CloudNotFoundError, CloudNotFoundError),
    ("InvalidInstanceId.NotFound", 404, CloudNotFoundError, CloudNotFoundError),
    ("InvalidSourceGroup.NotFound", 400, CloudNotFoundError, CloudNotFoundError),
    ("InvalidVpcId.NotFound", 403, CloudNotFoundError, CloudNotFoundError),
    ("SecurityGroupRule.NotFound", 404, CloudNotFoundError, CloudNotFoundError),
    ("InvalidParam.SecurityGroupRuleId", 400, CloudNotFoundError, CloudNotFoundError),
    ("InvalidSecurityGroupRule.RuleNotExist", 400, CloudNotFoundError, CloudNotFoundError),
    ("InvalidGroupAuthItem.NotFound", 403, CloudNotFoundError, CloudNotFoundError),
    ("AuthorizationLimitExceed", 403, CloudQuotaError, CloudQuotaError),
    ("AclLimitExceed", 403, CloudQuotaError, CloudQuotaError),
    ("InstanceSecurityGroupLimitExceeded", 400, CloudQuotaError, CloudQuotaError),
    ("SecurityGroupInstanceLimitExceed", 403, CloudQuotaError, CloudQuotaError),
    ("LimitExceed.PrefixListAssociationResource", 403, CloudQuotaError, CloudQuotaError),
    ("QuotaExceed.SecurityGroup", 403, CloudQuotaError, CloudQuotaError),
    ("OperationDenied.QuotaExceed", 400, CloudQuotaError, CloudQuotaError),
    (
        "InvalidOperation.ResourceManagedByCloudProduct",
        403,
        CloudManagedError,
        CloudManagedError,
    ),
    ("InvalidOperation.EniServiceManaged", 403, CloudManagedError, CloudManagedError),
    ("InvalidAccessKeyId.NotFound", 404, BaseIdentityError, BaseIdentityError),
    ("InvalidAccessKeyId.Inactive", 400, BaseIdentityError, BaseIdentityError),
    ("InvalidAccessKeySecret", 400, BaseIdentityError, BaseIdentityError),
    ("SignatureDoesNotMatch", 400, BaseIdentityError, BaseIdentityError),
    ("Forbidden.AccessKeyDisabled", 403, BaseIdentityError, BaseIdentityError),
    ("InvalidSecurityToken.Expired", 400, BaseIdentityError, BaseIdentityError),
    ("IncompleteSignature", 400, BaseIdentityError, BaseIdentityError),
    ("MissingSecurityToken", 400, BaseIdentityError, BaseIdentityError),
    ("UnknownError", 400, CloudUnavailableError, OutcomeUnknownError),
    ("InvalidInstanceId.Malformed", 400, CloudNotFoundError, CloudNotFoundError),
    ("InvalidApi.NotFound", 404, CloudRefusedError, CloudRefusedError),
    ("InvalidAction.NotFound", 404, CloudRefusedError, CloudRefusedError),
    ("Forbidden.RAM", 403, CloudRefusedError, CloudRefusedError),
    ("IncorrectInstanceStatus", 403, CloudRefusedError, CloudRefusedError),
    ("InstanceLockedForSecurity", 403, CloudRefusedError, CloudRefusedError),
    ("InstanceLastSecurityGroup", 403, CloudRefusedError, CloudRefusedError),
    ("DependencyViolation", 403, CloudBusyError, CloudBusyError),
    ("IdempotentParameterMismatch", 400, CloudRefusedError, CloudRefusedError),
    ("InvalidParamter.Conflict", 403, CloudRefusedError, CloudRefusedError),
    ("InvalidSecurityGroupDiscription.Malformed", 400, CloudRefusedError, CloudRefusedError),
    ("MissingParamter.RegionId", 400, CloudRefusedError, CloudRefusedError),
    ("InvalidDestCidrIp.sMalformed", 400, CloudRefusedError, CloudRefusedError),
    ("ILLEGAL_IPV6_CIDR", 400, CloudRefusedError, CloudRefusedError),
    ("NobodyKnows", 400, CloudRefusedError, CloudRefusedError),
]


@pytest.mark.parametrize(("code", "status", "read", "change"), CASES)
def test_a_code_has_one_meaning_for_reads_and_one_for_changes(
    code: str, status: int, read: type[CloudError], change: type[CloudError]
) -> None:
    refusal = RefusedError(code, "", status=status, request_id="r-1")
    assert kind_of_read(refusal) is read
    assert kind_of_change(refusal) is change
    assert is_transient(refusal) == (
        read in {CloudThrottledError, CloudUnavailableError}
        and not issubclass(kind_of(code), OutcomeUnknownError)
    )


def test_every_line_of_the_table_has_an_example() -> None:
    first = {
        next((pattern for pattern, _ in MEANING if fnmatchcase(code, pattern)), None)
        for code, *_ in CASES
    }
    assert {pattern for pattern, _ in MEANING} <= first
