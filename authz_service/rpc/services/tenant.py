"""TenantService: customers' accounts, from onboarding to offboarding."""

from typing import Any, Final

from authz_service.errors import InvalidArgument
from authz_service.gen.authz.v1 import tenant_pb2 as pb
from authz_service.rpc.messages import catalog, members, tenants, values
from authz_service.rpc.messages.tenants import TENANT, tenant_message
from authz_service.rpc.methods import Fields, Service, change, read
from authz_service.usecases.tenants import batch_onboarding, offboarding, onboarding, states
from authz_service.usecases.tenants.batch_onboarding import BatchOnboardTenants, CustomerRow
from authz_service.usecases.tenants.onboarding import OnboardTenant, OneTenant


def _onboarding(message: pb.OnboardTenantRequest | pb.NewTenant) -> OnboardTenant:
    return OnboardTenant(
        tenant=message.tenant,
        tier=message.tier,
        display_name=message.display_name,
        trial=isinstance(message, pb.OnboardTenantRequest) and message.trial,
        trial_until=tenants.optional_instant(message, "trial_end_time"),
        after_trial=tenants.state_filter(message.after_trial, "after_trial"),
        add_ons=tuple(message.add_ons),
        limits=tenants.limits(message.limits),
        members=members.new_members(message.members),
    )


def _onboarded(value: onboarding.Onboarded) -> Fields:
    return {
        "tenant": tenant_message(value.tenant),
        "members": map(members.member_message, value.members),
    }


def _batch(request: pb.BatchOnboardTenantsRequest) -> BatchOnboardTenants:
    return BatchOnboardTenants(customers=tuple(map(_row, request.tenants)))


def _row(message: pb.NewTenant) -> CustomerRow:
    """Read one customer; what cannot be read is refused with it, and not with all."""
    count = len(message.members)
    try:
        return CustomerRow(message.tenant, _onboarding(message), members=count)
    except InvalidArgument as refusal:
        return CustomerRow(message.tenant, refusal=refusal, members=count)


def _update(request: pb.UpdateTenantRequest) -> onboarding.UpdateTenant:
    return onboarding.UpdateTenant(
        tenant=request.tenant.id,
        display_name=request.tenant.display_name,
        mask=tuple(request.update_mask.paths),
        expected_revision=request.expected_revision,
    )


def _suspension(request: Any) -> states.Suspension:
    reason = members.suspension_reason(request.suspension_reason)
    return states.Suspension(tenant=request.tenant, reason=reason)


def _trial(request: pb.StartTrialRequest) -> states.StartTrial:
    return states.StartTrial(
        tenant=request.tenant,
        until=tenants.required_instant(request, "trial_end_time"),
        then=tenants.state_filter(request.after_trial, "after_trial"),
    )


def _grace(request: pb.StartGraceRequest) -> states.StartGrace:
    until = tenants.required_instant(request, "grace_end_time")
    return states.StartGrace(tenant=request.tenant, until=until)


def _one(request: Any) -> OneTenant:
    return OneTenant(tenant=request.tenant)


def _offboarding(request: pb.OffboardTenantRequest) -> offboarding.OffboardTenant:
    at = tenants.optional_instant(request, "end_time")
    return offboarding.OffboardTenant(tenant=request.tenant, at=at)


def _offboarded(value: offboarding.Offboarded) -> Fields:
    return {"tenant": tenant_message(value), "ended": tenants.counts_message(value.ended)}


def _reactivation(request: pb.ReactivateTenantRequest) -> offboarding.ReactivateTenant:
    return offboarding.ReactivateTenant(tenant=request.tenant, tier=request.tier)


def _reactivated(value: offboarding.Reactivated) -> Fields:
    return {
        "tenant": tenant_message(value.tenant),
        "restored": tenants.counts_message(value.restored),
        "left_out": map(tenants.left_out_message, value.left_out),
    }


def _in_numbers(value: onboarding.TenantInNumbers) -> Fields:
    return {
        "tenant": tenant_message(value.tenant),
        "members": value.members,
        "seats_taken": value.seats_taken,
        "seats": catalog.limit_message(value.seats.limit) if value.seats else None,
    }


def _listing(request: pb.ListTenantsRequest) -> onboarding.ListTenants:
    return onboarding.ListTenants(
        page=values.page(request),
        state=tenants.state_filter(request.state),
        tier=request.tier,
        add_on=request.add_on,
        id_prefix=request.id_prefix,
        text=request.text,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["TenantService"],
    change(onboarding.onboard_tenant, _onboarding, _onboarded),
    change(
        batch_onboarding.batch_onboard_tenants,
        _batch,
        lambda rows: {"results": map(tenants.onboard_message, rows)},
    ),
    change(onboarding.update_tenant, _update, TENANT.one),
    change(states.suspend_tenant, _suspension, TENANT.one),
    change(states.resume_tenant, _suspension, TENANT.one),
    change(states.start_trial, _trial, TENANT.one),
    change(states.start_grace, _grace, TENANT.one),
    change(states.activate_tenant, _one, TENANT.one),
    change(offboarding.offboard_tenant, _offboarding, _offboarded),
    change(offboarding.reactivate_tenant, _reactivation, _reactivated),
    read(onboarding.get_tenant, _one, _in_numbers),
    read(onboarding.list_tenants, _listing, TENANT.page),
)
