"""Policies of other Casbin users, taken over: stock Casbin on the original is the oracle."""

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz_service.domain.catalog import Permission, Plan
from authz_service.domain.change import Fact
from authz_service.domain.decision import Question
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.rules import Rule
from authz_service.domain.tenant import SubscriptionItem, Tenant
from authz_service.engine.builder import build
from authz_service.engine.decide import decide
from authz_service.errors import InvalidArgument
from authz_service.reference.enforcer import enforcer
from authz_service.reference.foreign_model import Line, read_shape
from authz_service.reference.foreign_rules import Translation, translate

# Casbin's own examples: https://casbin.org/docs/rbac-with-domains, and its repository's
# rbac_with_domains_*, rbac_with_hierarchy_with_domains_policy.csv, rbac_with_deny_*.
MODEL: Final = """
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act{eft}
[role_definition]
g = _, _, _
[policy_effect]
e = {effect}
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
"""
ALLOW: Final = "some(where (p.eft == allow))"
WITH_DOMAINS: Final = MODEL.format(eft="", effect=ALLOW)
WITH_DENY: Final = MODEL.format(eft=", eft", effect=f"{ALLOW} && !some(where (p.eft == deny))")
PLAIN: Final = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""
EXAMPLES: Final = {
    "rbac_with_domains": (
        WITH_DOMAINS,
        """
        p, admin, domain1, data1, read
        p, admin, domain1, data1, write
        p, admin, domain2, data2, read
        p, admin, domain2, data2, write
        g, alice, admin, domain1
        g, bob, admin, domain2
        """,
    ),
    "rbac_with_hierarchy_with_domains": (
        WITH_DOMAINS,
        """
        p, role:reader, domain1, data1, read
        p, role:writer, domain1, data1, write
        p, alice, domain1, data2, read
        p, alice, domain2, data2, read
        g, role:global_admin, role:reader, domain1
        g, role:global_admin, role:writer, domain1
        g, alice, role:global_admin, domain1
        """,
    ),
    "rbac_with_resource_denied": (
        WITH_DENY,
        """
        p, alice, domain1, data1, read, allow
        p, bob, domain1, data2, write, allow
        p, data2_admin, domain1, data2, read, allow
        p, data2_admin, domain1, data2, write, allow
        p, alice, domain1, data2, write, deny
        g, alice, data2_admin, domain1
        """,
    ),
    "rbac": (
        PLAIN,
        """
        p, alice, data1, read
        p, bob, data2, write
        p, data2_admin, data2, read
        p, data2_admin, data2, write
        g, alice, data2_admin
        """,
    ),
}


def read(policy: str) -> list[Line]:
    rows = filter(None, (row.strip() for row in policy.splitlines()))
    split = ([value.strip() for value in row.split(",")] for row in rows)
    return [Line(at, ptype, tuple(values)) for at, (ptype, *values) in enumerate(split, 1)]


def facts(of: Translation) -> Iterator[Fact]:
    yield from map(Permission, sorted(of.permissions))
    yield Plan("tier/imported", permissions=frozenset(of.permissions))
    for tenant in of.tenants:
        yield Tenant(tenant, subscription_items=(SubscriptionItem("tier/imported"),))
    yield from of.roles.values()
    held = (*of.grants, *of.denials)
    for tenant, subject in sorted({(each.tenant, each.subject) for each in held}):
        yield Membership(tenant, subject)
    for each in of.grants:
        yield RoleGrant(each.tenant, each.subject, each.what, id="g")
    for at, each in enumerate(of.denials):
        yield TenantException(
            f"e{at}", each.tenant, ExceptionKind.DENY, frozenset({each.what}), each.subject
        )


def probes(of: Translation) -> Iterator[Fact]:
    """Give each role to somebody who has nothing else."""
    for at, (tenant, role) in enumerate(
        sorted((role.tenant, role.id) for role in of.roles.values())
    ):
        yield Membership(tenant, f"user:probe-{role.partition('/')[2]}")
        yield RoleGrant(tenant, f"user:probe-{role.partition('/')[2]}", role, id=f"probe{at}")


def answers(
    model: str, lines: list[Line], **more: Any
) -> Iterator[tuple[tuple[str, ...], bool, bool]]:
    """Ask both of every name, domain, resource and action: question, Casbin's answer, ours.

    A role is asked for by somebody who has that role and nothing else.
    """
    shape = read_shape(model)
    made = translate(shape, lines, tenant="all", **more)
    assert made.left_out == []
    index = build([*facts(made), *probes(made)], 0)
    original = enforcer(model, [Rule(line.ptype, line.values) for line in lines])
    names = {line.values[0] for line in lines if line.ptype != "g2"}
    for subject, domain, permission in product(names, made.tenants, made.permissions):
        resource, _, action = permission.partition(":")
        theirs = original.enforce(
            subject, *([domain] if shape.domain >= 0 else []), back(made, resource), action
        )
        role = made.role_names.get((domain, subject), "")
        who = f"user:probe-{role.partition('/')[2]}" if role else f"user:{subject}"
        ours = decide(index, Question(domain, who, permission), 0).allowed
        yield (subject, domain, permission), theirs, ours


