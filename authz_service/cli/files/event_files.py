"""Files of billing events, as senders write them."""

from pathlib import Path

from authz_service.client.failure import ExitCode, Failure


def read_file(file: Path) -> bytes:
    """Read a file of events. Raises: Failure."""
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise Failure(ExitCode.USAGE, "UNREADABLE_FILE", message, field="FILE") from None
