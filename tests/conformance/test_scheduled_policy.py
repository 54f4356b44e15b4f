"""A changeset that is scheduled comes into force at its instant by itself, or not at all."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import copy

import pytest

from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.domain.catalog import Permission, Role
from authz_service.domain.change import FactChange
from authz_service.domain.changeset import ChangesetCommand
from authz_service.domain.decision import Question
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM, StatePeriod, TenantState
from authz_service.domain.window import LATEST, Instant, Window
from authz_service.engine import scheduled
from authz_service.engine.decide import decide
from authz_service.errors import AuthzError, ErrorReason
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases.changesets import scheduling
from authz_service.usecases.changesets.replanning import replan
from authz_service.usecases.changesets.scheduling import (
    ListScheduledChangesets,
    OneScheduledChangeset,
    Scheduled,
)
from authz_service.usecases.decisions.explain import Explainer
from authz_service.usecases.grants.exceptions import CreateException
from authz_service.usecases.grants.role_grants import GrantRole, RevokeRole
from authz_service.usecases.kernel.execution import View
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.kernel.point_in_time import Moment
from tests.changesets import (
    ObjectKind,
    delete,
    end_exception,
    except_,
    give,
    move_to_tier,
    put,
    revoke,
)
from tests.conformance import ledger
from tests.conformance.changing_world import (
    CLERK,
    EDITOR,
    FREE,
    OPERATOR,
    PRO,
    applied,
    preview,
    seed,
)
from tests.conformance.store_world import NOON, StoreWorld, opened
from tests.conformance.test_looking_back import MODEL

THEN = NOON + 1_000_000
LATER = THEN + 1_000_000
BOB = RoleGrant("beta", "user:bob", "editor", id="grant-4")
AUDITING: ChangesetCommand = put(replace(EDITOR, permissions=frozenset({"doc:audit"})))
ENOUGH = put(replace(FREE, permissions=frozenset({"doc:read", "doc:audit"})))


@pytest.fixture
def world(migrated_sqlite: Path, tmp_path: Path) -> Iterator[StoreWorld]:
    with opened(f"sqlite:///{copy(migrated_sqlite, tmp_path / 'a.db')}", replans=True) as made:
        seed(made)
        yield made


@pytest.fixture
def either(database_url: str) -> Iterator[StoreWorld]:
    """Lend one of each kind of database, where what is written and undone matters."""
    with opened(database_url, replans=True) as made:
        seed(made)
        yield made


def schedule(
    world: StoreWorld, *changes: ChangesetCommand, at: Instant = THEN, by: Actor = OPERATOR
) -> Scheduled:
    plan = preview(world, *changes, at=at)
    made = applied(world, plan.fingerprint, *changes, at=at, by=by).scheduled
    assert made is not None
    return made


def refused(body: Callable[[], object]) -> AuthzError:
    with pytest.raises(AuthzError) as raised:
        body()
    return raised.value


def may(
    world: StoreWorld, subject: str, permission: str, at: Instant, tenant: str = "acme"
) -> bool:
    index = scheduled.in_force(world.index, at)
    return decide(index, Question(tenant, subject, permission), at).allowed


def listed(world: StoreWorld, size: int = 0, token: str = "") -> Page[Scheduled]:
    view = View(world.index, world.database, world.clock.now)
    wanted = ListScheduledChangesets(page=PageRequest(size, token))
    return scheduling.list_scheduled_changesets.body(view, wanted)


def cancelled(
    world: StoreWorld, name: str, by: Actor = OPERATOR, *, dry: bool = False
) -> Scheduled:
    with world.store.transaction(Call(by, reason="not yet", validate_only=dry)) as tx:
        return scheduling.cancel_scheduled_changeset.body(tx, OneScheduledChangeset(id=name))


def apply_now(world: StoreWorld, *changes: ChangesetCommand) -> None:
    applied(world, preview(world, *changes).fingerprint, *changes)


def undo(world: StoreWorld, change: ChangesetCommand) -> None:
    """Make an account as it was before a change."""
    match change.content:
        case GrantRole(grant=g):
            apply_now(world, revoke(g.tenant, g.subject, g.role))
        case RevokeRole(tenant=tenant, subject=subject, role=role):
            apply_now(world, give(RoleGrant(tenant, subject, role)))
        case CreateException(exception=exception):
            (made,) = world.index.tenants[exception.tenant].exceptions
            apply_now(world, end_exception(made.tenant, made.id))


def actions(world: StoreWorld, chain: str = SYSTEM) -> list[str]:
    return [entry.action for entry in ledger.chains(world.database).get(chain, [])]


def test_decisions_change_at_the_instant_and_nobody_writes(either: StoreWorld) -> None:
    schedule(either, delete(ObjectKind.ROLE, "editor", "viewer"))
    revision = either.index.revision
    for there in (either, either.another()):
        assert may(there, "user:bob", "doc:read", THEN - 1, "beta")
        assert may(there, "user:ada", "doc:write", THEN - 1)
        assert not may(there, "user:ada", "doc:write", THEN)
        assert may(there, "user:ada", "doc:read", THEN)
        assert there.index.revision == revision
    assert either.stored_index().revision == revision


def test_first_write_after_the_instant_makes_it_a_revision_of_its_own(either: StoreWorld) -> None:
    made = schedule(either, move_to_tier("beta", "pro"), put(replace(EDITOR, description="Writes")))
    either.clock.now = LATER
    revision = either.index.revision
    later = either.put(Membership("beta", "user:new"))
    assert later == revision + 2
    assert ledger.same(either.index, either.stored_index())
    assert not either.index.scheduled
    chain = ledger.chains(either.database)
    (moved,) = [e for e in chain["beta"] if e.revision == revision + 1]
    assert (moved.actor, moved.at) == (OPERATOR.subject, LATER)
    assert moved.document["reason"] == "agreed"
    came = next(e for e in chain[SYSTEM] if e.action == "changeset.came_due")
    assert (came.revision, came.document["targets"]) == (revision + 1, [made.id])
    assert [name for name, entries in chain.items() if ledger.broken(entries)] == []


def test_two_servers_make_it_facts_once(either: StoreWorld) -> None:
    other = either.another()
    schedule(either, AUDITING, ENOUGH)
    other.replica.catch_up()
    either.clock.now = other.clock.now = LATER
    other.store.apply_due()
    either.store.apply_due()
    assert actions(either).count("changeset.came_due") == 1
    assert ledger.same(either.index, other.index)


def test_what_is_rolled_back_after_the_instant_is_made_by_the_next_write(world: StoreWorld) -> None:
    schedule(world, AUDITING, ENOUGH)
    world.clock.now = LATER
    revision = world.index.revision
    with pytest.raises(ZeroDivisionError):
        world.run(lambda tx: 1 / 0)
    dry = move_to_tier("beta", "pro")
    assert refused(lambda: applied(world, "x", dry)).reason is ErrorReason.INVALID_FIELD
    with world.store.transaction(Call(OPERATOR, validate_only=True)):
        pass
    assert world.stored_index().revision == world.index.revision == revision
    world.store.apply_due()
    assert world.index.revision == revision + 1


def test_preview_at_an_instant_is_of_what_holds_then(either: StoreWorld) -> None:
    schedule(either, ENOUGH)
    gain = put(replace(EDITOR, permissions=frozenset({"doc:audit", "doc:write"})))
    early, late = preview(either, gain), preview(either, gain, at=THEN)
    assert [p.permission for p in early.summary.permissions] == []
    assert [p.permission for p in late.summary.permissions] == ["doc:audit"]
    assert late.revision == early.revision == either.stored_index().revision
    assert early.fingerprint != late.fingerprint


def test_fingerprint_holds_for_its_instant_alone(world: StoreWorld) -> None:
    plan = preview(world, ENOUGH, at=THEN)
    for at in (None, LATER):
        refusal = refused(partial(applied, world, plan.fingerprint, ENOUGH, at=at))
        assert refusal.reason is ErrorReason.FINGERPRINT_MISMATCH


@pytest.mark.parametrize(
    ("at", "reason"),
    [(NOON, "SCHEDULE_IN_PAST"), (-1, "SCHEDULE_IN_PAST"), (LATEST + 1, "INVALID_WINDOW")],
)
def test_instant_that_is_over_or_too_far_changes_nothing(
    world: StoreWorld, at: Instant, reason: str
) -> None:
    before = world.index
    plan = preview(world, ENOUGH, at=THEN)
    refusal = refused(lambda: applied(world, plan.fingerprint, ENOUGH, at=at))
    assert (refusal.reason, refusal.field) == (reason, "changeset.apply_time")
    assert refused(lambda: preview(world, ENOUGH, at=at)).reason == reason
    assert world.index is before


def test_dry_run_schedules_nothing(world: StoreWorld) -> None:
    plan = preview(world, ENOUGH, at=THEN)
    shown = applied(world, plan.fingerprint, ENOUGH, at=THEN, dry=True)
    assert shown.scheduled is not None
    assert listed(world).items == ()


def test_cancelled_before_its_instant_it_does_nothing(world: StoreWorld) -> None:
    made = schedule(world, AUDITING, ENOUGH)
    assert cancelled(world, made.id, dry=True).id == made.id
    assert [each.id for each in listed(world).items] == [made.id]
    assert cancelled(world, made.id).objects == made.objects
    assert not may(world, "user:ada", "doc:audit", LATER)
    assert not world.index.scheduled
    assert actions(world)[-1] == "changeset.cancelled"


def test_once_its_instant_has_come_it_cannot_be_cancelled(world: StoreWorld) -> None:
    made = schedule(world, AUDITING, ENOUGH)
    world.clock.now = THEN
    refusal = refused(lambda: cancelled(world, made.id))
    assert (refusal.reason, refusal.field) == (ErrorReason.SCHEDULED_CHANGE_NOT_FOUND, "id")
    assert may(world, "user:ada", "doc:audit", THEN)


def test_schedules_are_listed_the_next_one_first(world: StoreWorld) -> None:
    late = schedule(world, ENOUGH, at=LATER)
    early = schedule(world, move_to_tier("beta", "pro"))
    found = listed(world)
    assert [each.id for each in found.items] == [early.id, late.id]
    first = listed(world, size=1)
    assert (len(first.items), first.total_size) == (1, 2)
    assert listed(world, size=1, token=first.next_token).items == found.items[1:]


def test_who_may_not_apply_it_may_neither_schedule_nor_cancel_it(world: StoreWorld) -> None:
    refusal = refused(lambda: schedule(world, ENOUGH, by=CLERK))
    assert (refusal.reason, refusal.details["permission"]) == (
        ErrorReason.PERMISSION_DENIED,
        "authz.tiers:update",
    )
    made = schedule(world, ENOUGH)
    assert refused(lambda: cancelled(world, made.id, CLERK)).reason is ErrorReason.PERMISSION_DENIED


def test_nobody_schedules_to_give_what_they_do_not_hold(world: StoreWorld) -> None:
    wider = put(
        Role(
            "the-clerk",
            frozenset(
                {
                    "authz.changesets:apply",
                    "authz.roles:create",
                    "authz.roles:update",
                    "authz.tiers:create",
                    "authz.tiers:update",
                }
            ),
        )
    )
    refusal = refused(lambda: schedule(world, wider, by=CLERK))
    assert refusal.reason is ErrorReason.GRANT_EXCEEDS_OWN_RIGHTS


def test_who_loses_the_right_before_the_instant_changes_nothing_there(world: StoreWorld) -> None:
    made = schedule(world, AUDITING, by=CLERK)
    world.end(RoleGrant(SYSTEM, CLERK.subject, "the-clerk", id="grant-clerk"))
    (found,) = listed(world).items
    assert found.blocker is not None
    assert (found.id, found.blocker.reason) == (made.id, "PERMISSION_DENIED")
    world.clock.now = THEN
    world.store.apply_due()
    assert world.index.roles["editor"].fact == EDITOR
    assert actions(world)[-1] == "changeset.lapsed"


def test_right_that_ends_before_the_instant_is_none_for_it(world: StoreWorld) -> None:
    held = RoleGrant(SYSTEM, CLERK.subject, "the-clerk", id="grant-clerk")
    world.replace(held, replace(held, window=Window(0, THEN)))
    assert schedule(world, AUDITING, at=THEN - 1, by=CLERK).blocker is None
    refusal = refused(lambda: schedule(world, AUDITING, at=THEN, by=CLERK))
    assert refusal.reason is ErrorReason.PERMISSION_DENIED


def test_account_that_does_not_end_after_all_is_asked_before_its_permission_goes(
    world: StoreWorld,
) -> None:
    beta = world.index.tenant("beta")
    assert beta is not None
    states = ((TenantState.ACTIVE, Window(0, THEN)), (TenantState.OFFBOARDED, Window(THEN)))
    ending = replace(beta, periods=tuple(StatePeriod(*each) for each in states))
    world.replace(beta, ending)
    apply_now(world, put(Permission("doc:spare")))
    world.put(TenantException("x1", "beta", ExceptionKind.GRANT, frozenset({"doc:spare"})))
    schedule(world, delete(ObjectKind.PERMISSION, "doc:spare"), at=LATER)
    world.replace(ending, beta)
    (found,) = listed(world).items
    assert found.blocker is not None
    assert found.blocker.reason == "STILL_IN_USE"


def test_last_admin_is_not_lost_by_a_role_that_is_to_run_no_account_any_more(
    world: StoreWorld,
) -> None:
    world.put(Role("boss", admin=True), boss := RoleGrant("acme", "user:ada", "boss", id="boss"))
    admin = world.index.roles["admin"].fact
    world.put(RoleGrant("beta", "user:ada", "boss", id="boss-too"))
    schedule(world, put(replace(admin, admin=False)))
    world.end(boss)
    (found,) = listed(world).items
    assert found.blocker is not None
    assert (found.blocker.reason, found.blocker.tenant) == ("CHANGESET_BLOCKED", "acme")
    world.put(boss)
    assert listed(world).items[0].blocker is None


def test_change_of_its_objects_before_the_instant_is_taken_into_account(either: StoreWorld) -> None:
    schedule(either, put(replace(PRO, limits=FREE.limits)))
    either.replace(PRO, replace(PRO, description="For teams"))
    (anew,) = listed(either).items
    (tier,) = anew.objects
    assert {field.field for field in tier.fields} == {"description", "limits.seats"}
    either.clock.now = THEN
    either.store.apply_due()
    assert either.index.plans["tier/pro"].version == 3
    assert ledger.same(either.index, either.stored_index())
    assert "changeset.planned_anew" in actions(either)


@pytest.mark.parametrize(
    ("wanted", "meanwhile", "reason"),
    [
        (
            (put(FREE), delete(ObjectKind.ROLE, "spare")),
            give(RoleGrant("acme", "user:vera", "spare")),
            "CHANGESET_BLOCKED",
        ),
        (
            (delete(ObjectKind.PERMISSION, "doc:spare"),),
            except_(
                TenantException(
                    "",
                    "acme",
                    ExceptionKind.GRANT,
                    frozenset({"doc:spare"}),
                    reason="asked",
                    approver="user:boss",
                )
            ),
            "STILL_IN_USE",
        ),
        (
            (give(RoleGrant("acme", "user:vera", "editor")),),
            give(RoleGrant("acme", "user:vera", "editor")),
            "ROLE_GRANT_EXISTS",
        ),
        (
            (revoke("beta", "user:bob", "editor"),),
            revoke("beta", "user:bob", "editor"),
            "ROLE_GRANT_NOT_FOUND",
        ),
    ],
)
def test_what_would_be_refused_at_the_instant_is_shown_before_until_its_cause_is_gone(
    world: StoreWorld,
    wanted: tuple[ChangesetCommand, ...],
    meanwhile: ChangesetCommand,
    reason: str,
) -> None:
    offered = replace(FREE, assignable_roles=FREE.assignable_roles | {"spare"})
    apply_now(world, put(Role("spare")), put(offered), put(Permission("doc:spare")))
    made = schedule(world, *wanted)
    apply_now(world, meanwhile)
    (found,) = listed(world).items
    assert found.blocker is not None
    assert (found.blocker.reason, found.objects) == (reason, ())
    undo(world, meanwhile)
    (again,) = listed(world).items
    assert (again.blocker, again.objects) == (None, made.objects)


def test_removal_is_never_held_back_by_what_lies_ahead(world: StoreWorld) -> None:
    schedule(world, give(RoleGrant("acme", "user:vera", "editor")))
    world.end(
        RoleGrant("acme", "user:vera", "viewer", id="grant-2"), Membership("acme", "user:vera")
    )
    (found,) = listed(world).items
    assert found.blocker is not None
    assert found.blocker.reason == "NOT_A_MEMBER"
    world.clock.now = LATER
    world.store.apply_due()
    assert world.index.member("acme", "user:vera") is None


def test_later_sets_build_on_earlier_ones(either: StoreWorld) -> None:
    first = schedule(either, put(Role("signer", frozenset({"doc:write"}))))
    second = schedule(
        either,
        put(replace(FREE, assignable_roles=FREE.assignable_roles | {"signer"})),
        give(RoleGrant("acme", "user:vera", "signer")),
        at=LATER,
    )
    assert may(either, "user:vera", "doc:write", LATER)
    assert not may(either, "user:vera", "doc:write", LATER - 1)
    cancelled(either, first.id)
    (left,) = listed(either).items
    assert left.blocker is not None
    assert (left.id, left.blocker.reason) == (second.id, "ROLE_NOT_FOUND")


def test_what_stands_in_the_way_of_one_set_is_told_of_those_that_build_on_it(
    world: StoreWorld,
) -> None:
    schedule(world, put(Role("signer")), give(RoleGrant("beta", "user:bob", "viewer")))
    schedule(world, put(Role("boss", includes=frozenset({"signer"}))), at=LATER)
    world.end(BOB, Membership("beta", "user:bob"))
    blockers = [each.blocker and each.blocker.reason for each in listed(world).items]
    assert blockers == ["NOT_A_MEMBER", "ROLE_NOT_FOUND"]


def test_sets_of_one_instant_come_into_force_in_the_order_they_were_scheduled(
    world: StoreWorld,
) -> None:
    schedule(world, move_to_tier("beta", "pro"))
    schedule(world, move_to_tier("beta", "free"))
    index = scheduled.in_force(world.index, THEN)
    beta = index.tenant("beta")
    assert beta is not None
    assert beta.tier_at(THEN) == "free"
    world.clock.now = THEN
    world.store.apply_due()
    assert ledger.same(world.index, world.stored_index())


def test_no_more_than_a_few_lie_ahead(world: StoreWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "MAX_AHEAD", 1)
    schedule(world, ENOUGH)
    refusal = refused(lambda: schedule(world, move_to_tier("beta", "pro"), at=LATER))
    assert refusal.reason is ErrorReason.TOO_MANY_SCHEDULED
    assert refusal.details == {"limit": "1"}


def test_set_that_comes_to_too_much_is_not_scheduled(
    world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "MAX_FACTS", 1)
    refusal = refused(lambda: schedule(world, ENOUGH, AUDITING))
    assert (refusal.reason, refusal.field) == (ErrorReason.BATCH_TOO_LARGE, "changeset.commands")


def test_plan_is_outdated_by_what_changed_before_it_was_scheduled(world: StoreWorld) -> None:
    plan = preview(world, AUDITING, at=THEN)
    world.replace(EDITOR, replace(EDITOR, description="Writes"))
    refusal = refused(lambda: applied(world, plan.fingerprint, AUDITING, at=THEN))
    assert (refusal.reason, refusal.details["object"]) == (
        ErrorReason.CHANGESET_OUTDATED,
        "role editor",
    )


def test_unrelated_commits_leave_a_schedule_alone(world: StoreWorld) -> None:
    made = schedule(world, AUDITING, ENOUGH)
    before = world.index.scheduled[made.id]
    revision = world.put(RoleGrant("beta", "user:ada", "viewer", id="elsewhere"))
    assert world.index.revision == revision
    assert world.index.scheduled[made.id] is before


@pytest.mark.parametrize(
    ("wanted", "meanwhile"),
    [
        (revoke("beta", "user:bob", "editor"), FactChange(BOB, None)),
        (
            give(RoleGrant("beta", "user:bob", "viewer")),
            FactChange(None, replace(BOB, role="viewer")),
        ),
    ],
)
def test_what_cannot_be_written_lapses_and_holds_nothing_up(
    either: StoreWorld,
    wanted: ChangesetCommand,
    meanwhile: FactChange,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only a fault of ours, or a hand in the database, brings it about."""
    schedule(either, wanted, put(replace(EDITOR, description="Writes")))
    monkeypatch.setattr(either.store, "_replan", None)
    either.commit(meanwhile)
    assert may(either, "user:ada", "doc:read", THEN)
    either.clock.now = THEN
    either.put(Membership("beta", "user:new"))
    assert either.index.roles["editor"].fact == EDITOR
    assert not either.index.scheduled
    assert actions(either).count("changeset.lapsed") == 1
    assert ledger.same(either.index, either.stored_index())


