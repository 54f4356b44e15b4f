"""What a gRPC call shows of its caller, read from its metadata and its connection."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import grpc

from authz_service.domain.identity import Presented
from authz_service.serving import authentication
from authz_service.serving.authentication import Authentication, Headers, UnverifiedToken
from authz_service.serving.certificate_names import CertificateNames

Context = grpc.ServicerContext
Handshake = Mapping[str, Sequence[bytes]]
"""What a handshake found out about a caller, by gRPC's names."""


class Credentials:
    """Reads who calls. `certificates` says that the ports ask for and verify certificates."""

    def __init__(self, reader: Authentication, *, certificates: bool) -> None:
        self._reader = reader
        self._names = CertificateNames() if certificates else None

    def read(self, context: Context) -> tuple[Presented, str]:
        """Return what the caller shows, "" for nothing, and the actor it names, "" for none."""
        certificate = partial(self._certificate, context.auth_context)  # type: ignore[arg-type] # lists
        return self._reader.read(context.invocation_metadata(), certificate)

    def shown(
        self, metadata: Headers, handshake: Callable[[], Handshake]
    ) -> Presented | UnverifiedToken:
        """Return what the caller shows at a call's headers, "" for nothing."""
        return authentication.credential(metadata, partial(self._certificate, handshake))

    def _certificate(self, handshake: Callable[[], Handshake]) -> Presented:
        if self._names is None:
            return ""
        for pem in handshake().get("x509_pem_cert", ()):
            return self._names.proof(pem)
        return ""
