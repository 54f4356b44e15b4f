"""The billing policy read: one part, lists of them, all of it at a revision, and its versions."""

import json
from dataclasses import dataclass
from typing import Final

from authz_service.domain import comparison
from authz_service.domain.billing_documents import PartKind
from authz_service.domain.billing_part import PARTS, SETTINGS, BillingPart, names
from authz_service.domain.change import Revision
from authz_service.domain.comparison import ObjectChange
from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.store import audit_log, change_log, policy_versions
from authz_service.store.audit_log import Filters, Revisions
from authz_service.store.database import Connection
from authz_service.store.facts import Facts
from authz_service.usecases.billing import part_ids
from authz_service.usecases.billing.billing_policy import require
from authz_service.usecases.kernel import paging
from authz_service.usecases.kernel.execution import ReadCase, View, read
from authz_service.usecases.kernel.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePart:
    kind: PartKind
    id: str = SETTINGS
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListParts:
    """`tier` and `add_on` "" stand for any."""

    kind: PartKind
    page: PageRequest
    tier: str = ""
    add_on: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetBillingPolicy:
    """`at_revision` 0 is the newest."""

    at_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBillingPolicyVersions:
    page: PageRequest
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A revision that changed the policy: when, by whom, why and how."""

    revision: Revision
    at: Instant
    actor: str
    reason: str
    objects: tuple[ObjectChange, ...]


def _get(view: View, query: OnePart) -> BillingPart:
    if query.kind is PartKind.SETTINGS:
        return view.index.billing.settings
    part_ids.require(query.kind, query.id, "id")
    return require(view.index, query.kind, query.id)


def _list(view: View, query: ListParts) -> Page[BillingPart]:
    parts = [
        part
        for part in view.index.billing.each(query.kind)
        if (not query.tier or query.tier in names(part, "tier"))
        and (not query.add_on or query.add_on in names(part, "add-on"))
    ]
    filters = ["billing", query.kind.value, query.tier, query.add_on]
    # Ids are any text; a page's token is ASCII, and must be in their order.
    return paging.page(parts, lambda part: part.id.encode().hex(), query.page, filters)


get_billing_price: Final = ReadCase.of("GetBillingPrice", _get)
list_billing_prices: Final = ReadCase.of("ListBillingPrices", _list)
get_billing_source: Final = ReadCase.of("GetBillingSource", _get)
list_billing_sources: Final = ReadCase.of("ListBillingSources", _list)
get_billing_settings: Final = ReadCase.of("GetBillingSettings", _get)


@read
def get_billing_policy(view: View, query: GetBillingPolicy) -> tuple[BillingPart, ...]:
    """Read all parts as they were at a revision."""
    newest = view.index.revision
    if not 0 <= query.at_revision <= newest:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"at_revision {query.at_revision} is outside 1 to {newest}, the newest; 0 takes the "
            "newest",
            field="at_revision",
        )
    if query.at_revision in (0, newest):
        return tuple(view.index.billing.by_name.values())
    with view.database.read() as connection:
        return tuple(Facts(connection, query.at_revision).kept(*PARTS))


@read
def list_billing_policy_versions(
    view: View, query: ListBillingPolicyVersions
) -> Page[PolicyVersion]:
    """List the revisions that changed the policy, the newest first."""
    filters = ["billing policy versions"]
    size, before = paging.size(query.page), paging.start(query.page, filters)
    if before and not before.isdecimal():
        raise paging.bad_token()
    with view.database.read() as connection:
        revisions = policy_versions.revisions(connection, int(before or 0), size + 1)
        versions = [_version(connection, revision) for revision in revisions]
    return paging.cut(versions, lambda version: str(version.revision), size, filters)


def _version(connection: Connection, revision: Revision) -> PolicyVersion:
    delta = next(change_log.read_after(connection, revision - 1))
    parts = [change for change in delta.changes if isinstance(change.fact, BillingPart)]
    within = Revisions(revision - 1, revision)
    (entry, *_) = audit_log.entries_of_changes(connection, Filters(), within, 1, ())
    reason = str(json.loads(entry.entry).get("reason", ""))
    objects = comparison.objects(parts)
    return PolicyVersion(revision, delta.at, entry.actor, reason, objects)
