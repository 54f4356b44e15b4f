"""`authz recover` at work: the parts of a server that can write, and no server."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from authz_service.app.door import new_id, new_secret, now
from authz_service.config import Settings
from authz_service.domain.key import write
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.replication.replica import Replica
from authz_service.replication.time import Time
from authz_service.store.database import Database
from authz_service.store.migrate import require_migrated
from authz_service.store.unit_of_work import Store
from authz_service.usecases.bootstrap import recovery
from authz_service.usecases.changesets.replanning import replan
from authz_service.usecases.kernel.preconditions import text


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was put back, and the new operator's key; no key if it was only a trial."""

    mended: tuple[str, ...]
    key_id: str = ""
    credential: str = ""


def recovered(settings: Settings, reason: str, *, dry_run: bool) -> Recovered:
    """Make an operator's key on the database itself; servers that run take it up.

    Raises:
        AuthzError: the database does not answer, lacks migrations, or was never served.
    """
    with writing_store(settings) as store:
        mended = recovery.mend(store, reason, validate_only=dry_run)
        if dry_run:
            return Recovered(mended)
        secret = new_secret()
        key = recovery.new_operator(store, secret, reason)
        return Recovered(mended, key.id, write(key.kind, key.id, secret))


def new_history(settings: Settings, reason: str) -> tuple[str, int]:
    """Begin a new history of the database; return its id and its first revision.

    Raises:
        AuthzError: the database does not answer, lacks migrations, or was never served.
    """
    with writing_store(settings) as store:
        why = text(reason, "reason", required=True)
        first = store.heads.begin_history(store.heads.check_history(), why)
        return store.heads.check_history(), first


@contextmanager
def writing_store(settings: Settings) -> Iterator[Store]:
    database = Database(settings.database_url, busy_seconds=settings.busy_seconds)
    if database.dialect == "sqlite" and not Path(database.url.database or "").is_file():
        raise _never_served()
    with closing(database):
        require_migrated(database)
        replica = Replica(database, Time(now))
        replica.load()
        if not replica.index.revision:
            raise _never_served()
        yield Store(database, replica, now, new_id, replan=replan)


def _never_served() -> FailedPrecondition:
    return FailedPrecondition(
        ErrorReason.DATABASE_BEHIND,
        "the database is empty, and there was never a key to it: authz serve makes the first one; "
        "or AUTHZ_DATABASE_URL names another database than the server's",
    )
