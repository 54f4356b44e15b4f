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
from authz_service.domain.tenant import Holding, Tenant
from authz_service.engine.builder import build
from authz_service.engine.decide import decide
from authz_service.errors import InvalidArgument
from authz_service.reference.enforcer import enforcer
from authz_service.reference.foreign_model import read_shape
from authz_service.reference.foreign_rules import Line, Translation, translate

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
        yield Tenant(tenant, holdings=(Holding("tier/imported"),))
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


def answers(model: str, lines: list[Line]) -> Iterator[tuple[tuple[str, ...], bool, bool]]:
    """Ask both of every subject, domain, resource and action: question, Casbin's answer, ours."""
    shape = read_shape(model)
    made = translate(shape, lines, tenant="all")
    assert made.left_out == []
    index = build(facts(made), 0)
    original = enforcer(model, [Rule(line.ptype, line.values) for line in lines])
    roles = {(line.values[2:], line.values[1]) for line in lines if line.ptype == "g"}
    subjects = {line.values[0] for line in lines}
    permitted = [line.values for line in lines if line.ptype == "p"]
    domains = {values[1] for values in permitted} if shape.domain >= 0 else {""}
    asked = {(values[shape.resource], values[shape.action]) for values in permitted}
    for subject, domain, (resource, action) in product(subjects, domains, asked):
        where = (domain,) if domain else ()
        if (where, subject) in roles:
            continue
        name = made.named.get(resource, resource)
        question = Question(domain or "all", f"user:{subject}", f"{name}:{action}")
        theirs = original.enforce(subject, *where, resource, action)
        yield (subject, domain, resource, action), theirs, decide(index, question, 0).allowed


@pytest.mark.parametrize("name", EXAMPLES)
def test_casbins_own_example_answers_alike(name: str) -> None:
    model, policy = EXAMPLES[name]
    asked = list(answers(model, read(policy)))
    assert [question for question, theirs, ours in asked if theirs != ours] == []
    assert {theirs for _, theirs, _ in asked} == {True, False}


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
        g, al ice, admin, domain1
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
        (WITH_DOMAINS.replace("r.obj == p.obj", "keyMatch(r.obj, p.obj)"), "keyMatch"),
        (WITH_DOMAINS.replace("&& r.act == p.act", ""), "`r.act` with nothing"),
        (WITH_DOMAINS.replace("&& r.dom", "|| r.dom"), "only equality and `g`"),
        (WITH_DOMAINS.replace("g = _, _, _", "g = _, _, _\ng2 = _, _"), "g2"),
        (WITH_DOMAINS.replace(ALLOW, "!some(where (p.eft == deny))"), "policy_effect"),
    ],
)
def test_model_that_means_more_than_we_do_is_refused(wrong: str, says: str) -> None:
    with pytest.raises(InvalidArgument, match=r"cannot be taken over") as refused:
        read_shape(wrong)
    assert says in refused.value.message
    assert refused.value.field == "model"
