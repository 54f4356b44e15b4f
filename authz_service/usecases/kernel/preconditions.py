"""What a change may take for granted once it has asked: each asks one thing or refuses."""

from authz_service.domain.catalog import ADD_ON, TIER, Plan, kept_id
from authz_service.domain.identifiers import checked
from authz_service.domain.membership import Membership
from authz_service.domain.suggestions import DID_YOU_MEAN, nearest, undeclared
from authz_service.domain.tenant import SYSTEM, SuspensionReason, Tenant, TenantState
from authz_service.domain.window import BEGINNING, LATEST, Instant
from authz_service.engine.entitlements import assignable_roles
from authz_service.engine.index import Index, RoleEntry
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument, NotFound

MAX_BATCH = 1000
"""Items that one call may carry."""

MAX_TEXT = 1000
"""Characters in a reason; a display name has up to 200."""


def tenant(index: Index, tenant_id: str, field: str = "tenant") -> Tenant:
    """Find a tenant. Raises: InvalidArgument, NotFound (TENANT_NOT_FOUND)."""
    entry = index.tenant(checked("tenant", tenant_id, field))
    if entry is None:
        raise NotFound(
            ErrorReason.TENANT_NOT_FOUND,
            f"there is no tenant {tenant_id!r}; onboard it first",
            field=field,
            details={"tenant": tenant_id},
        )
    return entry


def customer(index: Index, tenant_id: str, field: str = "tenant") -> Tenant:
    """Find a tenant that is not `system`, whose members are keys. Raises: TENANT_RESERVED."""
    if tenant_id == SYSTEM:
        raise FailedPrecondition(
            ErrorReason.TENANT_RESERVED,
            "the tenant `system` holds this service's own callers; use KeyService",
            field=field,
        )
    return tenant(index, tenant_id, field)


def running_customer(index: Index, tenant_id: str, at: Instant, field: str = "tenant") -> Tenant:
    """Find a customer that is not offboarded. Raises: TENANT_STATE_CONFLICT."""
    entry = customer(index, tenant_id, field)
    if entry.state_at(at) is TenantState.OFFBOARDED:
        raise FailedPrecondition(
            ErrorReason.TENANT_STATE_CONFLICT,
            f"tenant {tenant_id!r} is offboarded; reactivate it before giving anything in it",
            field=field,
        )
    return entry


def customer_subject(subject: str, field: str) -> str:
    """Check a subject that may belong to a customer. Raises: STAFF_NOT_ALLOWED."""
    checked("subject", subject, field)
    if subject.startswith("staff:"):
        raise FailedPrecondition(
            ErrorReason.STAFF_NOT_ALLOWED,
            f"{subject} is vendor staff and gets no membership or role in a customer's account",
            field=field,
        )
    return subject


def member(index: Index, tenant_id: str, subject: str, field: str) -> Membership:
    """Find a member to whom something is to be given. Raises: NOT_A_MEMBER."""
    entry = index.member(tenant_id, subject)
    if entry is None:
        raise FailedPrecondition(
            ErrorReason.NOT_A_MEMBER,
            f"{subject} is not a member of {tenant_id!r}; add the member first",
            field=field,
            details={"tenant": tenant_id, "subject": subject},
        )
    return entry


def role(index: Index, role_id: str, field: str) -> RoleEntry:
    """Find a role. Raises: ROLE_NOT_FOUND."""
    entry = index.role(checked("role", role_id, field))
    if entry is None:
        raise _no_role(role_id, field)
    return entry


def role_owner(role_id: str, field: str) -> str:
    """Name the tenant whose own role this is; "" for a global one."""
    owner, slash, _ = checked("role", role_id, field).partition("/")
    return owner if slash else ""


def assignable(index: Index, to: Tenant, role_id: str, at: Instant, field: str) -> None:
    """Check that the tenant may have the role: its own, or one its tier lists.

    Raises:
        NotFound: ROLE_NOT_FOUND, also for another tenant's own role.
        FailedPrecondition: ROLE_NOT_ASSIGNABLE.
    """
    owner = role_owner(role_id, field)
    if owner not in ("", to.id):
        raise _no_role(role_id, field)
    role(index, role_id, field)
    if owner:
        return
    allowed = assignable_roles(index, to, at)
    if role_id not in allowed and to.id == SYSTEM:
        raise FailedPrecondition(
            ErrorReason.ROLE_NOT_ASSIGNABLE,
            f"role {role_id!r} holds permissions that tiers sell; a caller of this service can "
            f"hold {', '.join(sorted(allowed))}, or a role composed of this service's rights",
            field=field,
            details={"role": role_id},
        )
    if role_id not in allowed:
        raise FailedPrecondition(
            ErrorReason.ROLE_NOT_ASSIGNABLE,
            f"tier {to.tier_at(at)!r} of {to.id!r} does not list role {role_id!r} as assignable; "
            f"it lists {', '.join(sorted(allowed)) or 'none'}",
            field=field,
            details={"role": role_id, "tier": to.tier_at(at)},
        )


