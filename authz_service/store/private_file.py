"""SQLite's files, which nobody but their owner reads."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
"""The mode of a file that only its owner reads and writes."""

_BESIDE: Final = ("-wal", "-shm", "-journal")


def before_opening(file: Path, *_: object) -> None:
    """Make a file private before it is opened; what stands against that is the database's fault."""
    try:
        make_private(file)
    except OSError as error:
        raise sqlite3.OperationalError(f"unable to open database file: {error}") from error


def make_private(file: Path) -> None:
    """Let nobody but its owner read a SQLite file; make it so if it is not there.

    SQLite gives the files that it keeps beside it the same mode.
    """
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, PRIVATE))
    for path in (file, *(file.with_name(file.name + suffix) for suffix in _BESIDE)):
        with suppress(FileNotFoundError):  # the last connection that closes takes them away
            status = path.stat()
            if status.st_mode & 0o077 and status.st_uid == os.geteuid():
                path.chmod(PRIVATE)
