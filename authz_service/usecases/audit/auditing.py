"""Who changed what and why, and what else stands in the audit."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from itertools import islice
from typing import Any

from authz_service.domain.audit import DONE, GENESIS, AuditEntry, broken_link, plain
from authz_service.domain.change import Delta, Fact, FactChange, Revision
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.domain.window import Instant, rfc3339
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.store import audit_log
from authz_service.store.audit_log import REFUSED, Filters, Place
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View, read
from authz_service.usecases.kernel.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChanges:
    """`after` is exclusive and `until` inclusive; 0 leaves either open."""

    tenant: str
    page: PageRequest
    after: Revision = 0
    until: Revision = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAuditEntries:
    filters: Filters
    page: PageRequest

    @property
    def tenant(self) -> str:
        return self.filters.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAudit:
    """`after_seq` and `after_hash` are of an entry that was verified before, or 0 and ""."""

    tenant: str
    after_seq: int = 0
    after_hash: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """One fact that changed. `number` counts the tenant's own changes within the revision."""

    revision: Revision
    number: int
    at: Instant
    change: FactChange
    action: str = ""
    actor: str = ""
    on_behalf_of: str = ""
    reason: str = ""
    request_id: str = ""

    @property
    def key(self) -> str:
        return f"{self.revision}.{self.number}"


@dataclass(frozen=True, slots=True)
class Verified:
    """`broken_seq` is 0 for a whole chain; the last two are of the last good entry."""

    broken_seq: int
    verified: int
    last_seq: int
    last_hash: str


@read
def list_changes(view: View, query: ListChanges) -> Page[Changed]:
    preconditions.tenant(view.index, query.tenant)
    _check_revisions(query)
    head = view.index.revision
    filters = ["changes", query.tenant, str(query.after), str(query.until)]
    size, shown = paging.size(query.page), paging.start(query.page, filters)
    first, number = _numbers(shown) if shown else (min(query.after, head) + 1, 0)
    last = min(query.until or head, head)
    with view.database.read() as connection:
        # A revision far beyond the head finds nothing, and may be no number for a database.
        deltas = audit_log.deltas_of(connection, query.tenant, min(first, head + 1), last)
        with closing(deltas):
            rest = (
                c
                for c in _changes(deltas, query.tenant)
                if (c.revision, c.number) > (first, number)
            )
            found = list(islice(rest, size + 1))
        revisions = {each.revision for each in found}
        told = audit_log.explanations(connection, query.tenant, revisions)
    return paging.cut(_explained(found, told), lambda each: each.key, size, filters)


@read
def list_audit_entries(view: View, query: ListAuditEntries) -> Page[AuditEntry]:
    filters = query.filters
    if filters.tenant:
        preconditions.tenant(view.index, filters.tenant)
    fingerprint = ["audit", *(str(value) for value in _checked_filters(filters))]
    size, shown = paging.size(query.page), paging.start(query.page, fingerprint)
    with view.database.read() as connection:
        if shown:
            place = _place(shown)
        else:
            # This read will stand in this chain; without a bound, no last page would be the last.
            own = filters.tenant or SYSTEM
            place = Place("", 0, own, audit_log.tail(connection, own))
        found = audit_log.entries(connection, filters, size + 1, place)
    return paging.cut(
        found, lambda e: f"{e.tenant}/{e.seq}/{place.bounded}/{place.bound}", size, fingerprint
    )


@read
def verify_audit(view: View, query: VerifyAudit) -> Verified:
    preconditions.tenant(view.index, query.tenant)
    _check_anchor(query)
    with (
        view.database.read() as connection,
        closing(audit_log.chain(connection, query.tenant, query.after_seq)) as entries,
    ):
        if query.after_seq and not _stands(next(entries, None), query):
            return Verified(query.after_seq, 0, 0, "")
        return _walked(entries, (query.after_seq, query.after_hash or GENESIS))


def tenant_of(fact: Fact) -> str:
    """Name the tenant that a fact belongs to; `system` for the catalogue and the like."""
    if isinstance(fact, Tenant):
        return fact.id
    return getattr(fact, "tenant", "") or SYSTEM


def _changes(found: Iterable[Delta], tenant: str) -> Iterator[Changed]:
    """Iterate over the tenant's own changes, numbered from 1 in each revision."""
    for delta in found:
        own = (change for change in delta.changes if tenant_of(change.fact) == tenant)
        for number, change in enumerate(own, 1):
            yield Changed(delta.revision, number, delta.at, change)


