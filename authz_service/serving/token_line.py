"""Tokens wait here to be verified, and no call's thread with them.

Verifying costs as much as a decision and more, and a token by a key that nobody has seen yet has to
wait until its issuer's keys are read again. One thread does the first; nothing but a place in a
list is taken by the second.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple

import structlog

from authz_service.domain.identity import Presented
from authz_service.serving.authentication import UnverifiedToken
from authz_service.serving.tokens import KeyUnknown, Tokens

log = structlog.get_logger()

MOST_OF_ONE: Final = 64
"""Tokens of one address that may wait."""
MOST: Final = 1024
_PATIENCE: Final = 1.0
"""Seconds that a token may wait for its issuer's keys."""

Then = Callable[[Presented], None]


class _Waiting(NamedTuple):
    token: UnverifiedToken
    address: str
    then: Then
    until: float


class TokenLine:
    """Verifies tokens in the order in which they came."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._waiting: deque[_Waiting] = deque()
        self._for_keys: list[_Waiting] = []
        self._of: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="tokens", daemon=True)
        tokens.when_read(self._keys_read)

    def start(self) -> None:
        self._tokens.start()
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        self._tokens.stop()

    def verify(self, token: UnverifiedToken, address: str, then: Then) -> bool:
        """Have `then` called with what the token proves, or with its text if that is nothing.

        A token seen before is known at once. Returns False, and calls nothing, if too many wait.
        """
        proof = self._tokens.known(token.text)
        if proof is not None:
            then(proof)
            return True
        with self._changed:
            if self._of[address] >= MOST_OF_ONE or self._of.total() >= MOST:
                return False
            self._of[address] += 1
            self._waiting.append(_Waiting(token, address, then, monotonic() + _PATIENCE))
            self._changed.notify()
        return True

    def _keys_read(self) -> None:
        with self._changed:
            self._waiting.extend(self._for_keys)
            self._for_keys.clear()
            self._changed.notify()

    def _run(self) -> None:
        while (waiting := self._next()) is not None:
            try:
                self._judge(waiting)
            except Exception as error:  # or no token would be verified any more
                log.error("token not verified", exc_info=error)

    def _next(self) -> _Waiting | None:
        with self._changed:
            while not self._stopped:
                if self._for_keys and self._for_keys[0].until <= monotonic():
                    return self._for_keys.pop(0)
                if self._waiting:
                    return self._waiting.popleft()
                self._changed.wait(0.1 if self._for_keys else None)
        return None

    def _judge(self, waiting: _Waiting) -> None:
        text = waiting.token.text
        try:
            proof: Presented = self._tokens.verified(text) or text
        except KeyUnknown as unknown:
            if waiting.until > monotonic() and unknown.ask_for():
                with self._changed:
                    self._for_keys.append(waiting)
                return
            proof = text
        with self._changed:
            self._of[waiting.address] -= 1
            if not self._of[waiting.address]:
                del self._of[waiting.address]
        waiting.then(proof)
