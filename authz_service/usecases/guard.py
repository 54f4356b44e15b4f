"""Who calls, and may they: this service's own callers are decided by its own engine.

A key is the subject `service:<id>` of the tenant `system`. A right held there without a scope is
held for all tenants; one held in the scope `tenant:acme` is held for acme alone.
"""

from collections.abc import Callable, Collection

from authz_service.domain import key
from authz_service.domain.decision import Question
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.decide import decide
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, PermissionDenied, Unauthenticated


def authenticate(index: Index, credential: str, at: Instant) -> str:
    """Name the subject that a credential proves.

    Raises:
        Unauthenticated: CREDENTIALS_MISSING or CREDENTIALS_INVALID. What exactly is wrong with
            a credential is not told to someone who has no good one.
    """
    if not credential:
        raise Unauthenticated(
            ErrorReason.CREDENTIALS_MISSING,
            "no API key came with the call; send metadata `authorization: Bearer <key>`",
        )
    parts = key.parse(credential)
    found = index.keys.get(parts[0]) if parts is not None else None
    if parts is None or found is None or not found.matches(parts[1], at):
        raise Unauthenticated(
            ErrorReason.CREDENTIALS_INVALID,
            "the API key is malformed, unknown, revoked or expired; ask operations for a new one",
        )
    return found.subject


def require(index: Index, subject: str, right: str, tenant: str, at: Instant) -> None:
    """Let through a caller that holds `right` for `tenant` ("" for what concerns no tenant).

    Raises:
        PermissionDenied: the same whether or not the tenant exists.
    """
    scopes = (f"tenant:{tenant}",) if tenant else ()
    if not decide(index, Question(SYSTEM, subject, right, scopes), at).allowed:
        where = f"for tenant {tenant!r}" if tenant else "for all tenants"
        raise PermissionDenied(
            ErrorReason.PERMISSION_DENIED,
            f"{subject} does not hold {right} {where}; use a key with a role that has it",
            details={"permission": right},
        )


def require_for_all(
    index: Index, subject: str, right: str, tenants: Callable[[], Collection[str]], at: Instant
) -> None:
    """Let through a caller that holds `right` for every one of the tenants.

    `tenants` is asked only about a caller that does not hold the right everywhere.

    Raises:
        PermissionDenied: names the first for which it is missing.
    """
    everywhere = decide(index, Question(SYSTEM, subject, right), at).allowed
    for tenant in () if everywhere else tenants() or ("",):
        require(index, subject, right, tenant, at)
