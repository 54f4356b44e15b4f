"""What a tenant bought, with where each part comes from; limits and their use."""

import pytest

from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import limit_pb2, tenant_pb2
from tests.rpc.account import DENY, GRANT, REPLACE, Account, usage
from tests.rpc.harness import refusal

Sources = dict[str, checks.EntitlementSource]
FREE, PROFESSIONAL, ENTERPRISE = (
    checks.EntitlementSource(tier=name) for name in ("free", "professional", "enterprise")
)


def permissions(account: Account) -> Sources:
    return {each.permission: each.source for each in account.entitlements().permissions}


def check_limit(account: Account, asked: checks.Usage) -> checks.CheckLimitResponse:
    request = checks.CheckLimitRequest(tenant=account.id, usage=asked)
    return account.operator.checks.CheckLimit(request)


def test_permission_names_the_nearest_plan_that_carries_it(account: Account) -> None:
    account.onboard("enterprise")
    sources = permissions(account)
    assert sources["invoices:view"] == FREE
    assert sources["invoices:export"] == PROFESSIONAL
    assert sources["sso:configure"] == ENTERPRISE


def test_feature_is_that_of_the_nearest_tier_that_names_it(account: Account) -> None:
    account.onboard("professional")
    found = {each.feature.name: each for each in account.entitlements().features}
    assert (found["sso"].feature.enabled, found["sso"].source) == (False, FREE)
    assert found["custom-branding"].feature.enabled
    assert found["custom-branding"].source == PROFESSIONAL
    assert (found["support"].feature.text, found["support"].source) == (
        "email",
        PROFESSIONAL,
    )


def test_limit_tells_number_unit_and_source(account: Account) -> None:
    account.onboard("professional")
    found = {each.limit.name: each for each in account.entitlements().limits}
    assert found["seats"].limit == limit_pb2.Limit(name="seats", value=25, unit="seat")
    assert list(found["seats"].sources) == [PROFESSIONAL]


def test_limit_without_end_says_so(account: Account) -> None:
    account.onboard("enterprise")
    found = {each.limit.name: each.limit for each in account.entitlements().limits}
    assert found["seats"].unlimited


def test_tier_and_state_are_those_of_now(account: Account) -> None:
    account.onboard("free")
    account.set_tier("professional")
    account.suspend()
    found = account.entitlements()
    assert found.tier == "professional"
    assert found.state == tenant_pb2.TENANT_STATE_SUSPENDED
    assert found.revision == account.server.revision


def test_grant_exception_is_the_source_of_what_it_adds(account: Account) -> None:
    account.onboard("free")
    made = account.except_(GRANT, "sso:configure", "invoices:view")
    sources = permissions(account)
    assert sources["sso:configure"] == checks.EntitlementSource(exception=made.id)
    assert sources["invoices:view"] == FREE


def test_replacement_is_the_only_source(account: Account) -> None:
    account.onboard("free")
    made = account.except_(REPLACE, "sso:configure")
    assert permissions(account) == {"sso:configure": checks.EntitlementSource(exception=made.id)}


def test_grant_exception_entitles_to_nothing_beside_a_replacement(account: Account) -> None:
    account.onboard("free")
    account.except_(GRANT, "reports:view")
    made = account.except_(REPLACE, "sso:configure")
    assert permissions(account) == {"sso:configure": checks.EntitlementSource(exception=made.id)}


def test_exceptions_in_force_are_told_with_reason_and_approver(account: Account) -> None:
    account.onboard("free")
    made = account.except_(DENY, "invoices:send", scope="project:1", subject="user:ada")
    (found,) = account.entitlements().exceptions
    assert found == made
    assert (found.reason, found.approver) == ("agreed", "user:boss")


def test_permission_that_no_role_needs_to_give_is_entitled_only_where_sold(
    account: Account,
) -> None:
    account.onboard("free")
    assert "reports:schedule" not in permissions(account)
    assert not [name for name in permissions(account) if name.startswith("keys:")]


@pytest.mark.parametrize(
    ("used", "quantity", "allowed", "remaining"),
    [(0, None, True, 2), (1, 1, True, 1), (2, 0, True, 0), (2, None, False, 0), (7, 0, False, 0)],
)
def test_limit_allows_until_it_is_full(
    account: Account, used: int, quantity: int | None, allowed: bool, remaining: int
) -> None:
    account.onboard("free")
    answer = check_limit(account, usage("projects", used, quantity))
    assert (answer.allowed, answer.remaining) == (allowed, remaining)
    assert list(answer.limit.sources) == [FREE]


def test_limit_without_end_allows_any_use_and_tells_no_rest(account: Account) -> None:
    account.onboard("enterprise")
    answer = check_limit(account, usage("projects", 2**62, 2**62))
    assert answer.allowed
    assert not answer.HasField("remaining")


def test_limit_that_no_plan_sets_is_not_unlimited(account: Account) -> None:
    account.onboard("enterprise")
    answer = check_limit(account, usage("rockets", 0))
    assert answer.reason == checks.DECISION_REASON_LIMIT_UNKNOWN
    assert answer.reason_class == checks.REASON_CLASS_LIMIT_REACHED
    assert not answer.HasField("limit")


def test_limit_of_a_suspended_tenant_allows_nothing(account: Account) -> None:
    account.onboard("enterprise")
    account.suspend()
    answer = check_limit(account, usage("projects", 0))
    assert answer.reason == checks.DECISION_REASON_TENANT_SUSPENDED


def test_check_with_usage_asks_the_limit_last(account: Account) -> None:
    account.onboard("free", ada=["admin"], vera=["viewer"])
    full = usage("projects", 2)
    assert account.reason("ada", "projects:create", usage=usage("projects", 1)) == "ALLOWED"
    assert account.reason("ada", "projects:create", usage=full) == "LIMIT_REACHED"
    assert account.reason("ada", "projects:create", usage=usage("rockets", 0)) == "LIMIT_UNKNOWN"
    assert account.reason("vera", "projects:create", usage=full) == "ROLE_MISSING"


def test_larger_tier_raises_the_limit_on_the_very_next_check(account: Account) -> None:
    account.onboard("free", ada=["admin"])
    full = usage("projects", 2)
    assert not account.may("ada", "projects:create", usage=full)
    account.set_tier("professional")
    assert account.may("ada", "projects:create", usage=full)


def test_seats_are_counted_by_the_service(account: Account) -> None:
    account.onboard("free", a=[], b=[])
    account.add("c")
    refused = refusal(lambda: account.add("d"))
    assert refused.metadata == {"seats": "3", "taken": "3"}
    account.remove("a")
    account.add("d")
