"""Other Casbin users' policies taken over by RPC: what they allowed is allowed, in one step."""

from pathlib import Path
from typing import Any

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import rule_pb2 as pb
from tests.rpc.account import Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server
from tests.rpc.requests import foreign

MODEL = """
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act, eft
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
"""


def wanted(name: str, *rules: pb.CasbinRule, **more: Any) -> pb.ImportRulesRequest:
    return pb.ImportRulesRequest(model=MODEL, rules=rules, tier=name, reason="moving in", **more)


def policy(name: str) -> list[pb.CasbinRule]:
    return [
        foreign("p", "admin", name, f"{name}", "write", "allow"),
        foreign("p", "reader", name, f"{name}", "read", "allow"),
        foreign("p", "bob", name, f"{name}", "read", "allow"),
        foreign("p", "eve", name, f"{name}", "write", "deny"),
        foreign("g", "admin", "reader", name),
        foreign("g", "alice", "admin", name),
        foreign("g", "eve", "admin", name),
    ]


def may(server: Server, name: str, subject: str, action: str) -> bool:
    request = checks.CheckRequest(
        tenant=name, subject=f"user:{subject}", permission=f"{name}:{action}"
    )
    return server.operator.checks.Check(request).allowed


def test_policy_with_domains_answers_as_it_did(any_server: Server) -> None:
    name = fresh_name("imported")
    answer = any_server.operator.rules.ImportRules(wanted(name, *policy(name)))
    assert list(answer.left_out) == []
    assert dict(answer.made) == {
        "permission.created": 2,
        "tier.created": 1,
        "tenant.onboarded": 1,
        "role.created": 3,
        "member.added": 3,
        "role.granted": 3,
        "exception.granted": 1,
    }
    assert [may(any_server, name, who, "read") for who in ("alice", "bob", "eve")] == [True] * 3
    assert [may(any_server, name, who, "write") for who in ("alice", "bob", "eve")] == [
        True,
        False,
        False,
    ]


def test_policy_taken_over_again_changes_nothing(server: Server) -> None:
    name = fresh_name("twice")
    first = server.operator.rules.ImportRules(wanted(name, *policy(name)))
    again = server.operator.rules.ImportRules(wanted(name, *policy(name)))
    assert dict(again.made) == {}
    assert again.revision == first.revision


def test_trial_run_says_the_same_and_makes_nothing(server: Server) -> None:
    name, before = fresh_name("tried"), server.revision
    tried = server.operator.rules.ImportRules(wanted(name, *policy(name), validate_only=True))
    assert server.revision == before
    made = server.operator.rules.ImportRules(wanted(name, *policy(name)))
    assert dict(tried.made) == dict(made.made)


def test_rule_over_this_service_itself_is_left_out(server: Server) -> None:
    name = fresh_name("usurper")
    rules = [*policy(name), foreign("p", "alice", name, "authz.roles", "update", "allow")]
    answer = server.operator.rules.ImportRules(wanted(name, *rules))
    (left,) = answer.left_out
    assert (left.number, left.why) == (8, "authz.roles:update is a right over this service itself")


def test_tenant_that_was_there_gets_no_more_than_its_tier_sells(account: Account) -> None:
    account.onboard("free", ada=["admin"])
    before = account.server.revision
    rules = [foreign("p", "ada", account.id, "unheard", "of", "allow")]
    request = wanted(fresh_name("other-tier"), *rules)
    account.server.refuses(request, ErrorReason.ROLE_WIDER_THAN_TIER, "lines")
    assert account.server.revision == before


def test_seats_hold_for_what_is_taken_over_too(account: Account) -> None:
    account.onboard("free", ada=["admin"])
    people = ["b", "c", "d"]
    rules = [foreign("p", who, account.id, "invoices", "view", "allow") for who in people]
    request = wanted(fresh_name("crowd"), *rules, people=people)
    account.server.refuses(request, ErrorReason.SEATS_EXHAUSTED)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ImportRulesRequest(model=MODEL), "rules"),
        (pb.ImportRulesRequest(model="?", rules=[foreign("p", "a", "b", "c", "d")]), "model"),
    ],
)
def test_nothing_to_import_and_no_model_are_refused(
    server: Server, request_: pb.ImportRulesRequest, field: str
) -> None:
    server.refuses(request_, ErrorReason.INVALID_FIELD, field)


def test_model_without_domains_needs_a_tenant_to_go_into(server: Server) -> None:
    model = MODEL.replace("r = sub, dom,", "r = sub,").replace("p = sub, dom,", "p = sub,")
    model = model.replace("_, _, _", "_, _").replace(", r.dom) && r.dom == p.dom", ")")
    rules = [foreign("p", "ann", "data", "read", "allow")]
    request = pb.ImportRulesRequest(model=model, rules=rules, people=["ann"])
    server.refuses(request, ErrorReason.INVALID_FIELD, "into")
    request.into = request.tier = fresh_name("flat")
    server.operator.rules.ImportRules(request)
    asked = checks.CheckRequest(tenant=request.into, subject="user:ann", permission="data:read")
    assert server.operator.checks.Check(asked).allowed


CASES = Path(__file__).parents[1] / "cases" / "rules"


def case(name: str) -> dict[str, Any]:
    rows = (row.split(", ") for row in (CASES / name / "policy.csv").read_text().splitlines())
    rules = [pb.CasbinRule(ptype=ptype, values=values) for ptype, *values in rows]
    return {"model": (CASES / name / "model.conf").read_text(), "rules": rules}


@pytest.mark.parametrize(
    ("name", "roles"),
    [("roles-only", {"baker", "clerk"}), ("hierarchy", {"chief"})],
)
def test_roles_that_nobody_has_take_no_seat(server: Server, name: str, roles: set[str]) -> None:
    into = f"seatless-{name}"
    answer = server.operator.rules.ImportRules(
        pb.ImportRulesRequest(**case(name), tier=f"tier-{name}", into=into)
    )
    assert set(answer.unheld_roles) == {f"{into}/{role}" for role in roles}
    assert "member.added" not in answer.made
    assert not answer.left_out


def test_a_wildcard_domain_is_every_domain_that_is_named(server: Server) -> None:
    answer = server.operator.rules.ImportRules(
        pb.ImportRulesRequest(**case("wildcard-domain"), tier="everywhere")
    )
    assert [(rule.number, rule.into) for rule in answer.expanded] == [
        (1, "breads:sell in north, south")
    ]
    assert answer.made["tenant.onboarded"] == 2
