"""Seats: the one limit that this service counts itself."""

from authz_service.domain.catalog import SEATS
from authz_service.domain.tenant import SuspensionReason
from authz_service.engine.entitlements import limit_in_force
from authz_service.engine.index import MemberEntry
from authz_service.engine.seats import suspended_free_seats, taken, takes_seat
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.unit_of_work import Transaction


def require_room(tx: Transaction, tenant: str) -> None:
    """Check that what this transaction has done so far takes no seat that was not bought.

    A tier that sets no limit `seats` is not sold by seats. What was taken before a move to a
    smaller tier stays; only more is refused.

    Raises:
        FailedPrecondition: SEATS_EXHAUSTED.
    """
    after = tx.after()
    customer = after.tenant(tenant)
    limit = limit_in_force(after, customer, SEATS, tx.now) if customer is not None else None
    bought = limit.limit.value if limit is not None else None
    before, request = taken(tx.index, tenant, tx.now), taken(after, tenant, tx.now)
    if bought is None or request <= max(bought, before):
        return
    raise FailedPrecondition(
        ErrorReason.SEATS_EXHAUSTED,
        f"{before} of {bought} seats of {tenant!r} are taken and {request - before} more asked "
        "for; remove a member, revoke an invitation or move to a larger tier",
        details={"seats": str(bought), "taken": str(before)},
    )


def require_seat(tx: Transaction, tenant: str) -> None:
    """Check that there is a seat for one more of those members who have none.

    Raises:
        FailedPrecondition: SEATS_EXHAUSTED.
    """
    entry = tx.index.tenants[tenant]
    limit = limit_in_force(tx.index, entry.fact, SEATS, tx.now)
    bought = limit.limit.value if limit is not None else None
    freeing = suspended_free_seats(tx.index, entry.fact, tx.now)
    waiting = sum(
        isinstance(member, MemberEntry)
        and SuspensionReason.SEATS in member.membership.suspensions
        and (not freeing or takes_seat(member))
        for _, member in entry.members.items()
    )
    used = taken(tx.index, tenant, tx.now) - waiting
    if bought is not None and used >= bought:
        raise FailedPrecondition(
            ErrorReason.SEATS_EXHAUSTED,
            f"{used} of {bought} seats of {tenant!r} are in use; remove a member, or move to a "
            "larger tier",
            field="subject",
            details={"seats": str(bought), "taken": str(used)},
        )
