"""The next index from a delta: what a change does, and what it shares."""

import pytest

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Delta, Fact, FactChange
from authz_service.domain.decision import DecisionReason as Reason
from authz_service.domain.decision import Question
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.tenant import SubscriptionItem, Tenant
from authz_service.engine.builder import Builder, apply, build
from authz_service.engine.compiling import pack
from authz_service.engine.decide import decide
from authz_service.engine.index import ACTIVE, Index, MemberEntry
from tests.unit.engine_facts import NOW, PRESENT, entitle, grant, index

MEMBER = Membership("acme", "user:a")


def after(before: Index, *changes: tuple[Fact | None, Fact | None]) -> Index:
    delta = Delta(before.revision + 1, tuple(FactChange(*change) for change in changes))
    return apply(before, delta)


def answer(asked: Index, permission: str = "doc:read", tenant: str = "acme") -> Reason:
    return decide(asked, Question(tenant, "user:a", permission), NOW).reason


def test_only_the_next_revision_is_taken() -> None:
    base = index()
    for revision in (base.revision, base.revision + 2):
        with pytest.raises(ValueError, match="does not follow"):
            apply(base, Delta(revision, ()))
    assert apply(base, Delta(base.revision + 1, ())).revision == base.revision + 1


def test_grant_and_its_end_change_the_answer_and_no_earlier_index() -> None:
    without = index()
    granted = after(without, (None, grant()))
    ended = after(granted, (grant(), None))
    assert [answer(each) for each in (without, granted, ended)] == [
        Reason.ROLE_MISSING,
        Reason.ALLOWED,
        Reason.ROLE_MISSING,
    ]


def test_ending_one_of_two_equal_grants_leaves_the_other() -> None:
    by_scim = RoleGrant("acme", "user:a", "reader", source=GrantSource.SCIM)
    ended = after(index(grant(), by_scim), (by_scim, None))
    assert answer(ended) is Reason.ALLOWED


def test_replaced_grant_holds_in_its_new_window() -> None:
    replaced = after(index(grant()), (grant(), grant(window=PRESENT)))
    asked = Question("acme", "user:a", "doc:read")
    assert decide(replaced, asked, NOW).allowed
    assert decide(replaced, asked, NOW + 1).reason is Reason.GRANT_EXPIRED


def test_changes_of_one_delta_build_on_each_other() -> None:
    built = after(
        Index.empty(),
        (None, Permission("doc:read")),
        (None, Role("reader", frozenset({"doc:read"}))),
        (None, Plan("tier/free", permissions=frozenset({"doc:read"}))),
        (None, Tenant("acme", subscription_items=(SubscriptionItem("tier/free"),))),
        (None, MEMBER),
        (None, grant()),
    )
    assert answer(built) is Reason.ALLOWED


def test_suspension_and_its_end_keep_the_grants() -> None:
    invited = Membership("acme", "user:a", MembershipState.INVITED)
    waiting = after(index(grant()), (MEMBER, invited))
    active = after(waiting, (invited, MEMBER))
    assert (answer(waiting), answer(active)) == (Reason.MEMBERSHIP_INVITED, Reason.ALLOWED)


def test_removed_member_comes_back_without_grants() -> None:
    removed = after(index(grant()), (grant(), None), (MEMBER, None))
    assert answer(removed) is Reason.NOT_A_MEMBER
    assert answer(after(removed, (None, MEMBER))) is Reason.ROLE_MISSING


def test_removed_tenant_is_unknown_and_made_anew_is_empty() -> None:
    base = index(grant())
    tenant = base.tenant("acme")
    removed = after(base, (tenant, None))
    assert answer(removed) is Reason.UNKNOWN_TENANT
    assert answer(after(removed, (None, tenant))) is Reason.NOT_A_MEMBER
    assert answer(after(base, (tenant, None), (None, tenant))) is Reason.NOT_A_MEMBER


def test_changed_tenant_keeps_members_and_exceptions() -> None:
    base = index(grant("auditor"), entitle("doc:audit"))
    moved = after(base, (base.tenant("acme"), Tenant("acme", "Acme Ltd")))
    assert answer(moved, "doc:audit") is Reason.ALLOWED


