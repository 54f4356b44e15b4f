"""Moves between tiers and imports over the wire: the shipped downgrade policy, and what is seen."""

from typing import Any

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import (
    effect_pb2,
    error_reason_pb2,
    limit_pb2,
    subscription_pb2,
    tenant_pb2,
)
from tests.rpc.account import Account, member, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server
from tests.rpc.requests import NEW_CENTURY


@pytest.fixture
def acme(any_server: Server, request: pytest.FixtureRequest) -> Account:
    """Open an account on each of the databases, in which bill does the books."""
    account = Account(any_server, fresh_name(request.node.name))
    account.onboard("professional", ada=["admin"], bill=["billing-admin"], vera=["viewer"])
    return account


def preview(account: Account, **asked: Any) -> subscription_pb2.PreviewTierChangeResponse:
    request = subscription_pb2.PreviewTierChangeRequest(tenant=account.id, **asked)
    answer: subscription_pb2.PreviewTierChangeResponse = (
        account.operator.subscriptions.PreviewTierChange(request)
    )
    return answer


def imported(
    server: Server, *customers: tenant_pb2.NewTenant, **call: Any
) -> list[tenant_pb2.OnboardResult]:
    request = tenant_pb2.BatchOnboardTenantsRequest(tenants=customers, **call)
    return list(server.operator.tenants.BatchOnboardTenants(request).results)


ENDED = subscription_pb2.DowngradeStep(
    kind=subscription_pb2.DOWNGRADE_STEP_KIND_ROLE_ENDED, subject="user:bill", role="billing-admin"
)


def test_move_leaves_what_no_longer_fits_alone_unless_asked_to_see_to_it(acme: Account) -> None:
    assert list(acme.set_tier("free").downgrade_steps) == []
    assert acme.member("bill").roles == ["billing-admin"]
    request = subscription_pb2.SetTierRequest(
        tenant=acme.id, tier="free", apply_downgrade_policy=True
    )
    answer = acme.operator.subscriptions.SetTier(request)
    assert list(answer.downgrade_steps) == [ENDED]
    assert acme.member("bill").roles == []


def test_downgrade_policy_is_applied_to_the_account_as_it_stands(acme: Account) -> None:
    acme.set_tier("free")
    request = subscription_pb2.ApplyDowngradePolicyRequest(tenant=acme.id)
    first, second = (acme.operator.subscriptions.ApplyDowngradePolicy(request) for _ in range(2))
    assert list(first.downgrade_steps) == [ENDED]
    assert list(second.downgrade_steps) == []


def test_preview_tells_everything_over_the_wire(acme: Account) -> None:
    acme.add("carl", "editor")
    found = preview(acme, tier="free", usage=[subscription_pb2.LimitUse(limit="projects", used=3)])
    assert "invoices:export" in found.lost
    assert effect_pb2.ValueChange(name="seats", before="25 seat", after="3 seat") in found.limits
    export = effect_pb2.Reach(permission="invoices:export")
    assert [list(each.subjects) for each in found.members if export in each.lost] == [
        ["user:ada"],
        ["user:bill"],
    ]
    exceeded = {each.limit.name: each for each in found.exceeded}
    assert (exceeded["seats"].used, exceeded["seats"].limit.value) == (4, 3)
    assert exceeded["seats"].policy == subscription_pb2.EXCESS_POLICY_BLOCK_NEW
    assert (exceeded["projects"].used, exceeded["projects"].policy) == (
        3,
        subscription_pb2.EXCESS_POLICY_UNSPECIFIED,
    )
    (concern,) = found.impacts
    assert (concern.kind, concern.object) == (
        effect_pb2.IMPACT_KIND_ROLE_NOT_ASSIGNABLE,
        "billing-admin",
    )
    assert list(found.downgrade_steps) == [ENDED]


def test_preview_names_as_many_members_as_are_asked_for_and_counts_all(acme: Account) -> None:
    acme.add("bella", "billing-admin")
    found = preview(acme, tier="free", sample_size=1)
    named = [(each.count, list(each.subjects)) for each in found.members]
    assert sorted(named) == [(1, ["user:ada"]), (1, ["user:vera"]), (2, ["user:bella"])]


