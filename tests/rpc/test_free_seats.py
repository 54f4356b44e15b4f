"""Suspended members free their seats where the tier says so, and need one to come back."""

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import limit_pb2, member_pb2, suspension_pb2, tier_pb2
from tests.rpc.account import Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server


@pytest.fixture
def acme(any_server: Server, request: pytest.FixtureRequest) -> Account:
    """Open an account with two seats on a tier that extends one with the setting."""
    base, tier = fresh_name("base"), fresh_name("freeing")
    two = limit_pb2.Limit(name="seats", value=2, unit="seat")
    roles = ["admin", "viewer"]
    below = tier_pb2.Tier(id=base, limits=[two], assignable_roles=roles, suspended_free_seats=True)
    for made in (below, tier_pb2.Tier(id=tier, extends=base)):
        any_server.operator.call(tier_pb2.CreateTierRequest(tier=made))
    account = Account(any_server, fresh_name(request.node.name))
    account.onboard(tier, ada=["admin"], ben=["viewer"])
    return account


def test_suspended_member_frees_its_seat_and_needs_one_to_come_back(acme: Account) -> None:
    added = member_pb2.AddMemberRequest(
        tenant=acme.id, member=member_pb2.NewMember(subject="user:cleo")
    )
    acme.server.refuses(added, ErrorReason.SEATS_EXHAUSTED)
    acme.hold_back("ben")
    assert acme.now().seats_taken == 1
    acme.operator.call(added)
    resumption = member_pb2.ResumeMemberRequest(
        tenant=acme.id,
        subject="user:ben",
        suspension_reason=suspension_pb2.SUSPENSION_REASON_ADMIN,
    )
    acme.server.refuses(resumption, ErrorReason.SEATS_EXHAUSTED)
    acme.remove("cleo")
    acme.operator.call(resumption)
    assert acme.may("ben", "invoices:view") is False
    assert acme.now().seats_taken == 2


def test_setting_is_read_back_and_taken_away(acme: Account) -> None:
    tier = acme.now().tenant.tier
    extended = acme.operator.call(tier_pb2.GetTierRequest(id=tier)).tier
    assert not extended.suspended_free_seats
    base = acme.operator.call(tier_pb2.GetTierRequest(id=extended.extends)).tier
    assert base.suspended_free_seats
    acme.hold_back("ben")
    base.suspended_free_seats = False
    request = tier_pb2.UpdateTierRequest(tier=base)
    request.update_mask.paths.append("suspended_free_seats")
    acme.operator.call(request)
    assert acme.now().seats_taken == 2
