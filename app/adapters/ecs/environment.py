"""What the SDK takes from its surroundings behind our back, and how it is kept from it."""

import logging
from collections.abc import Mapping

LOGGERS = ("aliyunsdkcore", "aliyunsdkcore.http.http_response")


class UnsafeEnvironmentError(RuntimeError):
    """The process has an environment in which the SDK would do what nobody asked it to do."""


def refuse_environment(environ: Mapping[str, str]) -> None:
    """Refuse variables that the SDK obeys over the arguments it is handed.

    Proxies are not among them: towards an endpoint of ours the SDK is never shown any, and
    towards the real cloud `HTTPS_PROXY` is a setting like any other.

    Raises:
        UnsafeEnvironmentError: the text names the variable, never its value.
    """
    keys = ("ALIYUN_ACCESS_KEY_ID", "ALIYUN_ACCESS_KEY_SECRET")
    for name in keys:
        if name in environ:
            msg = (
                f"{name} is set: the SDK would sign the calls of every account with it. "
                "Remove it; the base identity is a setting of the service."
            )
            raise UnsafeEnvironmentError(msg)
    if environ.get("DEBUG", "").lower() == "sdk":
        msg = "DEBUG=sdk is set: the SDK would print signed URLs and session tokens. Remove it."
        raise UnsafeEnvironmentError(msg)


def silence_sdk() -> None:
    """Switch the SDK's own logging off for the whole process.

    It logs each error with the signed URL in it, through a handler that it installs itself.
    """
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
