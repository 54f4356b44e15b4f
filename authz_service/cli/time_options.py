"""Options that take an instant, or a length of time."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from authz_service.cli.display import instants


def _instant(text: str) -> datetime:
    try:
        return instants.instant(text, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _revision_or_instant(text: str) -> str:
    """Check a revision, or write an instant out: what counts from now is settled now."""
    return text if text.isdecimal() and len(text) < 19 else _instant(text).isoformat()


def span(text: str) -> timedelta:
    try:
        return instants.span(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


From = Annotated[
    datetime | None,
    typer.Option("--from", metavar="WHEN", parser=_instant, help="From when, inclusive."),
]
_UNTIL: Final = typer.Option(
    "--until", metavar="WHEN", parser=_instant, help=f"Until when, exclusive: {instants.FORMS}."
)
Until = Annotated[datetime | None, _UNTIL]
RequiredUntil = Annotated[datetime, _UNTIL]
NoFrom = Annotated[bool, typer.Option("--no-from", help="Remove its beginning.")]
NoUntil = Annotated[bool, typer.Option("--no-until", help="Remove its end.")]
LiveAt = Annotated[
    datetime | None,
    typer.Option(
        "--live-at", metavar="WHEN", parser=_instant, help="Only those in force then: +0s is now."
    ),
]
UnusedSince = Annotated[
    datetime | None,
    typer.Option(
        "--unused-since",
        metavar="WHEN",
        parser=_instant,
        help="Only those not used since: -90d, 2026-12-01.",
    ),
]
Overlap = Annotated[
    timedelta | None,
    typer.Option(
        "--overlap",
        metavar="TIME",
        parser=span,
        help=f"How long the old secret goes on: {instants.SPANS}. 24h if not given.",
    ),
]
OpenFor = Annotated[
    timedelta | None,
    typer.Option(
        "--open-for",
        metavar="TIME",
        parser=span,
        help=f"How long it can be accepted: {instants.SPANS}. 7d if not given.",
    ),
]
MaxStaleness = Annotated[
    timedelta | None,
    typer.Option(
        "--max-staleness",
        metavar="TIME",
        parser=span,
        help=f"Answer from what is no older: {instants.SPANS}.",
    ),
]
ScheduledAt = Annotated[
    datetime | None,
    typer.Option(
        "--at",
        metavar="WHEN",
        parser=_instant,
        help=f"When it takes effect, now if not given: {instants.FORMS}.",
    ),
]
TrialUntil = Annotated[
    datetime | None,
    typer.Option("--trial-until", metavar="WHEN", parser=_instant, help="When a trial ends: +30d."),
]

At = Annotated[
    datetime | None,
    typer.Option("--at", metavar="WHEN", parser=_instant, help=f"As of: {instants.FORMS}."),
]

KnownAt = Annotated[
    str | None,
    typer.Option(
        "--as-known-at",
        metavar="REVISION|WHEN",
        parser=_revision_or_instant,
        help="As known at this revision, or at an instant; the newest.",
    ),
]
