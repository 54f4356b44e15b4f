"""A customer's admin runs its own roster, by its own token and through the vendor's product, within
what was bought and what it holds itself; of two that race for the last seat, one gets it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from random import Random
from threading import Barrier
from typing import Any, Final

import grpc
import pytest

from authz_service.app import setup
from authz_service.cli.demo.throwaway_server import trial_server
from authz_service.config import Settings
from authz_service.domain.invitation import Invitation
from authz_service.domain.membership import Membership
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import (
    invitation_pb2,
    member_pb2,
    role_grant_pb2,
    role_pb2,
    tenant_pb2,
)
from authz_service.store import change_log
from authz_service.store.database import Database
from tests.conformance import ledger
from tests.conformance.outages import eventually
from tests.faults.client import reason_of
from tests.postgres import fresh_database
from tests.rpc.account import Account, member, subject_of
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Caller, Refusal, Server, serving
from tests.rpc.issuer import AUDIENCE, Issuer, issuing
from tests.rpc.trail import added, mark
from tests.services import PUT

SEATS: Final = 3
"""Of the tier `free`."""
EXCEEDS: Final = ErrorReason.GRANT_EXCEEDS_OWN_RIGHTS
MANAGED: Final = ErrorReason.MEMBER_MANAGED
EXHAUSTED: Final = ErrorReason.SEATS_EXHAUSTED
DIRECT: Final = (("grpc.enable_http_proxy", 0),)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as started:
        yield started


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(
    request: pytest.FixtureRequest, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Serve from each database, to customers' users too."""
    users = {"user_jwt_issuer": issuer.name, "user_jwt_audience": AUDIENCE}
    with ExitStack() as stack:
        if request.param == "postgresql":
            base = request.getfixturevalue("postgres_base_url")
            url = stack.enter_context(fresh_database(base))
            setup.migrate(Settings(database_url=url))
            users["database_url"] = url
        server = stack.enter_context(serving(tmp_path_factory.mktemp("delegation"), **users))
        yield server


class Desk:
    """An account, and its admins as they call: `road` is `token` or `product`."""

    def __init__(self, account: Account, issuer: Issuer, road: str) -> None:
        self.account, self._issuer, self._road = account, issuer, road

    def of(self, who: str) -> Caller:
        """Give the caller that stands for a user of the account."""
        server = self.account.server
        if self._road == "token":
            return server.caller(self._issuer.token(who))
        key = server.new_key("authz.product")
        actor = ("x-authz-actor", f"user:{who}")
        return server.caller_with(("authorization", f"Bearer {key}"), actor)

    def refuses(self, who: str, request: Any, reason: ErrorReason, **how: Any) -> Refusal:
        return self.account.server.refuses(request, reason, by=self.of(who), **how)

    def inviting(self, whom: str, *roles: str) -> invitation_pb2.InviteMemberRequest:
        named: dict[str, Any] = {"email": whom} if "@" in whom else {"subject": subject_of(whom)}
        return invitation_pb2.InviteMemberRequest(tenant=self.account.id, roles=roles, **named)

    def adding(self, whom: str, *roles: str) -> member_pb2.AddMemberRequest:
        return member_pb2.AddMemberRequest(tenant=self.account.id, member=member(whom, *roles))

    def setting(self, whom: str, *roles: str) -> member_pb2.SetMemberRolesRequest:
        subject = subject_of(whom)
        return member_pb2.SetMemberRolesRequest(
            tenant=self.account.id, subject=subject, roles=roles
        )

    def granting(self, whom: str, role: str) -> role_grant_pb2.GrantRoleRequest:
        grant = role_grant_pb2.RoleGrant(
            tenant=self.account.id, subject=subject_of(whom), role=role
        )
        return role_grant_pb2.GrantRoleRequest(role_grant=grant)

    def revoking(self, whom: str, role: str) -> role_grant_pb2.RevokeRoleRequest:
        subject = subject_of(whom)
        return role_grant_pb2.RevokeRoleRequest(tenant=self.account.id, subject=subject, role=role)

    def removing(self, whom: str) -> member_pb2.RemoveMemberRequest:
        return member_pb2.RemoveMemberRequest(tenant=self.account.id, subject=subject_of(whom))

    def writing(self, name: str, *permissions: str) -> role_pb2.UpdateRoleRequest:
        role = role_pb2.Role(id=f"{self.account.id}/{name}", permissions=permissions)
        return role_pb2.UpdateRoleRequest(**PUT, role=role)


@pytest.fixture(params=["token", "authz.product"])
def desk(served: Server, issuer: Issuer, request: pytest.FixtureRequest) -> Desk:
    """Open an account on `free`, with ada its admin in one of three seats."""
    account = Account(served, fresh_name(request.node.name))
    account.onboard("free", ada=["admin"])
    return Desk(account, issuer, request.param)


