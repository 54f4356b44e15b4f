"""Who calls, and may they: this service's own callers are decided by its own engine.

A key, and a registered identity, is the subject `service:<id>` of the tenant `system`. A right
held there without a scope is held for all tenants; one held in the scope `tenant:acme` is held for
acme alone. A customer's user, calling by their own token or named as the actor by another caller,
holds in each tenant what they hold there as its member, and nothing in `system`.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final, assert_never

from authz_service.domain import key
from authz_service.domain.audit import Actor
from authz_service.domain.change import FactChange
from authz_service.domain.decision import Question
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import checked
from authz_service.domain.identity import (
    USER,
    CertificateProof,
    IdentityKind,
    Presented,
    TokenProof,
)
from authz_service.domain.membership import ManagedBy, Membership
from authz_service.domain.own_policy import NAME_ACTORS, OVERRIDE
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant, rfc3339
from authz_service.engine.decide import decide
from authz_service.engine.index import Index
from authz_service.errors import (
    ErrorReason,
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    Unauthenticated,
)
from authz_service.serving.authentication import ACTOR_FIELD
from authz_service.usecases.kernel import escalation
from authz_service.usecases.kernel.escalation import Given, Outlasting
from authz_service.usecases.kernel.rights import any_of

_NAMED: Final = 5
"""Permissions that a refusal spells out."""


def authenticate(index: Index, presented: Presented, at: Instant) -> str:
    """Name the subject that a credential proves.

    Raises:
        Unauthenticated: CREDENTIALS_MISSING or CREDENTIALS_INVALID. What exactly is wrong with
            a credential is not told to someone who has no good one.
    """
    if not presented:
        raise Unauthenticated(
            ErrorReason.CREDENTIALS_MISSING,
            "no API key or token came with the call; send metadata `authorization: Bearer <key>`",
        )
    subject = _proven(index, presented, at)
    if subject is None:
        raise Unauthenticated(
            ErrorReason.CREDENTIALS_INVALID,
            "the key, token or certificate is malformed, unknown, revoked, expired or meant for "
            "another service; ask operations for a new one",
        )
    return subject


def _proven(index: Index, presented: Presented, at: Instant) -> str | None:
    match presented:
        case str():
            return _by_key(index, presented, at)
        case TokenProof(user=True, name=name):
            return f"{USER}{name}"
        case TokenProof(issuer=issuer, name=name):
            return _by_identity(index, issuer, ((IdentityKind.TOKEN, name),), at)
        case CertificateProof(names=names):
            return _by_identity(index, "", names, at)
        case _:
            assert_never(presented)


def _by_key(index: Index, text: str, at: Instant) -> str | None:
    parts = key.parse(text)
    api_key = index.keys.get(parts.id) if parts is not None else None
    if parts is None or api_key is None or api_key.kind is not parts.kind:
        return None
    return api_key.subject if api_key.matches(parts.secret, at) else None


def _by_identity(
    index: Index, issuer: str, names: Sequence[tuple[IdentityKind, str]], at: Instant
) -> str | None:
    """Name the first registered of the names; one that has expired does not let another pass."""
    for kind, name in names:
        identity = index.identities.get((kind, issuer, name))
        if identity is not None:
            return identity.subject if at < identity.expires_at else None
    return None


def require(index: Index, actor: Actor, right: str, tenant: str, at: Instant) -> None:
    """Let through a caller that holds `right` for `tenant` ("" for what concerns no tenant).

    With an actor named, the caller must be allowed to name one, and both must hold the right.

    Raises:
        PermissionDenied: the same whether or not the tenant exists.
        InvalidArgument: the actor is no customer's user.
    """
    if actor.on_behalf_of:
        _require(index, actor.subject, NAME_ACTORS, tenant, at)
        _check_actor(actor.on_behalf_of)
        _require(index, actor.on_behalf_of, right, tenant, at)
    _require(index, actor.subject, right, tenant, at)


def require_for_all(
    index: Index, actor: Actor, right: str, tenants: Callable[[], Collection[str]], at: Instant
) -> None:
    """Let through a caller that holds `right` for every one of the tenants.

    `tenants` is asked only about a caller that does not hold the right everywhere.

    Raises:
        PermissionDenied: names the first for which it is missing.
    """
    if not actor.on_behalf_of and holds(index, actor.subject, right, "", at):
        return
    for tenant in tenants() or ("",):
        require(index, actor, right, tenant, at)


def check_escalation(
    index: Index, changes: Sequence[FactChange], actor: Actor, at: Instant
) -> None:
    """Let nobody give what it does not hold: asked of all that one transaction changes.

    `index` is the one before the changes. A caller of the tenant `system` must hold, of this
    service's own rights, those that it gives to other callers or puts within reach of anybody.
    A customer's user, as caller or as actor, must hold every permission that it gives at all.
    Either must be granted it for as long as it gives it.

    Raises:
        PermissionDenied: GRANT_EXCEEDS_OWN_RIGHTS.
    """
    givers = [subject for subject in (actor.on_behalf_of, actor.subject) if subject]
    by_user = any(subject.startswith(USER) for subject in givers)
    for item in escalation.given(index, changes, to_members=by_user):
        for subject in givers:
            lacking = escalation.lacking(index, subject, item, at)
            if lacking:
                raise _exceeds(subject, item, lacking)
            longer = escalation.outlasting(index, subject, item, at)
            if longer is not None:
                raise _outlasts(subject, item, longer)


def require_not_managed(index: Index, changes: Sequence[FactChange], actor: Actor) -> None:
    """Let a customer's user, as caller or as actor, change no member that a directory keeps.

    `index` is the one before the changes.

    Raises:
        FailedPrecondition: MEMBER_MANAGED.
    """
    if not (actor.on_behalf_of or actor.subject).startswith(USER):
        return
    for change in changes:
        for fact in (change.before, change.after):
            if isinstance(fact, Membership | RoleGrant):
                member = index.member(fact.tenant, fact.subject)
                if member is not None and member.managed_by:
                    raise _managed(member)


def require_manager(
    index: Index,
    actor: Actor,
    member: Membership,
    at: Instant,
    field: str,
    by: ManagedBy = ManagedBy.NOBODY,
) -> None:
    """Let a member that a directory keeps be changed by that directory alone, which is `by`.

    Whoever else holds `authz.members:override` may, too; no product and no provisioning does.

    Raises:
        FailedPrecondition: MEMBER_MANAGED.
    """
    if member.managed_by in (ManagedBy.NOBODY, by):
        return
    try:
        require(index, actor, OVERRIDE, member.tenant, at)
    except PermissionDenied as denied:
        raise _managed(member, field) from denied


def _managed(member: Membership, field: str = "") -> FailedPrecondition:
    """Make the refusal to change a member that a directory keeps."""
    return FailedPrecondition(
        ErrorReason.MEMBER_MANAGED,
        f"the customer's directory keeps {member.subject}; change the member there, or use a "
        f"key that holds {OVERRIDE}",
        field=field,
        details={"managed_by": member.managed_by},
    )


def _require(index: Index, subject: str, right: str, tenant: str, at: Instant) -> None:
    if not holds(index, subject, right, tenant, at):
        user = subject.startswith(USER)
        advice = "ask who runs the account" if user else "use a key with a role that has it"
        raise PermissionDenied(
            ErrorReason.PERMISSION_DENIED,
            f"{subject} does not hold {right} {_where(tenant)}; {advice}",
            details={"permission": right},
        )


def holds(index: Index, subject: str, right: str, tenant: str, at: Instant) -> bool:
    """Tell whether a caller or a customer's user holds a right for a tenant, "" for all."""
    if not subject.startswith(USER):
        home, scopes = SYSTEM, ((f"tenant:{tenant}",) if tenant else ())
    elif tenant in ("", SYSTEM):
        # INVARIANT: what a customer's user holds never counts in `system`, nor without a tenant.
        return False
    else:
        home, scopes = tenant, ()
    for enough in any_of(right, tenant):
        if decide(index, Question(home, subject, enough, scopes), at).allowed:
            return True
    return False


