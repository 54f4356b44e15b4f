"""What a failed call tells a person: what went wrong, and what to do about it."""

from typing import Final

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status

from authz_service.client.failure import ExitCode, Failure, advice_on
from authz_service.client.tls import refused_handshake
from authz_service.errors import ErrorReason

_START: Final = (
    "start the server (make run, or authz serve), or say where it is: --address, AUTHZ_HOST, "
    "AUTHZ_CHECK_PORT, AUTHZ_ADMIN_PORT"
)
# On what gRPC itself refuses, before our code.
_ADVICE: Final = {
    grpc.StatusCode.UNIMPLEMENTED: "see whether {address} is the right port: checks and changes "
    "have one each",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "run it again in a moment; if it is too large, split it, "
    "or raise AUTHZ_MAX_MESSAGE_BYTES here and of the server",
}


def failure_of(error: grpc.Call, address: str, timeout: float) -> Failure:
    """Say what a call that failed means to the person at the keyboard."""
    code, message = error.code(), error.details() or ""
    info, bad = _details(error)
    if info is not None:
        return Failure(
            ExitCode.REFUSED,
            info.reason,
            message,
            code=code.name,
            field=bad.field_violations[0].field if bad.field_violations else "",
            details=info.metadata,
            advice=advice_on(info.reason),
            violations=[
                (field_violation.field, field_violation.description)
                for field_violation in bad.field_violations
            ],
        )
    if code is grpc.StatusCode.UNAVAILABLE:
        if refused := refused_handshake(message, address):
            return _unreachable(code, *refused)
        return _unreachable(code, f"no server can be reached at {address}: {message}")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        message = f"no answer from {address} within {timeout:g} s"
        advice = "wait longer with --timeout, or see what the server's log says"
        return _unreachable(code, message, advice)
    advice = _ADVICE.get(code, "").format(address=address)
    return Failure(ExitCode.REFUSED, code.name, message, code=code.name, advice=advice)


def _details(error: grpc.Call) -> tuple[ErrorInfo | None, BadRequest]:
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # the details contradict the status: not ours
        status = None
    info, bad = ErrorInfo(), BadRequest()
    details = [detail.Unpack(info) for detail in (status.details if status else ())]
    for detail in status.details if status else ():
        detail.Unpack(bad)
    return (info if any(details) else None), bad


def _wait_of(error: grpc.Call) -> float:
    """Tell for how many seconds the caller's rate is spent; 0 if that is not why it was refused."""
    info, _ = _details(error)
    if info is None or info.reason != ErrorReason.RATE_LIMITED:
        return 0.0
    retry = RetryInfo()
    status = rpc_status.from_call(error)
    details = [detail.Unpack(retry) for detail in (status.details if status else ())]
    return retry.retry_delay.ToTimedelta().total_seconds() if any(details) else 0.0


def _unreachable(code: grpc.StatusCode, message: str, advice: str = _START) -> Failure:
    return Failure(ExitCode.UNREACHABLE, "UNREACHABLE", message, code=code.name, advice=advice)
