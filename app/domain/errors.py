"""Everything that can go wrong, by stable name.

An error carries a sentence for people (`str(error)`) and facts for machines
(`error.facts`, JSON values only). Which HTTP status an error becomes is decided
in `app.api.problems`, nowhere else.
"""

from typing import ClassVar


class AppError(Exception):
    """Base of every error that a caller may meet."""

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong inside the service"

    def __init__(self, detail: str, **facts: object) -> None:
        super().__init__(detail)
        self.facts = facts


# --- what the caller sent -----------------------------------------------------


class InvalidInputError(AppError):
    """A value that cannot mean anything; the request can never succeed as it is."""

    code, title = "validation", "The request is not valid"


class UnknownFieldError(InvalidInputError):
    code, title = "unknown_field", "The request has a field that is not known"


class InvalidIdentifierError(InvalidInputError):
    code, title = "invalid_identifier", "An identifier has the wrong shape"


class InvalidConnectionError(InvalidInputError):
    code, title = "invalid_connection", "Source and target cannot be connected"


class InvalidCidrError(InvalidInputError):
    code, title = "invalid_cidr", "An address block is not valid"


class FamilyMismatchError(InvalidInputError):
    code, title = "family_mismatch", "An address belongs to the other address family"


class InvalidPortError(InvalidInputError):
    code, title = "invalid_port", "A port range is not valid"


class InvalidProtocolError(InvalidInputError):
    code, title = "invalid_protocol", "A protocol is not known"


class InvalidPriorityError(InvalidInputError):
    code, title = "invalid_priority", "A priority is outside 1 to 100"


class InvalidDescriptionError(InvalidInputError):
    code, title = "invalid_description", "A text cannot be kept as a description"


class InvalidExpiryError(InvalidInputError):
    """`facts`: `pointer`, where in the request it stands, if that is known."""

    code, title = "invalid_expiry", "A time to end at is not valid"


class TooManyItemsError(InvalidInputError):
    code, title = "too_many_items", "A list is too long"


class DuplicateItemError(InvalidInputError):
    code, title = "duplicate_item", "A list names the same thing twice"


class EmptyChangeError(InvalidInputError):
    code, title = "empty_change", "A list that must not be empty is empty"


class InvalidCursorError(InvalidInputError):
    code, title = "invalid_cursor", "The page that was asked for does not exist"


class AccountMismatchError(InvalidInputError):
    code, title = "account_mismatch", "The role belongs to another account"


class SecretNotAcceptedError(InvalidInputError):
    code, title = "secret_not_accepted", "Secrets are not accepted in a request"


class IdempotencyKeyReusedError(InvalidInputError):
    code, title = "idempotency_key_reused", "The idempotency key belongs to another request"


class IdempotencyKeyInvalidError(AppError):
    code, title = "idempotency_key_invalid", "The idempotency key cannot be used"


class IdempotencyKeyRequiredError(AppError):
    code, title = "idempotency_key_required", "An idempotency key is required"


class MalformedBodyError(AppError):
    code, title = "malformed_body", "The body cannot be read"


class DuplicateKeyError(MalformedBodyError):
    code, title = "duplicate_key", "The body names a key twice"


# --- what the caller may do and find ------------------------------------------


class UnauthenticatedError(AppError):
    code, title = "unauthenticated", "A valid API key is required"


class AmbiguousCredentialsError(AppError):
    code, title = "ambiguous_credentials", "More than one credential was sent"


class ForbiddenError(AppError):
    """`facts`: `role`, the one that it takes in every account concerned."""

    code, title = "forbidden", "The caller's role does not allow this"


class AccessRevokedError(AppError):
    """Who asked for an operation may not ask for it any more; `facts`: `actor`."""

    code, title = "access_revoked", "Whoever asked for it may not do it any more"


class GuardrailViolationError(AppError):
    code, title = "guardrail_violation", "The change would open more than is ever allowed"


class NotFoundError(AppError):
    code, title = "not_found", "There is nothing here"


class TargetNotFoundError(AppError):
    code, title = "target_not_found", "The cloud does not know an id of the request"


# --- what stands in the way ---------------------------------------------------


class MethodNotPossibleError(AppError):
    """`facts`: `obstacles` (list of objects) and `possible_methods` (names)."""

    code, title = "method_not_possible", "This method cannot connect these instances"


class QuotaInsufficientError(AppError):
    """`facts`: `quotas`, those that would be exceeded."""

    code, title = "quota_insufficient", "A quota of the cloud has no room for the change"


class TooManyExtraPairsError(AppError):
    """`facts`: `extra_pairs` that would open, `max_extra_pairs` that may, `possible_methods`."""

    code, title = "too_many_extra_pairs", "More would open besides what was asked for than may"


class NoSafeOrderError(AppError):
    """In whatever order: on the way something would be open that is neither before nor after,
    or closed that is to stay open.
    """

    code, title = "no_safe_order", "The changes cannot be made without a gap"


class NotATighteningError(AppError):
    """What is asked for would not be narrower: it is not open today, or is the rule itself."""

    code, title = "not_a_tightening", "The change would not narrow anything"


