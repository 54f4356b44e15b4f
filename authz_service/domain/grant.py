"""A subject has a role in a tenant."""

from dataclasses import dataclass
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
    """

    tenant: str
    subject: str
    role: str
    scope: str = ""
    window: Window = ALWAYS
    source: GrantSource = GrantSource.MANUAL
    reason: str = ""
    id: str = ""