def test_role_that_takes_the_place_of_a_removed_one_is_not_given_to_its_holders() -> None:
    reader = Role("reader", frozenset({"doc:read"}))
    base = index(grant())
    replaced = after(base, (reader, None), (None, Role("newcomer", frozenset({"doc:read"}))))
    assert answer(replaced) is Reason.ROLE_MISSING
    assert answer(after(replaced, (None, reader))) is Reason.ALLOWED


def test_tier_held_before_it_is_defined_entitles_once_it_is() -> None:
    base = index(grant(), Tenant("acme", subscription_items=(SubscriptionItem("tier/new"),)))
    assert answer(base) is Reason.NOT_ENTITLED
    defined = after(base, (None, Plan("tier/new", permissions=frozenset({"doc:read"}))))
    assert answer(defined) is Reason.ALLOWED


def test_change_of_a_tier_reaches_every_tenant_that_holds_it() -> None:
    base = index(grant("auditor"))
    tier = base.plans["tier/free"]
    wider = Plan("tier/free", permissions=frozenset({"doc:audit"}))
    assert answer(after(base, (tier, wider)), "doc:audit") is Reason.ALLOWED


def test_facts_about_what_does_not_exist_are_passed_over() -> None:
    strangers: list[Fact] = [
        Membership("nowhere", "user:a"),
        RoleGrant("nowhere", "user:a", "reader"),
        RoleGrant("acme", "user:b", "reader"),
        Role("nowhere/clerk"),
    ]
    built = after(index(), *((None, fact) for fact in strangers))
    assert built.tenant("nowhere") is None
    assert built.member("acme", "user:b") is None


def test_one_grant_leaves_every_other_tenant_shared() -> None:
    before = index(Tenant("other"))
    granted = after(before, (None, grant()))
    assert granted.tenants.get("other") is before.tenants.get("other")
    assert granted.tenants.get("acme") is not before.tenants.get("acme")
    assert granted.permissions is before.permissions


def test_plain_member_is_one_integer() -> None:
    bits = index().role_bits
    entry = index(grant("reader"), grant("auditor")).tenants.get("acme")
    assert entry is not None
    assert entry.members.get("user:a") == ACTIVE | bits["reader"] | bits["auditor"]


@pytest.mark.parametrize(
    "fact", [grant(scope="project:1"), grant(window=PRESENT), grant("acme/clerk")]
)
def test_member_with_a_grant_that_is_not_plain_is_kept_in_full(fact: RoleGrant) -> None:
    entry = index(Role("acme/clerk"), fact).tenants.get("acme")
    assert entry is not None
    assert isinstance(entry.members.get("user:a"), MemberEntry)


def test_grants_and_membership_are_listed_alike_for_both_forms_of_member() -> None:
    plain, full = index(grant()), index(grant(), grant("auditor", "project:1"))
    assert plain.member("acme", "user:a") == full.member("acme", "user:a") == MEMBER
    assert [each.role for each in plain.grants("acme", "user:a")] == ["reader"]
    assert {each.role for each in full.grants("acme", "user:a")} == {"reader", "auditor"}


def test_index_names_the_declared_permissions_of_a_role() -> None:
    built = index(Role("acme/clerk", frozenset({"doc:audit", "doc:burn"}), frozenset({"editor"})))
    assert built.role_permissions("editor") == {"doc:read", "doc:write"}
    assert built.role_permissions("acme/clerk") == {"doc:read", "doc:write", "doc:audit"}
    assert built.role_permissions("ghost") == frozenset()


def test_keys_come_change_and_go() -> None:
    key, turned = ApiKey("k", "one"), ApiKey("k", "two")
    made = after(index(), (None, key))
    changed = after(made, (key, turned))
    assert (made.keys, changed.keys) == ({"k": key}, {"k": turned})
    assert after(changed, (turned, None)).keys == {}


def test_members_loaded_at_once_are_those_added_one_by_one() -> None:
    builder = Builder(Index.empty())
    for fact in (Permission("doc:read"), Role("reader", frozenset({"doc:read"})), Tenant("acme")):
        builder.change(FactChange(None, fact))
    builder.load_members("acme", {"user:a": pack(MEMBER, (), builder.role_bits)})
    loaded = builder.finish(1)
    one_by_one = build([Permission("doc:read"), Role("reader"), Tenant("acme"), MEMBER], 1)
    assert loaded.member("acme", "user:a") == one_by_one.member("acme", "user:a")


def test_change_of_nothing_into_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        after(index(), (None, None))
