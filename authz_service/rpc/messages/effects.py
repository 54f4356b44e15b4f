"""What a call does, and to whom, as messages."""

from typing import Final

from authz_service.domain.comparison import FieldChange, ObjectChange
from authz_service.engine.effect import Reach, Value
from authz_service.engine.effect_summary import Side, Summary, ValueEffect
from authz_service.engine.impact import Impact, ImpactKind, TenantImpact
from authz_service.gen.authz.v1 import effect_pb2 as pb
from authz_service.usecases.changesets.preview_apply import ChangesetEffect
from authz_service.usecases.kernel.previews import Preview

_MOST_SUBJECTS: Final = 100
"""Members that one impact names; ListChangesetEffects and the count tell of all."""

_IMPACTS: Final = {
    ImpactKind.ROLE_VANISHES: pb.IMPACT_KIND_ROLE_VANISHES,
    ImpactKind.PLAN_VANISHES: pb.IMPACT_KIND_PLAN_VANISHES,
    ImpactKind.ROLE_WIDER_THAN_TIER: pb.IMPACT_KIND_ROLE_WIDER_THAN_TIER,
    ImpactKind.SEATS_BELOW_TAKEN: pb.IMPACT_KIND_SEATS_BELOW_TAKEN,
    ImpactKind.LAST_ADMIN: pb.IMPACT_KIND_LAST_ADMIN,
    ImpactKind.ROLE_NOT_ASSIGNABLE: pb.IMPACT_KIND_ROLE_NOT_ASSIGNABLE,
}


def preview_message(value: Preview) -> pb.Preview:
    return pb.Preview(
        objects=map(object_message, value.objects),
        effect=effect_message(value.summary),
        impacts=map(impact_message, value.impacts),
        warnings=value.warnings,
    )


def object_message(value: ObjectChange) -> pb.ObjectChange:
    return pb.ObjectChange(
        kind=value.kind,
        id=value.id,
        tenant=value.tenant,
        change=pb.ObjectChangeKind.Value(f"OBJECT_CHANGE_KIND_{value.outcome}"),
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
        subject_names=(
            pb.AffectedMember(tenant=tenant, subject=subject) for tenant, _, subject in people
        ),
    )


def _value_effect(value: ValueEffect) -> pb.ValueEffect:
    return pb.ValueEffect(
        name=value.name,
        before=value.before,
        after=value.after,
        tenants=value.tenants.count,
        tenant_names=value.tenants.names,
    )


def impact_message(value: Impact) -> pb.Impact:
    return pb.Impact(
        kind=_IMPACTS[value.kind],
        object=value.object,
        blocking=value.blocking,
        tenants=value.tenants,
        subjects=value.subjects,
        in_tenants=map(tenant_impact_message, value.in_tenants),
    )


def tenant_impact_message(value: TenantImpact) -> pb.TenantImpact:
    return pb.TenantImpact(
        kind=_IMPACTS[value.kind],
        object=value.object,
        tenant=value.tenant,
        subjects=value.subjects[:_MOST_SUBJECTS],
        subject_count=len(value.subjects),
        detail=value.detail,
    )


def changeset_effect_message(value: ChangesetEffect) -> pb.ChangesetEffect:
    return pb.ChangesetEffect(
        tenant=value.tenant,
        subject=value.subject,
        gained=map(reach_message, value.shift.gained),
        lost=map(reach_message, value.shift.lost),
        features=map(value_message, value.features),
        limits=map(value_message, value.limits),
        impacts=map(tenant_impact_message, value.impacts),
    )


def reach_message(value: Reach) -> pb.Reach:
    return pb.Reach(permission=value.permission, scope=value.scope)


def value_message(value: Value) -> pb.ValueChange:
    return pb.ValueChange(name=value.name, before=value.before, after=value.after)
