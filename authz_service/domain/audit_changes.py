"""Which record tells of which change: every change of a fact stands in one entry."""

from collections.abc import Iterable, Sequence
from typing import Any

from authz_service.domain.audit import AuditRecord, Document, canonical
from authz_service.domain.change import Fact, FactChange
from authz_service.domain.documents import Resource, document
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.domain.window import Instant


def tenant_of(fact: Fact) -> str:
    """Name the tenant that a fact belongs to; `system` for the catalogue and the like."""
    if isinstance(fact, Tenant):
        return fact.id
    return getattr(fact, "tenant", "") or SYSTEM


def change_document(
    before: Resource | Document | None, after: Resource | Document | None, at: Instant
) -> dict[str, Any]:
    """Write the message `FactChange`; the side that is None is left out."""
    sides = (("before", before), ("after", after))
    return {name: _written(side, at) for name, side in sides if side is not None}


def told_by(
    records: Sequence[AuditRecord], changes: Iterable[FactChange], at: Instant
) -> list[list[Document]]:
    """Write the changes that each record tells of: its own, and with the first record of a tenant
    what no other says. So no change is missing from the audit, whatever a use case forgets.
    """
    documents: list[list[Document]] = [
        [change_document(record.before, record.after, at)] if _changes(record) else []
        for record in records
    ]
    recorded = {(id(record.before), id(record.after)) for record in records}
    silent = [c for c in changes if (id(c.before), id(c.after)) not in recorded]
    if not silent:
        return documents
    canonical_changes = {
        canonical(written) for written_changes in documents for written in written_changes
    }
    for change in silent:
        written = change_document(change.before, change.after, at)
        if canonical(written) not in canonical_changes:
            documents[_first(records, tenant_of(change.fact))].append(written)
    return documents


def _changes(record: AuditRecord) -> bool:
    return record.before is not None or record.after is not None


def _first(records: Sequence[AuditRecord], tenant: str) -> int:
    """Find the first record in a tenant's chain; the first of all if there is none in it."""
    own = (place for place, record in enumerate(records) if record.tenant == tenant)
    return next(own, 0)


def _written(side: Resource | Document, at: Instant) -> Document:
    return side if isinstance(side, dict) else document(side, at)  # type: ignore[arg-type]
