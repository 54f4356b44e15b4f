"""The downgrade policy, applied after a date has changed what an account has.

The date itself needs no job: from that instant on, checks use the limits and roles of the smaller
tier. Only what exceeds them is left for a worker to clear.
"""

from dataclasses import dataclass
from typing import Final

from authz_service.domain.call import Call
from authz_service.domain.job import Again, Done, Job, JobReason, Outcome
from authz_service.domain.schedule import items_changing_at
from authz_service.domain.tenant import TenantState
from authz_service.errors import AuthzError, Internal, Unavailable
from authz_service.store.unit_of_work import Store
from authz_service.usecases.delivery.mail import WORKER
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.tenants.downgrade import fit

_NAMED: Final = 5
"""How many changes of one instant an audit entry names in its reason."""


@dataclass(frozen=True, slots=True)
class DowngradeJobs:
    store: Store

    def attempt(self, job: Job) -> Outcome:
        """Apply the policy to one account, if its dates still change at the time of the job."""
        try:
            return self._applied(job)
        except (Unavailable, Internal):
            raise
        except AuthzError as refusal:
            return Again(JobReason.ACCOUNT_REFUSED, f"{refusal.reason}: {refusal.message}")

    def _applied(self, job: Job) -> Outcome:
        at = int(str(job.data["at"]))
        with self.store.transaction(Call(WORKER)) as tx:
            if tx.now < at:
                return Again(JobReason.NOT_DUE, "its instant has not come by this process's clock")
            tenant = tx.index.tenant(job.tenant)
            changes = (
                [change.id for change in items_changing_at(tenant, at)]
                if tenant is not None
                else []
            )
            if tenant is None or not changes or tenant.state_at(tx.now) is TenantState.OFFBOARDED:
                return Done("the account does not change at that instant any more")
            tx.call = Call(WORKER, reason=", ".join(changes[:_NAMED]))
            steps = fit(tx, tenant.id, in_force(tx.index).downgrade)
        return Done("; ".join(step.summary for step in steps)[:1000] or "all fits")
