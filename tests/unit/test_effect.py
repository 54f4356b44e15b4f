"""What the random worlds of the differential test seldom draw."""

from dataclasses import replace

from authz_service.domain.catalog import Limit, Permission, Role
from authz_service.domain.change import Delta, FactChange
from authz_service.domain.fingerprint import digest_of_changes
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SubscriptionItem, Tenant
from authz_service.engine.builder import apply
from authz_service.engine.effect import Reach, Shift, effect
from tests.unit.engine_facts import NOW, deny, grant, index


def test_denial_for_one_member_leaves_another_with_the_same_role_alone() -> None:
    other = replace(grant(), subject="user:b")
    before = index(Membership("acme", "user:b"), grant(), other)
    after = apply(before, Delta(2, (FactChange(None, deny(subject="user:a")),)))
    (found,) = effect(before, after, NOW)
    assert found.subjects == {Shift(lost=(Reach("doc:read"),)): ("user:a",)}


def test_limit_of_a_tenants_own_is_not_taken_for_that_of_another_on_the_same_tier() -> None:
    held = (SubscriptionItem("tier/pro"),)
    own = Tenant("own", subscription_items=held, limits=(Limit("seats", 99, "seat"),))
    before = index(own)
    free = before.plans["tier/free"]
    fewer = replace(free, limits=(Limit("seats", 2, "seat"),))
    after = apply(before, Delta(2, (FactChange(free, fewer),)))
    assert [(e.tenant, [tuple(v) for v in e.limits]) for e in effect(before, after, NOW)] == [
        ("acme", [("seats", "3 seat", "2 seat")])
    ]


def test_scoped_grant_gains_in_its_scope_alone() -> None:
    before = index()
    after = apply(before, Delta(2, (FactChange(None, grant(scope="doc:1")),)))
    (found,) = effect(before, after, NOW)
    assert found.subjects == {Shift(gained=(Reach("doc:read", "doc:1"),)): ("user:a",)}


def test_fingerprint_tells_each_side_of_a_change_and_no_new_id() -> None:
    role, other = Role("editor"), Role("editor", admin=True)
    changes = [
        FactChange(role, other),
        FactChange(other, role),
        FactChange(None, role),
        FactChange(role, None),
    ]
    assert len({digest_of_changes([change]) for change in changes}) == 4
    assert digest_of_changes(
        [FactChange(role, Role("editor", description="x"))]
    ) != digest_of_changes([FactChange(role, Role("editor", description="y"))])
    given = [
        FactChange(None, RoleGrant("acme", "user:a", "reader", id=name)) for name in ("x", "y")
    ]
    assert digest_of_changes(given[:1]) == digest_of_changes(given[1:])
    assert digest_of_changes([FactChange(None, Permission("a:b"))])
