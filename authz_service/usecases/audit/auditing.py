"""Who changed what and why, and what else is in the audit."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from authz_service.domain.audit import DONE, GENESIS, AuditEntry, Document, broken_link
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import instant
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.store import audit_log
from authz_service.store.audit_log import REFUSED, Filters, Revisions
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View, long_read, read
from authz_service.usecases.kernel.paging import Page, PageRequest

_LARGEST: Final = 2**53
"""Beyond any revision; a larger number may be none for a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChanges:
    filters: Filters
    page: PageRequest
    revisions: Revisions

    @property
    def tenant(self) -> str:
        return self.filters.tenant


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
class AuditedChange:
    """One change of an entry, which is given without its changes. `number` counts from 0."""

    entry: Document
    number: int
    change: Document
    actor_display_name: str


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry, and what its canonical JSON says."""

    entry: AuditEntry
    document: Document
    actor_display_name: str


@dataclass(frozen=True, slots=True)
class Verified:
    """`broken_seq` is 0 for a whole chain; the last two are of the last good entry."""

    broken_seq: int
    verified: int
    last_seq: int
    last_hash: str


@read
def list_changes(view: View, query: ListChanges) -> Page[AuditedChange]:
    _check_revisions(query.revisions)
    bounds = (query.revisions.after, query.revisions.until)
    fingerprint = ["changes", *_checked(view, query.filters), *map(str, bounds)]
    size, token = paging.size(query.page), paging.start(query.page, fingerprint)
    place = _place(token, "revision/tenant/seq/number")
    revisions = Revisions(*(min(revision, _LARGEST) for revision in bounds))
    with view.database.read() as connection:
        # The first may be one whose changes were all on the page before.
        entries = audit_log.entries_of_changes(
            connection, query.filters, revisions, size + 2, place[:3]
        )
    changes = _changes(entries, place, _display_names(view.index))
    return paging.cut(list(islice(changes, size + 1)), _change_token, size, fingerprint)


@read
def list_audit_entries(view: View, query: ListAuditEntries) -> Page[ShownEntry]:
    fingerprint = ["audit", *_checked(view, query.filters)]
    size, token = paging.size(query.page), paging.start(query.page, fingerprint)
    place = _place(token, "at/tenant/seq/tenant/seq")
    with view.database.read() as connection:
        # This read will stand in this chain; without a bound, no last page would be the last.
        own = query.filters.tenant or SYSTEM
        bound = place[3:] or (own, audit_log.tail(connection, own))
        entries = audit_log.entries(connection, query.filters, size + 1, place[:3], bound)
    names = _display_names(view.index)
    items = [ShownEntry(e, json.loads(e.entry), names.get(e.actor, "")) for e in entries]
    return paging.cut(items, lambda item: _entry_token(item.entry, bound), size, fingerprint)


@long_read
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


def _changes(
    entries: Iterable[AuditEntry], place: Sequence[Any], names: Mapping[str, str]
) -> Iterator[AuditedChange]:
    """Iterate over the changes of entries, those after the place alone."""
    for entry in entries:
        document = json.loads(entry.entry)
        changes = document.pop("changes")
        same = (entry.revision, entry.tenant, entry.seq) == tuple(place[:3])
        for number, change in enumerate(changes):
            if not same or number > place[3]:
                yield AuditedChange(document, number, change, names.get(entry.actor, ""))


def _change_token(change: AuditedChange) -> str:
    entry = change.entry
    return f"{entry['revision']}/{entry['tenant']}/{entry['seq']}/{change.number}"


def _entry_token(entry: AuditEntry, bound: Sequence[Any]) -> str:
    return "/".join(map(str, (entry.at, entry.tenant, entry.seq, *bound)))


def _display_names(index: Index) -> dict[str, str]:
    """Name the callers of this service as people do, by subject."""
    names = {key.subject: key.display_name for key in index.keys.values()}
    return names | {
        identity.subject: identity.display_name for identity in index.identities.values()
    }


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
    document = json.loads(entry.entry)
    refusal = document.get("refusal", "").removeprefix("ERROR_REASON_")
    sealed = {
        "tenant": document["tenant"],
        "seq": int(document["seq"]),
        "actor": document.get("actor", ""),
        "on_behalf_of": document.get("on_behalf_of", ""),
        "action": document["action"],
        "outcome": refusal or DONE,
        "changes": len(document.get("changes", ())),
        "revision": int(document.get("revision", 0)),
    }
    columns = entry._asdict()
    return instant(entry.at) == document["entry_time"] and all(
        columns[name] == value for name, value in sealed.items()
    )


def _stands(anchor: AuditEntry | None, query: VerifyAudit) -> bool:
    """Tell whether the entry that was verified before is still there, unaltered."""
    if anchor is None or anchor.seq != query.after_seq:
        return False
    return sha256(anchor.entry.encode()).hexdigest() == query.after_hash


def _check_revisions(revisions: Revisions) -> None:
    if revisions.after < 0:
        raise _wrong("a revision is 0 or more", "after_revision")
    if revisions.until < 0 or 0 < revisions.until < revisions.after:
        raise _wrong("it must not be before after_revision; 0 for no end", "until_revision")


def _checked(view: View, filters: Filters) -> list[str]:
    """Return what tells these filters from others. Raises: what is wrong with one of them."""
    if filters.tenant:
        preconditions.tenant(view.index, filters.tenant)
    for field in ("actor", "on_behalf_of"):
        if subject := getattr(filters, field):
            checked("subject", subject, field)
    if not re.fullmatch(r"[a-z_.:]{0,64}", filters.action_prefix):
        raise _wrong(
            "an action reads as in role.granted or authz.role_grants:create; give its beginning",
            "action_prefix",
        )
    if filters.outcome not in ("", DONE, REFUSED, *ErrorReason):
        raise _wrong("an outcome is done, refused, or a reason of refusal", "outcome")
    for at, field in ((filters.start, "start_time"), (filters.end, "end_time")):
        if at is not None:
            preconditions.instant(at, field)
    return [str(getattr(filters, field.name)) for field in fields(filters)]


def _check_anchor(query: VerifyAudit) -> None:
    if query.after_seq < 0 or bool(query.after_seq) != bool(query.after_hash):
        raise _wrong("after_seq and after_hash go together: those of an entry", "after_seq")
    if query.after_hash and not re.fullmatch(r"[0-9a-f]{64}", query.after_hash):
        raise _wrong("a hash is 64 hexadecimal digits in lower case", "after_hash")


def _place(token: str, parts: str) -> tuple[Any, ...]:
    """Read a place out of a page token, which anybody may have written; () for the first page."""
    if not token:
        return ()
    values, names = token.split("/"), parts.split("/")
    if len(values) != len(names):
        raise paging.bad_token()
    return tuple(
        _tenant(value) if name == "tenant" else _number(value)
        for name, value in zip(names, values, strict=True)
    )


def _tenant(text: str) -> str:
    try:
        return checked("tenant", text)
    except InvalidArgument:
        raise paging.bad_token() from None


def _number(text: str) -> int:
    """Read a number; longer ones are none for a database."""
    if re.fullmatch(r"\d{1,18}", text, re.ASCII):
        return int(text)
    raise paging.bad_token()


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
