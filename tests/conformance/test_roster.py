"""Rosters on every database: seats are never exceeded, an admin always stays, memory and rows and
Casbin tell the same, whatever is done in whatever order and by how many at once.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Barrier
from typing import Any, Final

import pytest

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Limit, Permission, Plan, Role
from authz_service.domain.change import Fact, FactChange
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.invitation import digest
from authz_service.domain.membership import ManagedBy, Membership, MembershipState
from authz_service.domain.tenant import SYSTEM, SubscriptionItem, SuspensionReason, Tenant
from authz_service.domain.window import FOREVER, Window
from authz_service.engine.decide import decide
from authz_service.engine.seats import taken
from authz_service.errors import AuthzError, ErrorReason, FailedPrecondition
from authz_service.reference.decision import Reference
from authz_service.store.facts import Facts
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.grants import role_grants
from authz_service.usecases.kernel.execution import ChangeCase
from authz_service.usecases.members import invitations, members, ownership
from tests.conformance import ledger
from tests.conformance.store_world import CALL, NOON, StoreWorld

MODEL: Final = (Path(__file__).parents[2] / "policies" / "model.conf").read_text()
HOUR: Final = 3_600_000_000
SEATS: Final = 4
SUBJECTS: Final = ("user:a", "user:b", "user:c", "user:d", "user:e", "service:s")
ROLES: Final = ("admin", "viewer", "acme/boss")
ACME: Final = Tenant("acme", subscription_items=(SubscriptionItem("tier/pro"),))
ADA: Final = Membership("acme", "user:ada")
ADMIN: Final = RoleGrant("acme", "user:ada", "admin", id="g1")


def seed(world: StoreWorld, seats: int | None = SEATS) -> None:
    """Make the tenant acme, on a tier with so many seats, its only member ada an admin."""
    everything = frozenset({"doc:read", "team:manage"})
    limits = (Limit("seats", seats, "seat"),)
    assignable = frozenset({"admin", "viewer"})
    world.put(
        *(Permission(name) for name in sorted(everything)),
        Role("viewer", frozenset({"doc:read"})),
        Role("admin", everything, admin=True),
        Plan("tier/pro", "", everything, limits=limits, assignable_roles=assignable),
        ACME,
        Role("acme/boss", everything, admin=True),
        ADA,
        ADMIN,
    )


def do(world: StoreWorld, case: ChangeCase[Any, Any], wanted: Any) -> Any:
    """Run the body of a use case in a transaction of its own, as a caller with every right."""
    with world.store.transaction(CALL) as tx:
        return case.body(tx, wanted)


def add(world: StoreWorld, subject: str, *roles: str) -> Any:
    new = members.NewMember.of(subject, roles)
    return do(world, members.add_member, members.AddMember(tenant="acme", member=new))


def invite(world: StoreWorld, **whom: str) -> Any:
    token = world.new_id()
    wanted = invitations.InviteMember(
        tenant="acme", token_hash=digest(token), lifetime=24 * HOUR, roles=("viewer",), **whom
    )
    return do(world, invitations.invite_member, wanted)


@pytest.fixture
def acme(store_world: StoreWorld) -> StoreWorld:
    seed(store_world)
    return store_world


@pytest.mark.parametrize("kind", ["add", "invite", "resend"])
def test_of_many_at_once_exactly_one_gets_the_last_seat(store_world: StoreWorld, kind: str) -> None:
    """Six at a time on three stores, each with an index of its own that is behind."""
    seed(store_world, seats=2)
    worlds = [store_world, store_world.another("b"), store_world.another("c")]
    over = []
    for n in range(6):
        over.append(invite(store_world, email=f"x{n}@example.com"))
        store_world.clock.now += 25 * HOUR
    for world in worlds:
        world.clock.now = store_world.clock.now
    barrier = Barrier(6)

    def attempt(at: int) -> ErrorReason | None:
        world = worlds[at % 3]
        renewed = invitations.ResendInvitation(
            tenant="acme", id=over[at].id, token_hash=digest(f"new{at}"), lifetime=24 * HOUR
        )
        doing: dict[str, Callable[[], Any]] = {
            "add": lambda: add(world, f"user:u{at}", "viewer"),
            "invite": lambda: invite(world, email=f"y{at}@example.com"),
            "resend": lambda: do(world, invitations.resend_invitation, renewed),
        }
        barrier.wait()
        try:
            doing[kind]()
        except FailedPrecondition as refusal:
            return refusal.reason
        return None

    with ThreadPoolExecutor(6) as pool:
        ended = Counter(pool.map(attempt, range(6)))
    assert ended == {None: 1, ErrorReason.SEATS_EXHAUSTED: 5}
    store_world.replica.catch_up()
    assert taken(store_world.index, "acme", store_world.clock.now) == 2
    ledger.assert_whole(store_world.database)


def test_of_two_admins_that_remove_each_other_at_once_one_stays(store_world: StoreWorld) -> None:
    seed(store_world)
    other = store_world.another()
    add(store_world, "user:abe", "admin")
    barrier = Barrier(2)

    def attempt(world: StoreWorld, subject: str) -> ErrorReason | None:
        wanted = members.RemoveMember(tenant="acme", subject=subject)
        barrier.wait()
        try:
            do(world, members.remove_member, wanted)
        except FailedPrecondition as refusal:
            return refusal.reason
        return None

    with ThreadPoolExecutor(2) as pool:
        ended = Counter(pool.map(attempt, (store_world, other), ("user:ada", "user:abe")))
    assert ended == {None: 1, ErrorReason.LAST_ADMIN: 1}


TAKING: Final[dict[str, list[FactChange]]] = {
    "the grant": [FactChange(ADMIN, None)],
    "its window": [FactChange(ADMIN, replace(ADMIN, window=Window(0, NOON + HOUR)))],
    "its scope": [FactChange(ADMIN, replace(ADMIN, scope="doc:1"))],
    "its role": [FactChange(ADMIN, replace(ADMIN, role="viewer"))],
    "its beginning": [FactChange(ADMIN, replace(ADMIN, window=Window(NOON + 1)))],
    "the membership": [FactChange(ADMIN, None), FactChange(ADA, None)],
    "a suspension": [FactChange(ADA, replace(ADA, suspensions=frozenset({SuspensionReason.SCIM})))],
    "an invitation": [FactChange(ADA, replace(ADA, lifecycle=MembershipState.INVITED))],
}


@pytest.mark.parametrize("changes", TAKING.values(), ids=TAKING)
def test_no_path_takes_the_last_admin(acme: StoreWorld, changes: list[FactChange]) -> None:
    """Not even one that no use case offers: the unit of work itself refuses."""
    before = ledger.contents(acme.database)
    with pytest.raises(FailedPrecondition) as raised:
        acme.commit(*changes)
    assert raised.value.reason is ErrorReason.LAST_ADMIN
    assert ledger.contents(acme.database) == before
    acme.put(Membership("acme", "user:abe"), RoleGrant("acme", "user:abe", "acme/boss", id="g2"))
    acme.commit(*changes)


def test_a_dry_run_is_refused_as_the_change_would_be(acme: StoreWorld) -> None:
    def body(tx: Transaction) -> None:
        tx.change(ADMIN, None)
        tx.record(AuditRecord("role.revoked", "acme", ("user:ada",)))

    with pytest.raises(FailedPrecondition):
        acme.run(body, replace(CALL, validate_only=True))


def test_an_admin_in_place_of_the_last_one_is_enough(acme: StoreWorld) -> None:
    abe = Membership("acme", "user:abe")
    admin = RoleGrant("acme", "user:abe", "admin", id="g2")
    acme.commit(FactChange(None, abe), FactChange(None, admin), FactChange(ADMIN, None))


def test_an_account_that_has_no_admin_is_held_to_none(acme: StoreWorld) -> None:
    member = Membership("plain", "user:vera")
    grant = RoleGrant("plain", "user:vera", "viewer", id="g2")
    acme.put(Tenant("plain"), member, grant)
    acme.end(grant, member)


def test_no_policy_takes_the_last_admin_role_from_an_account(acme: StoreWorld) -> None:
    admin = Role("admin", frozenset({"doc:read", "team:manage"}), admin=True)
    with pytest.raises(FailedPrecondition) as refused:
        acme.replace(admin, replace(admin, admin=False))
    assert refused.value.reason is ErrorReason.LAST_ADMIN


def test_callers_of_this_service_are_no_customers(acme: StoreWorld) -> None:
    key, grant = Membership(SYSTEM, "service:k"), RoleGrant(SYSTEM, "service:k", "admin", id="g9")
    acme.put(Tenant(SYSTEM), key, grant)
    acme.end(grant, key)


def test_a_second_owner_is_impossible_in_the_database(acme: StoreWorld) -> None:
    acme.replace(ADA, replace(ADA, owner=True))
    with pytest.raises(Exception, match=r"(?i)unique"):
        acme.put(Membership("acme", "user:abe", owner=True))
    assert ledger.same(acme.index, acme.stored_index())


class Crowd:
    """Does one thing after another to a roster, whatever comes of it."""

    def __init__(self, world: StoreWorld, random: Random) -> None:
        self.world, self.random = world, random
        self.tokens = [""]
        self.ended: Counter[str] = Counter()

    def step(self) -> None:
        kind = self.random.choice(
            ("add", "invite", "mail", "accept", "resend", "withdraw", "suspend", "resume",
             "remove", "set_roles", "grant", "revoke", "transfer", "wait")
        )  # fmt: skip
        try:
            getattr(self, kind)()
        except AuthzError as refusal:
            self.ended[refusal.reason] += 1
        else:
            self.ended[kind] += 1

    def who(self) -> str:
        return self.random.choice((*SUBJECTS, "user:ada"))

    def some_roles(self) -> tuple[str, ...]:
        return tuple(self.random.sample(ROLES, self.random.randint(0, 2)))

    def why(self) -> SuspensionReason:
        return self.random.choice((SuspensionReason.ADMIN, SuspensionReason.RISK))

    def token(self) -> str:
        self.tokens.append(self.world.new_id())
        return digest(self.tokens[-1])

    def open_id(self) -> str:
        return self.random.choice(["gone", *self.world.index.tenants["acme"].invitations])

    def add(self) -> None:
        keeper = self.random.choice((ManagedBy.NOBODY, ManagedBy.NOBODY, ManagedBy.SCIM))
        new = members.NewMember.of(self.who(), self.some_roles(), managed_by=keeper)
        wanted = members.AddMember(tenant="acme", member=new, by=ManagedBy.SCIM)
        do(self.world, members.add_member, wanted)

    def invite(self) -> None:
        self._invite(subject=self.who())

    def mail(self) -> None:
        self._invite(email=f"{self.random.choice('xyz')}@example.com")

    def _invite(self, **whom: str) -> None:
        wanted = invitations.InviteMember(
            tenant="acme", token_hash=self.token(), lifetime=HOUR, roles=self.some_roles(), **whom
        )
        do(self.world, invitations.invite_member, wanted)

    def accept(self) -> None:
        hashed = digest(self.random.choice(self.tokens[-4:]))
        wanted = invitations.AcceptInvitation(tenant="acme", token_hash=hashed, subject=self.who())
        do(self.world, invitations.accept_invitation, wanted)

    def resend(self) -> None:
        wanted = invitations.ResendInvitation(
            tenant="acme", id=self.open_id(), token_hash=self.token(), lifetime=HOUR
        )
        do(self.world, invitations.resend_invitation, wanted)

    def withdraw(self) -> None:
        wanted = invitations.OneInvitation(tenant="acme", id=self.open_id())
        do(self.world, invitations.revoke_invitation, wanted)

    def suspend(self) -> None:
        self._suspension(members.suspend_member)

    def resume(self) -> None:
        self._suspension(members.resume_member)

    def _suspension(self, case: ChangeCase[Any, Any]) -> None:
        wanted = members.MemberSuspension(
            tenant="acme", subject=self.who(), reason=self.why(), by=ManagedBy.SCIM
        )
        do(self.world, case, wanted)

    def remove(self) -> None:
        wanted = members.RemoveMember(tenant="acme", subject=self.who(), by=ManagedBy.SCIM)
        do(self.world, members.remove_member, wanted)

    def set_roles(self) -> None:
        wanted = members.SetMemberRoles(
            tenant="acme", subject=self.who(), roles=self.some_roles(), by=ManagedBy.SCIM
        )
        do(self.world, members.set_member_roles, wanted)

    def grant(self) -> None:
        ends = self.random.choice((FOREVER, self.world.clock.now + HOUR))
        grant = RoleGrant(
            *("acme", self.who(), self.random.choice(ROLES), self.random.choice(("", "doc:1"))),
            window=Window(0, ends),
            source=self.random.choice((GrantSource.MANUAL, GrantSource.SCIM)),
        )
        do(self.world, role_grants.grant_role, role_grants.GrantRole(grant=grant))

    def revoke(self) -> None:
        wanted = role_grants.RevokeRole(
            tenant="acme", subject=self.who(), role=self.random.choice(ROLES)
        )
        do(self.world, role_grants.revoke_role, wanted)

    def transfer(self) -> None:
        wanted = ownership.TransferOwnership(tenant="acme", to=self.who())
        do(self.world, ownership.transfer_ownership, wanted)

    def wait(self) -> None:
        self.world.clock.now += HOUR // 2


def admins(facts: Facts) -> set[str]:
    """Name the active admins, read from the rows by none of the code that checks them."""
    held = {
        grant.subject
        for grant in facts.role_grants("acme")
        if grant.role in ("admin", "acme/boss") and not grant.scope
        and grant.window.valid_until == FOREVER
    }  # fmt: skip
    return {
        member.subject
        for subject in held
        for member in facts.memberships("acme", subject)
        if member.lifecycle is MembershipState.ACTIVE and not member.suspensions
    }


def everyone(facts: Facts) -> list[Membership]:
    found = (facts.memberships("acme", subject) for subject in (*SUBJECTS, "user:ada"))
    return [member for some in found for member in some]


def seats_taken(facts: Facts, at: int) -> int:
    """Count seats from the rows: members but those whose invitation is over, and live invitations
    of who is no member.
    """
    sent = facts.invitations("acme")
    live = [each for each in sent if at < each.expires_at]
    over = {each.subject for each in sent} - {each.subject for each in live}
    there = everyone(facts)
    invited = {m.subject for m in there if m.lifecycle is MembershipState.INVITED}
    named = {member.subject for member in there}
    return len(named - (invited & over)) + sum(each.subject not in named for each in live)


def assert_casbin_agrees(world: StoreWorld) -> int:
    """Ask the index and stock Casbin everything about everyone; count what is allowed."""
    with world.facts() as facts:
        known: list[Fact] = [
            *facts.permissions(), *facts.roles(), *facts.plans(), *facts.tenants(),
            *everyone(facts), *facts.role_grants("acme"),
        ]  # fmt: skip
    casbin = Reference(MODEL, known, world.clock.now)
    allowed = 0
    for subject in (*SUBJECTS, "user:ada", "user:nobody"):
        for permission in ("doc:read", "team:manage"):
            for scopes in ((), ("doc:1",)):
                asked = Question("acme", subject, permission, scopes)
                ours = decide(world.index, asked, world.clock.now)
                assert ours.allowed == (casbin.decide(asked) is DecisionReason.ALLOWED), asked
                allowed += ours.allowed
    return allowed


@pytest.mark.sweep
@pytest.mark.parametrize("drawn", range(4))
def test_whatever_is_done_to_a_roster_its_laws_hold(store_world: StoreWorld, drawn: int) -> None:
    seed(store_world)
    crowd = Crowd(store_world, Random(f"roster {drawn}"))
    for _ in range(80):
        crowd.step()
        now = store_world.clock.now
        with store_world.facts() as facts:
            assert admins(facts), crowd.ended
            assert seats_taken(facts, now) <= SEATS
            assert taken(store_world.index, "acme", now) == seats_taken(facts, now)
            owners = [member for member in everyone(facts) if member.owner]
        assert len(owners) <= 1
        assert all(owner.subject.startswith("user:") for owner in owners)
    assert ledger.same(store_world.index, store_world.stored_index())
    assert assert_casbin_agrees(store_world) > 0
    ledger.assert_whole(store_world.database)


def test_the_crowd_has_done_everything_and_met_every_refusal(store_world: StoreWorld) -> None:
    """Without this, the test above could agree about nothing at all."""
    seed(store_world)
    crowd = Crowd(store_world, Random("all of it"))
    for _ in range(400):
        crowd.step()
    wanted = {
        "add", "invite", "mail", "accept", "resend", "withdraw", "suspend", "resume", "remove",
        "set_roles", "grant", "revoke", "transfer", "wait",
        ErrorReason.LAST_ADMIN, ErrorReason.MEMBER_IS_OWNER, ErrorReason.SEATS_EXHAUSTED,
        ErrorReason.INVITATION_EXISTS, ErrorReason.INVITATION_TOKEN_REFUSED,
        ErrorReason.MEMBER_STATE_CONFLICT,
    }  # fmt: skip
    assert wanted - crowd.ended.keys() == set()
