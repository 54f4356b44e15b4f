"""Facts as the API's JSON has them: the fields of the messages in proto/, by their names there.

The audit seals this form, so whoever reads an entry reads the messages of the API. It follows the
JSON mapping of protobuf (instants in RFC 3339, enums by name, 64-bit numbers as text, nothing for
what is unset); a test parses every kind of fact into its message and writes it back.

Secrets are left out, and so are addresses of people: a chain cannot be rewritten. `revision` is
left out too; the entry has its own.
"""

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, Final, TypeAlias, assert_never

from authz_service.domain.audit import Document
from authz_service.domain.catalog import (
    ADD_ON,
    TIER,
    Feature,
    FeatureKind,
    Limit,
    Permission,
    Plan,
    Role,
    split_version,
)
from authz_service.domain.change import Fact, ScheduledChangeset
from authz_service.domain.comparison import FieldChange, ObjectChange
from authz_service.domain.exception import EVERYONE, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.job import Job, JobReason
from authz_service.domain.kept import Kept, end, present
from authz_service.domain.membership import Membership
from authz_service.domain.scheduled_changeset import objects_of
from authz_service.domain.tenant import DatedLimit, StatePeriod, SubscriptionItem, Tenant
from authz_service.domain.window import BEGINNING, Instant, Window, instant

Resource: TypeAlias = Fact | Job
"""What the message `Resource` of audit.proto holds."""


def document(resource: Resource, at: Instant) -> Document:
    """Write the message `Resource`: one field, named by what it is.

    An account is written with the state, tier, add-ons and limits that it has at `at`.
    """
    match resource:
        case Permission() | Role() | Plan():
            return _definition(resource)
        case Tenant():
            return {"tenant": _tenant(resource, at)}
        case Membership():
            return {"member": _member(resource)}
        case RoleGrant() | TenantException() | Invitation():
            return _of_account(resource)
        case ScheduledChangeset():
            return {"scheduled_changeset": _scheduled(resource)}
        case Job():
            return {"job": _job(resource)}
        case Kept():
            return {resource.MESSAGE: resource.document(at)}
        case _:
            assert_never(resource)


def _definition(fact: Permission | Role | Plan) -> Document:
    match fact:
        case Permission():
            return {"permission": _permission(fact)}
        case Role():
            return {"role": _role(fact)}
        case Plan():
            return {"tier" if fact.id.startswith(TIER) else "add_on": _plan(fact)}
        case _:
            assert_never(fact)


def _of_account(fact: RoleGrant | TenantException | Invitation) -> Document:
    match fact:
        case RoleGrant():
            return {"role_grant": _role_grant(fact)}
        case TenantException():
            return {"exception": _exception(fact)}
        case Invitation():
            return {"invitation": _invitation(fact)}
        case _:
            assert_never(fact)


def _permission(fact: Permission) -> Document:
    return present(
        id=fact.id,
        internal=fact.internal,
        description=fact.description,
        deprecated=fact.deprecated,
        replaced_by=fact.replaced_by,
    )


def _role(fact: Role) -> Document:
    return present(
        id=fact.id,
        permissions=sorted(fact.permissions),
        includes=sorted(fact.includes),
        description=fact.description,
        admin=fact.admin,
    )


def _plan(fact: Plan) -> Document:
    return present(
        id=fact.name,
        extends=fact.extends.removeprefix(TIER),
        permissions=sorted(fact.permissions),
        features=_each(_feature, fact.features),
        limits=_each(_limit, fact.limits),
        assignable_roles=sorted(fact.assignable_roles),
        description=fact.description,
        suspended_free_seats=fact.suspended_free_seats,
    )


def _feature(feature: Feature) -> Document:
    match feature.kind:
        case FeatureKind.FLAG:
            return {"name": feature.name, "enabled": feature.value == "true"}
        case FeatureKind.NUMBER:
            return {"name": feature.name, "number": feature.value}
        case FeatureKind.TEXT:
            return {"name": feature.name, "text": feature.value, **present(rank=feature.rank)}
        case _:
            assert_never(feature.kind)


def _limit(limit: Limit) -> Document:
    amount = {"unlimited": True} if limit.value is None else {"value": str(limit.value)}
    counting = present(
        period=limit.period and f"LIMIT_PERIOD_{limit.period.name}",
        reset=limit.reset and f"LIMIT_RESET_{limit.reset.name}",
    )
    return {"name": limit.name, **amount, "unit": limit.unit, **counting}


def _tenant(fact: Tenant, at: Instant) -> Document:
    return present(
        id=fact.id,
        display_name=fact.display_name,
        state=f"TENANT_STATE_{fact.state_at(at).name}",
        suspensions=_suspensions(fact),
        tier=fact.tier_at(at),
        add_ons=list(fact.add_ons_at(at)),
        limits=_each(_limit, fact.limits_at(at)),
        periods=_each(_period, fact.periods),
        subscription_items=_each(_item, fact.subscription_items),
        create_time=instant(fact.created_at) if fact.created_at else "",
        tier_version=fact.tier_version_at(at),
        dated_limits=_each(_dated_limit, fact.dated_limits),
    )


