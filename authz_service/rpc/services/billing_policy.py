"""BillingPolicyService: what billing events mean, what prices stand for, and what holds for all."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from authz_service.domain.billing_documents import PartKind
from authz_service.domain.billing_part import BillingPart
from authz_service.gen.authz.v1 import billing_policy_pb2 as pb
from authz_service.rpc.messages import billing_policy as messages
from authz_service.rpc.messages import effects, values
from authz_service.rpc.messages.billing import event_message
from authz_service.rpc.messages.billing_policy import PRICE, SETTINGS, SOURCE
from authz_service.rpc.methods import Fields, Service, Shown, change, read
from authz_service.usecases.billing import billing_policy, policy_reading, unmapped_prices
from authz_service.usecases.billing.billing_policy import (
    CreatePart,
    DeletePart,
    PartNow,
    UpdatePart,
)
from authz_service.usecases.billing.policy_reading import (
    GetBillingPolicy,
    ListBillingPolicyVersions,
    ListParts,
    OnePart,
    PolicyVersion,
)
from authz_service.usecases.billing.unmapped_prices import ListUnmappedPrices


def _create(part: Callable[[Any], BillingPart], field: str) -> Callable[[Any], CreatePart]:
    def command(request: Any) -> CreatePart:
        new = part(getattr(request, field))
        return CreatePart(kind=new.kind, id=new.id, body=new.body)

    return command


def _update(part: Callable[[Any], BillingPart], field: str) -> Callable[[Any], UpdatePart]:
    def command(request: Any) -> UpdatePart:
        new = part(getattr(request, field))
        return UpdatePart(
            kind=new.kind,
            id=new.id,
            body=new.body,
            mask=tuple(request.update_mask.paths),
            allow_missing=getattr(request, "allow_missing", False),
            expected_revision=request.expected_revision,
        )

    return command


def _delete(kind: PartKind) -> Callable[[Any], DeletePart]:
    return lambda request: DeletePart(
        kind=kind, id=request.id, expected_revision=request.expected_revision
    )


def _one(kind: PartKind) -> Callable[[Any], OnePart]:
    return lambda request: OnePart(kind=kind, id=getattr(request, "id", ""))


def _listing(request: pb.ListBillingPricesRequest) -> ListParts:
    return ListParts(
        kind=PartKind.PRICE,
        page=values.page(request),
        tier=request.tier,
        add_on=request.add_on,
    )


def _sources(request: pb.ListBillingSourcesRequest) -> ListParts:
    return ListParts(kind=PartKind.SOURCE, page=values.page(request))


def _policy(request: pb.GetBillingPolicyRequest) -> GetBillingPolicy:
    return GetBillingPolicy(at_revision=request.at_revision)


def _versions(request: pb.ListBillingPolicyVersionsRequest) -> ListBillingPolicyVersions:
    return ListBillingPolicyVersions(page=values.page(request))


def _unmapped(request: pb.ListUnmappedPricesRequest) -> ListUnmappedPrices:
    return ListUnmappedPrices(page=values.page(request))


def _written(shown: Shown[BillingPart]) -> Callable[[PartNow], Fields]:
    """Show a part, and what waited for it."""

    def fields(value: PartNow) -> Fields:
        released = [
            pb.ReleasedEvent(event=event_message(item.event, with_data=False), effects=item.effects)
            for item in value.released.events
        ]
        still_parked = value.released.still_parked
        return {**shown.one(value.part), "released": released, "still_parked": still_parked}

    return fields


def _parts(parts: Iterable[BillingPart]) -> Fields:
    ordered = sorted(parts, key=lambda part: part.id)
    of = {kind: [part for part in ordered if part.kind is kind] for kind in PartKind}
    return {
        "billing_sources": map(messages.part_message, of[PartKind.SOURCE]),
        "billing_prices": map(messages.part_message, of[PartKind.PRICE]),
        "billing_settings": next(map(messages.part_message, of[PartKind.SETTINGS]), None),
    }


def _version_message(value: PolicyVersion) -> pb.BillingPolicyVersion:
    return pb.BillingPolicyVersion(
        change_time=values.timestamp(value.at),
        actor=value.actor,
        reason=value.reason,
        objects=map(effects.object_message, value.objects),
        revision=value.revision,
    )


VERSION: Final = Shown("version", "versions", _version_message)
UNMAPPED: Final = Shown("unmapped_price", "unmapped_prices", messages.unmapped_message)

SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["BillingPolicyService"],
    change(
        billing_policy.create_billing_price,
        _create(messages.price, "billing_price"),
        _written(PRICE),
    ),
    change(
        billing_policy.update_billing_price,
        _update(messages.price, "billing_price"),
        _written(PRICE),
    ),
    change(
        billing_policy.delete_billing_price,
        _delete(PartKind.PRICE),
        lambda value: PRICE.one(value.part),
    ),
    read(policy_reading.get_billing_price, _one(PartKind.PRICE), PRICE.one),
    read(policy_reading.list_billing_prices, _listing, PRICE.page),
    read(unmapped_prices.list_unmapped_prices, _unmapped, UNMAPPED.page),
    change(
        billing_policy.create_billing_source,
        _create(messages.source, "billing_source"),
        _written(SOURCE),
    ),
    change(
        billing_policy.update_billing_source,
        _update(messages.source, "billing_source"),
        _written(SOURCE),
    ),
    change(
        billing_policy.delete_billing_source,
        _delete(PartKind.SOURCE),
        lambda value: SOURCE.one(value.part),
    ),
    read(policy_reading.get_billing_source, _one(PartKind.SOURCE), SOURCE.one),
    read(policy_reading.list_billing_sources, _sources, SOURCE.page),
    read(policy_reading.get_billing_settings, _one(PartKind.SETTINGS), SETTINGS.one),
    change(
        billing_policy.update_billing_settings,
        _update(messages.settings, "billing_settings"),
        lambda value: SETTINGS.one(value.part),
    ),
    read(policy_reading.get_billing_policy, _policy, _parts),
    read(policy_reading.list_billing_policy_versions, _versions, VERSION.page),
)
