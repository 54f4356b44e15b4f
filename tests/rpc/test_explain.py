"""An explanation shows every layer and the rules that mattered; its remedy, followed, helps."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz_service.gen.authz.v1 import authorization_pb2 as checks
from tests.rpc.account import DENY, GRANT, REPLACE, Account, timestamp, usage
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server
from tests.rpc.remedying import FULL, Asked, follow, put_tier

PAST: Final[dict[str, Any]] = {"valid_until": timestamp(1_000_000_000)}
LAYERS: Final = ["permission", "tenant", "membership", "exceptions", "roles", "entitlement"]

Scenario = Callable[[Account], Asked]


def opened(account: Account, tier: str = "professional", **members: list[str]) -> Asked:
    account.onboard(tier, **members or {"ada": ["admin"]})
    return Asked(account)


def suspended(account: Account) -> Asked:
    asked = opened(account)
    account.suspend("BILLING")
    account.suspend("RISK")
    return asked


def not_a_member(account: Account) -> Asked:
    opened(account)
    return Asked(account, who="nina")


def denied_to_all(account: Account) -> Asked:
    asked = opened(account)
    account.except_(DENY, "invoices:export")
    return asked


def denied_in_scope(account: Account) -> Asked:
    opened(account)
    account.except_(DENY, "invoices:export", subject="user:ada", scope="project:42")
    return Asked(account, scope="project:42/document:7")


def denied_twice(account: Account) -> Asked:
    asked = denied_to_all(account)
    account.except_(DENY, "invoices:export", subject="user:ada")
    return asked


def role_missing(account: Account) -> Asked:
    return opened(account, ada=["viewer"])


def role_missing_in_scope(account: Account) -> Asked:
    asked = opened(account, ada=["viewer"])
    return Asked(asked.account, scope="project:42/document:7")


def own_role_has_it(account: Account) -> Asked:
    asked = opened(account, ada=[])
    account.put_role("exporter", "invoices:export")
    return asked


def grant_expired(account: Account) -> Asked:
    asked = opened(account, ada=["viewer"])
    account.grant("ada", "admin", **PAST)
    return asked


def not_entitled(account: Account) -> Asked:
    return opened(account, "free")


def replaced(account: Account) -> Asked:
    asked = opened(account)
    account.except_(REPLACE, "team:view")
    return asked


def replaced_in_the_past(account: Account) -> Asked:
    asked = opened(account, "free")
    account.except_(REPLACE, "team:view", **PAST)
    return asked


def entitlement_expired(account: Account) -> Asked:
    asked = opened(account, "free")
    account.except_(GRANT, "invoices:export", **PAST)
    return asked


def limit_reached(account: Account) -> Asked:
    return Asked(opened(account).account, permission="projects:create", usage=FULL)


def limit_unknown(account: Account) -> Asked:
    return Asked(opened(account).account, usage=usage("rockets", 1))


ONE_OBJECTION: Final[dict[str, list[Scenario]]] = {
    "TENANT_SUSPENDED": [suspended],
    "DENIED_BY_EXCEPTION": [denied_to_all, denied_in_scope, denied_twice],
    "ROLE_MISSING": [role_missing, role_missing_in_scope, own_role_has_it],
    "GRANT_EXPIRED": [grant_expired],
    "NOT_ENTITLED": [not_entitled, replaced, replaced_in_the_past],
    "ENTITLEMENT_EXPIRED": [entitlement_expired],
    "LIMIT_REACHED": [limit_reached],
    "LIMIT_UNKNOWN": [limit_unknown],
}


def undeclared(account: Account) -> Asked:
    opened(account, "enterprise")
    return Asked(account, permission=f"{account.id}:fly")


def ended(account: Account) -> Asked:
    asked = opened(account)
    account.offboard()
    return asked


def replaced_over_a_tier_that_lacks_it(account: Account) -> Asked:
    asked = opened(account, "free")
    account.except_(REPLACE, "team:view")
    return asked


MANY_OBJECTIONS: Final[dict[str, list[Scenario]]] = {
    "UNKNOWN_PERMISSION": [undeclared],
    "UNKNOWN_TENANT": [Asked],
    "TENANT_OFFBOARDED": [ended],
    "NOT_A_MEMBER": [not_a_member],
    "NOT_ENTITLED": [replaced_over_a_tier_that_lacks_it],
}
CANNOT_BE_MADE_YET: Final = {"MEMBERSHIP_INVITED", "MEMBERSHIP_SUSPENDED"}


def named(scenarios: dict[str, list[Scenario]]) -> list[object]:
    return [
        pytest.param(reason, scenario, id=f"{reason}-{scenario.__name__}")
        for reason, found in scenarios.items()
        for scenario in found
    ]


def reason_of(told: checks.ExplainResponse) -> str:
    return checks.DecisionReason.Name(told.reason).removeprefix("DECISION_REASON_")


def test_every_kind_of_denial_has_a_scenario() -> None:
    denials = {
        name.removeprefix("DECISION_REASON_")
        for name in checks.DecisionReason.DESCRIPTOR.values_by_name
    }
    known = {*ONE_OBJECTION, *MANY_OBJECTIONS, *CANNOT_BE_MADE_YET}
    assert denials - {"UNSPECIFIED", "ALLOWED"} == known


@pytest.mark.parametrize(("reason", "scenario"), named({**ONE_OBJECTION, **MANY_OBJECTIONS}))
def test_any_remedy_followed_opens_the_door(
    server: Server, reason: str, scenario: Scenario
) -> None:
    probe = scenario(Account(server, fresh_name(f"probe-{reason}"))).explain()
    assert reason_of(probe) == reason
    assert probe.remedies
    for at in range(len(probe.remedies)):
        asked = scenario(Account(server, fresh_name(f"cure-{reason}")))
        remedy = asked.explain().remedies[at]
        follow(asked, remedy)
        assert asked.allowed(), remedy


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tier=st.sampled_from(["free", "professional", "enterprise"]),
    role=st.sampled_from([[], ["viewer"], ["editor"], ["admin"]]),
    faults=st.sets(st.sampled_from(["suspend", "deny", "replace", "expire", "scope", "limit"])),
    permission=st.sampled_from(["invoices:export", "sso:configure", "projects:create"]),
)
def test_any_mixture_of_objections_is_cured_by_the_first_remedy(
    server: Server, tier: str, role: list[str], faults: set[str], permission: str
) -> None:
    account = Account(server, fresh_name("mixture"))
    account.onboard(tier, ada=role)
    if "deny" in faults:
        account.except_(DENY, permission)
    if "replace" in faults:
        account.except_(REPLACE, "team:view")
    if "expire" in faults:
        account.grant("ada", "admin", **PAST)
    if "suspend" in faults:
        account.suspend("SCIM")
    scope = "project:42" if "scope" in faults else ""
    wanted = FULL if "limit" in faults else None
    cure(Asked(account, permission=permission, scope=scope, usage=wanted))


def cure(asked: Asked) -> None:
    told = asked.explain()
    assert told.allowed == asked.allowed()
    if told.allowed:
        assert not told.remedies
        return
    follow(asked, told.remedies[0])
    assert asked.allowed(), told


def test_remedy_offers_staff_no_membership_that_would_be_refused(account: Account) -> None:
    account.onboard()
    told = account.explain("staff:sam", "invoices:view")
    assert not told.remedies


def test_every_layer_is_told_in_order(account: Account) -> None:
    asked = opened(account)
    assert [each.layer for each in asked.explain().layers] == LAYERS
    limited = Asked(account, usage=FULL).explain()
    assert [each.layer for each in limited.layers] == [*LAYERS, "limit"]


def test_layers_after_the_first_objection_are_told_too(account: Account) -> None:
    opened(account, "free", ada=["viewer"])
    account.suspend()
    told = Asked(account, permission="sso:configure").explain()
    objecting = [each.layer for each in told.layers if not each.agrees]
    assert objecting == ["tenant", "roles", "entitlement"]
    assert told.reason == checks.DECISION_REASON_TENANT_SUSPENDED
    assert all(each.summary for each in told.layers)


def test_layer_that_agrees_says_allowed(account: Account) -> None:
    for layer in opened(account).explain().layers:
        assert layer.agrees
        assert layer.reason == checks.DECISION_REASON_ALLOWED


def test_rules_lead_from_the_subject_to_its_role_and_from_the_tenant_to_its_tier(
    account: Account,
) -> None:
    rules = {(rule.ptype, *rule.values) for rule in opened(account).explain().rules}
    assert ("g", f"user:ada@{account.id}", "role/admin") in rules
    assert ("p", "role/admin", "*", "role/admin", "allow") in rules
    assert ("g4", "role/admin", "role/billing-admin") in rules
    assert ("g4", "role/billing-admin", "invoices:export") in rules
    assert ("g2", account.id, "tier/professional") in rules
    assert ("g2", "tier/professional", "invoices:export") in rules


def test_rules_name_the_denial(account: Account) -> None:
    rules = {(rule.ptype, *rule.values) for rule in denied_to_all(account).explain().rules}
    assert ("p", "*", f"{account.id}/*", "invoices:export", "deny") in rules


def steps(told: checks.ExplainResponse, name: str) -> list[Any]:
    """List the requests of one RPC in the order in which the remedies name them."""
    found = [
        getattr(step, name)
        for r in told.remedies
        for step in r.steps
        if step.WhichOneof("call") == name
    ]
    return [request for at, request in enumerate(found) if request not in found[:at]]


def test_remedies_name_the_tiers_that_have_it_and_the_roles_that_have_it(account: Account) -> None:
    opened(account, "free", ada=["viewer"])
    told = Asked(account, permission="sso:configure").explain()
    shipped = {"free", "professional", "enterprise"}
    assert {request.role_grant.role for request in steps(told, "grant_role")} >= {"admin"}
    assert {request.tier for request in steps(told, "set_tier")} & shipped == {"enterprise"}


def test_remedy_offers_only_roles_that_the_tier_lists(account: Account) -> None:
    opened(account, "free", ada=[])
    told = Asked(account, permission="reports:view").explain()
    assert "billing-admin" not in {g.role_grant.role for g in steps(told, "grant_role")}


def test_remedies_come_in_order_of_what_else_they_give_and_say_what_they_take_away(
    account: Account,
) -> None:
    opened(account, "free", ada=["admin"])
    account.except_(REPLACE, "team:view", "reports:view")
    told = Asked(account, permission="sso:configure").explain()
    gives = [len(remedy.gives) for remedy in told.remedies]
    assert gives == sorted(gives)
    assert all(remedy.summary for remedy in told.remedies)


def test_explanation_of_an_own_tier_names_it(account: Account) -> None:
    put_tier(account, account.id, extends="free")
    told = opened(account, account.id).explain()
    (layer,) = (each for each in told.layers if each.layer == "entitlement")
    assert account.id in layer.summary


def test_undeclared_permission_is_told_with_the_one_that_may_be_meant(account: Account) -> None:
    account.onboard("free", ada=["admin"])
    layers = {
        layer.layer: layer.summary for layer in account.explain("ada", "invoices:veiw").layers
    }
    assert "did you mean invoices:view?" in layers["permission"]
    layers = {layer.layer: layer.summary for layer in account.explain("ada", "zzz:qqq").layers}
    assert "did you mean" not in layers["permission"]
