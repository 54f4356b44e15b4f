"""Layer 4: which grants give a permission, where and when."""

from dataclasses import replace

import pytest

from authz_service.domain.catalog import Role
from authz_service.domain.decision import DecisionReason as Reason
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SubscriptionItem, Tenant
from authz_service.domain.window import Window
from tests.unit.engine_facts import FUTURE, NOW, PAST, PRESENT, ask, grant, index

OWN = Role("acme/clerk", frozenset({"doc:read"}))


def test_member_without_a_grant_misses_the_role() -> None:
    assert ask() is Reason.ROLE_MISSING


def test_role_without_the_permission_does_not_help() -> None:
    assert ask(grant("auditor")) is Reason.ROLE_MISSING


def test_role_gives_what_it_includes() -> None:
    assert ask(grant("editor")) is Reason.ALLOWED


def test_included_role_gives_nothing_of_the_one_above_it() -> None:
    assert ask(grant("reader"), permission="doc:write") is Reason.ROLE_MISSING


def test_inclusion_is_followed_through_roles_that_list_nothing() -> None:
    roles = [Role(f"r{n}", includes=frozenset({f"r{n + 1}"})) for n in range(1, 6)]
    roles.append(Role("r6", includes=frozenset({"reader"})))
    assert ask(*roles, grant("r1")) is Reason.ALLOWED


def test_grant_of_a_role_that_does_not_exist_gives_nothing() -> None:
    assert ask(grant("ghost")) is Reason.ROLE_MISSING


def test_role_gains_a_permission_for_those_who_hold_it_already() -> None:
    wider = Role("auditor", frozenset({"doc:audit", "doc:read"}))
    assert ask(grant("auditor"), wider) is Reason.ALLOWED


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (NOW - 1, Reason.ROLE_MISSING),
        (NOW, Reason.ALLOWED),
        (NOW + 9, Reason.ALLOWED),
        (NOW + 10, Reason.GRANT_EXPIRED),
    ],
    ids=["before", "first instant", "last instant", "end"],
)
def test_window_of_a_grant_is_half_open(at: int, reason: Reason) -> None:
    assert ask(grant(window=Window(NOW, NOW + 10)), at=at) is reason


def test_window_of_one_microsecond_holds_for_it() -> None:
    assert ask(grant(window=PRESENT)) is Reason.ALLOWED


def test_expired_grant_is_told_from_a_missing_one() -> None:
    assert ask(grant(window=PAST)) is Reason.GRANT_EXPIRED
    assert ask(grant(window=FUTURE)) is Reason.ROLE_MISSING


def test_expired_grant_of_another_role_is_no_expiry() -> None:
    assert ask(grant("auditor", window=PAST)) is Reason.ROLE_MISSING


def test_expired_grant_on_another_scope_is_no_expiry() -> None:
    asked = ask(grant(scope="project:1", window=PAST), scope="project:2")
    assert asked is Reason.ROLE_MISSING


def test_grant_on_the_tenant_covers_every_scope_in_it() -> None:
    assert ask(grant(), scope="project:1/page:2") is Reason.ALLOWED


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ("project:1", Reason.ALLOWED),
        ("project:1/page:2", Reason.ALLOWED),
        ("project:2", Reason.ROLE_MISSING),
        ("project:2/page:2", Reason.ROLE_MISSING),
        ("project:10", Reason.ROLE_MISSING),
        ("page:2", Reason.ROLE_MISSING),
        ("", Reason.ROLE_MISSING),
    ],
)
def test_grant_on_a_scope_covers_it_and_what_is_inside(scope: str, reason: Reason) -> None:
    assert ask(grant(scope="project:1"), scope=scope) is reason


def test_grant_on_an_inner_scope_does_not_cover_the_outer_one() -> None:
    inner = grant(scope="project:1/page:2")
    assert ask(inner, scope="project:1/page:2") is Reason.ALLOWED
    assert ask(inner, scope="project:1") is Reason.ROLE_MISSING
    assert ask(inner, scope="project:1/page:3") is Reason.ROLE_MISSING


def test_overlapping_grants_are_a_union() -> None:
    assert ask(grant(window=PAST), grant(window=PRESENT)) is Reason.ALLOWED
    assert ask(grant(window=PRESENT), grant(window=PAST)) is Reason.ALLOWED


def test_same_grant_from_two_sources_is_two_grants() -> None:
    twice = [grant(), replace(grant(), source=GrantSource.SCIM)]
    assert len(index(*twice).grants("acme", "user:a")) == 2


def test_roles_granted_on_two_scopes_do_not_mix() -> None:
    grants = (grant("reader", scope="project:1"), grant("editor", scope="project:2"))
    assert ask(*grants, permission="doc:write", scope="project:1") is Reason.ROLE_MISSING
    assert ask(*grants, permission="doc:write", scope="project:2") is Reason.ALLOWED


def test_grant_in_one_tenant_gives_nothing_in_another() -> None:
    other = (
        Tenant("other", subscription_items=(SubscriptionItem("tier/pro"),)),
        Membership("other", "user:a"),
    )
    assert ask(*other, grant(tenant="acme"), tenant="other") is Reason.ROLE_MISSING
    assert ask(*other, grant(tenant="other"), tenant="other") is Reason.ALLOWED


def test_grant_to_someone_who_is_no_member_gives_nothing() -> None:
    assert ask(RoleGrant("acme", "user:b", "reader"), subject="user:b") is Reason.NOT_A_MEMBER


def test_own_role_gives_what_it_lists() -> None:
    assert ask(OWN, grant("acme/clerk")) is Reason.ALLOWED
    assert ask(OWN, grant("acme/clerk"), permission="doc:write") is Reason.ROLE_MISSING


def test_own_role_gives_what_the_global_roles_it_includes_list() -> None:
    own = Role("acme/clerk", includes=frozenset({"editor"}))
    assert ask(own, grant("acme/clerk"), permission="doc:read") is Reason.ALLOWED


def test_own_role_gives_what_own_roles_it_includes_give() -> None:
    roles = (
        Role("acme/chief", includes=frozenset({"acme/clerk"})),
        Role("acme/clerk", frozenset({"doc:read"}), frozenset({"auditor"})),
        Role("auditor", frozenset({"doc:write"})),
    )
    assert ask(*roles, grant("acme/chief"), permission="doc:read") is Reason.ALLOWED
    assert ask(*roles, grant("acme/chief"), permission="doc:write") is Reason.ALLOWED


def test_own_role_named_like_a_global_one_is_another_role() -> None:
    own = Role("acme/editor", frozenset({"doc:audit"}))
    assert ask(own, grant("acme/editor"), permission="doc:write") is Reason.ROLE_MISSING
    assert ask(own, grant("editor"), permission="doc:audit") is Reason.ROLE_MISSING


def test_own_role_holds_on_a_scope_and_in_a_window_too() -> None:
    scoped = grant("acme/clerk", "project:1", PRESENT)
    assert ask(OWN, scoped, scope="project:1") is Reason.ALLOWED
    assert ask(OWN, scoped) is Reason.ROLE_MISSING
    assert ask(OWN, scoped, scope="project:1", at=NOW + 1) is Reason.GRANT_EXPIRED
