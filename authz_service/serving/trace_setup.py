"""Traces, where they are asked for and the packages for them are installed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, InvalidArgument

if TYPE_CHECKING:
    from authz_service.serving.tracing import Tracing


def tracing_to(endpoint: str, now: Callable[[], Instant]) -> "Tracing | None":
    """Make ready to trace, if that is asked for.

    Raises:
        InvalidArgument: the packages for it are not installed.
    """
    if not endpoint:
        return None
    try:
        from authz_service.serving.tracing import Tracing, exporting_to  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"traces need a package that is not installed, {error.name}: "
            "install authz-service[otel], or unset AUTHZ_OTLP_ENDPOINT",
            field="AUTHZ_OTLP_ENDPOINT",
        ) from error
    return Tracing(exporting_to(endpoint), now)