def lesser(desk: Desk) -> None:
    """Let bob manage people, and hold little else."""
    desk.account.put_role(
        "people",
        "authz.members:add",
        "authz.members:set_roles",
        "authz.invitations:create",
        "authz.role_grants:create",
        "authz.roles:create",
        "authz.roles:update",
        "invoices:view",
    )
    desk.account.add("bob", f"{desk.account.id}/people")


def test_admin_invites_changes_and_removes_and_each_next_check_knows(desk: Desk) -> None:
    account, ada = desk.account, desk.of("ada")
    sent = ada.call(desk.inviting("ivan@example.com", "viewer"))
    account.accept(sent.token, "ivan")
    assert account.may("ivan", "invoices:view")
    assert not account.may("ivan", "invoices:create")
    ada.call(desk.setting("ivan", "editor"))
    assert account.may("ivan", "invoices:create")
    ada.call(desk.granting("ivan", "admin"))
    assert account.may("ivan", "team:manage")
    ada.call(desk.revoking("ivan", "admin"))
    assert account.reason("ivan", "team:manage") == "ROLE_MISSING"
    ada.call(desk.writing("biller", "invoices:send"))
    ada.call(desk.setting("ivan", f"{account.id}/biller"))
    assert account.may("ivan", "invoices:send")
    assert not account.may("ivan", "invoices:create")
    ada.call(desk.removing("ivan"))
    assert account.reason("ivan", "invoices:send") == "NOT_A_MEMBER"


def test_what_an_admin_did_is_in_the_audit_under_its_name(desk: Desk, served: Server) -> None:
    before = mark(served)
    ada = desk.of("ada")
    ada.call(desk.adding("nina", "viewer"))
    desk.refuses("ada", desk.removing("zoe"), ErrorReason.MEMBER_NOT_FOUND, at="subject")
    entries = [each for each in added(served, before) if each["tenant"] == desk.account.id]
    assert [(each["action"], each["outcome"]) for each in entries] == [
        ("member.added", "done"),
        ("role.granted", "done"),
        ("authz.members:remove", "MEMBER_NOT_FOUND"),
    ]
    assert {each["on_behalf_of"] or each["actor"] for each in entries} == {"user:ada"}


def test_invitation_holds_a_seat_and_no_more_are_taken_than_were_bought(desk: Desk) -> None:
    ada = desk.of("ada")
    ada.call(desk.adding("nina"))
    sent = ada.call(desk.inviting("ivan@example.com", "viewer"))
    for request in (desk.adding("otto"), desk.inviting("otto"), desk.inviting("o@example.com")):
        found = desk.refuses("ada", request, EXHAUSTED, says="3 of 3 seats")
        assert found.metadata == {"seats": "3", "taken": "3"}
    revoked = invitation_pb2.RevokeInvitationRequest(tenant=desk.account.id, id=sent.invitation.id)
    ada.call(revoked)
    ada.call(desk.adding("otto"))


def test_only_roles_that_the_tier_lists_are_given(desk: Desk) -> None:
    desk.account.add("nina")
    role = "billing-admin"  # from `professional` on
    for request, field in (
        (desk.inviting("ivan", role), "roles"),
        (desk.adding("ivan", role), "member.roles"),
        (desk.setting("nina", role), "roles"),
        (desk.granting("nina", role), "role_grant.role"),
    ):
        reason = ErrorReason.ROLE_NOT_ASSIGNABLE
        desk.refuses("ada", request, reason, at=field, says="viewer")
    desk.account.set_tier("professional")
    desk.of("ada").call(desk.granting("nina", role))


def test_role_of_the_tenants_own_is_no_wider_than_its_tier(desk: Desk) -> None:
    wide = desk.writing("wide", "invoices:view", "reports:export")  # from `professional` on
    wider = ErrorReason.ROLE_WIDER_THAN_TIER
    desk.refuses("ada", wide, wider, at="role.permissions", says="reports:export")
    desk.account.set_tier("professional")
    desk.of("ada").call(wide)


def test_nobody_gives_more_than_they_hold(desk: Desk) -> None:
    lesser(desk)
    own = f"{desk.account.id}/people"
    for request in (
        desk.adding("nina", "admin"),
        desk.inviting("nina", "editor"),
        desk.setting("bob", own, "admin"),
        desk.granting("bob", "viewer"),
        desk.writing("people", "invoices:view", "invoices:send"),
    ):
        desk.refuses("bob", request, EXCEEDS, says="does not itself hold")
    desk.of("bob").call(desk.adding("nina", own))


