"""`authz doctor`, the database's part: it answers, is migrated, keeps time, has room, is whole."""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from authz_service.cli.doctor.finding import Finding, examined, ok, problem, warning
from authz_service.config import Settings
from authz_service.domain.audit import broken_link
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import rfc3339
from authz_service.store import audit_log, histories, migrate
from authz_service.store.database import Database
from authz_service.store.facts import head as head_of

_CLOCKS_APART: Final = 1.0
"""Seconds. Windows are decided by our clock: more than that, and access ends noticeably late."""

_ENTRIES: Final = 1000
_LEAST_FREE: Final = 100 * 1024**2
_LITTLE_FREE: Final = 1024**3
_LONGEST_WAIT: Final = 5.0


def database_findings(settings: Settings) -> Iterator[Finding]:
    """Look at the database; what needs it is left out if it does not answer."""
    file = _file(settings)
    if file is not None and not file.exists():
        yield problem(
            "database",
            f"there is no file {file.absolute()}",
            "run authz serve once, which makes it, or set AUTHZ_DATABASE_URL to where it is",
        )
        return
    with closing(_opened(settings)) as database:
        matches = examined("database", lambda: _answers(database))
        yield matches
        if matches.advice:
            return
        migrated = examined("migrations", lambda: _migrated(database))
        yield migrated
        yield examined("clock", lambda: _clock(database))
        if file is not None:
            yield examined("disk", lambda: _disk(file))
        if not migrated.advice:
            yield examined("history", lambda: _history(database))
            yield examined("audit", lambda: _audit(database))


def _file(settings: Settings) -> Path | None:
    """Return the SQLite file; None for PostgreSQL."""
    prefix, _, path = settings.database_url.partition(":///")
    return Path(path.partition("?")[0]) if prefix.startswith("sqlite") and path else None


def _opened(settings: Settings) -> Database:
    return Database(settings.database_url, busy_seconds=min(settings.busy_seconds, _LONGEST_WAIT))


def _answers(database: Database) -> Finding:
    database.clock()
    return ok("database", f"{database.url.render_as_string(hide_password=True)} answers")


def _migrated(database: Database) -> Finding:
    behind = migrate.pending(database)
    if behind:
        advice = "run authz migrate, then start the servers again"
        return problem("migrations", f"not applied: {', '.join(behind)}", advice)
    with database.read() as connection:
        return ok("migrations", f"all applied; the head is revision {head_of(connection)}")


def _clock(database: Database) -> Finding:
    before = time.time()
    there = database.clock()
    after = time.time()
    apart = there - (before + after) / 2
    if abs(apart) - (after - before) / 2 >= _CLOCKS_APART:
        return problem(
            "clock",
            f"the database's clock is {apart:+.1f} s from this machine's",
            "have both follow a time server (chrony, systemd-timesyncd): windows are decided by "
            "the servers' clocks",
        )
    return ok("clock", f"the database's is {abs(apart) * 1000:.0f} ms from ours")


def _history(database: Database) -> Finding:
    """Tell which history the revisions are of, and whether another is about to begin."""
    with database.read() as connection:
        history, begun = histories.read(connection), histories.begun(connection)
        head, _ = histories.seen(connection, 0)
        copy = database.copy_of(connection)
    text = f"{history.id}, the first"
    if begun:
        text = (
            f"{history.id}, begun on {rfc3339(begun[-1].at)} after revision {begun[-1].last_shared}"
        )
    if copy and head.copy not in ("", copy):
        advice = "no change made after the backup is here; the next start, or change, begins one"
        return warning("history", f"{text}; this is another copy of that database", advice)
    return ok("history", text)


def _disk(file: Path) -> Finding:
    free = shutil.disk_usage(file.parent).free
    text = f"{free / 1024**3:.1f} GiB free for {file.absolute()}"
    advice = "make room, or move the file and set AUTHZ_DATABASE_URL"
    if free < _LEAST_FREE:
        return problem("disk", text, advice)
    return warning("disk", text, advice) if free < _LITTLE_FREE else ok("disk", text)


def _audit(database: Database) -> Finding:
    with database.read() as connection:
        before, entries = audit_log.newest_sealed(connection, SYSTEM, _ENTRIES)
    broken = broken_link(entries, before)
    if broken is not None:
        return problem(
            "audit",
            f"entry {broken} of the chain `{SYSTEM}` is missing, altered or does not follow",
            "the database was changed past the service: keep it as it is, find out by whom, and "
            "compare it with a backup",
        )
    return ok("audit", f"the last {len(entries):,} entries of `{SYSTEM}` are whole")
