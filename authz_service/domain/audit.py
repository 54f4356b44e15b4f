"""The audit chain: entries, each sealed with the hash of the one before it.

Every tenant has a chain of its own, so it can be handed to that customer and verified alone; what
concerns no customer stands in the chain of the tenant `system`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cache
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias

from authz_service.domain.window import BEGINNING, FOREVER, Instant, Window, instant, rfc3339

GENESIS: Final = "0" * 64
"""`prev_hash` of a chain's first entry."""

DONE: Final = "done"
"""The outcome of what was carried out; that of a refusal is the name of its reason."""

Document: TypeAlias = Mapping[str, Any]
"""A message of the API in JSON."""

_CANONICAL: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), sort_keys=True, check_circular=False
)

_EXACT: Final = 2**53
"""From here on JSON's numbers are not exact (RFC 8785, appendix D): they are written as text."""

# A chain cannot be rewritten, and a person may ask for the own address to be forgotten. What is
# planned for an instant, and would be told of it then, is long and follows from what was wanted.
_UNTOLD_FIELDS: Final = frozenset(
    {"secret_hash", "token_hash", "mailed_hash", "email", "planned", "told"}
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who calls: the subject of the tenant `system` that the credential proved."""

    subject: str
    on_behalf_of: str = ""
    source_address: str = ""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What happened, in the words of the use case, before it gets its place in a chain."""

    action: str
    tenant: str
    targets: tuple[str, ...]
    before: Any = None
    """The `Resource` as it was, or its `Document`; None if it was made, or nothing was changed."""
    after: Any = None
    reason: str = ""
    outcome: str = DONE
    details: Mapping[str, str] = field(default_factory=dict, hash=False)
    """More, for programs: the field that was refused, what was counted."""


class AuditEntry(NamedTuple):
    """An entry in its final form. `entry` is its canonical JSON (RFC 8785), `prev_hash` included;
    `hash` is the SHA-256 of those bytes, in hex. `changes` counts the changes that it tells of.
    """

    tenant: str
    seq: int
    at: Instant
    actor: str
    on_behalf_of: str
    action: str
    outcome: str
    changes: int
    revision: int
    entry: str
    hash: str


def seal(
    record: AuditRecord,
    changes: Sequence[Document],
    actor: Actor,
    *,
    seq: int,
    prev_hash: str,
    at: Instant,
    request_id: str,
    revision: int,
) -> AuditEntry:
    """Give a record its place: `seq` counts from 1 without gaps in each tenant's chain.

    The JSON is that of the message `AuditEntry`, without its hash; what is unset is left out.
    """
    is_done = record.outcome == DONE
    fields = {
        "tenant": record.tenant,
        "seq": str(seq),
        "entry_time": instant(at),
        "actor": actor.subject,
        "on_behalf_of": actor.on_behalf_of,
        "action": record.action,
        "outcome": f"AUDIT_OUTCOME_{'DONE' if is_done else 'REFUSED'}",
        "refusal": "" if is_done else f"ERROR_REASON_{record.outcome}",
        "targets": list(record.targets),
        "changes": changes,
        "details": {name: value for name, value in record.details.items() if value},
        "reason": record.reason,
        "request_id": request_id,
        "source_address": actor.source_address,
        "revision": str(revision) if revision else "",
        "prev_hash": prev_hash,
    }
    body = canonical({name: value for name, value in fields.items() if value})
    return AuditEntry(
        record.tenant,
        seq,
        at,
        actor.subject,
        actor.on_behalf_of,
        record.action,
        record.outcome,
        len(changes),
        revision,
        body,
        sha256(body.encode()).hexdigest(),
    )


def canonical(value: Any) -> str:
    """Write JSON in the canonical form of RFC 8785.

    For what an entry is made of (text, whole numbers below 2^53, true, false, null, and keys in
    ASCII) that form is what the standard library writes, ten times faster than the package
    `rfc8785`, which a test holds it against.
    """
    return _CANONICAL.encode(value)


def broken_link(
    entries: Iterable[tuple[int, str, str]], after: tuple[int, str] = (0, GENESIS)
) -> int | None:
    """Verify a stretch of one chain, given as (seq, entry, hash), oldest first.

    `after` is the seq and hash of the entry that the first one follows; by default the chain
    begins here. Returns the first seq that is missing, altered or does not follow, else None.
    """
    expected, last = after[0] + 1, after[1]
    for seq, entry, digest in entries:
        altered = sha256(entry.encode()).hexdigest() != digest
        if seq != expected or altered or json.loads(entry)["prev_hash"] != last:
            return expected
        expected, last = expected + 1, digest
    return None


def plain(value: Any) -> Any:
    """Turn a value into what JSON can say: sets sorted, instants in RFC 3339, no secrets."""
    match value:
        case Enum():
            return value.value
        case frozenset():
            return sorted(plain(item) for item in value)
        case tuple() | list():
            return [plain(item) for item in value]
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case int() if value >= _EXACT:
            return None if value == FOREVER else str(value)
        case None | bool() | int() | str():
            return value
        case Window():
            return {
                "valid_from": None if value.valid_from == BEGINNING else rfc3339(value.valid_from),
                "valid_until": None if value.valid_until == FOREVER else rfc3339(value.valid_until),
            }
    return {name: plain(getattr(value, name)) for name in _shown(value.__class__)}


@cache
def _shown(kind: type[Any]) -> tuple[str, ...]:
    """Name the fields of a dataclass that the audit may show."""
    shown = (field for field in fields(kind) if field.compare)  # the others are no part of it
    return tuple(field.name for field in shown if field.name not in _UNTOLD_FIELDS)
