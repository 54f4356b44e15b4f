"""The jobs that apply the downgrade policy on the dates of an account."""

from collections.abc import Callable, Iterable, Iterator

from authz_service.domain.job import Job, JobKind
from authz_service.domain.schedule import ScheduledKind, scheduled
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.domain.window import Instant


def downgrade_jobs(
    tenants: Iterable[Tenant], now: Instant, new_id: Callable[[], str]
) -> Iterator[Job]:
    """Make a job for each future time at which dates change what an account has."""
    for tenant in tenants:
        ahead = scheduled(tenant, now) if tenant.id != SYSTEM else []
        instants = (change.at for change in ahead if change.kind is not ScheduledKind.STATE)
        for at in dict.fromkeys(instants):
            yield Job(
                f"job-{new_id()}",
                JobKind.DOWNGRADE,
                tenant.id,
                f"downgrade/{tenant.id}/{at}",
                tenant.id,
                "downgrade",
                {"at": at},
                created_at=now,
                next_at=at,
            )
