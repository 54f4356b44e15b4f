"""What a call shows of its caller, whatever edge it comes in by: a key, a token, a certificate."""

from collections.abc import Callable, Iterable
from typing import Final

from authz_service.domain import key
from authz_service.domain.identity import CertificateProof, Presented, TokenProof
from authz_service.serving.tokens import Tokens

ACTOR_FIELD: Final = "x-authz-actor"
"""The metadata or header that names the actor, as a refusal calls it."""

_BEARER: Final = "Bearer "
_KEY: Final = f"{key.PREFIX}_"
_NOBODY: Final = "nobody"
"""What an empty name of an actor is read as: a mistake, not a call without an actor."""


class Authentication:
    """Reads who calls from the headers of a call and the certificate of its connection."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def read(
        self,
        headers: Iterable[tuple[str, str | bytes]],
        certificate: Callable[[], Presented],
    ) -> tuple[Presented, str]:
        """Return what the caller shows, "" for nothing, and the actor it names, "" for none.

        Names of headers are in lower case. `certificate` is asked only if the call has no
        `authorization` at all.
        """
        text, authorization, actor = "", False, ""
        for name, value in headers:
            if name == "authorization":
                authorization = True
                if not text and isinstance(value, str) and value.startswith(_BEARER):
                    text = value[len(_BEARER) :]
            elif name == ACTOR_FIELD:
                # Of two, neither is meant: the comma makes a name that nobody has.
                actor = f"{actor},{value!s}" if actor else str(value) or _NOBODY
        if text.startswith(_KEY):
            return text, actor
        if text:
            return self._tokens.proof(text) or text, actor
        return "" if authorization else certificate(), actor


def payer(presented: Presented, address: Callable[[], str]) -> str:
    """Name whom a call is charged to, before it is known whether it may be made.

    A token is charged to its subject, whose tokens may be many; what only looks like one, to the
    address that it came from.
    """
    match presented:
        case TokenProof(issuer=issuer, name=name):
            return f"{issuer} {name}"
        case CertificateProof(names=names):
            return " ".join(names)
        case str() as text if text.startswith(_KEY) or not text:
            return text
    return address()
