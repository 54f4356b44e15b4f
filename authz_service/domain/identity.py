"""Callers without a key: known by a token that an issuer signed, or by their certificate."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias

from authz_service.domain.audit import Document
from authz_service.domain.kept import Kept, end, present
from authz_service.domain.window import FOREVER, Instant, instant

USER: Final = "user:"
"""How the subjects of customers' users begin."""


class IdentityKind(StrEnum):
    """How a caller proves itself: by a token, or by one type of a certificate's names."""

    TOKEN = "token"
    CERTIFICATE_URI = "certificate_uri"
    CERTIFICATE_DNS = "certificate_dns"
    CERTIFICATE_EMAIL = "certificate_email"
    CERTIFICATE_IP = "certificate_ip"
    CERTIFICATE_COMMON_NAME = "certificate_common_name"


@dataclass(frozen=True, slots=True)
class Identity(Kept):
    """A registered caller. `name` is a token's `sub`, or a certificate's name of the type that
    `kind` says; `issuer` is the token's `iss`, "" for certificates.
    """

    MESSAGE: ClassVar[str] = "identity"

    kind: IdentityKind
    issuer: str
    name: str
    display_name: str = ""
    created_at: Instant = 0
    expires_at: Instant = FOREVER

    @property
    def subject(self) -> str:
        return f"service:{self.id}"

    @property
    def key(self) -> "IdentityKey":
        """What no two identities share."""
        return self.kind, self.issuer, self.name

    def document(self, _at: Instant, /) -> Document:
        return present(
            id=self.id,
            kind=f"IDENTITY_KIND_{self.kind.name}",
            issuer=self.issuer,
            name=self.name,
            display_name=self.display_name,
            create_time=instant(self.created_at),
            expire_time=end(self.expires_at),
        )


IdentityKey: TypeAlias = tuple[IdentityKind, str, str]


@dataclass(frozen=True, slots=True)
class TokenProof:
    """What a token proved: `iss` and `sub`. With `user`, `sub` is the id of a customer's user."""

    issuer: str
    name: str
    user: bool = False


@dataclass(frozen=True, slots=True)
class CertificateProof:
    """The names on a certificate that the handshake verified, those that say most first."""

    names: tuple[tuple[IdentityKind, str], ...]


Presented: TypeAlias = str | TokenProof | CertificateProof
"""What a caller shows of itself: the text of a key, or what was proved before; "" for nothing."""
