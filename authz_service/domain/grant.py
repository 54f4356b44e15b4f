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


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """`scope` is "" for the whole tenant. Overlapping grants add up; ending one ends only it.

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
    revision: int = field(default=0, compare=False)
