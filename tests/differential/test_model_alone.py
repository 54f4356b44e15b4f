"""What stock Casbin makes of `policies/model.conf`, whoever asks: the reasons for its form."""

from collections.abc import Callable, Iterable
from urllib.parse import unquote

import casbin
import pytest
from casbin.persist.adapter import load_policy_line
from hypothesis import given
from hypothesis import strategies as st

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import _PATTERNS, MAX_INCLUSION, enclosing
from authz_service.domain.membership import Membership
from authz_service.domain.rules import INTERNAL, REPLACE, Rule, encoded, holder, place
from authz_service.domain.tenant import SubscriptionItem, Tenant
from authz_service.engine.builder import build
from authz_service.engine.decide import decide
from authz_service.reference.decision import Reference
from authz_service.reference.enforcer import enforcer
from tests.differential.compare import MODEL

NOW = 1_000
ASKED = Question("acme", "user:a", "doc:read", enclosing("project:1/page:2"))


def name(kind: str) -> st.SearchStrategy[str]:
    """Draw identifiers of a kind."""
    return st.from_regex(_PATTERNS[kind][0], fullmatch=True)


def stock(*rules: tuple[str, ...]) -> casbin.Enforcer:
    return enforcer(MODEL, [Rule(rule[0], rule[1:]) for rule in rules])


READER = (
    ("p", "role/reader", "*", "role/reader", "allow"),
    ("g4", "role/reader", "doc:read"),
    ("g2", INTERNAL, "doc:read"),
)


def test_question_about_a_scope_sees_a_denial_of_the_whole_tenant() -> None:
    by = stock(
        *READER,
        ("p", "*", "acme/*", "doc:read", "deny"),
        ("p", "user:a@acme", "acme/project:1/*", "role/reader", "allow"),
    )
    assert not by.enforce("user:a", "acme", "project:1", "doc:read")


def test_denial_in_an_inner_scope_leaves_the_outer_one_alone() -> None:
    by = stock(
        *READER,
        ("p", "*", "acme/project:1/page:2/*", "doc:read", "deny"),
        ("g", "user:a@acme", "role/reader"),
    )
    assert by.enforce("user:a", "acme", "project:1", "doc:read")
    assert not by.enforce("user:a", "acme", "project:1/page:2", "doc:read")
    assert not by.enforce("user:a", "acme", "project:1/page:2/line:3", "doc:read")


@pytest.mark.parametrize("scope", ["", "project:42", "project", "project:4x/page:1", "*", "/"])
def test_grant_on_a_scope_covers_nothing_beside_it(scope: str) -> None:
    by = stock(*READER, ("p", "user:a@acme", "acme/project:4/*", "role/reader", "allow"))
    assert by.enforce("user:a", "acme", "project:4", "doc:read")
    assert by.enforce("user:a", "acme", "project:4/page:1/line:2/word:3", "doc:read")
    assert not by.enforce("user:a", "acme", scope, "doc:read")
    assert not by.enforce("user:a", "acme2", "project:4", "doc:read")


def test_casbin_links_equal_names_without_any_rule() -> None:
    manager = stock().get_named_role_manager("g")
    assert manager.has_link("admin", "admin")


@given(name("subject"), name("tenant"), name("role"))
def test_no_subject_has_the_name_of_a_role(subject: str, tenant: str, role: str) -> None:
    assert holder(tenant, subject) not in (f"role/{role}", role, "*")


@given(name("tenant"), name("permission"), name("tier"))
def test_no_tenant_has_the_name_of_a_permission_a_plan_or_a_marker(
    tenant: str, permission: str, tier: str
) -> None:
    assert tenant not in (permission, f"tier/{tier}", f"addon/{tier}", REPLACE, INTERNAL, "*")
    assert permission not in (f"tier/{tier}", f"addon/{tier}", REPLACE, INTERNAL)


@given(name("subject"), name("tenant"))
def test_subject_and_tenant_can_be_told_apart_again(subject: str, tenant: str) -> None:
    """So that no two of them share a name, though ids hold `@`."""
    who, _, where = holder(tenant, subject).rpartition("@")
    assert (unquote(who), where) == (subject, tenant)


