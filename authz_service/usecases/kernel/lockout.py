"""The service stays operable: no change may leave nobody who could undo it."""

from typing import Final

from authz_service.domain.change import Delta
from authz_service.domain.decision import Question
from authz_service.domain.identity import Identity
from authz_service.domain.key import ApiKey
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.builder import apply
from authz_service.engine.decide import decide
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel.rights import access_of

OPERATING: Final = tuple(
    access_of(rpc).right for rpc in ("UpdateRole", "ApplyChangeset", "CreateKey")
)
"""The rights with which every other one can be given back."""


def index_after(tx: Transaction) -> Index:
    """Build the index as it will be once the transaction has committed.

    Meant for policy and keys: a change of the catalogue compiles all of it anew.
    """
    if not tx.changes:
        return tx.index
    return apply(tx.index, Delta(tx.revision, tuple(tx.changes), tx.now))


def require_operable(tx: Transaction) -> None:
    """Check that no operating right loses the last who holds it: a live key, or a caller known by
    token or certificate. A right that nobody held before is not missed.

    Raises:
        FailedPrecondition: OPERATORS_LOCKED_OUT.
    """
    if not tx.changes:
        return
    after = index_after(tx)
    for right in OPERATING:
        if _is_held(tx.index, right, tx.now) and not _is_held(after, right, tx.now):
            raise FailedPrecondition(
                ErrorReason.OPERATORS_LOCKED_OUT,
                f"no live key would hold {right} for all tenants any more, and nobody could mend "
                "it; give the right to another key first",
                details={"right": right},
            )


def _is_held(index: Index, right: str, at: Instant) -> bool:
    """Tell whether a caller that can prove itself at `at` holds the right for all tenants."""
    callers: list[ApiKey | Identity] = [*index.keys.values(), *index.identities.values()]
    return any(
        decide(index, Question(SYSTEM, caller.subject, right), at).allowed
        for caller in callers
        if at < caller.expires_at
    )
