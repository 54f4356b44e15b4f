"""What one port takes at once, from one caller and from all: read with the other settings."""

from pydantic import Field
from pydantic_settings import BaseSettings


class LimitSettings(BaseSettings):
    """Limits on use; `config.Settings` has them all."""

    check_threads: int = Field(default=8, ge=1, description="Threads that answer checks.")
    admin_threads: int = Field(
        default=8, ge=1, description="Threads that serve the administration port."
    )
    max_waiting: int = Field(
        default=1024,
        ge=1,
        description="Calls that may wait for a port's threads; more are refused (OVERLOADED).",
    )
    max_queue_seconds: float = Field(
        default=1.0,
        gt=0,
        description="Longest a call waits for a thread; later it is refused (OVERLOADED).",
    )
    max_standing_seconds: float = Field(
        default=0.1,
        gt=0,
        description="Longest a check waits for a thread while the line of checks does not empty.",
    )
    max_pending: int = Field(
        default=2048,
        ge=1,
        description="Calls at once that gRPC holds for us untaken; it drops more (CANCELLED).",
    )
    max_streams: int = Field(
        default=1000,
        ge=1,
        description="Calls at once on one connection; a client holds further ones back.",
    )
    max_open_per_caller: int = Field(
        default=1000,
        ge=1,
        description="Calls of one caller that may be open at once (TOO_MANY_OPEN_CALLS).",
    )
    max_open_per_address: int = Field(
        default=4000,
        ge=1,
        description="Calls from one address that may be open at once (TOO_MANY_OPEN_CALLS).",
    )
    max_idle_calls: int = Field(
        default=200,
        ge=1,
        description="Calls of one caller, and from one address, whose message has not come yet; "
        "and those whose answer is not read. Beyond it the oldest of them end.",
    )
    max_message_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Longest that a call's message is awaited (MESSAGE_NOT_RECEIVED).",
    )
    max_reader_seconds: float = Field(
        default=10.0, gt=0, description="Longest that an answer waits to be read; then it is cut."
    )
    rate_checks_per_second: float = Field(
        default=50_000.0,
        ge=0,
        description="Checks that one caller may ask a second, each question of a batch counted, "
        "and costlier questions as often as they cost; more are refused (RATE_LIMITED). 0 for no "
        "limit.",
    )
    rate_changes_per_second: float = Field(
        default=10_000.0,
        ge=0,
        description="Calls that one caller may make a second on the administration port, each item "
        "of a bulk call counted, and costlier calls as often as they cost; more are refused "
        "(RATE_LIMITED). 0 for no limit.",
    )