def test_use_of_a_limit_that_nothing_would_set_is_exceeded(acme: Account) -> None:
    found = preview(acme, tier="free", usage=[subscription_pb2.LimitUse(limit="reports", used=0)])
    assert "reports" not in {each.limit.name for each in found.exceeded}
    found = preview(acme, tier="free", usage=[subscription_pb2.LimitUse(limit="reports", used=1)])
    (exceeded,) = (each for each in found.exceeded if each.limit.name == "reports")
    assert (exceeded.limit.unit, exceeded.limit.unlimited) == ("", False)


def test_policy_is_refused_ahead_of_time(acme: Account) -> None:
    request = subscription_pb2.SetTierRequest(
        tenant=acme.id,
        tier="free",
        effective_time=timestamp(NEW_CENTURY),
        apply_downgrade_policy=True,
    )
    acme.server.refuses(request, ErrorReason.INVALID_FIELD, at="apply_downgrade_policy")


def test_customer_that_cannot_be_read_is_refused_alone(any_server: Server) -> None:
    names = [fresh_name("import") for _ in range(3)]
    endless = limit_pb2.Limit(name="seats", unit="seat")
    found = imported(
        any_server,
        tenant_pb2.NewTenant(tenant=names[0], tier="free", members=[member("ada", "admin")]),
        tenant_pb2.NewTenant(tenant=names[1], tier="free", limits=[endless]),
        tenant_pb2.NewTenant(tenant=names[2], tier="free", after_trial=99),  # type: ignore[arg-type]
    )
    refused = tenant_pb2.ONBOARD_OUTCOME_REFUSED
    assert [each.outcome for each in found] == [
        tenant_pb2.ONBOARD_OUTCOME_CREATED,
        refused,
        refused,
    ]
    assert [each.field for each in found] == ["", "limits[0]", "after_trial"]
    assert found[1].error_reason == error_reason_pb2.ERROR_REASON_INVALID_FIELD


def test_customer_that_is_there_is_told_from_one_that_is_another(any_server: Server) -> None:
    name = fresh_name("import")
    whole = tenant_pb2.NewTenant(tenant=name, tier="free", members=[member("ada", "admin")])
    other = tenant_pb2.NewTenant(tenant=name, tier="professional")
    outcomes = [imported(any_server, each)[0] for each in (whole, whole, other)]
    assert [each.outcome for each in outcomes] == [
        tenant_pb2.ONBOARD_OUTCOME_CREATED,
        tenant_pb2.ONBOARD_OUTCOME_UNCHANGED,
        tenant_pb2.ONBOARD_OUTCOME_DIFFERENT,
    ]
    assert list(outcomes[2].differences) == ["tier"]


def test_repeated_request_gets_the_first_answer(any_server: Server) -> None:
    customer = tenant_pb2.NewTenant(tenant=fresh_name("import"), tier="free")
    first, second = (imported(any_server, customer, request_id=customer.tenant) for _ in range(2))
    assert first == second
    assert first[0].outcome == tenant_pb2.ONBOARD_OUTCOME_CREATED


def test_key_of_one_customer_imports_no_other(acme: Account) -> None:
    server = acme.server
    caller = server.caller(server.new_key("authz.provisioner", tenants=(acme.id,)))
    mine = tenant_pb2.NewTenant(tenant=acme.id, tier="professional")
    other = tenant_pb2.NewTenant(tenant=f"{acme.id}-other", tier="free")
    request = tenant_pb2.BatchOnboardTenantsRequest(tenants=[mine, other])
    server.refuses(request, ErrorReason.PERMISSION_DENIED, by=caller)
    answer = caller.call(tenant_pb2.BatchOnboardTenantsRequest(tenants=[mine]))
    assert answer.results[0].outcome == tenant_pb2.ONBOARD_OUTCOME_UNCHANGED
