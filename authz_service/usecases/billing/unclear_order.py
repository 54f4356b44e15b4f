"""Events whose order cannot be told: why they wait, and the jobs that read agreements again."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from authz_service.domain.agreement_course import Meaning
from authz_service.domain.billing_event import EventReason
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.job import Job, JobKind
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing.lookup import moment
from authz_service.usecases.billing.values import Unreadable

UNCLEAR: Final = Unreadable(
    EventReason.UNCLEAR_ORDER,
    "it happened in the same instant as another event about its agreement, and nothing tells which "
    "came last; a later event about it settles the matter, or discard one of them",
)

_NAMED: Final = 20
"""Events that a job names, to tell them if reading fails."""


def lookups(
    tx: Transaction, policy: BillingPolicy, tenant: str, unclear: Iterable[Meaning]
) -> Iterator[Job]:
    """Make a job for each agreement of unclear events whose source says how it is read again.

    It is due when the instant is over at the sender: what it says then has all of that instant in
    it, and counts from its end on.
    """
    agreements: defaultdict[tuple[str, str], list[Meaning]] = defaultdict(list)
    for meaning in unclear:
        agreements[meaning.source, meaning.agreement].append(meaning)
    for (name, agreement), meanings in sorted(agreements.items()):
        source = policy.sources.get(name)
        if source is None or source.lookup is None or not agreement:
            continue
        instant = moment(max(meaning.time for meaning in meanings))
        yield Job(
            f"job-{tx.new_id()}",
            JobKind.LOOKUP,
            tenant,
            f"lookup/{name}/{agreement}/{instant.end}",
            agreement,
            "lookup",
            {
                "source": name,
                "at": instant.end,
                "events": [meaning.id for meaning in meanings[:_NAMED]],
            },
            created_at=tx.now,
            next_at=max(tx.now, instant.over),
        )
