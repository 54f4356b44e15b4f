"""What a call shows of its caller: a key, a token, or the certificate of its connection."""

from collections.abc import Mapping, Sequence
from typing import Final, assert_never

import grpc

from authz_service.domain import key
from authz_service.domain.identity import CertificateProof, Presented, TokenProof
from authz_service.serving.tokens import Tokens
from authz_service.usecases.kernel.guard import ACTOR_FIELD

Context = grpc.ServicerContext

_BEARER: Final = "Bearer "
_KEY: Final = f"{key.PREFIX}_"
_NOBODY: Final = "nobody"
"""What an empty name of an actor is read as: a mistake, not a call without an actor."""
_NAMES: Final = ("peer_spiffe_id", "x509_subject_alternative_name", "x509_common_name")
"""What gRPC reads from a client's certificate, the names that say most first."""


class Credentials:
    """Reads who calls. `certificates` says that the ports ask for and verify certificates."""

    def __init__(self, tokens: Tokens, *, certificates: bool) -> None:
        self._tokens = tokens
        self._certificates = certificates

    def read(self, context: Context) -> tuple[Presented, str]:
        """Read what the caller shows, "" for nothing, and the actor it names, "" for none.

        A certificate counts if the call has no `authorization` at all.
        """
        text, sent, actor = "", False, ""
        for name, value in context.invocation_metadata():
            if name == "authorization":
                sent = True
                if not text and isinstance(value, str) and value.startswith(_BEARER):
                    text = value[len(_BEARER) :]
            elif name == ACTOR_FIELD:
                # Of two, neither is meant: the comma makes a name that nobody has.
                actor = f"{actor},{value!s}" if actor else str(value) or _NOBODY
        if text.startswith(_KEY):
            return text, actor
        if text:
            return self._tokens.proof(text) or text, actor
        return ("" if sent or not self._certificates else _certificate(context)), actor

    def payer(self, context: Context) -> str:
        """Name whom a call is charged to, before it is known whether it may be made.

        A token is charged to its subject, whose tokens may be many; what only looks like one, to
        the address that it came from.
        """
        match self.read(context)[0]:
            case TokenProof(issuer=issuer, name=name):
                return f"{issuer} {name}"
            case CertificateProof(names=names):
                return " ".join(names)
            case str() as text if text.startswith(_KEY) or not text:
                return text
            case str():
                return str(context.peer()).rpartition(":")[0]
            case never:
                assert_never(never)


def _certificate(context: Context) -> Presented:
    found: Mapping[str, Sequence[bytes]] = context.auth_context()  # type: ignore[assignment] # lists
    names = [name.decode(errors="replace") for each in _NAMES for name in found.get(each, ())]
    return CertificateProof(tuple(dict.fromkeys(names))) if names else ""
