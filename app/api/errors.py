"""What can be wrong with a request before it means anything: errors of HTTP alone."""

from app.domain.errors import AppError


class MalformedRequestError(AppError):
    code, title = "malformed_request", "The request is not valid HTTP for this service"


class MethodNotAllowedError(AppError):
    code, title = "method_not_allowed", "This method is not offered here"


class NotAcceptableError(AppError):
    code, title = "not_acceptable", "The answer can only be JSON"


class UnsupportedMediaTypeError(AppError):
    code, title = "unsupported_media_type", "The body is not plain JSON"


class PreconditionRequiredError(AppError):
    code, title = "precondition_required", "The request must say what it has seen"


class RateLimitedError(AppError):
    """`facts`: `limit_per_minute`."""

    code, title = "rate_limited", "The caller sends more requests than are answered"


class BodyTooLargeError(AppError):
    code, title = "body_too_large", "The body is larger than this service accepts"


class NotReadyError(AppError):
    """`facts`: `checks`, each part of the service and whether it is ready."""

    code, title = "not_ready", "The service cannot work yet"
