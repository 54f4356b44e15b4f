"""TLS to the server: what the CLI trusts and shows, and what a failed handshake means."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from authz_service.client.failure import ExitCode, Failure

_HUNG_UP: Final = (
    "if it serves TLS, set AUTHZ_TLS_CA; if it asks for certificates, set AUTHZ_TLS_CLIENT_CERT "
    "and AUTHZ_TLS_CLIENT_KEY to a pair that is not expired and that its AUTHZ_TLS_CLIENT_CA signed"
)

_HANDSHAKES: Final = {
    "certificate has expired": (
        "its certificate has expired",
        "have it renewed: the server notices when AUTHZ_TLS_CERT and AUTHZ_TLS_KEY change",
    ),
    "certificate is not yet valid": (
        "its certificate is not valid yet",
        "compare the clocks of this machine and of the one that signed it",
    ),
    "Hostname Verification Check failed": (
        "its certificate is for another name",
        "call it by a name that is in its certificate: --address, AUTHZ_HOST",
    ),
    "WRONG_VERSION_NUMBER": (
        "it does not speak TLS",
        "unset AUTHZ_TLS_CA, or give the server AUTHZ_TLS_CERT and AUTHZ_TLS_KEY",
    ),
    "CERTIFICATE_VERIFY_FAILED": (
        "its certificate is not signed by a CA in AUTHZ_TLS_CA",
        "let AUTHZ_TLS_CA name the PEM file with the CA that signed it",
    ),
    "last error: UNAVAILABLE: ": (
        "it hung up before any call",
        _HUNG_UP,
    ),
}
"""By what gRPC says, the first that fits: what that is in plain words, and what to do."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM files: the CAs to trust, and the certificate to show with its key. None: plaintext."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def credentials_of(files: ClientTls) -> grpc.ChannelCredentials | None:
    """Return what to connect with; None for plaintext.

    Raises:
        Failure: a file cannot be used.
    """
    ca, shown, key = files.ca, files.certificate, files.key
    if ca is None and shown is None and key is None:
        return None
    if ca is None or (shown is None) != (key is None):
        missing = "CA" if ca is None else "CLIENT_CERT" if shown is None else "CLIENT_KEY"
        raise _unusable(f"AUTHZ_TLS_{missing} is missing beside the others", f"AUTHZ_TLS_{missing}")
    tried, at_fault = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), f"AUTHZ_TLS_CA={ca}"
    try:
        tried.load_verify_locations(ca)
        if shown is None or key is None:
            return grpc.ssl_channel_credentials(ca.read_bytes())
        at_fault = f"AUTHZ_TLS_CLIENT_CERT={shown} with AUTHZ_TLS_CLIENT_KEY={key}"
        tried.load_cert_chain(shown, key, password="")
        return grpc.ssl_channel_credentials(ca.read_bytes(), key.read_bytes(), shown.read_bytes())
    except (OSError, ValueError) as error:
        text = getattr(error, "reason", None) or getattr(error, "strerror", None) or "not PEM"
        field = at_fault.partition("=")[0]
        text = str(text).lower().replace("_", " ")
        raise _unusable(f"{at_fault} cannot be used: {text}", field) from error


def refused_handshake(message: str, address: str) -> tuple[str, str] | None:
    """Say why no connection came about, in one line, and what to do; None if TLS is not why."""
    for sign, (why, advice) in _HANDSHAKES.items():
        if sign in message:
            return f"no connection to {address}: {why}", advice
    return None


def _unusable(message: str, field: str) -> Failure:
    advice = "see the chapter TLS of docs/operating.md"
    return Failure(ExitCode.USAGE, "INVALID_SETTING", message, field=field, advice=advice)