def test_what_was_scheduled_then_is_told_as_known_then(world: StoreWorld) -> None:
    made = schedule(world, AUDITING, ENOUGH)
    known = world.index.revision
    cancelled(world, made.id)
    explainer = Explainer(world.database, MODEL, world.clock)
    asked = Question("acme", "user:ada", "doc:audit")
    for revision, at, expected in (
        (known, THEN - 1, False),
        (known, THEN, True),
        (known + 1, THEN, False),
    ):
        moment = Moment(at, revision)
        now = world.index, world.clock.now
        index, when = explainer.looking_back.seen(now, moment, "acme", "user:ada")
        assert decide(index, asked, when).allowed is expected
        told = explainer.explain(world.index, asked, moment)
        assert told.explanation.decision.allowed is expected
    assert explainer.disagreements == 0


def test_what_follows_a_change_follows_a_scheduled_one_too(world: StoreWorld) -> None:
    followed: list[tuple[int, list[str]]] = []

    def outbox(tx: Transaction) -> None:
        followed.append((tx.revision, [event.action for event in tx.records]))

    schedule(world, move_to_tier("beta", "pro"))
    store = Store(world.database, world.replica, world.clock, world.new_id, outbox, replan)
    revision, world.clock.now = world.index.revision, THEN
    store.apply_due()
    assert followed[0] == (revision + 1, ["changeset.came_due", "tenant.tier_set"])