def back(made: Translation, slug: str) -> str:
    """Give the name that a slug was made of."""
    return next((name for name, became in made.named.items() if became == slug), slug)


@pytest.mark.parametrize("name", EXAMPLES)
def test_casbins_own_example_answers_alike(name: str) -> None:
    model, policy = EXAMPLES[name]
    asked = list(answers(model, read(policy)))
    assert [question for question, theirs, ours in asked if theirs != ours] == []
    assert {theirs for _, theirs, _ in asked} == {True, False}


STAR: Final = '(p.dom == "*" || r.dom == p.dom)'
ANY_DOMAIN: Final = WITH_DOMAINS.replace("r.dom == p.dom", STAR)
PATTERNS: Final = ANY_DOMAIN.replace("r.obj == p.obj", "keyMatch(r.obj, p.obj)").replace(
    "r.act == p.act", '(r.act == p.act || p.act == "*")'
)
GROUPS: Final = PLAIN.replace("g = _, _", "g = _, _\ng2 = _, _").replace(
    "r.obj == p.obj", "g2(r.obj, p.obj)"
)
EXPANDED: Final = {
    "a wildcard domain": (
        ANY_DOMAIN,
        """
        p, clerk, *, breads, sell
        p, head, north, breads, price
        g, ann, clerk, north
        g, bob, clerk, south
        g, bob, head, north
        """,
    ),
    "patterns and stars": (
        PATTERNS,
        """
        p, admin, *, *, *
        p, writer, d1, docs/*, write
        p, reader, d1, docs/*, *
        p, reader, d2, docs/plans, read
        p, cook, d1, meals/soup, write
        p, cook, d1, docs/soup, read
        g, ann, admin, d1
        g, bob, reader, d1
        g, cat, writer, d1
        g, cat, cook, d2
        """,
    ),
    "groups of resources": (
        GROUPS,
        """
        p, reader, documents, read
        p, writer, plans, write
        p, cook, soup, read
        g2, letter, documents
        g2, plans, documents
        g2, plan1, plans
        g, ann, reader
        g, bob, writer
        """,
    ),
}


@pytest.mark.parametrize("name", EXPANDED)
def test_what_a_pattern_stands_for_answers_alike(name: str) -> None:
    model, policy = EXPANDED[name]
    asked = list(answers(model, read(policy)))
    assert [question for question, theirs, ours in asked if theirs != ours] == []
    assert {theirs for _, theirs, _ in asked} == {True, False}


def test_what_a_line_was_expanded_into_is_told() -> None:
    made = translate(read_shape(ANY_DOMAIN), read(EXPANDED["a wildcard domain"][1]))
    assert made.expanded == [(1, "breads:sell in north, south")]


def test_a_star_stands_for_what_the_catalogue_declares_too() -> None:
    lines = read("p, admin, d1, *, *\ng, ann, admin, d1")
    assert [each.number for each in translate(read_shape(PATTERNS), lines).left_out] == [1]
    made = translate(read_shape(PATTERNS), lines, catalogue=["invoices:view", "invoices:export"])
    assert made.roles["d1/admin"].permissions == {"invoices:view", "invoices:export"}


BASIC: Final = PLAIN.replace("[role_definition]\ng = _, _\n", "").replace(
    "g(r.sub, p.sub)", "r.sub == p.sub"
)


@pytest.mark.parametrize(
    ("model", "policy", "roles", "people"),
    [
        # Nobody has them yet.
        (PLAIN, "p, baker, ovens, heat\np, clerk, breads, sell", {"baker", "clerk"}, set()),
        # Inclusion written with g.
        (
            PLAIN,
            "g, head, clerk\ng, chief, head\np, clerk, breads, sell\np, chief, shops, close",
            {"head", "clerk", "chief"},
            set(),
        ),
        # Casbin's basic model has no roles at all.
        (BASIC, "p, alice, data1, read\np, bob, data2, write", set(), {"alice", "bob"}),
        # People who have rules of their own beside a role: Casbin's rbac example.
        (PLAIN, EXAMPLES["rbac"][1], {"data2_admin"}, {"alice", "bob"}),
        # People have roles, roles have rules: a role that nobody has is one.
        (
            PLAIN,
            "p, clerk, breads, sell\np, auditor, books, read\ng, ann, clerk",
            {"clerk", "auditor"},
            {"ann"},
        ),
        # Prefixes tell.
        (
            PLAIN,
            "p, role:auditor, books, read\np, user:eve, books, read\np, ann, books, burn",
            {"role:auditor"},
            {"user:eve", "ann"},
        ),
    ],
)
def test_roles_are_told_from_people(
    model: str, policy: str, roles: set[str], people: set[str]
) -> None:
    made = translate(read_shape(model), read(policy), tenant="all")
    assert made.left_out == []
    assert {name for _, name in made.role_names} == roles
    subjects = {name if ":" in name else f"user:{name}" for name in people}
    assert {grant.subject for grant in made.grants} == subjects


