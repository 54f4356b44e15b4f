"""Reading an agreement again at its source: what it is now, as the event that would say so.

It is asked outside of any transaction, and bounded in time and size by whoever fetches.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

from authz_service.domain.billing_policy import SECOND, Lookup, Source, TimeUnit
from authz_service.domain.job import JobReason
from authz_service.domain.window import Instant, rfc3339
from authz_service.usecases.billing.envelopes import Attributes, Envelope, envelopes
from authz_service.usecases.billing.values import Unreadable, find, storable

SKEW: Final = 2 * SECOND
"""How far a sender's clock and ours may be apart when we wait for an instant of its to be over."""


class LookupFailed(Exception):
    """An agreement could not be read; nothing is known of it."""

    def __init__(self, reason: JobReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = storable(message)


class Fetcher(Protocol):
    """Reads from sources with their keys."""

    def ready(self, lookup: Lookup) -> bool:
        """Tell whether there is a key for a source."""

    def fetch(self, lookup: Lookup, url: str) -> bytes:
        """Get what a source answers with 200. Raises: LookupFailed."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant that a sender means by a time of its, up to its end, and when it is over."""

    end: Instant
    over: Instant


def moment(at: Instant) -> Moment:
    """Read how long the instant is: a second, where the sender writes whole seconds."""
    length = SECOND if at % SECOND == 0 else 1000
    end = at + length - 1
    return Moment(end, end + SKEW)


def can_read(source: Source | None, fetcher: Fetcher | None) -> bool:
    """Tell whether agreements of a source can be read again."""
    lookup = None if source is None else source.lookup
    return lookup is not None and fetcher is not None and fetcher.ready(lookup)


def read_agreement(source: Source, fetch: "Fetch", agreement: str, at: Instant) -> Envelope:
    """Read one agreement; it counts from instant `at` on.

    Raises:
        LookupFailed: the source does not answer, refuses, or says what cannot be made out.
    """
    lookup = _of(source)
    answer = _json(fetch(lookup, lookup.url.replace("{agreement}", quote(agreement, safe=""))))
    return _envelope(source, lookup, answer, at)


def read_subject(source: Source, fetch: "Fetch", subject: str, at: Instant) -> tuple[Envelope, ...]:
    """Read all agreements of a subject, as `read_agreement` does; none if that cannot be asked."""
    lookup = _of(source)
    if lookup.of_subject is None or not subject:
        return ()
    url = lookup.of_subject.url.replace("{subject}", quote(subject, safe=""))
    answer = _json(fetch(lookup, url))
    items = _found(lookup.of_subject.items, answer, "lookup.of_subject.items")
    if _found(lookup.of_subject.more, answer, "lookup.of_subject.more"):
        raise _unreadable(f"{subject!r} has more agreements than one answer lists")
    if not isinstance(items, list):
        raise _unreadable("`lookup.of_subject.items` finds no list in the answer")
    return tuple(_envelope(source, lookup, item, at) for item in items)


Fetch = Callable[[Lookup, str], bytes]


def _of(source: Source) -> Lookup:
    if source.lookup is None:
        raise _unreadable(f"{source.name} does not say how it is read")
    return source.lookup


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable("the answer is not JSON") from error


def _envelope(source: Source, lookup: Lookup, answer: Any, at: Instant) -> Envelope:
    time = _written(at, source.times.unit)
    content = _found(lookup.event, {"answer": answer, "time": time}, "lookup.event")
    body = json.dumps(content).encode()
    digest = hashlib.sha256(body).hexdigest()[:16]
    (envelope,) = envelopes(source, body, Attributes(id=f"lookup:{digest}:{at}", time=at))
    if envelope.wrong:
        raise _unreadable(envelope.wrong)
    return envelope


def _found(path: Any, data: Any, name: str) -> Any:
    try:
        return find(path, data, name)
    except Unreadable as wrong:
        raise _unreadable(wrong.message) from wrong


def _written(at: Instant, unit: TimeUnit) -> int | str:
    match unit:
        case TimeUnit.SECONDS:
            return at // SECOND
        case TimeUnit.MILLISECONDS:
            return at // 1000
    return rfc3339(at)


def _unreadable(message: str) -> LookupFailed:
    return LookupFailed(JobReason.SOURCE_UNREADABLE, message)
