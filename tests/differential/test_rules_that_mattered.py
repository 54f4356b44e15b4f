"""The rules that an explanation shows are those that Casbin decided by."""

from collections.abc import Iterable

import pytest

from authz_service.domain.catalog import Limit, Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason, Question, Usage
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.identifiers import enclosing
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.rules import INTERNAL, REPLACE
from authz_service.domain.tenant import SubscriptionItem, SuspensionReason, Tenant
from authz_service.domain.window import Window
from authz_service.reference.decision import Reference
from authz_service.reference.enforcer import enforcer, request
from authz_service.reference.in_force import rules_in_force
from tests.differential.compare import MODEL
from tests.differential.worlds import rounds, world

NOW = 1_000
READ = frozenset({"doc:read"})
ASKED = Question("acme", "user:a", "doc:read", enclosing("project:1/page:2"))
FACTS: tuple[Fact, ...] = (
    Permission("doc:read"),
    Role("editor", includes=frozenset({"reader"})),
    Role("reader", READ),
    Plan("tier/pro", "tier/free", limits=(Limit("seats", 5, "seat"),)),
    Plan("tier/free", permissions=READ, limits=(Limit("seats", 1, "seat"),)),
    Plan("addon/more", limits=(Limit("seats", 2, "seat"),)),
    Tenant(
        "acme", subscription_items=(SubscriptionItem("tier/pro"), SubscriptionItem("addon/more"))
    ),
    Membership("acme", "user:a"),
    RoleGrant("acme", "user:a", "editor", "project:1"),
)


def exception(kind: ExceptionKind, subject: str = "*", scope: str = "") -> TenantException:
    return TenantException("x", "acme", kind, READ, subject, scope)


def mattered(facts: Iterable[Fact], asked: Question = ASKED) -> list[tuple[str, ...]]:
    rules = Reference(MODEL, facts, NOW).rules_that_mattered(asked)
    return [(rule.ptype, *rule.values) for rule in rules]


ROLE_PART = [
    ("p", "user:a@acme", "acme/project:1/*", "role/editor", "allow"),
    ("g4", "role/editor", "role/reader"),
    ("g4", "role/reader", "doc:read"),
]


def test_allow_rule_comes_first_then_the_way_to_the_role_then_the_way_to_the_permission() -> None:
    assert mattered(FACTS) == [
        *ROLE_PART,
        ("g2", "acme", "tier/pro"),
        ("g2", "tier/pro", "tier/free"),
        ("g2", "tier/free", "doc:read"),
    ]


def test_denial_alone_mattered_where_there_is_one() -> None:
    denial = exception(ExceptionKind.DENY, "user:a", "project:1")
    assert mattered([*FACTS, denial]) == [
        ("p", "user:a@acme", "acme/project:1/*", "doc:read", "deny")
    ]


def test_replacement_stands_in_for_the_plans() -> None:
    assert mattered([*FACTS, exception(ExceptionKind.REPLACE)]) == [
        *ROLE_PART,
        ("g3", "acme", REPLACE),
        ("g3", "acme", "doc:read"),
    ]


def test_replacement_that_leaves_the_permission_out_is_shown_as_what_took_it() -> None:
    without = TenantException("x", "acme", ExceptionKind.REPLACE, frozenset({"doc:write"}))
    assert mattered([*FACTS, without]) == [*ROLE_PART, ("g3", "acme", REPLACE)]


def test_internal_permission_is_entitled_by_the_catalogue() -> None:
    facts = [Permission("doc:read", internal=True), *FACTS[1:]]
    assert mattered(facts) == [*ROLE_PART, ("g2", INTERNAL, "doc:read")]


def test_entitlement_is_shown_though_the_role_is_missing() -> None:
    assert mattered(FACTS[:-1])[0] == ("g2", "acme", "tier/pro")


def test_limit_asked_about_is_shown_from_each_plan_that_sets_it() -> None:
    asked = ASKED._replace(usage=Usage("seats", 7))
    assert mattered(FACTS, asked)[-2:] == [
        ("p2", "addon/more", "limit/seats", "2", "seat"),
        ("p2", "tier/pro", "limit/seats", "5", "seat"),
    ]
    assert Reference(MODEL, FACTS, NOW).decide(asked) is DecisionReason.LIMIT_REACHED


def test_no_rule_mattered_to_who_may_not_act_at_all() -> None:
    invited = Membership("acme", "user:a", MembershipState.INVITED)
    assert mattered([*FACTS, invited]) == []


def test_rule_that_two_sources_give_is_in_force_once_and_the_longer_one_shown() -> None:
    once = RoleGrant("acme", "user:a", "reader", window=Window(0, 2_000))
    again = RoleGrant("acme", "user:a", "reader", window=Window(0, 3_000), source=GrantSource.SSO)
    grants = [r for r in rules_in_force([*FACTS, once, again], NOW) if r.values[1] == "role/reader"]
    assert [rule.window for rule in grants if "@" in rule.values[0]] == [again.window]


@pytest.mark.parametrize(
    "closed",
    [
        Membership("acme", "user:a", MembershipState.INVITED),
        Membership("acme", "user:a", suspensions=frozenset({SuspensionReason.SCIM})),
        Tenant("acme", suspensions=frozenset({SuspensionReason.BILLING})),
    ],
    ids=["invited", "suspended", "tenant suspended"],
)
def test_grants_of_whoever_may_not_act_are_not_in_force(closed: Fact) -> None:
    rules = rules_in_force([*FACTS, closed], NOW)
    assert [rule for rule in rules if "@" in rule.values[0]] == []


def test_subject_with_commas_is_one_value_without_any() -> None:
    """The stock way, through a line of text, would make mallory an admin of another tenant."""
    mallory = "user:mallory, role/admin, acme"
    facts = [*FACTS, Membership("acme", mallory), RoleGrant("acme", mallory, "reader")]
    made = enforcer(MODEL, rules_in_force(facts, NOW))
    assert [
        "user:mallory%2C%20role%2Fadmin%2C%20acme@acme",
        "role/reader",
    ] in made.get_grouping_policy()


def test_tenant_wide_grant_leads_through_the_role_s_own_rule() -> None:
    assert mattered([*FACTS[:-1], RoleGrant("acme", "user:a", "editor")])[:4] == [
        ("p", "role/editor", "*", "role/editor", "allow"),
        ("g", "user:a@acme", "role/editor"),
        ("g4", "role/editor", "role/reader"),
        ("g4", "role/reader", "doc:read"),
    ]


def test_rules_that_mattered_decide_alike_on_their_own() -> None:
    for seed in range(60):
        for drawn in rounds(world(seed)):
            reference = Reference(MODEL, drawn.facts, drawn.at)
            for asked in drawn.questions:
                reason, rules = reference.decide(asked), reference.rules_that_mattered(asked)
                allowed, explained = enforcer(MODEL, rules).enforce_ex(*request(asked))
                late = (DecisionReason.LIMIT_UNKNOWN, DecisionReason.LIMIT_REACHED)
                assert allowed == (reason in (DecisionReason.ALLOWED, *late)), f"{seed=}, {asked}"
                denied = reason is DecisionReason.DENIED_BY_EXCEPTION
                assert denied == (not allowed and bool(explained)), f"{seed=}, {asked}"
