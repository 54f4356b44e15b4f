"""Callers' tokens: JWTs of the issuers that the settings name, verified in memory."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import structlog
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import json_b64decode

from authz_service.domain.identifiers import checked
from authz_service.domain.identity import USER, TokenProof
from authz_service.domain.window import Instant
from authz_service.errors import InvalidArgument
from authz_service.serving.signing_keys import SigningKeys

log = structlog.get_logger()

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    | {"ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""All that can be chosen: signatures with a key pair. A shared secret, or `none`, is no proof."""

LEEWAY: Final = 10
"""Seconds by which an issuer's clock may differ from ours."""

_LONGEST: Final = 8192
"""Characters of a token; gRPC takes no more metadata by default."""
_KEPT: Final = 300
"""Seconds for which a verified token is not verified again."""
_MOST_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are taken, if they are meant for `audience`. With `users`, they are those of
    customers' users, else of registered identities.
    """

    keys: SigningKeys
    audience: str
    algorithms: frozenset[str]
    users: bool = False

    @property
    def name(self) -> str:
        return self.keys.issuer


class KeyUnknown(JoseError):
    """All of a token's claims are as they should be, and the key that signed it is unknown yet."""

    def __init__(self, keys: SigningKeys, key_id: str) -> None:
        super().__init__()
        self.keys, self.key_id = keys, key_id

    def ask_for(self) -> bool:
        """Have the issuer's keys read again; False if that was in vain just now."""
        return self.keys.ask_for(self.key_id)


class _Kept(NamedTuple):
    """A token that was verified with the keys of a generation."""

    proof: TokenProof
    until: Instant
    keys: SigningKeys
    generation: int


class Tokens:
    """Verifies tokens; a good one seen again costs a look-up."""

    def __init__(self, issuers: Sequence[Issuer], clock: Callable[[], Instant]) -> None:
        self._issuers = issuers
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        for issuer in self._issuers:
            issuer.keys.start()

    def stop(self) -> None:
        for issuer in self._issuers:
            issuer.keys.stop()

    def when_read(self, then: Callable[[], None]) -> None:
        """Have `then` called whenever the keys of an issuer were read."""
        for issuer in self._issuers:
            issuer.keys.when_read(then)

    def known(self, token: str) -> TokenProof | None:
        """Return what a token proves that was verified before; it costs a look-up."""
        kept = self._kept.get(token)
        if kept is None or kept.generation != kept.keys.generation:
            return None
        return kept.proof if self._clock() < kept.until else None

    def proof(self, token: str) -> TokenProof | None:
        """Return what a token proves; None if it is nothing, whatever is wrong with it."""
        try:
            return self.verified(token)
        except KeyUnknown as unknown:
            unknown.ask_for()
            return None

    def verified(self, token: str) -> TokenProof | None:
        """Return what a token proves; None if it is nothing.

        Raises: KeyUnknown, if it may prove something once its issuer's keys are read again.
        """
        if (known := self.known(token)) is not None:
            return known
        try:
            kept = self._verified(token, self._clock())
        except KeyUnknown:
            raise
        except (JoseError, InvalidArgument, ValueError, TypeError, RecursionError) as error:
            log.debug("token refused", why=type(error).__name__)
            return None
        self._keep(token, kept)
        return kept.proof

    def _verified(self, token: str, at: Instant) -> _Kept:
        """Verify a token. Its claims come first: they cost less than a signature, and a token is
        good only if both are.

        Raises:
            JoseError, InvalidArgument, ValueError, TypeError, RecursionError: it is not good.
        """
        header, claims = _unverified(token)
        issuer = self._issuer_of(claims, at // 1_000_000)
        generation = issuer.keys.generation
        proof = TokenProof(issuer.name, claims["sub"], issuer.users)
        if issuer.users:
            checked("subject", f"{USER}{proof.name}")
        if header.get("alg") not in issuer.algorithms:
            raise UnsupportedAlgorithmError
        _require_understood(header)
        key_id = header.get("kid") or ""
        key = issuer.keys.find(key_id)
        if key is None:
            raise KeyUnknown(issuer.keys, key_id)
        jws.deserialize_compact(token, key, registry=_Allowed(algorithms=issuer.algorithms))
        seconds = min(claims["exp"] + LEEWAY, at / 1_000_000 + _KEPT)
        return _Kept(proof, int(seconds * 1_000_000), issuer.keys, generation)

    def _issuer_of(self, claims: dict[str, Any], now: int) -> Issuer:
        """Find the issuer, all of whose demands the claims meet. Raises: JoseError."""
        refusal = JoseError("no issuer of ours")
        for issuer in self._issuers:
            try:
                _demands(issuer, now).validate(claims)
            except JoseError as error:
                refusal = error
            else:
                return issuer
        raise refusal

    def _keep(self, token: str, entry: _Kept) -> None:
        with self._lock:
            self._kept[token] = entry
            if len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]


class _Allowed(JWSRegistry):
    """The algorithms that the settings name, without joserfc's own opinion of them."""

    def __init__(self, algorithms: frozenset[str]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read header and claims. Raises: ValueError, TypeError, RecursionError."""
    header, claims, signature = token.split(".") if len(token) <= _LONGEST else ("", "", "")
    if not (header and claims and signature):
        raise ValueError("not three parts")
    read = json_b64decode(header.encode()), json_b64decode(claims.encode())
    if not all(isinstance(part, dict) for part in read):
        raise ValueError("no JSON objects")
    return read


def _require_understood(header: dict[str, Any]) -> None:
    """Refuse a header that asks for what is not done here (RFC 7515, section 4.1.11; RFC 7797).

    Raises: JoseError.
    """
    if "crit" in header or header.get("b64", True) is not True:
        raise JoseError("it asks for an extension")


def _demands(issuer: Issuer, now: int) -> JWTClaimsRegistry:
    return JWTClaimsRegistry(
        now,
        LEEWAY,
        iss={"essential": True, "value": issuer.name},
        aud={"essential": True, "value": issuer.audience},
        sub={"essential": True},
        exp={"essential": True},
    )
