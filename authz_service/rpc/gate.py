"""Judges the credential of a call at its headers, before a message is waited for."""

from collections.abc import Callable
from typing import Final, NamedTuple

from authz_service.domain.identity import Presented
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import AuthzError, ErrorReason, ResourceExhausted
from authz_service.rpc.credentials import Credentials
from authz_service.rpc.parking import Call
from authz_service.serving.authentication import UnverifiedToken
from authz_service.serving.token_line import TokenLine
from authz_service.usecases.kernel import guard

_KNOWN_FOR: Final = 1_000_000
"""Microseconds for which a key that was good is not judged again at the headers of the same index.
Whoever answers the call judges it once more, to the instant."""
_MOST_KNOWN: Final = 10_000


class _Known(NamedTuple):
    caller: str
    until: Instant


class Gate:
    """Names who calls. Keys and certificates are judged at once; a token that was not seen before
    is verified on a thread that does nothing else.
    """

    def __init__(
        self,
        credentials: Credentials,
        tokens: TokenLine,
        index: Callable[[], Index],
        clock: Callable[[], Instant],
    ) -> None:
        self._credentials, self._tokens = credentials, tokens
        self._index, self._clock = index, clock
        self._known: tuple[Index | None, dict[Presented, _Known]] = (None, {})

    def judge(
        self, call: Call, let_in: Callable[[str], None], refuse: Callable[[AuthzError], None]
    ) -> None:
        """Name the caller, now or once its token is verified."""

        def judged(presented: Presented) -> None:
            try:
                caller = self._caller(presented)
            except AuthzError as refusal:
                refuse(refusal)
            else:
                let_in(caller)

        shown = self._credentials.shown(call.metadata, call.auth_context)
        if not isinstance(shown, UnverifiedToken):
            judged(shown)
        elif not self._tokens.verify(shown, call.address, judged):
            refuse(_too_many_tokens())

    def _caller(self, presented: Presented) -> str:
        """Raises: Unauthenticated."""
        index, at = self._index(), self._clock()
        seen, known = self._known
        if seen is not index or len(known) > _MOST_KNOWN:
            known = {}
            self._known = index, known
        before = known.get(presented)
        if before is not None and at < before.until:
            return before.caller
        caller = guard.authenticate(index, presented, at)
        known[presented] = _Known(caller, at + _KNOWN_FOR)
        return caller


def _too_many_tokens() -> ResourceExhausted:
    return ResourceExhausted(
        ErrorReason.OVERLOADED,
        "more new tokens arrive from this address than can be verified; try again in a second",
        retry_after=1.0,
    )
