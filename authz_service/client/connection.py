"""The road to the server: address, key, deadline, retries, and what a refusal means."""

import ipaddress
import json
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import uuid4

import grpc

from authz_service.client.call_failure import _wait_of, failure_of
from authz_service.client.services import Services

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


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
