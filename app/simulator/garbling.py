"""Replies that are no replies: what a broken gateway or proxy sends instead."""

from __future__ import annotations

HTML = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
    b"<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n"
)


def error_of(request_id: object) -> dict[str, object]:
    """Return the body of an error, to be sent as if it were a success."""
    return {
        "RequestId": request_id,
        "HostId": "ecs.aliyuncs.com",
        "Code": "InternalError",
        "Message": "The request processing has failed due to some unknown error.",
    }


def twisted(value: object) -> object:
    """Return a body whose fields are all there, and none of the type that it should be."""
    if isinstance(value, dict):
        return {name: twisted(item) for name, item in value.items()}
    if isinstance(value, list):
        return str(len(value))
    if isinstance(value, str):
        return {"Value": value}
    return str(value)
