"""API keys: how an application proves which `service:` subject of the system tenant it is."""

from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from authz_service.domain.window import FOREVER, Instant

PREFIX: Final = "authz"
"""Every key reads `authz_<id>_<secret>`, so that a scanner can find a leaked one."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key at rest: its secret's SHA-256 only. The secret has 256 random bits, so a plain hash
    cannot be searched back and a slow one would buy nothing.
    """

    id: str
    secret_hash: str
    display_name: str = ""
    created_at: Instant = 0
    expires_at: Instant = FOREVER

    @property
    def subject(self) -> str:
        return f"service:{self.id}"

    def matches(self, secret: str, at: Instant) -> bool:
        """Tell whether `secret` is this key's and the key is still good at `at`."""
        return compare_digest(digest(secret), self.secret_hash) and at < self.expires_at


def digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def write(key_id: str, secret: str) -> str:
    """Join what the caller keeps."""
    return f"{PREFIX}_{key_id}_{secret}"


def parse(text: str) -> tuple[str, str] | None:
    """Split a key into id and secret; None if it is not one of ours."""
    match text.split("_", 2):
        case [prefix, key_id, secret] if prefix == PREFIX and key_id and secret:
            return key_id, secret
    return None
