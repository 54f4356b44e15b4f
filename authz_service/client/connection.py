"""The road to the server: address, key, deadline, retries, and what a refusal means."""

import ipaddress
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status

from authz_service.client.failure import ExitCode, Failure, advice_on
from authz_service.client.services import Services
from authz_service.client.tls import refused_handshake
from authz_service.errors import ErrorReason

# Repeating is safe: every change carries a request id, and a repeated one gets the first answer.
_RETRIES: Final = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

_LONGEST_WAIT: Final = 60.0
"""Seconds that a command waits for its caller's rate."""

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


class Connection(Services):
    """A channel to one port of the server, and the stubs of the services behind it."""

    def __init__(
        self,
        address: str,
        key: str,
        *,
        timeout: float,
        max_message_bytes: int,
        credentials: grpc.ChannelCredentials | None = None,
        request_id: str = "",
        dry_run: bool = False,
        actor: str = "",
    ) -> None:
        options: Sequence[tuple[str, Any]] = (
            ("grpc.service_config", json.dumps(_RETRIES)),
            ("grpc.enable_http_proxy", 0 if _is_loopback(address) else 1),
            ("grpc.max_receive_message_length", max_message_bytes),
        )
        self._open = (
            grpc.insecure_channel(address, options)
            if credentials is None
            else grpc.secure_channel(address, credentials, options)
        )
        caller = _Caller(address, key, timeout, request_id, dry_run=dry_run, actor=actor)
        self._channel = grpc.intercept_channel(self._open, caller)

    @property
    def check_channel(self) -> grpc.Channel:
        return self._channel

    @property
    def admin_channel(self) -> grpc.Channel:
        return self._channel

    def close(self) -> None:
        """Hang up."""
        self._open.close()


class _CallDetails(NamedTuple):
    method: str
    timeout: float | None
    metadata: Sequence[tuple[str, str | bytes]] | None
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _Caller(grpc.UnaryUnaryClientInterceptor):
    """Gives every call its key, deadline and request id, and every refusal its meaning."""

    def __init__(
        self,
        address: str,
        key: str,
        timeout: float,
        request_id: str,
        *,
        dry_run: bool,
        actor: str = "",
    ) -> None:
        self._address = address
        names = (("x-authz-actor", actor),) if actor else ()
        # Without a key it is the certificate that says who calls, if nothing else does.
        shown = (("authorization", f"Bearer {key}"),) if key else ()
        self._metadata = (*shown, *names)
        self._timeout = timeout
        self._request_id = request_id
        self._dry_run = dry_run

    def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        """Call until the caller's rate lets it; gRPC itself repeats what else may be repeated.

        Raises:
            Failure: the call gave no answer.
        """
        self._complete(request)
        timeout = client_call_details.timeout or self._timeout
        details = _CallDetails(
            client_call_details.method,
            timeout,
            self._metadata,
            None,
            None,
            None,
        )
        while True:
            outcome = continuation(details, request)
            error = outcome.exception()
            if error is None:
                return outcome
            wait = _wait_of(error)
            if not 0 < wait <= _LONGEST_WAIT:
                raise failure_of(error, self._address, timeout) from error
            time.sleep(wait)

    def _complete(self, request: Any) -> None:
        fields = request.DESCRIPTOR.fields_by_name
        if "request_id" in fields and not request.request_id:
            request.request_id = self._request_id or str(uuid4())
        if "validate_only" in fields and self._dry_run:
            request.validate_only = True


def address_of(value: str, host: str, port: int) -> str:
    """Return where to call: `given` names a host, or a host and its port; the settings the rest.

    >>> address_of("", "127.0.0.1", 50051), address_of("authz.internal", "127.0.0.1", 50051)
    ('127.0.0.1:50051', 'authz.internal:50051')
    >>> address_of("authz.internal:9000", "", 50051), address_of("::1", "", 50051)
    ('authz.internal:9000', '[::1]:50051')
    """
    if value.count(":") == 1 or "]:" in value:
        return value
    # A server listens on a wildcard; nobody can call one.
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(value or host, value or host)  # noqa: S104
    bare = name.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def key_of(key: str, file: Path, *, certificate: bool) -> str:
    """Return the key to call with, `key` or the content of `file`.

    It is "" if there is neither and a `certificate` is shown instead.

    Raises:
        Failure: there is neither, or what there is cannot be used.
    """
    if key:
        return _fit(key.strip(), "AUTHZ_KEY")
    file = file.absolute()
    if certificate and not file.exists():
        return ""
    try:
        key = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _no_key(f"AUTHZ_KEY is not set and {file} cannot be read: {why}") from None
    if not key:
        raise _no_key(f"AUTHZ_KEY is not set and {file} is empty")
    return _fit(key, str(file))


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
    match code:
        case grpc.StatusCode.UNAVAILABLE if refused := refused_handshake(message, address):
            return _unreachable(code, *refused)
        case grpc.StatusCode.UNAVAILABLE:
            return _unreachable(code, f"no server can be reached at {address}: {message}")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
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


def _fit(key: str, where: str) -> str:
    """Refuse here what gRPC would refuse to send, and repeat in its error."""
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    raise _no_key(f"{where} holds no key: a key is one word of printable ASCII")


def _no_key(message: str) -> Failure:
    return Failure(
        ExitCode.NO_KEY,
        "NO_KEY",
        message,
        advice="set AUTHZ_KEY, or AUTHZ_KEY_FILE to a file that holds a key; the first start of "
        "the server (make run) writes var/operator.key, authz keys create makes more. A caller "
        "known by its certificate needs none: --tls-cert, --tls-key",
    )


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
