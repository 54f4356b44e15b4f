"""A subject has a role in a tenant."""

from dataclasses import dataclass, field
from enum import StrEnum

from authz_service.domain.window import ALWAYS, Window


class GrantSource(StrEnum):
    """Who keeps a grant: a re-sync from one source never touches another's grants."""

    MANUAL = "manual"
    CONTRACT = "contract"
    SCIM = "scim"
    SSO = "sso"
    STAFF = "staff"


class GrantOrigin(StrEnum):
    """How a grant came about. Only the service writes it."""

    GRANTED = ""
    """Somebody granted the role, or an event did."""
    SUBSTITUTE = "substitute"
    """The downgrade policy gave it in place of the grant `substitute_for`, which it holds back."""
    READ_ONLY = "read-only"
    """The downgrade policy gave it to a member without a seat, whose other grants it holds back."""


class HeldBack(StrEnum):
    """Why the downgrade policy holds a grant back. Only the service writes it."""

    NO = ""
    NOT_OFFERED = "not-offered"
    """The plans of the tenant do not offer the role any more."""
    NO_SEAT = "no-seat"
    """The member has no seat."""


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """`scope` is "" for the whole tenant. Overlapping grants add up; ending one ends only it.

    A grant that is `held_back` gives nothing, and is otherwise what it was: it comes back as it is
    when its tenant has room for it again.

    `id` names this grant for its lifetime; two grants that differ in nothing else are one.
    `revision` is that of the last commit which changed it, 0 where nobody told; it says when the
    grant was written and is no part of it.
    """

    tenant: str
    subject: str
    role: str
    scope: str = ""
    window: Window = ALWAYS
    source: GrantSource = GrantSource.MANUAL
    reason: str = ""
    id: str = ""
    origin: GrantOrigin = GrantOrigin.GRANTED
    substitute_for: str = ""
    held_back: HeldBack = HeldBack.NO
    revision: int = field(default=0, compare=False)

    @property
    def is_foreign(self) -> bool:
        """Whether the role is another tenant's own: such a grant gives nothing."""
        owner, slash, _ = self.role.rpartition("/")
        return bool(slash) and owner != self.tenant
