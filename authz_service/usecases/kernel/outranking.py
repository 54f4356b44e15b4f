"""Nobody takes from those above: a customer's user takes a role, or suspends who holds it, only if
holding itself all that the role gives.
"""

from collections.abc import Iterator, Sequence

from authz_service.domain.audit import Actor
from authz_service.domain.change import FactChange
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identity import USER
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, PermissionDenied
from authz_service.usecases.kernel import escalation


def require_rank(index: Index, changes: Sequence[FactChange], actor: Actor, at: Instant) -> None:
    """Check that a customer's user, as caller or as actor, takes nothing that it lacks itself.

    `index` is the one before the changes. What is one's own can be given up.

    Raises:
        PermissionDenied: MEMBER_OUTRANKS.
    """
    user = actor.on_behalf_of or actor.subject
    if not user.startswith(USER):
        return
    for tenant, subject, role, scope in _taken(index, changes, at):
        item = escalation.reach_of(index, role, tenant, scope)
        lacking = () if subject == user else escalation.lacking(index, user, item, at)
        if lacking:
            raise PermissionDenied(
                ErrorReason.MEMBER_OUTRANKS,
                f"{subject} holds role {role!r}, and {user} does not hold all that it gives; let "
                "somebody do it who does",
                details={"subject": subject, "permissions": ",".join(sorted(lacking)[:20])},
            )


def _taken(
    index: Index, changes: Sequence[FactChange], at: Instant
) -> Iterator[tuple[str, str, str, str]]:
    """Iterate over the roles that are taken, in whole or in part: tenant, subject, role, scope."""
    for change in changes:
        match change.before, change.after:
            case RoleGrant() as grant, after if grant.tenant != SYSTEM and not grant.held_back:
                lasts = isinstance(after, RoleGrant) and after.window.contains(grant.window)
                if grant.window.valid_until > at and not lasts:
                    yield grant.tenant, grant.subject, grant.role, grant.scope
            case Membership() as member, Membership(suspensions=now) if now - member.suspensions:
                for held in index.grants(member.tenant, member.subject):
                    if held.valid_until > at:
                        yield member.tenant, member.subject, held.role, held.scope
