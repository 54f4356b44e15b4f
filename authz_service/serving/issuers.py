"""The issuers whose tokens are taken, as the settings say; what cannot be meant does not start."""

from collections.abc import Callable
from urllib.parse import urlsplit

from authz_service.config import Settings
from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.serving.signing_keys import SigningKeys
from authz_service.serving.tls import PLAINTEXT_ALLOWED, is_loopback
from authz_service.serving.tokens import ALGORITHMS, Issuer, Tokens


def tokens_of(settings: Settings, clock: Callable[[], Instant]) -> Tokens:
    """Make what verifies tokens: of the one issuer, the other, both or none.

    Raises:
        InvalidArgument: an issuer without an audience, a weak algorithm, keys in plaintext.
    """
    issuers = [
        *_issuer(settings, "AUTHZ_JWT", users=False),
        *_issuer(settings, "AUTHZ_USER_JWT", users=True),
    ]
    if len({(issuer.name, issuer.audience) for issuer in issuers}) < len(issuers):
        raise _wrong(
            "AUTHZ_USER_JWT_AUDIENCE",
            "one issuer's tokens for one audience cannot be both users' and services'",
        )
    return Tokens(issuers, clock)


def _issuer(settings: Settings, prefix: str, *, users: bool) -> list[Issuer]:
    def setting(name: str) -> str:
        return str(getattr(settings, f"{prefix}_{name}".removeprefix("AUTHZ_").lower()))

    name, audience, url = setting("ISSUER"), setting("AUDIENCE"), setting("JWKS_URL")
    if not name:
        if audience or url:
            raise _wrong(f"{prefix}_ISSUER", "it is missing beside the others of its name")
        return []
    if not audience:
        raise _wrong(
            f"{prefix}_AUDIENCE",
            "name what tokens for this service bear in `aud`, or those for others would do",
        )
    if not _private(url or name, settings.plaintext):
        field = f"{prefix}_JWKS_URL" if url else f"{prefix}_ISSUER"
        raise _wrong(field, "keys are read over https: on the way, anybody could replace them")
    keys = SigningKeys(name, url, settings.jwks_refresh_seconds)
    return [Issuer(keys, audience, _algorithms(settings), users)]


def _algorithms(settings: Settings) -> frozenset[str]:
    chosen = frozenset(
        filter(None, (algorithm.strip() for algorithm in settings.jwt_algorithms.split(",")))
    )
    if not chosen or chosen - ALGORITHMS:
        wrong = ", ".join(sorted(chosen - ALGORITHMS)) or "none"
        supported = ", ".join(sorted(ALGORITHMS))
        raise _wrong("AUTHZ_JWT_ALGORITHMS", f"{wrong} cannot be used; choose from {supported}")
    return chosen


def _private(url: str, plaintext: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    near = plaintext == PLAINTEXT_ALLOWED or is_loopback(host)
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and near))


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, f"{field}: {message}", field=field)
