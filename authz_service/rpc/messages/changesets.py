"""Change sets to values, and what they would do to messages."""

from collections.abc import Iterable
from typing import Any, Final

from authz_service.domain import changeset
from authz_service.domain.changeset import AnyChange, ChangeSet, ObjectKind
from authz_service.domain.comparison import FieldChange, ObjectChange
from authz_service.domain.scheduled_policy import Objection
from authz_service.engine.effect import Reach, Value
from authz_service.engine.effect_summary import Side, Summary, ValueEffect
from authz_service.engine.impact import Impact, ImpactKind, TenantImpact
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import change_pb2 as pb
from authz_service.rpc.messages import catalog, values
from authz_service.usecases.changesets.preview_apply import Affected
from authz_service.usecases.changesets.scheduling import Scheduled

_MOST_SUBJECTS: Final = 100
"""Members that one concern names; ListAffected and the count tell of all."""

_DEFINITIONS: Final = {
    pb.DEFINITION_KIND_PERMISSION: ObjectKind.PERMISSION,
    pb.DEFINITION_KIND_ROLE: ObjectKind.ROLE,
    pb.DEFINITION_KIND_TIER: ObjectKind.TIER,
    pb.DEFINITION_KIND_ADD_ON: ObjectKind.ADD_ON,
}
_DECISIONS: Final = {
    ImpactKind.ROLE_VANISHES: pb.DECISION_KIND_ROLE_VANISHES,
    ImpactKind.PLAN_VANISHES: pb.DECISION_KIND_PLAN_VANISHES,
    ImpactKind.ROLE_WIDER_THAN_TIER: pb.DECISION_KIND_ROLE_WIDER_THAN_TIER,
    ImpactKind.SEATS_BELOW_TAKEN: pb.DECISION_KIND_SEATS_BELOW_TAKEN,
    ImpactKind.LAST_ADMIN: pb.DECISION_KIND_LAST_ADMIN,
    ImpactKind.ROLE_NOT_ASSIGNABLE: pb.DECISION_KIND_ROLE_NOT_ASSIGNABLE,
}


def changes(messages: Iterable[pb.WantedChange]) -> ChangeSet:
    """Read a set. Raises: INVALID_FIELD, naming the change that says nothing."""
    return ChangeSet(tuple(_change(message, at) for at, message in enumerate(messages)))


def _change(message: pb.WantedChange, at: int) -> AnyChange:
    which = message.WhichOneof("change")
    if which is None:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, "say what to change", field=f"changes[{at}]"
        )
    try:
        made: AnyChange = _MAKE[which](getattr(message, which))
    except InvalidArgument as refusal:
        refusal.field = f"changes[{at}].{refusal.field}"
        raise
    return made


_MAKE: Final[dict[str, Any]] = {
    "permission": lambda m: changeset.Put(catalog.permission(m)),
    "role": lambda m: changeset.Put(catalog.role(m)),
    "tier": lambda m: changeset.Put(catalog.tier(m)),
    "add_on": lambda m: changeset.Put(catalog.add_on(m)),
    "delete": lambda m: changeset.Delete(_kind(m.kind), m.id, m.replacement),
    "role_grant": lambda m: changeset.Give(values.role_grant(m)),
    "revoke_role": lambda m: changeset.Revoke(
        m.tenant,
        m.subject,
        m.role,
        m.scope,
        values.source_filter(m.source, "revoke_role.source"),
    ),
    "exception": lambda m: changeset.Except(values.exception(m)),
    "end_exception": lambda m: changeset.EndException(m.tenant, m.id),
    "set_tier": lambda m: changeset.MoveToTier(m.tenant, m.tier),
    "set_add_on": lambda m: changeset.HoldAddOn(m.tenant, m.add_on, not m.removed),
}


def _kind(number: pb.DefinitionKind.ValueType) -> ObjectKind:
    found = _DEFINITIONS.get(number)
    if found is None:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, "kind must be one of its named values", field="delete.kind"
        )
    return found


