"""TLS on a gRPC port: the files are read again when they change."""

import ssl

import grpc
import structlog

from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.serving.tls import Stamp, TlsFiles

log = structlog.get_logger()


class Certificates:
    """What one port shows and asks for. Read again before each handshake if the files changed;
    files that are half-written or do not fit together leave the last good ones in use.
    """

    def __init__(self, files: TlsFiles) -> None:
        """Read the files.

        Raises:
            InvalidArgument: INVALID_FIELD; they cannot be read or do not fit together.
        """
        self._files = files
        self._refused: Stamp | None = None
        try:
            self._stamp = files.stamp
            self._first = _read(files)
        except (OSError, ValueError) as error:
            raise InvalidArgument(
                ErrorReason.INVALID_FIELD,
                f"cannot serve TLS: {_said(error)}; {_named(files)}",
                field="AUTHZ_TLS_CERT",
            ) from error

    def credentials(self) -> grpc.ServerCredentials:
        """Make the credentials that gRPC asks `changed` about at each new connection."""
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self.changed,  # type: ignore[arg-type] # None says that nothing changed
            require_client_authentication=self._files.client_ca is not None,
        )

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what to serve from now on, or None while nothing usable is new."""
        stamp: Stamp = ()
        try:
            stamp = self._files.stamp
            if stamp in (self._stamp, self._refused):
                return None
            fresh = _read(self._files)
            if self._files.stamp != stamp:
                return None  # still being written: the next handshake sees the end of it
        except (OSError, ValueError) as error:
            self._refuse(stamp, error)
            return None
        self._stamp, self._refused = stamp, None
        log.info("certificate read again", file=str(self._files.certificate))
        return fresh

    def _refuse(self, stamp: Stamp, error: Exception) -> None:
        """Log once for each state of the files."""
        if stamp != self._refused:
            self._refused = stamp
            log.error(
                "certificate not usable, the last good one stays in use",
                error=_said(error),
                files=_named(self._files),
            )


def _read(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    """Read and try the files; gRPC itself would only fail at each handshake.

    Raises:
        OSError, ValueError: ssl.SSLError is an OSError, too.
    """
    tried = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # With a password given, an encrypted key is an error, not a question on the terminal.
    tried.load_cert_chain(files.certificate, files.key, password="")
    authorities = files.client_ca.read_bytes() if files.client_ca else None
    if authorities is not None:
        tried.load_verify_locations(cadata=authorities.decode("ascii"))
    pair = (files.key.read_bytes(), files.certificate.read_bytes())
    return grpc.ssl_server_certificate_configuration([pair], authorities)


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(reason).lower().replace("_", " ")


def _named(files: TlsFiles) -> str:
    names = ("AUTHZ_TLS_CERT", "AUTHZ_TLS_KEY", "AUTHZ_TLS_CLIENT_CA")
    paths = (files.certificate, files.key, files.client_ca)
    return ", ".join(f"{name}={path}" for name, path in zip(names, paths, strict=True) if path)
