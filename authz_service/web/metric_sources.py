"""Where each figure of the metrics comes from: all are in memory, so a scrape waits for nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from authz_service.replication.following import Following
from authz_service.replication.replica import Replica
from authz_service.store.unit_of_work import Store
from authz_service.usecases.decisions.explain import Explainer
from authz_service.usecases.decisions.shadow import Shadow
from authz_service.web.metrics import Calls, Sources


class Worker(Protocol):
    """What does jobs."""

    counts: Mapping[tuple[str, str], int]


def sources(  # noqa: PLR0913, PLR0917 - where figures come from, given by app/ports.py alone
    ports: Sequence[tuple[Calls, Callable[[], int]]],
    bounds: Sequence[float],
    store: Store,
    replica: Replica,
    following: Following,
    explainer: Explainer,
    shadow: Shadow,
    events: Mapping[str, int],
    worker: Worker,
) -> Sources:
    """Put the figures of one process together."""
    return Sources(
        ports=ports,
        bounds=bounds,
        gauges={
            "authz_revision": (
                "Revision that this replica answers from.",
                lambda: replica.index.revision,
            ),
            "authz_head_age_seconds": (
                "Seconds since this replica last read the head: at most so old is an answer.",
                lambda: replica.age,
            ),
            "authz_database_up": (
                "1 while the database answers, 0 while checks go on from memory.",
                lambda: following.healthy,
            ),
            "authz_database_connections_in_use": (
                "Connections of the pool that are in use.",
                lambda: store.database.connections_in_use,
            ),
        },
        counters={
            "authz_shadow_checks": (
                "Live decisions that Casbin decided as well.",
                lambda: shadow.verified,
            ),
            "authz_shadow_disagreements": (
                "Decisions, explained ones too, on which Casbin and the index differed.",
                lambda: explainer.disagreements,
            ),
        },
        labelled={
            "authz_changes": (
                "What was changed and committed, by audited action.",
                "action",
                lambda: store.changes,
            ),
            "authz_audit_entries": (
                "Audit entries written, of what was done and of what was refused.",
                "outcome",
                lambda: store.entries,
            ),
            "authz_events": (
                "Events taken in, by what became of them: parked ones by their reason.",
                "outcome",
                lambda: dict(events),
            ),
        },
        grouped={
            "authz_jobs": (
                "Jobs kept, by kind and state, as of a few seconds ago.",
                ("kind", "state"),
                lambda: worker.counts,
            ),
        },
    )
