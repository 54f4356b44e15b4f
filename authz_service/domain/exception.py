"""One-off exceptions to what a tenant's tier says, each with a reason and an approver."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authz_service.domain.catalog import Feature
from authz_service.domain.window import ALWAYS, Window

EVERYONE: Final = "*"


class ExceptionKind(StrEnum):
    GRANT = "grant"
    """Entitles the tenant to permissions its tier lacks; a role is still needed."""
    DENY = "deny"
    """Takes permissions away, from everyone or one subject, in the tenant or one scope."""
    REPLACE = "replace"
    """Is the tenant's whole entitlement to permissions while it lives; its plans give none."""
    FEATURE = "feature"
    """Sets a feature for the tenant alone, whatever its tier and add-ons set."""


@dataclass(frozen=True, slots=True)
class TenantException:
    """`subject` and `scope` narrow a DENY only; elsewhere they are EVERYONE and "".

    A FEATURE has a `feature` and no permissions, every other kind no feature.

    `revision` is that of the last commit which changed it; it says when the exception was written
    and is no part of it.
    """

    id: str
    tenant: str
    kind: ExceptionKind
    permissions: frozenset[str]
    subject: str = EVERYONE
    scope: str = ""
    window: Window = ALWAYS
    reason: str = ""
    approver: str = ""
    feature: Feature | None = None
    revision: int = field(default=0, compare=False)
