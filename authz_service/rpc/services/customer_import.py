"""The part of ProvisioningService that takes over many customers at once."""

from typing import Final

from authz_service.errors import InvalidArgument
from authz_service.gen.authz.v1 import error_reason_pb2
from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import tenants, values
from authz_service.usecases.tenants import bulk_import
from authz_service.usecases.tenants.bulk_import import CustomerRow, Imported, Outcome
from authz_service.usecases.tenants.onboarding import OnboardTenant

_OUTCOMES: Final = {
    Outcome.CREATED: pb.IMPORT_OUTCOME_CREATED,
    Outcome.UNCHANGED: pb.IMPORT_OUTCOME_UNCHANGED,
    Outcome.DIFFERENT: pb.IMPORT_OUTCOME_DIFFERENT,
    Outcome.REFUSED: pb.IMPORT_OUTCOME_REFUSED,
}


class ImportServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def ImportCustomers(
        self, request: pb.ImportCustomersRequest, context: Context
    ) -> pb.ImportCustomersResponse:
        answer = self._calls.change(
            request,
            context,
            bulk_import.import_customers,
            lambda r: bulk_import.ImportCustomers(customers=tuple(map(_row, r.customers))),
        )
        return pb.ImportCustomersResponse(
            results=map(_result_message, answer.value), revision=answer.revision
        )


def _row(message: pb.NewCustomer) -> CustomerRow:
    """Read one customer; what cannot be read is refused with it, and not with all."""
    count = len(message.members)
    try:
        return CustomerRow(message.tenant, _customer(message), members=count)
    except InvalidArgument as refusal:
        return CustomerRow(message.tenant, refusal=refusal, members=count)


def _customer(message: pb.NewCustomer) -> OnboardTenant:
    return OnboardTenant(
        tenant=message.tenant,
        tier=message.tier,
        display_name=message.display_name,
        trial_until=tenants.optional_instant(message, "trial_until"),
        after_trial=values.tenant_state_filter(message.after_trial, "after_trial"),
        add_ons=tuple(message.add_ons),
        limits=tenants.limits(message.limits),
        members=tuple(values.new_member(member) for member in message.members),
    )


def _result_message(value: Imported) -> pb.ImportResult:
    message = pb.ImportResult(
        tenant=value.tenant,
        outcome=_OUTCOMES[value.outcome],
        field=value.field,
        message=value.message,
        differences=value.differences,
    )
    if value.reason is not None:
        name = f"ERROR_REASON_{value.reason.value}"
        message.error_reason = error_reason_pb2.ErrorReason.Value(name)
    return message
