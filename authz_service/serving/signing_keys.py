"""The public keys of an issuer of tokens: fetched over HTTP by a thread of their own, kept in
memory, and never fetched on a call's way.
"""

import json
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, TypeAlias

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

log = structlog.get_logger()

PublicKey: TypeAlias = RSAKey | ECKey | OKPKey

DISCOVERY: Final = "/.well-known/openid-configuration"
"""Where an issuer says where its keys are (OpenID Connect Discovery 1.0, section 4)."""

AT_MOST_EVERY: Final = 3.0
"""Seconds from a fetch that a call with an unknown key brought about in vain to the next one."""

LEAST_RSA_BITS: Final = 2048

_TIMEOUT: Final = httpx.Timeout(3.0)
_LONGEST: Final = 10.0
"""Seconds that a whole answer may take, of which `_TIMEOUT` bounds each part."""
_MOST_BYTES: Final = 1_000_000


class KeysUnavailable(Exception):
    """An issuer's keys could not be read."""


class SigningKeys:
    """The keys that one issuer signs with now.

    They are read again every `every` seconds, which is how long a withdrawn key goes on being
    taken; and soon after an unknown one was asked for, every `AT_MOST_EVERY` seconds at most if
    that is in vain. While they cannot be read, the last ones stay in use.
    """

    def __init__(self, issuer: str, url: str, every: float) -> None:
        """With `url` "", the issuer's discovery document names it."""
        self.issuer = issuer
        self.generation = 0
        self._url = url
        self._every = every
        self._keys: dict[str, PublicKey] = {}
        self._published: Any = None
        self._failing = False
        self._asked: str | None = None
        self._in_vain_at = -AT_MOST_EVERY
        self._wake = threading.Event()
        self._stopping = False
        self._when_read: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="signing-keys", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def when_read(self, then: Callable[[], None]) -> None:
        """Have `then` called after each reading, also one that failed."""
        self._when_read.append(then)

    def find(self, key_id: str) -> PublicKey | None:
        """Find a key; "" finds the one of an issuer that has one only."""
        return self._keys.get(key_id)

    def ask_for(self, key_id: str) -> bool:
        """Ask for the keys to be read again, as this one is unknown; False if that was in vain just
        now. It waits for nothing.
        """
        if monotonic() - self._in_vain_at < AT_MOST_EVERY:
            return False
        self._asked = key_id
        self._wake.set()
        return True

    def refresh(self) -> None:
        """Read the keys again; what goes wrong is logged, and leaves the last ones in use."""
        try:
            published = _get(self._url or self._discovered())
            keys = _usable(published)
        except KeysUnavailable as error:
            self._failing = True
            log.warning(
                "keys of an issuer of tokens not read, the last ones stay in use",
                issuer=self.issuer,
                error=str(error),
                keys=len(self._keys),
            )
            return
        if self._failing:
            log.info("keys of an issuer of tokens read again", issuer=self.issuer)
        self._failing = False
        if published != self._published:
            if not keys:
                log.warning("an issuer of tokens has withdrawn all its keys", issuer=self.issuer)
            self._keys, self._published = keys, published
            # INVARIANT: after the keys, so that whoever sees it sees them.
            self.generation += 1

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            self.refresh()
            asked, self._asked = self._asked, None
            if asked is not None and asked not in self._keys:
                self._in_vain_at = monotonic()
            for then in self._when_read:
                then()
            self._wake.wait(self._every)

    def _discovered(self) -> str:
        document = _get(self.issuer.rstrip("/") + DISCOVERY)
        issuer = document.get("issuer") if isinstance(document, dict) else None
        url = document.get("jwks_uri") if isinstance(document, dict) else None
        if issuer != self.issuer or not isinstance(url, str):
            raise KeysUnavailable("its discovery document is about another issuer or names no keys")
        if self.issuer.startswith("https:") and not url.startswith("https:"):
            raise KeysUnavailable("its discovery document names keys that anybody could replace")
        return url


def _get(url: str) -> Any:
    """Raises: KeysUnavailable."""
    try:
        with httpx.stream("GET", url, timeout=_TIMEOUT) as answer:
            answer.raise_for_status()
            return json.loads(_content(answer, url))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        raise KeysUnavailable(f"{url}: {type(error).__name__}: {error}") from error


def _content(answer: httpx.Response, url: str) -> bytes:
    """Read an answer, however slowly it comes within the time there is. Raises: KeysUnavailable."""
    content, ends = bytearray(), monotonic() + _LONGEST
    for part in answer.iter_bytes():
        content += part
        if len(content) > _MOST_BYTES:
            raise KeysUnavailable(f"{url} answers with more than {_MOST_BYTES} bytes")
        if monotonic() > ends:
            raise KeysUnavailable(f"{url} takes longer than {_LONGEST:g} s to answer")
    return bytes(content)


def _usable(published: Any) -> dict[str, PublicKey]:
    """Read a key set (RFC 7517, section 5), leaving out what can verify no signature.

    Raises: KeysUnavailable, if it is none; an empty one is an issuer's word that none is good.
    """
    listed = published.get("keys") if isinstance(published, dict) else None
    if not isinstance(listed, list):
        raise KeysUnavailable("what it publishes is no key set")
    keys: dict[str, PublicKey] = {}
    for item in listed:
        key = _public_key(item)
        if key is not None:
            key.ensure_kid()
            keys[str(key.kid)] = key
    if len(keys) == 1:
        keys[""] = next(iter(keys.values()))
    return keys


def _public_key(published: Any) -> PublicKey | None:
    try:
        key = None if _weak(published) else JWKRegistry.import_key(published)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    # A shared secret has no place here: whoever reads it could sign.
    return key if isinstance(key, PublicKey) and published.get("use") != "enc" else None


def _weak(published: Any) -> bool:
    """Tell whether a key is too short to prove anything (RFC 7518, section 3.3)."""
    if published.get("kty") != "RSA":
        return False
    modulus = urlsafe_b64decode(published["n"].encode())
    return int.from_bytes(modulus).bit_length() < LEAST_RSA_BITS