def tier(index: Index, name: str, field: str = "tier") -> Plan:
    """Find a tier by its name. Raises: TIER_NOT_FOUND."""
    plan = index.plans.get(f"tier/{checked('tier', name, field)}")
    if plan is None:
        raise NotFound(
            ErrorReason.TIER_NOT_FOUND,
            f"there is no tier {name!r}; create it first",
            field=field,
            details={"tier": name},
        )
    return plan


def tier_version(index: Index, name: str, version: int, field: str = "version") -> Plan:
    """Find a version of a tier, kept or the latest, which 0 stands for also.

    Raises:
        NotFound: TIER_NOT_FOUND, TIER_VERSION_NOT_FOUND.
    """
    latest = tier(index, name)
    if version in (0, latest.version):
        return latest
    plan = index.plans.get(kept_id(latest.id, version)) if version > 0 else None
    if plan is None:
        raise NotFound(
            ErrorReason.TIER_VERSION_NOT_FOUND,
            f"tier {name!r} has no version {version}; its latest is {latest.version}, and its "
            "versions can be listed",
            field=field,
            details={"tier": name, "latest": str(latest.version)},
        )
    return plan


def add_on(index: Index, name: str, field: str = "add_on") -> Plan:
    """Find an add-on by its name. Raises: ADD_ON_NOT_FOUND."""
    plan = index.plans.get(ADD_ON + checked("add_on", name, field))
    if plan is None:
        raise NotFound(
            ErrorReason.ADD_ON_NOT_FOUND,
            f"there is no add-on {name!r}; create it first",
            field=field,
            details={"add_on": name},
        )
    return plan


def plan(index: Index, plan_id: str, field: str = "") -> Plan:
    """Find a tier or add-on by its id, `tier/pro`; `field` is the one of its kind if empty.

    Raises:
        InvalidArgument: INVALID_FIELD, if no plan is named.
        NotFound: TIER_NOT_FOUND, ADD_ON_NOT_FOUND.
    """
    if plan_id.startswith(TIER):
        return tier(index, plan_id.removeprefix(TIER), field or "tier")
    if plan_id.startswith(ADD_ON):
        return add_on(index, plan_id.removeprefix(ADD_ON), field or "add_on")
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD, "name the plan: a `tier` or an `add_on`", field=field or "plan"
    )


def permission(index: Index, name: str, field: str) -> str:
    """Check that a permission is declared. Raises: PERMISSION_NOT_FOUND."""
    if checked("permission", name, field) not in index.permissions:
        close = nearest(name, index.permissions)
        raise NotFound(
            ErrorReason.PERMISSION_NOT_FOUND,
            undeclared("permission", name, index.permissions),
            field=field,
            details={"permission": name, **({DID_YOU_MEAN: close} if close else {})},
        )
    return name


def text(value: str, field: str, *, at_most: int = MAX_TEXT, required: bool = False) -> str:
    """Check free text. Raises: INVALID_FIELD if it is too long, or missing though required."""
    if required and not value.strip():
        raise InvalidArgument(ErrorReason.INVALID_FIELD, f"{field} is required", field=field)
    if len(value) > at_most or "\x00" in value:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"{field} has {len(value)} characters; at most {at_most}, none of them NUL",
            field=field,
        )
    return value


def instant(at: Instant, field: str) -> Instant:
    """Check an instant that a caller names. Raises: INVALID_FIELD outside years 1970 to 9999."""
    if not BEGINNING <= at <= LATEST:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, f"{field} lies outside the years 1970 to 9999", field=field
        )
    return at


def laid_by_hand(reason: SuspensionReason) -> SuspensionReason:
    """Check that a suspension is not one that the downgrade policy alone lays on. Raises:
    INVALID_FIELD.
    """
    if reason is SuspensionReason.SEATS:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            "for want of seats only the downgrade policy suspends; name another reason",
            field="suspension_reason",
        )
    return reason


def batch(count: int, field: str, at_least: int = 0, at_most: int = MAX_BATCH) -> None:
    """Check a number of items. Raises: BATCH_TOO_LARGE, or INVALID_FIELD if there are too few."""
    if count > at_most:
        raise InvalidArgument(
            ErrorReason.BATCH_TOO_LARGE,
            f"{count} items are more than the {at_most} that one call may carry; split the call",
            field=field,
            details={"limit": str(at_most)},
        )
    if count < at_least:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, f"at least {at_least} item is required", field=field
        )


def _no_role(role_id: str, field: str) -> NotFound:
    return NotFound(
        ErrorReason.ROLE_NOT_FOUND,
        f"there is no role {role_id!r} here; a tenant's own role is named tenant/role",
        field=field,
        details={"role": role_id},
    )