def test_member_that_a_directory_keeps_is_read_only(desk: Desk) -> None:
    account = desk.account
    dora = member_pb2.NewMember(
        subject="user:dora", roles=["viewer", "editor"], managed_by=member_pb2.MANAGED_BY_SCIM
    )
    account.operator.call(member_pb2.AddMemberRequest(tenant=account.id, member=dora))
    (editor,) = [
        each.id
        for each in account.operator.call(
            role_grant_pb2.ListRoleGrantsRequest(tenant=account.id, subject="user:dora")
        ).role_grants
        if each.role == "editor"
    ]
    described = role_grant_pb2.RoleGrant(tenant=account.id, subject="user:dora", role="admin")
    revocation = role_grant_pb2.RoleRevocation(
        tenant=account.id, subject="user:dora", role="viewer"
    )
    for request, at in (
        (desk.setting("dora", "viewer"), "subject"),
        (desk.removing("dora"), "subject"),
        (desk.granting("dora", "admin"), "role_grant.subject"),
        (desk.revoking("dora", "viewer"), "subject"),
        (role_grant_pb2.DeleteRoleGrantRequest(tenant=account.id, id=editor), "id"),
        (role_grant_pb2.BatchGrantRolesRequest(role_grants=[described]), "role_grants[0].subject"),
        (
            role_grant_pb2.BatchRevokeRolesRequest(revocations=[revocation]),
            "revocations[0].subject",
        ),
    ):
        found = desk.refuses("ada", request, MANAGED, at=at, says="directory keeps user:dora")
        assert found.metadata["managed_by"] == "scim"
    account.operator.call(desk.granting("dora", "admin"))
    assert account.may("dora", "team:manage")


def test_owner_stays_whoever_asks(desk: Desk) -> None:
    desk.account.add("abe", "admin")
    taking = (desk.removing("ada"), desk.setting("ada", "viewer"), desk.revoking("ada", "admin"))
    for who in ("ada", "abe"):
        for request in taking:
            desk.refuses(who, request, ErrorReason.MEMBER_IS_OWNER, says="transfer the ownership")


def test_admin_of_one_account_has_no_say_in_another(desk: Desk, served: Server) -> None:
    other = Account(served, fresh_name("other"))
    other.onboard("free", gus=["admin"])
    theirs = Desk(other, desk._issuer, "token")
    for request in (theirs.adding("eve"), theirs.removing("gus"), theirs.writing("mine")):
        desk.refuses("ada", request, ErrorReason.PERMISSION_DENIED)


def raced(doing: list[Callable[[], Any]]) -> Counter[str]:
    """Do all at once; count what came of them: `done`, or the reason of the refusal."""
    barrier = Barrier(len(doing))

    def attempt(one: Callable[[], Any]) -> str:
        barrier.wait()
        try:
            one()
        except grpc.RpcError as error:
            return reason_of(error)
        return "done"

    with ThreadPoolExecutor(len(doing)) as pool:
        return Counter(pool.map(attempt, doing))


def test_of_two_admins_that_race_for_the_last_seat_one_gets_it(
    served: Server, issuer: Issuer
) -> None:
    account = Account(served, fresh_name("race"))
    account.onboard("free", ada=["admin"], abe=["admin"])
    roads = [Desk(account, issuer, "token"), Desk(account, issuer, "authz.product")]
    ada, abe = roads[0].of("ada"), roads[1].of("abe")
    for turn in range(8):
        asked = [roads[0].adding(f"a{turn}"), roads[1].inviting(f"b{turn}@example.com")]
        ended = raced([partial(ada.call, asked[0]), partial(abe.call, asked[1])])
        assert ended == {"done": 1, EXHAUSTED.value: 1}
        assert account.now().seats_taken == SEATS
        clear(account)


@pytest.fixture(scope="module")
def pair(
    postgres_base_url: str, migrated_postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[Callable[[str], Caller]]]]:
    """Serve one database by two processes: its URL, and for each what makes an actor's caller."""
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(postgres_base_url, migrated_postgres))
        callers: list[Callable[[str], Caller]] = []
        key = ""
        for name in ("one", "two"):
            folder = tmp_path_factory.mktemp(name)
            settings = {"AUTHZ_DATABASE_URL": url, "AUTHZ_JOBS": "false"}
            server = stack.enter_context(trial_server(folder, settings))
            key = key or server.key
            checks, admin = (
                stack.enter_context(grpc.insecure_channel(address, DIRECT))
                for address in (server.check_address, server.admin_address)
            )
            callers.append(partial(acting, checks, admin, key))
        yield url, callers


def acting(checks: grpc.Channel, admin: grpc.Channel, key: str, actor: str = "") -> Caller:
    named = [("x-authz-actor", actor)] if actor else []
    return Caller(checks, admin, ("authorization", f"Bearer {key}"), *named)


