"""What the metrics are called, and where each figure of them comes from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from authz_service.serving.figures import Figures
from authz_service.web.metrics import Sources


class Worker(Protocol):
    """What does jobs."""

    counts: Mapping[tuple[str, str], int]
    unmapped_prices: int


def sources(
    ports: Mapping[str, Callable[[], Figures]],
    bounds: Sequence[float],
    worker: Worker,
    check_workers: Callable[[], int],
) -> Sources:
    """Name the figures of a whole `serve`; `check_workers` counts those that are up to date."""
    return Sources(
        ports=ports,
        bounds=bounds,
        gauges={
            "authz_revision": (
                "Revision that every replica answers from, or a later one.",
                lambda figures: figures.revision,
            ),
            "authz_head_age_seconds": (
                "Seconds since each replica has read the head: at most so old is an answer.",
                lambda figures: figures.age,
            ),
            "authz_clock_offset_seconds": (
                "Seconds by which this machine's clock is ahead of the time that is followed.",
                lambda figures: figures.clock_offset,
            ),
            "authz_database_up": (
                "1 while the database answers, 0 while checks go on from memory.",
                lambda figures: figures.database_up,
            ),
            "authz_database_connections_in_use": (
                "Connections of the pools that are in use.",
                lambda figures: figures.connections,
            ),
            "authz_unmapped_prices": (
                "Prices that parked billing events wait for, as of a few seconds ago.",
                lambda _: worker.unmapped_prices,
            ),
            "authz_check_workers": (
                "Check workers that answer from the newest revision.",
                lambda _: check_workers(),
            ),
        },
        counters={
            "authz_shadow_checks": (
                "Live decisions that Casbin decided as well.",
                "shadow",
                "verified",
            ),
            "authz_shadow_disagreements": (
                "Decisions, explained ones too, on which Casbin and the index differed.",
                "shadow",
                "disagreements",
            ),
        },
        labelled={
            "authz_changes": (
                "What was changed and committed, by audited action.",
                "action",
                "changes",
            ),
            "authz_audit_entries": (
                "Audit entries written, of what was done and of what was refused.",
                "outcome",
                "entries",
            ),
            "authz_events": (
                "Events taken in, by what became of them: parked ones by their reason.",
                "outcome",
                "events",
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