def _explained(found: Sequence[Changed], told: Iterable[AuditEntry]) -> list[Changed]:
    """Say of each change who made it and why: by the entry about the very same facts, or else by
    the first of its revision, which all come from one call.
    """
    entries = defaultdict[Revision, list[Any]](list)
    for entry in told:
        entries[entry.revision].append(json.loads(entry.entry))
    return [_with_entry(each, entries[each.revision]) for each in found]


def _with_entry(changed: Changed, entries: Sequence[Mapping[str, Any]]) -> Changed:
    facts = (plain(changed.change.before), plain(changed.change.after))
    same = (entry for entry in entries if (entry["before"], entry["after"]) == facts)
    entry = next(same, entries[0])
    names = ("action", "actor", "on_behalf_of", "reason", "request_id")
    return replace(changed, **{name: entry[name] for name in names})


def _walked(entries: Iterable[AuditEntry], last: tuple[int, str]) -> Verified:
    """Verify entries that must follow the one with this number and hash."""
    verified = 0
    for entry in entries:
        link = (entry.seq, entry.entry, entry.hash)
        if broken_link([link], last) is not None or not _filed_as_sealed(entry):
            return Verified(last[0] + 1, verified, *last)
        last, verified = (entry.seq, entry.hash), verified + 1
    return Verified(0, verified, *last)


def _filed_as_sealed(entry: AuditEntry) -> bool:
    """Tell whether the columns, by which entries are found, say what the sealed text says."""
    said = json.loads(entry.entry)
    names = ("tenant", "seq", "actor", "action", "revision")
    return rfc3339(entry.at) == said["at"] and all(
        getattr(entry, name) == said[name] for name in names
    )


def _stands(anchor: AuditEntry | None, query: VerifyAudit) -> bool:
    """Tell whether the entry that was verified before is still there, unaltered."""
    if anchor is None or anchor.seq != query.after_seq:
        return False
    return sha256(anchor.entry.encode()).hexdigest() == query.after_hash


def _check_revisions(query: ListChanges) -> None:
    if query.after < 0:
        raise _wrong("a revision is 0 or more", "after_revision")
    if query.until < 0 or 0 < query.until < query.after:
        raise _wrong("it must not lie before after_revision; 0 for no end", "until_revision")


def _checked_filters(filters: Filters) -> tuple[object, ...]:
    if filters.actor:
        checked("subject", filters.actor, "actor")
    if not re.fullmatch(r"[a-z_.:]{0,64}", filters.action):
        raise _wrong("an action reads as in role.granted or role_grants:create", "action")
    if filters.outcome not in ("", DONE, REFUSED, *ErrorReason):
        raise _wrong("an outcome is done, refused, or a reason as PERMISSION_DENIED", "outcome")
    for at, field in ((filters.start, "start_time"), (filters.end, "end_time")):
        if at is not None:
            preconditions.instant(at, field)
    return tuple(getattr(filters, field.name) for field in fields(filters))


def _check_anchor(query: VerifyAudit) -> None:
    if query.after_seq < 0 or bool(query.after_seq) != bool(query.after_hash):
        raise _wrong("after_seq and after_hash go together: those of an entry", "after_seq")
    if query.after_hash and not re.fullmatch(r"[0-9a-f]{64}", query.after_hash):
        raise _wrong("a hash is 64 hexadecimal digits in lower case", "after_hash")


def _place(key: str) -> Place:
    """Read a place out of a page token, which anybody may have written."""
    match key.split("/"):
        case [tenant, seq, bounded, bound]:
            numbers = _numbers(f"{seq}.{bound}")
            return Place(_named(tenant), numbers[0], _named(bounded), numbers[1])
    raise paging.bad_token()


def _named(tenant: str) -> str:
    try:
        return checked("tenant", tenant)
    except InvalidArgument:
        raise paging.bad_token() from None


def _numbers(text: str) -> tuple[int, int]:
    """Read `4711.3` out of a page token; longer numbers are none for a database."""
    found = re.fullmatch(r"(\d{1,18})\.(\d{1,18})", text, re.ASCII)
    if found is None:
        raise paging.bad_token()
    return int(found[1]), int(found[2])


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
