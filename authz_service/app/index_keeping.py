"""The file of the index: read at a start, written so that the next start is quick."""

from pathlib import Path

import structlog

from authz_service.config import Settings
from authz_service.replication import index_file
from authz_service.replication.index_file import Snapshot

log = structlog.get_logger()


def path_of(settings: Settings) -> Path:
    return settings.index_file or settings.key_file.with_name("authz.index")


def kept(path: Path) -> Snapshot | None:
    """Read the index that was kept; the database has it as well, so no fault of a file matters."""
    try:
        return index_file.read(path)
    except (OSError, ValueError, LookupError, TypeError) as error:
        log.warning("kept index not used", file=str(path), error=str(error))
        return None


def keep(path: Path, snapshot: Snapshot) -> None:
    """Write the index for the next start."""
    try:
        index_file.write(path, snapshot)
    except OSError as error:
        log.warning("index not kept; the next start reads the database", error=str(error))
