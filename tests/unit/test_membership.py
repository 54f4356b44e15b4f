"""The life of a membership: each reason for a suspension is lifted alone."""

from dataclasses import replace

import pytest

from authz_service.domain.membership import (
    ManagedBy,
    Membership,
    MembershipState,
    joined,
    resumed,
    suspended,
)
from authz_service.domain.tenant import SuspensionReason
from authz_service.errors import ErrorReason, FailedPrecondition

VERA = Membership("acme", "user:vera", owner=True, managed_by=ManagedBy.SCIM)
INVITED = replace(VERA, lifecycle=MembershipState.INVITED)
ADMIN, RISK = SuspensionReason.ADMIN, SuspensionReason.RISK


@pytest.mark.parametrize("before", [VERA, INVITED], ids=["active", "invited"])
def test_lifting_every_reason_gives_back_exactly_what_was(before: Membership) -> None:
    both = suspended(suspended(before, ADMIN), RISK)
    assert both.state is MembershipState.SUSPENDED
    one = resumed(both, ADMIN)
    assert (one.state, one.suspensions) == (MembershipState.SUSPENDED, frozenset({RISK}))
    assert resumed(one, RISK) == before


@pytest.mark.parametrize("reason", SuspensionReason)
def test_a_reason_is_laid_on_once(reason: SuspensionReason) -> None:
    with pytest.raises(FailedPrecondition, match="already suspended") as raised:
        suspended(suspended(VERA, reason), reason)
    assert raised.value.reason is ErrorReason.MEMBER_STATE_CONFLICT
    assert raised.value.field == "suspension_reason"


def test_a_reason_that_does_not_hold_is_not_lifted_and_the_held_ones_are_named() -> None:
    with pytest.raises(FailedPrecondition, match=r"but for risk") as raised:
        resumed(suspended(VERA, RISK), ADMIN)
    assert raised.value.details == {"suspension_reason": "admin"}


def test_one_who_joins_is_active_unless_something_suspends() -> None:
    assert joined(INVITED) == VERA
    held_back = joined(suspended(INVITED, ADMIN))
    assert held_back.state is MembershipState.SUSPENDED
    assert resumed(held_back, ADMIN).state is MembershipState.ACTIVE
