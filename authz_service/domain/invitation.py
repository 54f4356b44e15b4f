"""Invitations: a dated fact that lets whoever has its token become a member."""

import re
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, InvalidArgument

PREFIX: Final = "authz_invitation_"
"""Every token begins so, so that a scanner, and our own log, can tell one."""

LONGEST: Final = 365 * 86_400_000_000
"""The longest life of a token, in microseconds."""

# One @ between two parts without spaces; what else an address may be, only its mail server knows.
_ADDRESS: Final = re.compile(
    r"[^\s@<>\",;:\\()\[\]\x00-\x20\x7f]{1,64}@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"
)
_LONGEST_ADDRESS: Final = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation at rest: its token's SHA-256 only. `subject` or `email` may be "", not both.

    `mailed_hash` is that of the token in the last mail, which opens it too; "" before any.

    It ends at `expires_at`, or before by being accepted or revoked: then it is no fact any more.
    """

    id: str
    tenant: str
    email: str = ""
    subject: str = ""
    roles: tuple[str, ...] = ()
    token_hash: str = ""
    invited_by: str = ""
    sent_at: Instant = 0
    expires_at: Instant = 0
    mailed_hash: str = ""

    def live(self, at: Instant) -> bool:
        return at < self.expires_at

    def opens(self, token_hash: str, subject: str, at: Instant) -> bool:
        """Tell whether the token is this one's, in time, and in the hands of whom it is for."""
        mailed = bool(self.mailed_hash) and compare_digest(token_hash, self.mailed_hash)
        matches = mailed or compare_digest(token_hash, self.token_hash)
        return matches and self.live(at) and self.subject in ("", subject)

    def reaches(self, other: "Invitation") -> bool:
        """Tell whether both are for the same subject or the same address."""
        same_address = bool(self.email) and self.email == other.email
        return same_address or (bool(self.subject) and self.subject == other.subject)


def write(secret: str) -> str:
    """Make the token of a secret of 256 random bits."""
    return PREFIX + secret


def digest(token: str) -> str:
    """Hash a token. It has 256 random bits, so a slow hash would buy nothing."""
    return sha256(token.encode()).hexdigest()


def checked_address(email: str, field: str) -> str:
    """Return the address as it is kept: in lower case, for mail servers do not tell cases apart.

    Raises:
        InvalidArgument: INVALID_FIELD. It does not repeat the address, which is a person's.
    """
    if len(email) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(email):
        return email.lower()
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD,
        f"{field} must be an e-mail address: someone@company.com",
        field=field,
    )
