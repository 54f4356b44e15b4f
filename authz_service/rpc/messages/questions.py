"""Questions out of messages."""

from functools import lru_cache
from typing import Any, Final

from authz_service.domain.decision import Question, Usage
from authz_service.domain.identifiers import checked, enclosing
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.rpc.messages import times, values
from authz_service.usecases.decisions.freshness import NOTHING, Demand

_MAX_AMOUNT: Final = 2**62
"""What is used and what is wanted must add up within an int64."""


def question(message: Any) -> Question:
    """Read a question out of any message that has its fields.

    Raises:
        InvalidArgument: the scope or the usage is malformed.
    """
    scope = message.scope
    return Question(
        message.tenant,
        message.subject,
        message.permission,
        scopes(scope) if scope else (),
        usage(message.usage) if message.HasField("usage") else None,
    )


def demand(request: Any) -> Demand:
    """Read how new the answer has to be."""
    if request.latest:
        return Demand(request.min_revision, 0)
    if request.HasField("max_staleness"):
        times.require_sound(request)
        return Demand(request.min_revision, values.duration(request.max_staleness) / 1_000_000)
    return Demand(request.min_revision) if request.min_revision else NOTHING


@lru_cache(maxsize=65_536)
def scopes(scope: str) -> tuple[str, ...]:
    """List the scopes that cover a resource, outermost first; none for the whole tenant.

    Raises:
        InvalidArgument: the scope is malformed.
    """
    return enclosing(checked("scope", scope)) if scope else ()


def usage(message: Any) -> Usage:
    """Read a usage.

    Raises:
        InvalidArgument: it names no limit, or a number is negative or absurd.
    """
    quantity = message.quantity if message.HasField("quantity") else 1
    for name, amount in (("used", message.used), ("quantity", quantity)):
        if not 0 <= amount <= _MAX_AMOUNT:
            raise InvalidArgument(
                ErrorReason.INVALID_FIELD,
                f"{name} is {amount}; it must be 0 to 2^62",
                field=f"usage.{name}",
            )
    return Usage(checked("limit", message.limit, "usage.limit"), message.used, quantity)
