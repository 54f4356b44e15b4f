"""The clock and chance: everything else is given the instants, ids and secrets made here."""

import secrets
import time
from base64 import b64encode

from authz_service.domain.key import ALPHABET, SECRET_LENGTH
from authz_service.domain.window import Instant
from authz_service.replication.time import uptime


def now() -> Instant:
    """Read the clock: microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


def elapsed() -> float:
    """Read seconds that nobody can set; they go on while the process is stopped."""
    return uptime()


def new_id() -> str:
    """Make an id that sorts by time and cannot be guessed: 13 and 8 hex digits."""
    return f"{now():013x}{secrets.token_hex(4)}"


def new_secret() -> str:
    """Make a secret of 256 random bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))


def new_webhook_secret() -> str:
    """Make a secret to sign deliveries with, in the form of Standard Webhooks."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


def random_bytes(count: int) -> bytes:
    """Make random bytes, for keys and nonces."""
    return secrets.token_bytes(count)


def chance() -> float:
    """Draw a number from 0 to 1."""
    return secrets.SystemRandom().random()
