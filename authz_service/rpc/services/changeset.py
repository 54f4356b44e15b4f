"""ChangesetService: what a changeset would do, and doing it."""

from collections.abc import Iterable

from authz_service.gen.authz.v1 import changeset_pb2 as pb
from authz_service.rpc.messages import changesets, effects, values
from authz_service.rpc.messages.changesets import LISTED, SCHEDULED
from authz_service.rpc.messages.tenants import optional_instant
from authz_service.rpc.methods import Fields, Method, Service, change, read
from authz_service.usecases.changesets import preview_apply, scheduling
from authz_service.usecases.changesets.preview_apply import (
    Applied,
    ApplyChangeset,
    ChangesetEffect,
    ListChangesetEffects,
    PreviewChangeset,
    Previewed,
)
from authz_service.usecases.changesets.scheduling import (
    ListScheduledChangesets,
    OneScheduledChangeset,
)
from authz_service.usecases.kernel.paging import Page


def service(others: Iterable[Service]) -> Service:
    """Describe the service; its commands are requests of the `others`."""
    methods = {
        method.name: method
        for other in others
        for method in other.methods
        if isinstance(method, Method)
    }

    def preview(request: pb.PreviewChangesetRequest) -> PreviewChangeset:
        return PreviewChangeset(
            changeset=changesets.changeset(request.changeset, methods),
            sample=request.sample_size,
            at=optional_instant(request.changeset, "apply_time"),
        )

    def listing(request: pb.ListChangesetEffectsRequest) -> ListChangesetEffects:
        return ListChangesetEffects(
            changeset=changesets.changeset(request.changeset, methods),
            page=values.page(request),
            at=optional_instant(request.changeset, "apply_time"),
        )

    def apply(request: pb.ApplyChangesetRequest) -> ApplyChangeset:
        return ApplyChangeset(
            changeset=changesets.changeset(request.changeset, methods),
            fingerprint=request.fingerprint,
            at=optional_instant(request.changeset, "apply_time"),
        )

    return Service(
        pb.DESCRIPTOR.services_by_name["ChangesetService"],
        read(preview_apply.preview_changeset, preview, _previewed),
        read(preview_apply.list_changeset_effects, listing, _effects),
        change(preview_apply.apply_changeset, apply, _applied),
        read(scheduling.list_scheduled_changesets, _scheduled, LISTED.page),
        read(scheduling.get_scheduled_changeset, _one, SCHEDULED.one),
        change(scheduling.cancel_scheduled_changeset, _one, SCHEDULED.one),
    )


def _scheduled(request: pb.ListScheduledChangesetsRequest) -> ListScheduledChangesets:
    return ListScheduledChangesets(page=values.page(request))


def _one(
    request: pb.GetScheduledChangesetRequest | pb.CancelScheduledChangesetRequest,
) -> OneScheduledChangeset:
    return OneScheduledChangeset(id=request.id)


def _previewed(value: Previewed) -> Fields:
    return {
        "preview": effects.preview_message(value.preview),
        "fingerprint": value.fingerprint,
        "revision": value.revision,
    }


def _effects(page: Page[ChangesetEffect]) -> Fields:
    return {
        "effects": map(effects.changeset_effect_message, page.items),
        "next_page_token": page.next_token,
        "total_size": page.total_size,
    }


def _applied(value: Applied) -> Fields:
    scheduled = value.scheduled
    return {
        "objects": map(effects.object_message, value.objects),
        "impacts": map(effects.impact_message, value.impacts),
        "scheduled": changesets.scheduled_message(scheduled) if scheduled else None,
    }
