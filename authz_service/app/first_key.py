"""The first operator key: taken from a setting or a file, or made and kept for its owner alone.

It is shown on a terminal, where somebody looks, and never written to a log.
"""

import os
import sys
from functools import partial
from pathlib import Path

import structlog

from authz_service.app import door
from authz_service.config import Settings
from authz_service.domain.key import KeyKind, KeyText, parse
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.store.unit_of_work import Store
from authz_service.usecases.bootstrap import seeding

log = structlog.get_logger()


def provide(store: Store, settings: Settings) -> None:
    """Give a database that has no key its first one.

    Raises:
        InvalidArgument: what the settings give is no operator's key.
        OSError: the file that is to hold it cannot be read, or written.
    """
    given = _given(settings)
    if given is not None:
        seeding.first_key(store, given.secret, lambda _: None, given.id)
        log.info("first operator key taken from the settings", key=given.id)
        return
    seeding.first_key(store, door.new_secret(), partial(_keep, settings.key_file))


def _given(settings: Settings) -> KeyText | None:
    text, field = settings.first_key, "AUTHZ_FIRST_KEY"
    if not text and settings.first_key_file is not None:
        text, field = settings.first_key_file.read_text("utf-8"), "AUTHZ_FIRST_KEY_FILE"
    if not text.strip():
        return None
    key = parse(text.strip())
    if key is None or key.kind is not KeyKind.OPERATOR:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"{field}: not the text of an operator's key; `authz keys generate` writes one",
            field=field,
        )
    return key


def _keep(path: Path, credential: str) -> None:
    """Write the key where only its owner reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        # It may be the only key to another database.
        path.rename(path.with_name(f"{path.name}.before-{door.now()}"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(credential + "\n")
        file.flush()
        os.fsync(file.fileno())
    log.info("first operator key kept", file=str(path))
    if sys.stdout.isatty():
        print(f"First operator key, kept in {path}: {credential}", flush=True)  # noqa: T201