def seen(caller: Caller, tenant: str) -> bool:
    request = tenant_pb2.ListTenantsRequest(id_prefix=tenant)
    return bool(caller.tenants.ListTenants(request).tenants)


def opened(pair: list[Callable[[str], Caller]], tenant: str) -> list[Caller]:
    """Open an account on `free` whose two admins call one process each."""
    members = [member("ada", "admin"), member("abe", "admin")]
    request = tenant_pb2.OnboardTenantRequest(tenant=tenant, tier="free", members=members)
    pair[0]("").tenants.OnboardTenant(request)
    eventually(lambda: seen(pair[1](""), tenant), "the other process knows the account")
    return [process(f"user:{who}") for process, who in zip(pair, ("ada", "abe"), strict=True)]


def test_of_two_admins_on_two_processes_one_gets_the_last_seat(
    pair: tuple[str, list[Callable[[str], Caller]]],
) -> None:
    for turn in range(6):
        tenant = f"race-{turn}"
        admins = opened(pair[1], tenant)
        asked = [
            member_pb2.AddMemberRequest(tenant=tenant, member=member(f"new-{turn}")),
            invitation_pb2.InviteMemberRequest(tenant=tenant, email="new@example.com"),
        ]
        ended = raced([partial(each.call, asked[at]) for at, each in enumerate(admins)])
        assert ended == {"done": 1, EXHAUSTED.value: 1}


def test_seats_are_never_exceeded_by_two_processes_and_many_hands(
    pair: tuple[str, list[Callable[[str], Caller]]],
) -> None:
    """Four hands on each process add, invite, revoke and remove, and in the end add alone, to leave
    no seat free whatever came before; the rows are counted after.
    """
    url, processes = pair
    tenant = "crowd"
    admins = opened(processes, tenant)
    hands = [partial(rush, admins[at % 2], tenant, Random(f"hand {at}")) for at in range(8)]
    with ThreadPoolExecutor(len(hands)) as pool:
        for future in [pool.submit(hand) for hand in hands]:
            future.result()
        filled = [pool.submit(fill, admins[at % 2], tenant, f"late-{at}") for at in range(8)]
        assert EXHAUSTED.value in {future.result() for future in filled}
    database = Database(url)
    try:
        ledger.assert_whole(database)
        most = max(seats_by_revision(database, tenant))
    finally:
        database.close()
    assert most == SEATS


def rush(admin: Caller, tenant: str, random: Random) -> None:
    """Do twenty things; some are refused, for want of a seat or because another hand was faster."""
    for _ in range(20):
        what = random.choice(("add", "add", "invite", "remove", "revoke"))
        with suppress(grpc.RpcError):
            admin.call(something(admin, tenant, what, random))


def fill(admin: Caller, tenant: str, name: str) -> str:
    """Add a member of a name of its own; tell what refused it, if anything did."""
    request = member_pb2.AddMemberRequest(tenant=tenant, member=member(name, "viewer"))
    try:
        admin.call(request)
    except grpc.RpcError as error:
        return reason_of(error)
    return ""


def something(admin: Caller, tenant: str, what: str, random: Random) -> Any:
    subject = f"user:m{random.randint(0, 5)}"
    match what:
        case "add":
            return member_pb2.AddMemberRequest(tenant=tenant, member=member(subject, "viewer"))
        case "invite":
            email = f"{random.choice('xyz')}@example.com"
            return invitation_pb2.InviteMemberRequest(tenant=tenant, email=email, roles=["viewer"])
        case "remove":
            return member_pb2.RemoveMemberRequest(tenant=tenant, subject=subject)
    found = admin.call(invitation_pb2.ListInvitationsRequest(tenant=tenant)).invitations
    return invitation_pb2.RevokeInvitationRequest(
        tenant=tenant, id=found[0].id if found else "none"
    )


def seats_by_revision(database: Database, tenant: str) -> Iterator[int]:
    """Count members and invitations as each revision left them, from the change log alone."""
    taken = 0
    with database.read() as connection:
        for delta in change_log.read_after(connection, 0):
            for change in delta.changes:
                if (
                    isinstance(change.fact, Membership | Invitation)
                    and change.fact.tenant == tenant
                ):
                    taken += (change.after is not None) - (change.before is not None)
            yield taken


def clear(account: Account) -> None:
    """Free all seats but those of the two admins."""
    for each in account.members().members:
        if each.subject not in ("user:ada", "user:abe"):
            account.remove(each.subject)
    asked = invitation_pb2.ListInvitationsRequest(tenant=account.id)
    for sent in account.operator.invitations.ListInvitations(asked).invitations:
        request = invitation_pb2.RevokeInvitationRequest(tenant=account.id, id=sent.id)
        account.operator.invitations.RevokeInvitation(request)
