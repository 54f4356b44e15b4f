"""ChangesetService: what a changeset would do, and doing it."""

from typing import Final

from authz_service.gen.authz.v1 import changeset_pb2 as pb
from authz_service.rpc.messages import catalog, changesets, effects, values
from authz_service.rpc.messages.changesets import LISTED, SCHEDULED
from authz_service.rpc.messages.tenants import optional_instant
from authz_service.rpc.methods import Fields, Service, change, read
from authz_service.usecases.catalog import apply_policy
from authz_service.usecases.changesets import preview_apply, scheduling
from authz_service.usecases.changesets.preview_apply import Affected, AppliedChange, Preview
from authz_service.usecases.changesets.scheduling import OneScheduledChangeset
from authz_service.usecases.kernel.paging import Page


def _preview(request: pb.PreviewChangesetRequest) -> preview_apply.PreviewChangeset:
    return preview_apply.PreviewChangeset(
        changes=changesets.changes(request.changes),
        sample=request.sample_size,
        at=optional_instant(request, "at"),
    )


def _listing(request: pb.ListAffectedRequest) -> preview_apply.ListAffected:
    return preview_apply.ListAffected(
        changes=changesets.changes(request.changes),
        page=values.page(request),
        at=optional_instant(request, "at"),
    )


def _apply(request: pb.ApplyChangesetRequest) -> preview_apply.ApplyChangeset:
    return preview_apply.ApplyChangeset(
        changes=changesets.changes(request.changes),
        fingerprint=request.fingerprint,
        at=optional_instant(request, "at"),
    )


def _policy(request: pb.ApplyPolicyRequest) -> apply_policy.ApplyPolicy:
    return apply_policy.ApplyPolicy(policy=catalog.policy_set(request))


def _scheduled(
    request: pb.ListScheduledChangesetsRequest,
) -> scheduling.ListScheduledChangesets:
    return scheduling.ListScheduledChangesets(page=values.page(request))


def _one(
    request: pb.GetScheduledChangesetRequest | pb.CancelScheduledChangesetRequest,
) -> OneScheduledChangeset:
    return OneScheduledChangeset(id=request.id)


def _previewed(value: Preview) -> Fields:
    return {
        "objects": map(effects.object_message, value.objects),
        "effect": effects.effect_message(value.summary),
        "impacts": map(effects.impact_message, value.impacts),
        "fingerprint": value.fingerprint,
        "revision": value.revision,
    }


def _affected(page: Page[Affected]) -> Fields:
    return {
        "affected": map(effects.affected_message, page.items),
        "next_page_token": page.next_token,
    }


def _applied(value: AppliedChange) -> Fields:
    scheduled = value.scheduled
    return {
        "objects": map(effects.object_message, value.objects),
        "impacts": map(effects.impact_message, value.impacts),
        "scheduled": changesets.scheduled_message(scheduled) if scheduled else None,
    }


def _put(value: apply_policy.Applied) -> Fields:
    return {
        "created": value.created,
        "updated": value.updated,
        "unchanged": value.unchanged,
        "warnings": value.warnings,
    }


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["ChangesetService"],
    read(preview_apply.preview_changeset, _preview, _previewed),
    read(preview_apply.list_affected, _listing, _affected),
    change(preview_apply.apply_changeset, _apply, _applied),
    read(scheduling.list_scheduled_changesets, _scheduled, LISTED.page),
    read(scheduling.get_scheduled_changeset, _one, SCHEDULED.one),
    change(scheduling.cancel_scheduled_changeset, _one, SCHEDULED.one),
    change(apply_policy.apply_policy, _policy, _put),
)
