"""A changeset does what its preview showed, in one step, or nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from authz_service.domain.catalog import Limit, Permission, Role
from authz_service.domain.changeset import ChangesetCommand
from authz_service.domain.decision import Question
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.engine.decide import decide
from authz_service.engine.impact import ImpactKind
from authz_service.errors import AuthzError, ErrorReason
from tests.changesets import (
    ObjectKind,
    delete,
    end_exception,
    except_,
    give,
    hold_add_on,
    move_to_tier,
    put,
    revoke,
)
from tests.conformance.changing_world import (
    CLERK,
    EDITOR,
    FREE,
    PRO,
    applied,
    preview,
    seed,
)
from tests.conformance.store_world import StoreWorld


@pytest.fixture
def world(store_world: StoreWorld) -> StoreWorld:
    seed(store_world)
    return store_world


def refused(body: Callable[[], object]) -> AuthzError:
    with pytest.raises(AuthzError) as raised:
        body()
    return raised.value


def may(world: StoreWorld, tenant: str, subject: str, permission: str) -> bool:
    question = Question(tenant, subject, permission)
    return decide(world.index, question, world.clock.now).allowed


def test_preview_names_the_objects_field_by_field(world: StoreWorld) -> None:
    wider = replace(PRO, permissions=frozenset({"doc:audit"}), limits=(Limit("seats", 5, "seat"),))
    (changed,) = preview(world, put(wider)).objects
    assert (changed.kind, changed.id, changed.existed, changed.exists) == (
        "tier",
        "pro",
        True,
        True,
    )
    said = {f.field: (f.before, f.after, f.added, f.removed) for f in changed.fields}
    assert said == {
        "permissions": ("", "", ("doc:audit",), ("doc:write",)),
        "limits.seats": ("10 seat", "5 seat", (), ()),
    }


def test_preview_tells_who_gains_and_who_loses(world: StoreWorld) -> None:
    gone = replace(PRO, permissions=frozenset({"doc:audit"}))
    summary = preview(world, put(gone)).summary
    assert (summary.tenants, summary.gaining, summary.losing) == (1, 0, 2)
    audit, write = summary.permissions
    assert (audit.permission, audit.gained.entitled.names) == ("doc:audit", ("acme",))
    assert audit.gained.subjects.count == 0
    assert (write.permission, write.lost.entitled.names) == ("doc:write", ("acme",))
    assert write.lost.subjects.names == ("acme user:ada", "acme user:eve")


def test_sample_is_cut_and_the_total_is_not(world: StoreWorld) -> None:
    gone = replace(PRO, permissions=frozenset())
    (write,) = preview(world, put(gone), sample=1).summary.permissions
    assert (write.lost.subjects.count, len(write.lost.subjects.names)) == (2, 1)


def test_preview_changes_nothing(world: StoreWorld) -> None:
    before = world.index.revision
    preview(world, move_to_tier("beta", "pro"), give(RoleGrant("acme", "user:vera", "editor")))
    assert world.stored_index().revision == before


def test_change_set_is_applied_in_one_revision(world: StoreWorld) -> None:
    before = world.index.revision
    changes = (
        put(Permission("doc:sign")),
        put(Role("signer", frozenset({"doc:sign"}))),
        put(replace(FREE, permissions=frozenset({"doc:read", "doc:sign"}),
                    assignable_roles=FREE.assignable_roles | {"signer"})),
        give(RoleGrant("beta", "user:bob", "signer")),
        move_to_tier("beta", "pro"),
        hold_add_on("acme", "audit"),
        revoke("acme", "user:vera", "viewer"),
        except_(TenantException("", "acme", ExceptionKind.DENY, frozenset({"doc:read"}),
                               reason="asked", approver="user:boss")),
    )  # fmt: skip
    plan = preview(world, *changes)
    made = applied(world, plan.fingerprint, *changes)
    named = [(o.kind, o.tenant, o.id) for o in plan.objects if o.kind != "exception"]
    assert [(o.kind, o.tenant, o.id) for o in made.objects if o.kind != "exception"] == named
    assert world.index.revision == before + 1
    assert may(world, "beta", "user:bob", "doc:sign")
    assert may(world, "beta", "user:bob", "doc:write")
    assert not may(world, "acme", "user:ada", "doc:read")
    assert world.stored_index().revision == before + 1


def test_dry_run_of_an_apply_changes_nothing(world: StoreWorld) -> None:
    changes = (move_to_tier("beta", "pro"),)
    before = world.index.revision
    assert applied(world, preview(world, *changes).fingerprint, *changes, dry=True).objects
    assert world.stored_index().revision == before


def test_unrelated_change_does_not_outdate_a_plan(world: StoreWorld) -> None:
    changes = (put(replace(EDITOR, description="Writes")),)
    plan = preview(world, *changes)
    world.put(RoleGrant("beta", "user:ada", "viewer", id="elsewhere"))
    assert applied(world, plan.fingerprint, *changes).objects == plan.objects


def test_apply_that_raced_another_change_names_both(world: StoreWorld) -> None:
    changes = (put(replace(EDITOR, permissions=frozenset({"doc:audit"}))),)
    plan = preview(world, *changes)
    other = replace(EDITOR, permissions=frozenset({"doc:write", "doc:read"}))
    raced = applied(world, preview(world, put(other)).fingerprint, put(other))
    assert raced.objects
    refusal = refused(lambda: applied(world, plan.fingerprint, *changes))
    assert refusal.reason is ErrorReason.CHANGESET_OUTDATED
    assert refusal.details == {
        "planned_at": str(plan.revision),
        "object": "role editor",
        "assumed": "permissions without doc:read",
        "revision": str(plan.revision + 1),
        "action": "role.updated",
        "actor": "service:key-ops",
        "committed": "permissions +doc:read",
    }
    assert world.stored_index().revision == plan.revision + 1


def test_object_deleted_since_outdates_a_plan(world: StoreWorld) -> None:
    changes = (put(Role("boss", includes=frozenset({"acme-none"}))),)
    assert refused(lambda: preview(world, *changes)).reason is ErrorReason.ROLE_NOT_FOUND
    given = (give(RoleGrant("acme", "user:vera", "acme/clerk")),)
    plan = preview(world, *given)
    deletion = delete(ObjectKind.ROLE, "acme/clerk")
    applied(world, preview(world, deletion).fingerprint, deletion)
    refusal = refused(lambda: applied(world, plan.fingerprint, *given))
    assert refusal.reason is ErrorReason.CHANGESET_OUTDATED
    assert refusal.details["committed"] == "ended"


def test_new_decision_outdates_a_plan_and_its_cause_is_named(world: StoreWorld) -> None:
    changes = (put(replace(PRO, limits=(Limit("seats", 4, "seat"),))),)
    plan = preview(world, *changes)
    assert plan.impacts == ()
    world.put(Membership("acme", "user:new"))
    refusal = refused(lambda: applied(world, plan.fingerprint, *changes))
    assert refusal.reason is ErrorReason.CHANGESET_OUTDATED
    assert refusal.details["object"] == "member acme user:new"
    again = preview(world, *changes)
    (impact,) = again.impacts
    assert (impact.kind, impact.blocking) == (ImpactKind.SEATS_BELOW_TAKEN, False)
    assert applied(world, again.fingerprint, *changes).impacts == again.impacts


def test_seats_that_were_too_few_before_and_are_no_fewer_need_no_decision(
    world: StoreWorld,
) -> None:
    fewer = put(replace(PRO, limits=(Limit("seats", 3, "seat"),)))
    applied(world, preview(world, fewer).fingerprint, fewer)
    described = replace(PRO, limits=(Limit("seats", 3, "seat"),), description="For teams")
    assert preview(world, put(described)).impacts == ()
    fewest = replace(described, limits=(Limit("seats", 2, "seat"),))
    assert [d.kind for d in preview(world, put(fewest)).impacts] == [ImpactKind.SEATS_BELOW_TAKEN]


def test_decision_that_is_gone_outdates_a_plan_too(world: StoreWorld) -> None:
    changes = (put(replace(PRO, limits=(Limit("seats", 3, "seat"),))),)
    plan = preview(world, *changes)
    assert [d.kind for d in plan.impacts] == [ImpactKind.SEATS_BELOW_TAKEN]
    world.end(*(m for m in [world.index.member("acme", "user:max")] if m))
    refusal = refused(lambda: applied(world, plan.fingerprint, *changes))
    assert refusal.details["object"] == "member acme user:max"


def test_fingerprint_of_another_set_is_refused(world: StoreWorld) -> None:
    plan = preview(world, move_to_tier("beta", "pro"))
    refusal = refused(lambda: applied(world, plan.fingerprint, move_to_tier("acme", "free")))
    assert refusal.reason is ErrorReason.FINGERPRINT_MISMATCH


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.a.b.c"])
def test_apply_takes_a_fingerprint(world: StoreWorld, text: str) -> None:
    refusal = refused(lambda: applied(world, text, move_to_tier("beta", "pro")))
    assert (refusal.reason, refusal.field) == (ErrorReason.INVALID_FIELD, "fingerprint")


def test_role_deleted_while_granted_needs_a_decision(world: StoreWorld) -> None:
    changes: tuple[ChangesetCommand, ...] = (
        put(Role("admin", frozenset({"doc:read", "doc:write"}), admin=True)),
        put(replace(FREE, assignable_roles=frozenset({"viewer", "admin"}))),
        delete(ObjectKind.ROLE, "editor"),
    )
    plan = preview(world, *changes)
    vanishing = plan.impacts[0]
    assert (vanishing.kind, vanishing.object) == (ImpactKind.ROLE_VANISHES, "editor")
    assert (vanishing.blocking, vanishing.tenants, vanishing.subjects) == (True, 2, 2)
    refusal = refused(lambda: applied(world, plan.fingerprint, *changes))
    assert refusal.reason is ErrorReason.CHANGESET_BLOCKED
    assert refusal.details == {"kind": "role_vanishes", "object": "editor", "tenants": "2"}


def test_replacement_resolves_a_vanishing_role(world: StoreWorld) -> None:
    changes = (delete(ObjectKind.ROLE, "editor", "viewer"),)
    plan = preview(world, *changes)
    assert [d.kind for d in plan.impacts if d.blocking] == []
    applied(world, plan.fingerprint, *changes)
    assert world.index.role("editor") is None
    assert [g.role for g in world.index.grants("acme", "user:eve")] == ["viewer"]
    assert world.stored_index().grants("beta", "user:bob") == world.index.grants("beta", "user:bob")


def test_revoking_in_the_same_set_resolves_a_vanishing_role(world: StoreWorld) -> None:
    offering = replace(FREE, assignable_roles=FREE.assignable_roles | {"extra"})
    given = give(RoleGrant("acme", "user:vera", "extra"))
    changes = (put(offering), put(Role("extra")), given)
    applied(world, preview(world, *changes).fingerprint, *changes)
    gone = (put(FREE), revoke("acme", "user:vera", "extra"), delete(ObjectKind.ROLE, "extra"))
    plan = preview(world, *gone)
    assert [d for d in plan.impacts if d.blocking] == []
    applied(world, plan.fingerprint, *gone)
    assert world.stored_index().role("extra") is None


def test_tier_deleted_while_held_needs_a_replacement(world: StoreWorld) -> None:
    plan = preview(world, delete(ObjectKind.TIER, "pro"))
    assert [(d.kind, d.object, d.blocking) for d in plan.impacts] == [
        (ImpactKind.PLAN_VANISHES, "tier/pro", True),
        (ImpactKind.ROLE_NOT_ASSIGNABLE, "admin", False),
        (ImpactKind.ROLE_NOT_ASSIGNABLE, "editor", False),
        (ImpactKind.ROLE_NOT_ASSIGNABLE, "viewer", False),
        (ImpactKind.ROLE_WIDER_THAN_TIER, "acme/clerk", False),
    ]
    moved = (put(replace(FREE, permissions=FREE.permissions | {"doc:write"})),
             delete(ObjectKind.TIER, "pro", "free"))  # fmt: skip
    applied(world, preview(world, *moved).fingerprint, *moved)
    acme = world.index.tenant("acme")
    assert acme is not None
    assert acme.tier_at(world.clock.now) == "free"


def test_last_admin_is_a_decision_that_blocks(world: StoreWorld) -> None:
    changes = (revoke("acme", "user:ada", "admin"),)
    plan = preview(world, *changes)
    (impact,) = plan.impacts
    assert (impact.kind, impact.blocking) == (ImpactKind.LAST_ADMIN, True)
    assert impact.in_tenants[0].subjects == ("user:ada",)
    handed = (*changes, give(RoleGrant("acme", "user:vera", "admin")))
    assert preview(world, *handed).impacts == ()
    applied(world, preview(world, *handed).fingerprint, *handed)
    assert may(world, "acme", "user:vera", "doc:write")


def test_own_role_that_becomes_wider_than_the_tier_is_a_decision(world: StoreWorld) -> None:
    (impact,) = preview(world, put(replace(PRO, permissions=frozenset()))).impacts
    assert (impact.kind, impact.object) == (ImpactKind.ROLE_WIDER_THAN_TIER, "acme/clerk")
    assert impact.in_tenants[0].detail == "doc:write"


def test_definition_still_named_refuses_at_once(world: StoreWorld) -> None:
    refusal = refused(lambda: preview(world, delete(ObjectKind.PERMISSION, "doc:read")))
    assert (refusal.reason, refusal.field) == (
        ErrorReason.STILL_IN_USE,
        "changeset.commands[0].delete_permission.id",
    )


def test_definitions_that_name_each_other_go_together(world: StoreWorld) -> None:
    both = (put(Role("a", includes=frozenset({"b"}))), put(Role("b")))
    applied(world, preview(world, *both).fingerprint, *both)
    gone = (delete(ObjectKind.ROLE, "b"), delete(ObjectKind.ROLE, "a"))
    applied(world, preview(world, *gone).fingerprint, *gone)
    assert world.stored_index().role("a") is world.stored_index().role("b") is None


def test_nobody_gets_around_a_right(world: StoreWorld) -> None:
    changes = (put(replace(EDITOR, description="x")), put(replace(PRO, description="y")))
    plan = preview(world, *changes)
    refusal = refused(lambda: applied(world, plan.fingerprint, *changes, by=CLERK))
    assert (refusal.reason, refusal.details) == (
        ErrorReason.PERMISSION_DENIED, {"permission": "authz.tiers:update"},
    )  # fmt: skip
    allowed = preview(world, changes[0])
    assert applied(world, allowed.fingerprint, changes[0], by=CLERK).objects


@pytest.mark.parametrize(
    "changes",
    [
        (put(EDITOR), put(EDITOR)),
        (put(EDITOR), delete(ObjectKind.ROLE, "editor")),
        (give(RoleGrant("acme", "user:vera", "editor")), delete(ObjectKind.ROLE, "editor")),
        (move_to_tier("acme", "free"), move_to_tier("acme", "pro")),
        (move_to_tier("acme", "pro"), delete(ObjectKind.TIER, "pro")),
        (hold_add_on("acme", "audit"), hold_add_on("acme", "audit", held=False)),
        (end_exception("acme", "x"), end_exception("acme", "x")),
        (revoke("acme", "user:eve", "editor"), delete(ObjectKind.ROLE, "editor", "viewer")),
        (delete(ObjectKind.ROLE, "editor", "viewer"), delete(ObjectKind.ROLE, "viewer", "admin")),
    ],
)
def test_two_changes_of_one_thing_collide(
    world: StoreWorld, changes: tuple[ChangesetCommand, ...]
) -> None:
    refusal = refused(lambda: preview(world, *changes))
    assert (refusal.reason, refusal.field) == (
        ErrorReason.COMMANDS_COLLIDE,
        "changeset.commands[1]",
    )


def test_field_of_a_refusal_names_the_change_at_fault(world: StoreWorld) -> None:
    changes = (move_to_tier("beta", "pro"), give(RoleGrant("beta", "user:nobody", "viewer")))
    refusal = refused(lambda: preview(world, *changes))
    assert refusal.field == "changeset.commands[1].grant_role.role_grant.subject"


def test_every_fact_changed_is_audited_and_says_why(world: StoreWorld) -> None:
    changes = (move_to_tier("beta", "pro"), give(RoleGrant("acme", "user:vera", "editor")))
    before = sum(world.store.changes.values())
    applied(world, preview(world, *changes).fingerprint, *changes)
    assert world.store.changes["changeset.applied"] == 1
    assert sum(world.store.changes.values()) == before + 3
