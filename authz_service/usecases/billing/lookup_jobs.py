"""Jobs that read an agreement again, because the order of two of its events cannot be told."""

from dataclasses import dataclass

from authz_service.domain.audit import Actor
from authz_service.domain.billing_event import EventReason, EventState, Passed, Stage, passed
from authz_service.domain.call import Call
from authz_service.domain.job import Again, Done, Job, JobReason, Never, Outcome
from authz_service.store import events
from authz_service.store.unit_of_work import Store
from authz_service.usecases.billing import receipt
from authz_service.usecases.billing.lookup import Fetcher, LookupFailed, can_read, read_agreement
from authz_service.usecases.billing.unclear_order import UNCLEAR
from authz_service.usecases.kernel.billing_policy import in_force


@dataclass(frozen=True, slots=True)
class LookupJobs:
    store: Store
    fetcher: Fetcher

    def attempt(self, job: Job) -> Outcome:
        """Read the agreement, outside of any transaction, and take in what it is."""
        name, agreement, at = str(job.data["source"]), job.target, int(str(job.data["at"]))
        source = in_force(self.store.index).sources.get(name)
        if source is None or not can_read(source, self.fetcher):
            return Done(
                f"not read: {name} does not say how, or there is no key for it; once there is, "
                "Reconcile with `repair` reads it"
            )
        if not self._waiting(name, job):
            return Done("a later event has settled the order")
        call = Call(Actor(f"source:{name}"))
        try:
            envelope = read_agreement(source, self.fetcher.fetch, agreement, at)
        except LookupFailed as failure:
            self._tell(call, name, job, failure.message)
            return Again(failure.reason, failure.message)
        with self.store.transaction(call) as tx:
            taken = receipt.take_in(tx, in_force(tx.index), envelope, f"read from {source.name}")
        if taken.event.state is not EventState.APPLIED:
            return Never(JobReason.SOURCE_UNREADABLE, taken.event.message)
        return Done("; ".join(taken.effects)[:1000] or "nothing changes")

    def _waiting(self, source: str, job: Job) -> bool:
        with self.store.database.read() as connection:
            rows = [events.find(connection, source, id_) for id_ in _ids(job)]
        return any(row is not None and row.reason is EventReason.UNCLEAR_ORDER for row in rows)

    def _tell(self, call: Call, source: str, job: Job, problem: str) -> None:
        """Say of the events that wait why reading did not help."""
        message = f"{UNCLEAR.message}; reading it again failed: {problem}"
        with self.store.aside(call) as tx:
            for id_ in _ids(job):
                row = events.find_to_change(tx.connection, source, id_)
                if row is None or row.reason is not EventReason.UNCLEAR_ORDER:
                    continue
                if row.message != message:
                    step = Passed(Stage.PARKED, tx.now, EventReason.UNCLEAR_ORDER, message)
                    events.replace(tx.connection, passed(row, step))


def _ids(job: Job) -> list[str]:
    ids = job.data["events"]
    return [str(id_) for id_ in ids] if isinstance(ids, list | tuple) else []
