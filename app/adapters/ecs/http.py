"""The wire of the official SDK: one client for each identity and region, one send for each call."""

import json
import threading
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from aliyunsdkcore.auth.credentials import EcsRamRoleCredential, StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.http.protocol_type import HTTPS
from aliyunsdkcore.vendored.requests.adapters import HTTPAdapter
from aliyunsdkcore.vendored.requests.exceptions import ConnectionError as ConnectionFailure
from aliyunsdkcore.vendored.requests.exceptions import ConnectTimeout
from aliyunsdkcore.vendored.requests.packages.urllib3.exceptions import NewConnectionError

from app.adapters.ecs.environment import silence_sdk
from app.adapters.ecs.transport import (
    Identity,
    Keys,
    MachineRole,
    NoAnswerError,
    NotSentError,
    RefusedError,
    Reply,
    SdkRequest,
    WireError,
)

LONGEST_MESSAGE = 300
NO_PROXIES = {"direct": ""}
"""A mapping without an entry for any URL: the SDK looks at the environment only if it has none."""


class SdkTransport:
    """Sends with `AcsClient`; its exceptions, which hold signed URLs, do not get past here.

    With endpoints every call goes to them, past all proxies, and a call to any other host is
    refused before it is sent. Without, calls go to the region's own endpoints over TLS.
    """

    def __init__(
        self,
        *,
        ecs_endpoint: str | None,
        sts_endpoint: str | None,
        connect_timeout: timedelta,
        read_timeout: timedelta,
        pool_size: int,
        user_agent: str,
    ) -> None:
        if (ecs_endpoint is None) != (sts_endpoint is None):
            # One of the two alone would let the other's calls leave for the real cloud.
            raise ValueError("the endpoints of ECS and STS are given together, or neither is")
        endpoints = {"ecs": ecs_endpoint, "sts": sts_endpoint}
        self._endpoints = {name: with_scheme(text) for name, text in endpoints.items() if text}
        self._connect_seconds = connect_timeout.total_seconds()
        self._read_seconds = read_timeout.total_seconds()
        self._pool_size = pool_size
        self._user_agent = user_agent
        self._clients: dict[tuple[str, str], tuple[Identity, Any]] = {}
        self._lock = threading.Lock()
        silence_sdk()

    def send(self, request: SdkRequest, *, region_id: str, identity: Identity) -> Reply:
        """Sign and send `request` once."""
        self._prepare(request)
        client = self._client(region_id, identity)
        # The SDK's exceptions are left behind before ours is raised: a chain would hold the URL.
        outcome = _outcome(client, request, identity)
        if isinstance(outcome, WireError):
            raise outcome
        return outcome

    def _prepare(self, request: SdkRequest) -> None:
        request.set_connect_timeout(self._connect_seconds)
        request.set_read_timeout(self._read_seconds)
        request.set_protocol_type(HTTPS)
        if self._endpoints:
            request.set_endpoint(self._endpoints[request.get_product().lower()])

    def _client(self, region_id: str, identity: Identity) -> Any:  # noqa: ANN401 - untyped SDK
        """Return the client of this identity: a renewed token gets a new one, the old one goes."""
        with self._lock:
            key = (identity.holder, region_id)
            known = self._clients.get(key)
            if known is None or known[0] != identity:
                known = (identity, self._new_client(region_id, identity))
                self._clients[key] = known
            return known[1]

    def _new_client(self, region_id: str, identity: Identity) -> Any:  # noqa: ANN401 - untyped SDK
        client = AcsClient(
            **_credential(identity),
            region_id=region_id,
            auto_retry=False,
            user_agent=self._user_agent,
            pool_size=self._pool_size,
            proxy=NO_PROXIES if self._endpoints else None,
        )
        client.session.trust_env = False
        hosts = frozenset(urlsplit(url).netloc for url in self._endpoints.values())
        for scheme in ("http://", "https://"):
            client.session.mount(scheme, _Connections(self._pool_size, hosts))
        return client


class _Connections:
    """The client's connections, which know what was certainly not sent.

    The SDK gives a refused connection and a lost reply the same code. What is raised here is
    no IOError, so it passes through the SDK as it is.
    """

    def __init__(self, pool_size: int, hosts: frozenset[str]) -> None:
        self._inner = HTTPAdapter(pool_size, pool_size)
        self._hosts = hosts

    def send(self, request: Any, **options: Any) -> Any:  # noqa: ANN401 - untyped SDK
        if self._hosts and urlsplit(request.url).netloc not in self._hosts:
            raise NotSentError("the call was bound for a host that is not the endpoint")
        try:
            return self._inner.send(request, **options)
        except ConnectionFailure as error:
            if not _never_connected(error):
                raise
        raise NotSentError("no connection to the endpoint of the cloud")

    def close(self) -> None:
        self._inner.close()


def _never_connected(error: Exception) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(error, ConnectTimeout) or isinstance(
        getattr(cause, "reason", None), NewConnectionError
    )


def with_scheme(endpoint: str) -> str:
    """Return the endpoint as a URL; without a scheme, only the vendor's hosts mean TLS."""
    if "://" in endpoint:
        return endpoint.rstrip("/")
    host = endpoint.split(":", 1)[0]
    return f"https://{endpoint}" if host.endswith(".aliyuncs.com") else f"http://{endpoint}"


def _credential(identity: Identity) -> dict[str, Any]:
    match identity:
        case Keys(token=None):
            return {"ak": identity.access_key_id, "secret": identity.secret}
        case Keys():
            key = (identity.access_key_id, identity.secret, identity.token)
            return {"credential": StsTokenCredential(*key)}
        case MachineRole():
            return {"credential": EcsRamRoleCredential(identity.role_name)}


def _outcome(client: Any, request: SdkRequest, identity: Identity) -> Reply | WireError:  # noqa: ANN401 - untyped SDK
    try:
        return _parsed(client.do_action_with_exception(request))
    except WireError as error:
        return error
    except ServerException as error:
        return _refusal(error, identity)
    except ClientException:
        return NoAnswerError("the connection ended without a reply")
    except (ValueError, TypeError, LookupError, AttributeError, OSError):
        # Replies that the SDK itself stumbles over, and a metadata service that does not answer.
        return NoAnswerError("the reply could not be read")


def _parsed(body: bytes) -> Reply | WireError:
    reply = json.loads(body)
    if isinstance(reply, dict) and reply.get("RequestId") and "Code" not in reply:
        return reply
    return NoAnswerError("the reply is not one of this API")


def _refusal(error: Any, identity: Identity) -> WireError:  # noqa: ANN401 - untyped SDK
    code = str(error.get_error_code())
    if code.startswith("SDK."):
        return NoAnswerError("the reply is not one of this API")
    return RefusedError(
        code,
        scrubbed(str(error.get_error_msg()), identity),
        status=int(error.get_http_status() or 0),
        request_id=error.get_request_id(),
    )


def scrubbed(message: str, identity: Identity) -> str:
    """Return the cloud's sentence on one line, without anything that a signature is made of."""
    text = message.split("string to sign", 1)[0]
    if isinstance(identity, Keys):
        for secret in (identity.secret, identity.token, identity.access_key_id):
            text = text.replace(secret, "…") if secret else text
    return " ".join(text.split())[:LONGEST_MESSAGE]