def _period(period: StatePeriod) -> Document:
    return {"state": f"TENANT_STATE_{period.state.name}", **_window(period.window)}


def _item(item: SubscriptionItem) -> Document:
    if item.plan.startswith(ADD_ON):
        return {"add_on": item.plan.removeprefix(ADD_ON), **_window(item.window)}
    tier, version = split_version(item.plan.removeprefix(TIER))
    return {"tier": tier, **_window(item.window), **present(tier_version=version)}


def _dated_limit(dated: DatedLimit) -> Document:
    return {"limit": _limit(dated.limit), **_window(dated.window)}


_MEMBER_TEXTS: Final = tuple(field.name for field in fields(Membership) if field.type is str)


def _member(fact: Membership) -> Document:
    return present(
        **{name: getattr(fact, name) for name in _MEMBER_TEXTS},
        state=f"MEMBERSHIP_STATE_{fact.state.name}",
        suspensions=_suspensions(fact),
        owner=fact.owner,
        managed_by=fact.managed_by and f"MANAGED_BY_{fact.managed_by.name}",
    )


def _role_grant(fact: RoleGrant) -> Document:
    return present(
        id=fact.id,
        tenant=fact.tenant,
        subject=fact.subject,
        role=fact.role,
        scope=fact.scope,
        **_window(fact.window),
        source=f"GRANT_SOURCE_{fact.source.name}",
        reason=fact.reason,
        origin=f"GRANT_ORIGIN_{fact.origin.name}",
        substitute_for=fact.substitute_for,
        held_back=f"HOLD_REASON_{fact.held_back.name}" if fact.held_back else "",
    )


def _exception(fact: TenantException) -> Document:
    return present(
        id=fact.id,
        tenant=fact.tenant,
        kind=f"EXCEPTION_KIND_{fact.kind.name}",
        permissions=sorted(fact.permissions),
        subject="" if fact.subject == EVERYONE else fact.subject,
        scope=fact.scope,
        **_window(fact.window),
        reason=fact.reason,
        approver=fact.approver,
        feature=fact.feature and _feature(fact.feature),
    )


def _invitation(fact: Invitation) -> Document:
    return present(
        id=fact.id,
        tenant=fact.tenant,
        subject=fact.subject,
        roles=list(fact.roles),
        invited_by=fact.invited_by,
        send_time=instant(fact.sent_at),
        expire_time=instant(fact.expires_at),
    )


def _scheduled(fact: ScheduledChangeset) -> Document:
    blocker, objects = fact.blocker, objects_of(fact)
    return present(
        id=fact.id,
        apply_time=instant(fact.at),
        actor=fact.actor,
        on_behalf_of=fact.on_behalf_of,
        reason=fact.reason,
        create_time=instant(fact.created_at),
        rpcs=fact.rpcs,
        object_count=len(objects),
        objects=_each(_object, objects),
        blocker=blocker
        and present(reason=blocker.reason, message=blocker.message, tenant=blocker.tenant),
    )


def _object(change: ObjectChange) -> Document:
    return present(
        kind=change.kind,
        id=change.id,
        tenant=change.tenant,
        change=f"OBJECT_CHANGE_KIND_{change.outcome}",
        fields=_each(_field_change, change.fields),
    )


def _field_change(change: FieldChange) -> Document:
    return present(
        field=change.field,
        before=change.before,
        after=change.after,
        added=list(change.added),
        removed=list(change.removed),
    )


def _job(job: Job) -> Document:
    return present(
        id=job.id,
        kind=f"JOB_KIND_{job.kind.name}",
        tenant=job.tenant,
        state=f"JOB_STATE_{job.state.name}",
        target=job.target,
        subject=job.subject,
        attempt_count=job.attempts,
        reason="" if job.reason is JobReason.NONE else f"JOB_REASON_{job.reason.name}",
        message=job.message,
        create_time=instant(job.created_at),
        next_attempt_time=instant(job.next_at) if job.open else "",
        end_time=instant(job.ended_at) if job.ended_at else "",
    )


def _suspensions(fact: Tenant | Membership) -> list[str]:
    return sorted(f"SUSPENSION_REASON_{reason.name}" for reason in fact.suspensions)


def _window(window: Window) -> dict[str, str]:
    start = {"valid_from": instant(window.valid_from)} if window.valid_from != BEGINNING else {}
    return start | ({"valid_until": until} if (until := end(window.valid_until)) else {})


def _each(write: Callable[[Any], Document], items: Iterable[Any]) -> list[Document]:
    return [write(item) for item in items]
