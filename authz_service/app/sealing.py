"""Which keys seal secrets in the database, and whether they open all that is sealed there."""

import structlog

from authz_service.app import door
from authz_service.config import Settings
from authz_service.errors import FailedPrecondition
from authz_service.store import jobs
from authz_service.store.seals import Seals
from authz_service.store.unit_of_work import Store

log = structlog.get_logger()


def seals_of(settings: Settings) -> Seals:
    """Raises: InvalidArgument: what the settings name holds no key."""
    file = settings.sealing_key_file or settings.key_file.with_name("sealing.key")
    return Seals(settings.sealing_key, file, door.random_bytes)


def look(store: Store) -> None:
    """Tell at the start of secrets that nobody can open; checks and changes go on without them."""
    with store.database.read() as connection:
        sealed = jobs.sealed_secrets(connection)
    try:
        store.seals.require_all(sealed)
    except FailedPrecondition as missing:
        log.error("webhooks cannot be signed", error=missing.message)
