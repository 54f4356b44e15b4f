"""The files that a port serves TLS from, and plaintext only where nobody listens in."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument

PLAINTEXT_ALLOWED: Final = "allow"

Stamp: TypeAlias = tuple[tuple[int, int, int], ...]
"""Inode, time and size of each file: another one means that a file may have changed."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. With `client_ca`, a client must show a certificate that one of its CAs signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def stamp(self) -> Stamp:
        """Raises: OSError."""
        stats = [path.stat() for path in (self.certificate, self.key, self.client_ca) if path]
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)


def tls_files(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> TlsFiles | None:
    """Return the files to serve TLS from, or None for plaintext.

    Raises:
        InvalidArgument: some are given and another, without which they are nothing, is not.
    """
    if certificate is not None and key is not None:
        return TlsFiles(certificate, key, client_ca)
    files = {"AUTHZ_TLS_CERT": certificate, "AUTHZ_TLS_KEY": key, "AUTHZ_TLS_CLIENT_CA": client_ca}
    if not any(files.values()):
        return None
    missing = next(name for name, path in files.items() if path is None)
    has = next(name for name, path in files.items() if path is not None)
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD,
        f"{has} is set and {missing} is not: TLS needs AUTHZ_TLS_CERT and AUTHZ_TLS_KEY",
        field=missing,
    )


def require_no_listeners(host: str, files: TlsFiles | None, plaintext: str) -> None:
    """Let plaintext be served on loopback alone, unless it is allowed.

    Raises:
        FailedPrecondition: keys and answers would travel in the clear.
    """
    if files is not None or plaintext == PLAINTEXT_ALLOWED or is_loopback(host):
        return
    raise FailedPrecondition(
        ErrorReason.PLAINTEXT_REFUSED,
        f"keys would travel in the clear: AUTHZ_HOST={host} is not loopback and TLS is off; set "
        "AUTHZ_TLS_CERT and AUTHZ_TLS_KEY, or AUTHZ_PLAINTEXT=allow where TLS ends before here",
        field="AUTHZ_HOST",
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host, by address or as `localhost`, is this machine for itself alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
