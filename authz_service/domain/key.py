"""API keys: how an application proves which `service:` subject of the system tenant it is.

A key reads `authz_<kind>_<id>_<secret><checksum>`, as in
`authz_app_key-0651f0c3a1b2cdeadbeef_<43 characters><8 characters>`. A scanner finds one by its
form, `PATTERN`, knows by the checksum that it is one, and by the kind what it opens.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import ClassVar, Final, NamedTuple
from zlib import crc32

from authz_service.domain.audit import Document
from authz_service.domain.kept import Kept, end, present
from authz_service.domain.window import FOREVER, Instant, instant

PREFIX: Final = "authz"

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Of secrets: no sign at which a word is broken or its selection ends."""

SECRET_LENGTH: Final = 43
"""Characters of the alphabet that hold 256 random bits."""

_CHECKSUM_LENGTH: Final = 8


class KeyKind(StrEnum):
    """What a key opens, as its text shows."""

    APP = "app"
    JOB = "job"
    OPERATOR = "op"
    SCIM = "scim"


PATTERN: Final = re.compile(
    rf"{PREFIX}_(?:app|job|op|scim)_key-[0-9a-z]{{1,60}}_[0-9A-Za-z]{{43}}[0-9a-f]{{8}}"
)
"""The form of every key. The last eight characters are `checksum` of all before."""


@dataclass(frozen=True, slots=True)
class ApiKey(Kept):
    """A key at rest: its secret's SHA-256 only. The secret has 256 random bits, so a plain hash
    cannot be searched back and a slow one would buy nothing.

    After a rotation the secret before is good until `previous_expires_at`.
    """

    MESSAGE: ClassVar[str] = "key"

    secret_hash: str
    display_name: str = ""
    created_at: Instant = 0
    expires_at: Instant = FOREVER
    kind: KeyKind = KeyKind.APP
    previous_hash: str = ""
    previous_expires_at: Instant = 0

    @property
    def subject(self) -> str:
        return f"service:{self.id}"

    def matches(self, secret: str, at: Instant) -> bool:
        """Tell whether `secret` is this key's and good at `at`."""
        if at >= self.expires_at:
            return False
        secret_hash = digest(secret)
        return compare_digest(secret_hash, self.secret_hash) or (
            at < self.previous_expires_at and compare_digest(secret_hash, self.previous_hash)
        )

    def has_previous(self, at: Instant) -> bool:
        """Tell whether the secret before the last rotation is still good at `at`."""
        return at < min(self.previous_expires_at, self.expires_at)

    def rotated(self, secret_hash: str, until: Instant) -> "ApiKey":
        """Take a new secret; the present one goes on until `until`, an older one ends now."""
        return replace(
            self,
            secret_hash=secret_hash,
            previous_hash=self.secret_hash,
            previous_expires_at=until,
        )

    def without_previous(self) -> "ApiKey":
        return replace(self, previous_hash="", previous_expires_at=0)

    def document(self, at: Instant, /) -> Document:
        return present(
            id=self.id,
            display_name=self.display_name,
            create_time=instant(self.created_at),
            expire_time=end(self.expires_at),
            kind=f"KEY_KIND_{self.kind.name}" if self.kind else "",
            previous_expire_time=end(self.previous_expires_at) if self.has_previous(at) else "",
        )


def digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def write(kind: KeyKind, key_id: str, secret: str) -> str:
    """Join what the caller keeps."""
    body = f"{PREFIX}_{kind}_{key_id}_{secret}"
    return body + checksum(body)


class KeyText(NamedTuple):
    """The parts of a key as its caller shows it."""

    kind: KeyKind
    id: str
    secret: str


def parse(text: str) -> KeyText | None:
    """Split a key into its parts; None if it is not one of ours, or was mistyped."""
    match text.split("_"):
        case [prefix, kind, key_id, rest] if prefix == PREFIX and kind in _KINDS:
            body = text[:-_CHECKSUM_LENGTH]
            secret = rest[:-_CHECKSUM_LENGTH]
            sound = secret and key_id and checksum(body) == text[-_CHECKSUM_LENGTH:]
            return KeyText(KeyKind(kind), key_id, secret) if sound else None
    return None


def checksum(body: str) -> str:
    """Compute a key's last characters from all before them: CRC-32 in hexadecimal."""
    return f"{crc32(body.encode()):08x}"


_KINDS: Final = frozenset(kind.value for kind in KeyKind)