def _check_actor(name: str) -> None:
    """Raises: INVALID_IDENTIFIER."""
    if not checked("subject", name, ACTOR_FIELD).startswith(USER):
        raise InvalidArgument(
            ErrorReason.INVALID_IDENTIFIER,
            "an actor is a customer's user: name `user:<id>`",
            field=ACTOR_FIELD,
        )


def _exceeds(subject: str, value: Given, lacking: Collection[str]) -> PermissionDenied:
    return PermissionDenied(
        ErrorReason.GRANT_EXCEEDS_OWN_RIGHTS,
        f"{subject} does not itself hold {_some(lacking)} {_where(value.tenant)}, which "
        f"{value.what} would give; give less, or let somebody do it who holds them",
        details={"permissions": ",".join(sorted(lacking)[:20])},
    )


def _outlasts(subject: str, value: Given, longer: Outlasting) -> PermissionDenied:
    end = rfc3339(longer.at)
    return PermissionDenied(
        ErrorReason.GRANT_EXCEEDS_OWN_RIGHTS,
        f"{subject} itself is not granted {_some(longer.permissions)} {_where(value.tenant)} from "
        f"{end} on, and {value.what} would give it for then; let a grant end by then, or let "
        "somebody do it who holds it longer",
        details={"permissions": ",".join(sorted(longer.permissions)[:20]), "held_until": end},
    )


def _some(permissions: Collection[str]) -> str:
    more = f" and {len(permissions) - _NAMED} more" if len(permissions) > _NAMED else ""
    return ", ".join(sorted(permissions)[:_NAMED]) + more


def _where(tenant: str) -> str:
    return f"for tenant {tenant!r}" if tenant else "for all tenants"