@given(name("subject"), name("tenant"), name("scope"), name("permission"))
def test_rule_goes_through_casbin_s_line_of_text_value_by_value(
    subject: str, tenant: str, scope: str, permission: str
) -> None:
    values = ["p", holder(tenant, subject), place(tenant, scope), permission, "allow"]
    model = casbin.Enforcer.new_model(text=MODEL)
    load_policy_line(", ".join(values), model)
    assert model["p"]["p"].policy == [values[1:]]
    assert encoded(subject).isprintable()


def role_chain(length: int) -> list[Fact]:
    """Grant the first of a chain of roles on a scope; only the last lists the permission."""
    roles = [Role(f"r{n}", includes=frozenset({f"r{n + 1}"})) for n in range(1, length)]
    last = Role(f"r{length}", frozenset({"doc:read"}))
    return [
        *roles,
        last,
        Permission("doc:read"),
        Plan("tier/free", permissions=frozenset({"doc:read"})),
        Tenant("acme", subscription_items=(SubscriptionItem("tier/free"),)),
        Membership("acme", "user:a"),
        RoleGrant("acme", "user:a", "r1", "project:1/page:2"),
    ]


def tier_chain(length: int) -> list[Fact]:
    """Sell the first of a chain of tiers; only the last lists the permission."""
    tiers = [Plan(f"tier/{n}", f"tier/{n + 1}") for n in range(1, length)]
    last = Plan(f"tier/{length}", permissions=frozenset({"doc:read"}))
    return [
        *tiers,
        last,
        Permission("doc:read"),
        Role("reader", frozenset({"doc:read"})),
        Tenant("acme", subscription_items=(SubscriptionItem("tier/1"),)),
        Membership("acme", "user:a"),
        RoleGrant("acme", "user:a", "reader", "project:1"),
    ]


def both_chains(length: int) -> list[Fact]:
    tiers = [fact for fact in tier_chain(length) if isinstance(fact, Plan | Tenant)]
    return [*tiers, *(f for f in role_chain(length) if not isinstance(f, Plan | Tenant))]


def by_casbin(facts: Iterable[Fact]) -> DecisionReason:
    return Reference(MODEL, facts, NOW).decide(ASKED)


def by_index(facts: Iterable[Fact]) -> DecisionReason:
    return decide(build(facts, 1), ASKED, NOW).reason


@pytest.mark.parametrize("chain", [role_chain, tier_chain, both_chains])
@pytest.mark.parametrize("length", range(1, MAX_INCLUSION + 1))
def test_inclusion_of_up_to_seven_is_followed_by_casbin_and_index(
    chain: Callable[[int], list[Fact]], length: int
) -> None:
    assert by_casbin(chain(length)) is DecisionReason.ALLOWED
    assert by_index(chain(length)) is DecisionReason.ALLOWED


@pytest.mark.parametrize("length", range(1, MAX_INCLUSION + 1))
def test_denial_holds_beside_an_inclusion_of_up_to_seven(length: int) -> None:
    denial = TenantException("x", "acme", ExceptionKind.DENY, frozenset({"doc:read"}), "user:a")
    facts = [*both_chains(length), denial]
    assert by_casbin(facts) is DecisionReason.DENIED_BY_EXCEPTION
    assert by_index(facts) is DecisionReason.DENIED_BY_EXCEPTION


def test_casbin_says_nothing_when_a_chain_of_ten_roles_or_nine_tiers_is_too_long() -> None:
    """It follows ten names: nine roles and the permission; tenant, eight tiers, permission."""
    lengths = range(1, 15)
    roles = [n for n in lengths if by_casbin(role_chain(n)) is DecisionReason.ALLOWED]
    tiers = [n for n in lengths if by_casbin(tier_chain(n)) is DecisionReason.ALLOWED]
    assert (max(roles), max(tiers)) == (9, 8)
    assert by_casbin(role_chain(10)) is DecisionReason.ROLE_MISSING
    assert by_casbin(tier_chain(9)) is DecisionReason.NOT_ENTITLED