class ConfirmationRequiredError(AppError):
    """The caller has to name how many pairs the plan says will be lost: `lost`."""

    code, title = "confirmation_required", "What will be lost has to be confirmed"


class TargetManagedError(AppError):
    code, title = "target_managed", "The group is managed by a cloud product"


class PlanStaleError(AppError):
    """`facts`: `difference`, what changed since the plan was made."""

    code, title = "plan_stale", "The plan no longer matches the cloud"


class TargetBusyError(AppError):
    """`facts`: `operation_id` of the operation that is in the way."""

    code, title = "target_busy", "Another operation is changing the same group"


class AccountFrozenError(AppError):
    """`facts`: `account_id`, `*` for the whole service, and `since`."""

    code, title = "account_frozen", "Nothing may be changed at the moment"


class RequestInProgressError(AppError):
    code, title = "request_in_progress", "The first request with this key is not answered yet"


class NotOwnedError(AppError):
    code, title = "not_owned", "This is not ours to change"


class InvalidStateError(AppError):
    code, title = "invalid_state", "The request does not fit the state of the resource"


class PreconditionFailedError(AppError):
    """`facts`: `etag`, which the resource has now."""

    code, title = "precondition_failed", "The resource is not what the caller has seen"


class AlreadyExistsError(AppError):
    code, title = "already_exists", "A resource with this id exists already"


class InUseError(AppError):
    code, title = "in_use", "The resource is still needed"


# --- what happens on the way to the cloud ------------------------------------


class CloudError(AppError):
    """Base of what the cloud answered; facts: `cloud_code`, `cloud_request_id`, `action`."""

    code, title = "cloud_refused", "The cloud refused a call"


class CloudRefusedError(CloudError):
    """The cloud said no, and will say it again: do not repeat."""


class CloudNotFoundError(CloudRefusedError):
    """A thing that the call names does not exist in that account and region."""

    code, title = "target_not_found", "The cloud does not know an id of the request"


class CloudQuotaError(CloudRefusedError):
    code, title = "quota_exceeded", "A quota of the cloud is used up"


class CloudManagedError(CloudRefusedError):
    code, title = "target_managed", "The group is managed by a cloud product"


class CloudThrottledError(CloudError):
    """Not done because of a rate limit: may be repeated, after a while."""

    code, title = "cloud_throttled", "The cloud limits the rate of calls"


class CloudBusyError(CloudError):
    """Not done because something is still in use: may pass, once the cloud has caught up."""

    code, title = "cloud_busy", "The cloud still uses what was to be removed"


class CloudUnavailableError(CloudError):
    """Not done because the cloud cannot be reached or cannot answer now."""

    code, title = "cloud_unavailable", "The cloud cannot be reached"


class OutcomeUnknownError(CloudError):
    """The call may or may not have taken effect: read, then decide."""

    code, title = "outcome_unknown", "It is not known whether the cloud made the change"


class StillProcessingError(OutcomeUnknownError):
    """An earlier call with the same token has not ended yet: it may still take effect."""


class AccountUnreachableError(AppError):
    """The role of a registered account cannot be assumed; `facts`: `account_id`."""

    code, title = "account_unreachable", "The account does not let the service in"


class AssertionBrokenError(AppError):
    """`facts`: `assertions`, each with what would speak against it."""

    code, title = "assertion_broken", "The plan would break an assertion"


class NotReachableAfterChangeError(AppError):
    code, title = "not_reachable_after_change", "The asked flow is not reachable after the change"


class ChangeNotObservedError(AppError):
    code, title = "change_not_observed", "A change was not seen within the settle window"


class NeedsAttentionError(AppError):
    """`facts`: `remaining`, `remedy` and `unconfirmed`, each a list of objects, and `resume`,
    the request that takes the operation up again.
    """

    code, title = "needs_attention", "The operation could neither be finished nor taken back"


class CancelledError(AppError):
    """Why an operation that touched nothing ended although nothing had gone wrong."""

    code, title = "cancelled", "Somebody cancelled the operation"


class RollbackAskedError(AppError):
    """Why an operation went back although nothing had gone wrong."""

    code, title = "rollback_asked", "Somebody asked to take the operation back"


class DriftDuringRunError(AppError):
    """`facts`: `difference`, what somebody else changed since the operation began."""

    code, title = "drift_during_run", "The cloud changed while the operation ran"


class EngineGaveUpError(AppError):
    """Nobody goes on with an operation that had not ended."""

    code, title = "engine_gave_up", "The operation was left behind"


class BackupCorruptError(AppError):
    code, title = "backup_corrupt", "A backup is not what was written"


class BackupMismatchError(AppError):
    """`facts`: `group_ids`, or what of the group is not as the backup has it."""

    code, title = "backup_mismatch", "The backup is of something else"


class StorageUnavailableError(AppError):
    code, title = "storage_unavailable", "The database cannot be used"


class AuditUnavailableError(StorageUnavailableError):
    """Without a record nothing is changed: requests fail, and operations wait."""

    code, title = "audit_unavailable", "The audit cannot be written"


class ClaimLostError(StorageUnavailableError):
    """Another process has taken a request over that seemed to be left behind."""


class SupersededError(StorageUnavailableError):
    """Another process has taken over what this one was carrying out: it may not go on."""
