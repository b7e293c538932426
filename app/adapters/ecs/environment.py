"""What the SDK takes from its surroundings behind our back, and how it is kept from it."""

import logging
from collections.abc import Iterator, Mapping

METADATA_HOST = "100.100.100.200"
LOGGERS = ("aliyunsdkcore", "aliyunsdkcore.http.http_response")


class UnsafeEnvironmentError(RuntimeError):
    """The process has an environment in which the SDK would do what nobody asked it to do."""


def refuse_environment(environ: Mapping[str, str], *, base_role_name: str | None = None) -> None:
    """Refuse variables that the SDK obeys over the arguments it is handed.

    Proxies are not among them: towards an endpoint of ours the SDK is never shown any, and
    towards the real cloud `HTTPS_PROXY` is a setting like any other. Only the keys of a
    machine's role (`base_role_name`) must not be fetched through one.

    Raises:
        UnsafeEnvironmentError: the text names the variable, never its value.
    """
    for name, why in _dangers(environ, base_role_name):
        msg = f"{name} is set: {why}"
        raise UnsafeEnvironmentError(msg)


def _dangers(environ: Mapping[str, str], base_role_name: str | None) -> Iterator[tuple[str, str]]:
    for name in ("ALIYUN_ACCESS_KEY_ID", "ALIYUN_ACCESS_KEY_SECRET"):
        if name in environ:
            yield name, "the SDK would sign the calls of every account with it"
    if environ.get("DEBUG", "").lower() == "sdk":
        yield "DEBUG=sdk", "the SDK would print signed URLs and session tokens"
    direct = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    for name in ("HTTP_PROXY", "http_proxy"):
        if base_role_name and environ.get(name) and METADATA_HOST not in direct:
            yield name, f"a machine's role needs {METADATA_HOST} to be reached without a proxy"


def silence_sdk() -> None:
    """Switch the SDK's own logging off for the whole process.

    It logs each error with the signed URL in it, through a handler that it installs itself.
    """
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
