"""What sources say of a tenant's agreements now, read before accounts are compared with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from authz_service.domain.agreement_course import Meaning
from authz_service.domain.billing_event import ReceivedEvent
from authz_service.domain.billing_policy import SECOND, BillingPolicy, Source
from authz_service.domain.job import JobReason
from authz_service.domain.window import Instant
from authz_service.store import events
from authz_service.store.database import Connection
from authz_service.usecases.billing import receipt
from authz_service.usecases.billing.envelopes import Envelope
from authz_service.usecases.billing.interpretation import MEANING
from authz_service.usecases.billing.lookup import (
    SKEW,
    Fetcher,
    LookupFailed,
    can_read,
    read_agreement,
    read_subject,
)
from authz_service.usecases.billing.values import Unreadable

READ_AT_ONCE: Final = 20
"""Tenants of which one call reads the agreements."""


@dataclass(frozen=True, slots=True)
class Known:
    """What events have told of one tenant: agreements and subjects, each with its source."""

    tenant: str
    agreements: tuple[tuple[str, str], ...]
    subjects: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Said:
    """One agreement as its source says that it is, as an event and what that means."""

    event: ReceivedEvent
    meaning: Meaning


@dataclass(frozen=True, slots=True)
class Truth:
    """All agreements of a tenant that could be read; `problem` says why it is not known."""

    said: tuple[Said, ...] = ()
    problem: str = ""


NOT_ASKED: Final = Truth()


def known(connection: Connection, tenant: str) -> Known:
    """Read what is to be asked about a tenant."""
    rows = events.of_tenant(connection, tenant)
    meanings = [MEANING.validate_json(row.meaning) for row in rows]
    agreements = {(m.source, m.agreement) for m in meanings if m.agreement}
    return Known(tenant, tuple(sorted(agreements)), events.subjects_of(connection, tenant))


def read_all(
    policy: BillingPolicy, fetcher: Fetcher, tenants: Iterable[Known], now: Instant
) -> dict[str, Truth]:
    """Ask the sources about each tenant, outside of any transaction.

    What they say counts from a moment ago: what happened in between was told by an event, too.
    Once a source does not answer, it is not asked again.
    """
    reader = _Reader(policy, fetcher, (now - SKEW) // SECOND * SECOND - 1, now)
    return {each.tenant: reader.read(each) for each in tenants}


def read_anew(policy: BillingPolicy, truth: Truth, now: Instant) -> Truth:
    """Make out by another policy what sources have said."""
    said: list[Said] = []
    for one in truth.said:
        reading = receipt.attempt(policy, Envelope(one.event), now)
        if isinstance(reading, Unreadable):
            return Truth(problem=reading.message)
        if reading.meaning is not None:
            said.append(Said(one.event, reading.meaning))
    return Truth(tuple(said), truth.problem)


class _Reader:
    def __init__(self, policy: BillingPolicy, fetcher: Fetcher, at: Instant, now: Instant) -> None:
        self._policy = policy
        self._fetcher = fetcher
        self._at = at
        self._now = now
        self._silent: dict[str, str] = {}

    def read(self, tenant: Known) -> Truth:
        said: list[Said] = []
        try:
            for source in self._sources(tenant):
                said += self._of_source(source, tenant)
        except (LookupFailed, Unreadable) as failure:
            return Truth(problem=failure.message)
        return Truth(tuple(said))

    def _sources(self, tenant: Known) -> list[Source]:
        names = sorted({name for name, _ in (*tenant.agreements, *tenant.subjects)})
        sources = (self._policy.sources.get(name) for name in names)
        return [s for s in sources if s is not None and can_read(s, self._fetcher)]

    def _of_source(self, source: Source, tenant: Known) -> Sequence[Said]:
        """Read the lists of all subjects, and agreements that none of them has."""
        if source.name in self._silent:
            raise LookupFailed(JobReason.SOURCE_UNREACHABLE, self._silent[source.name])
        said: list[Said] = []
        try:
            for name, subject in tenant.subjects:
                if name == source.name:
                    listed = read_subject(source, self._fetcher.fetch, subject, self._at)
                    said += [self._read(tenant, envelope) for envelope in listed]
            seen = {one.meaning.agreement for one in said}
            for name, agreement in tenant.agreements:
                if name == source.name and agreement not in seen:
                    one = read_agreement(source, self._fetcher.fetch, agreement, self._at)
                    said.append(self._read(tenant, one))
        except LookupFailed as failure:
            if failure.reason is JobReason.SOURCE_UNREACHABLE:
                self._silent[source.name] = failure.message
            raise
        return said

    def _read(self, tenant: Known, envelope: Envelope) -> Said:
        """Make out what an agreement is. Raises: Unreadable."""
        reading = receipt.attempt(self._policy, envelope, self._now)
        if isinstance(reading, Unreadable):
            raise reading
        if reading.meaning is None or reading.tenant not in ("", tenant.tenant):
            other = reading.tenant or "nobody"
            message = f"the source says that an agreement of {tenant.tenant} is of {other}"
            raise LookupFailed(JobReason.SOURCE_UNREADABLE, message)
        return Said(envelope.event, reading.meaning)
