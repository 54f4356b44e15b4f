"""What a call shows of its caller, whatever edge it comes in by: a key, a token, a certificate."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from authz_service.domain import key
from authz_service.domain.identity import Presented
from authz_service.serving.tokens import Tokens

ACTOR_FIELD: Final = "x-authz-actor"
"""The metadata or header that names the actor, as a refusal calls it."""

_SCHEME: Final = "bearer"
_KEY: Final = f"{key.PREFIX}_"
_NOBODY: Final = "nobody"
"""What an empty name of an actor is read as: a mistake, not a call without an actor."""
_NO_KEY: Final = "?"
"""What one of two credentials is read as: nobody's key."""

Headers = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """What looks like a token; it may be anything."""

    text: str


class Authentication:
    """Reads who calls from the headers of a call and the certificate of its connection."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def read(self, headers: Headers, certificate: Callable[[], Presented]) -> tuple[Presented, str]:
        """Return what the caller shows, "" for nothing, and the actor it names, "" for none.

        Names of headers are in lower case. `certificate` is asked only if the call has no
        `authorization` at all.
        """
        shown, actor = _shown(headers), _actor(headers)
        if isinstance(shown, UnverifiedToken):
            return self._tokens.proof(shown.text) or shown.text, actor
        return certificate() if shown is None else shown, actor


def credential(
    headers: Headers, certificate: Callable[[], Presented]
) -> Presented | UnverifiedToken:
    """Return what the caller shows, "" for nothing; a token is not verified."""
    shown = _shown(headers)
    return certificate() if shown is None else shown


def _shown(headers: Headers) -> str | UnverifiedToken | None:
    """Read the one `authorization` (RFC 9110, section 11.6.2), None if there is none.

    Of two neither is read, and no scheme but bearer's.
    """
    values = [value for name, value in headers if name == "authorization"]
    if not values:
        return None
    if len(values) > 1:
        return _NO_KEY
    scheme, _, text = str(values[0]).partition(" ")
    if scheme.lower() != _SCHEME:
        return ""
    return text if text.startswith(_KEY) or not text else UnverifiedToken(text)


def _actor(headers: Headers) -> str:
    """Read the one actor that is named, "" if none is. Of two, neither is meant."""
    actors = [str(value) or _NOBODY for name, value in headers if name == ACTOR_FIELD]
    return "".join(actors) if len(actors) < 2 else _NOBODY
