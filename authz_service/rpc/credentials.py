"""What a gRPC call shows of its caller, read from its metadata and its connection."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import grpc

from authz_service.domain.identity import CertificateProof, Presented
from authz_service.serving import authentication
from authz_service.serving.authentication import Authentication

Context = grpc.ServicerContext

_NAMES: Final = ("peer_spiffe_id", "x509_subject_alternative_name", "x509_common_name")
"""What gRPC reads from a client's certificate, the names that say most first."""


class Credentials:
    """Reads who calls. `certificates` says that the ports ask for and verify certificates."""

    def __init__(self, reader: Authentication, *, certificates: bool) -> None:
        self._reader = reader
        self._certificate = _certificate if certificates else _none

    def read(self, context: Context) -> tuple[Presented, str]:
        """Return what the caller shows, "" for nothing, and the actor it names, "" for none."""
        return self._reader.read(context.invocation_metadata(), partial(self._certificate, context))

    def payer(self, context: Context) -> str:
        """Name whom a call is charged to, before it is known whether it may be made."""
        return authentication.payer(self.read(context)[0], partial(_address, context))


def _none(context: Context) -> Presented:  # noqa: ARG001 - as _certificate
    return ""


def _certificate(context: Context) -> Presented:
    shown: Mapping[str, Sequence[bytes]] = context.auth_context()  # type: ignore[assignment] # lists
    names = [name.decode(errors="replace") for kind in _NAMES for name in shown.get(kind, ())]
    return CertificateProof(tuple(dict.fromkeys(names))) if names else ""


def _address(context: Context) -> str:
    return str(context.peer()).rpartition(":")[0]
