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
def test_what_is_so_already_changes_nothing(reason: SuspensionReason) -> None:
    once = suspended(VERA, reason)
    assert suspended(once, reason) == once
    assert resumed(VERA, reason) == VERA


def test_one_who_joins_is_active_unless_something_suspends() -> None:
    assert joined(INVITED) == VERA
    held_back = joined(suspended(INVITED, ADMIN))
    assert held_back.state is MembershipState.SUSPENDED
    assert resumed(held_back, ADMIN).state is MembershipState.ACTIVE