def object_message(value: ObjectChange) -> pb.ObjectChange:
    kind = pb.OBJECT_CHANGE_KIND_UPDATED
    if not value.existed:
        kind = pb.OBJECT_CHANGE_KIND_CREATED
    elif not value.exists:
        kind = pb.OBJECT_CHANGE_KIND_DELETED
    return pb.ObjectChange(
        kind=value.kind,
        id=value.id,
        tenant=value.tenant,
        change=kind,
        fields=map(_field_message, value.fields),
    )


def _field_message(value: FieldChange) -> pb.FieldChange:
    return pb.FieldChange(
        field=value.field,
        before=value.before,
        after=value.after,
        added=value.added,
        removed=value.removed,
    )


def effect_message(value: Summary) -> pb.Effect:
    return pb.Effect(
        tenants=value.tenants,
        subjects_gaining=value.gaining,
        subjects_losing=value.losing,
        permissions=(
            pb.PermissionEffect(
                permission=permission.permission,
                gained=_side(permission.gained),
                lost=_side(permission.lost),
            )
            for permission in value.permissions
        ),
        features=map(_value_effect, value.features),
        limits=map(_value_effect, value.limits),
    )


def _side(value: Side) -> pb.EffectSide:
    people = (name.partition(" ") for name in value.subjects.names)
    return pb.EffectSide(
        entitled_tenants=value.entitled.count,
        entitled_tenant_names=value.entitled.names,
        subjects=value.subjects.count,
        subject_tenants=value.tenants,
        subject_names=(pb.Person(tenant=tenant, subject=subject) for tenant, _, subject in people),
    )


def _value_effect(value: ValueEffect) -> pb.ValueEffect:
    return pb.ValueEffect(
        name=value.name,
        before=value.before,
        after=value.after,
        tenants=value.tenants.count,
        tenant_names=value.tenants.names,
    )


def decision_message(value: Impact) -> pb.Decision:
    return pb.Decision(
        kind=_DECISIONS[value.kind],
        object=value.object,
        blocking=value.blocking,
        tenants=value.tenants,
        subjects=value.subjects,
        concerns=map(concern_message, value.in_tenants),
    )


def concern_message(value: TenantImpact) -> pb.Concern:
    return pb.Concern(
        kind=_DECISIONS[value.kind],
        object=value.object,
        tenant=value.tenant,
        subjects=value.subjects[:_MOST_SUBJECTS],
        subject_count=len(value.subjects),
        detail=value.detail,
    )


def affected_message(value: Affected) -> pb.Affected:
    return pb.Affected(
        tenant=value.tenant,
        subject=value.subject,
        gained=map(reach_message, value.shift.gained),
        lost=map(reach_message, value.shift.lost),
        features=map(value_message, value.features),
        limits=map(value_message, value.limits),
        concerns=map(concern_message, value.impacts),
    )


def reach_message(value: Reach) -> pb.Reach:
    return pb.Reach(permission=value.permission, scope=value.scope)


def value_message(value: Value) -> pb.ValueChange:
    return pb.ValueChange(name=value.name, before=value.before, after=value.after)


def scheduled_message(value: Scheduled, *, whole: bool = False) -> pb.ScheduledPolicyChange:
    """Write a set that lies ahead; with all of its objects if it is to be `whole`."""
    return pb.ScheduledPolicyChange(
        id=value.id,
        at=values.timestamp(value.at),
        actor=value.actor,
        on_behalf_of=value.on_behalf_of,
        reason=value.reason,
        create_time=values.timestamp(value.created_at),
        object_count=len(value.objects),
        objects=map(object_message, value.objects) if whole else (),
        objection=_objection_message(value.objection) if value.objection else None,
    )


def _objection_message(value: Objection) -> pb.Objection:
    return pb.Objection(reason=value.reason, message=value.message, tenant=value.tenant)
