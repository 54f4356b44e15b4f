"""How a call may end: answered, or refused as the API promises; anything else is unclean."""

from typing import Any, Final

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from authz_service.config import Settings
from authz_service.rpc.errors import DOMAIN
from tests.rpc.published import CODE_OF

_MOST_BYTES: Final = Settings.model_fields["max_message_bytes"].default
_OURS_TO_EXPLAIN: Final = frozenset({"INTERNAL"})
"""Reasons that are published, and still never an end that a caller may bring about."""


def judged(sent: int, error: Any, answer: Message | None) -> str:
    """Say what is unclean about the end of a call with so many bytes; "" if nothing is."""
    if error is None:
        return "" if answer is not None else "an answer that cannot be read"
    if sent > _MOST_BYTES and error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return ""  # by gRPC itself, as documented
    return _judged(error)


def _judged(error: Any) -> str:
    name = error.code().name
    try:
        status = rpc_status.from_call(error)
    except ValueError as wrong:
        return f"{name}, and details that do not fit it: {wrong}"
    if status is None:
        return f"{name} without details: {error.details()!r}"
    info = ErrorInfo()
    if not (status.details and status.details[0].Unpack(info)):
        return f"{name} without ErrorInfo"
    if info.domain != DOMAIN or info.reason not in CODE_OF:
        return f"{name} with the unpublished reason {info.domain}/{info.reason}"
    if CODE_OF[info.reason] != name or info.reason in _OURS_TO_EXPLAIN:
        return f"{name} with reason {info.reason}: {status.message!r}"
    if not status.message.strip() or not info.metadata.get("call_id"):
        return f"{name}, {info.reason}: without a message or a call id"
    return ""