def test_what_the_importer_calls_a_role_is_one_and_those_without_people_are_named() -> None:
    policy = EXAMPLES["rbac"][1]
    made = translate(read_shape(PLAIN), read(policy), tenant="all", roles=["bob"])
    assert {name for _, name in made.role_names} == {"data2_admin", "bob"}
    assert made.unheld == ["all/bob"]


NAMES: Final = st.sampled_from(["ann", "bob", "cat", "dan", "direct.ann"])
DOMAINS: Final = st.sampled_from(["d1", "d2"])
PERMIT: Final = st.tuples(
    st.just("p"), NAMES, DOMAINS, st.sampled_from(["a", "b"]), st.just("read")
)
LINK: Final = st.tuples(st.just("g"), NAMES, NAMES, DOMAINS)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(PERMIT, LINK), min_size=1, max_size=14))
def test_random_policy_without_circles_answers_alike(rows: list[Any]) -> None:
    lines = [Line(at, ptype, tuple(values)) for at, (ptype, *values) in enumerate(rows, 1)]
    made = translate(read_shape(WITH_DOMAINS), lines)
    dropped = {each.number for each in made.left_out}
    kept = [line for line in lines if line.number not in dropped]
    if not any(line.ptype == "p" for line in kept):
        return
    again = translate(read_shape(WITH_DOMAINS), kept)
    if again.left_out:  # a name that only lines left out had made a role
        return
    differing = [asked for asked in answers(WITH_DOMAINS, kept) if asked[1] != asked[2]]
    assert differing == []


def test_line_that_cannot_be_taken_is_named_with_its_reason() -> None:
    lines = read(
        """
        p, admin, domain1, data1, read
        p, admin, *, data1, read
        p, admin, domain1, data1
        g, admin, admin, domain1
        g, alice, admin, domain1
        g, alïce, admin, domain1
        g2, data1, group, domain1
        p, eve, domain1, Data1, read
        g, alice, Admin!, domain1
        g, alice, Admin?, domain1
        """
    )
    left = {each.number: each.why for each in translate(read_shape(WITH_DOMAINS), lines).left_out}
    assert set(left) == {2, 3, 4, 6, 7, 8, 10}
    assert "not a valid tenant" in left[2]
    assert "3 values" in left[3]
    assert "circle" in left[4]
    assert "not a valid subject" in left[6]
    assert "g2" in left[7]
    assert "'Admin?' and 'Admin!' would both become 'Admin-'" in left[10]
    assert "'Data1' and 'data1' would both become 'data1'" in left[8]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("no model at all", "no Casbin model"),
        (WITH_DOMAINS.replace("r.obj == p.obj", "regexMatch(r.obj, p.obj)"), "regexMatch"),
        (WITH_DOMAINS.replace("g(r.sub, p.sub, r.dom)", 'r.sub == "root"'), "r_sub"),
        # Not what it looks like: `&&` binds closer than `||`.
        (WITH_DOMAINS.replace("r.act == p.act", 'r.act == p.act || p.act == "*"'), "only equality"),
        (WITH_DOMAINS.replace("r.obj == p.obj", "(r.obj == p.obj || r.obj == p.act)"), "r_obj"),
        (WITH_DOMAINS.replace("r.sub, p.sub, r.dom)", 'r.sub, p.sub, "*")'), "only equality"),
        (WITH_DOMAINS.replace("&& r.act == p.act", ""), "`r.act` with nothing"),
        (WITH_DOMAINS.replace("&& r.dom", "|| r.dom"), "only equality"),
        (WITH_DOMAINS.replace("g = _, _, _", "g = _, _, _\ng2 = _, _"), "g2"),
        (WITH_DOMAINS.replace(ALLOW, "!some(where (p.eft == deny))"), "policy_effect"),
    ],
)
def test_model_that_means_more_than_we_do_is_refused(wrong: str, says: str) -> None:
    with pytest.raises(InvalidArgument, match=r"cannot be taken over") as refused:
        read_shape(wrong)
    assert says in refused.value.message
    assert refused.value.field == "model"
