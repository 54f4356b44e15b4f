"""A roster through gRPC, on both databases: held back, let go, re-roled, owned, not locked out."""

import time
from dataclasses import fields
from typing import Any, Final

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from authz_service.domain.membership import Membership
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import member_pb2, role_grant_pb2, role_pb2, tenant_pb2
from tests.rpc.account import Account, member, subject_of, timestamp, why
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Caller, Server, made
from tests.services import PUT


@pytest.fixture
def acme(any_server: Server, request: pytest.FixtureRequest) -> Account:
    """Open a tenant whose owner is ada and that has an admin besides, an editor and a viewer."""
    account = Account(any_server, fresh_name(request.node.name))
    account.onboard("enterprise", ada=["admin"], abe=["admin"], edgar=["editor"], vera=["viewer"])
    return account


@pytest.fixture
def provisioner(acme: Account) -> Caller:
    return acme.server.caller(acme.server.new_key("authz.provisioner"))


def suspension(
    account: Account, who: str, reason: str = "ADMIN"
) -> member_pb2.SuspendMemberRequest:
    return member_pb2.SuspendMemberRequest(
        tenant=account.id, subject=subject_of(who), suspension_reason=why(reason)
    )


def removal(account: Account, who: str) -> member_pb2.RemoveMemberRequest:
    return member_pb2.RemoveMemberRequest(tenant=account.id, subject=subject_of(who))


def roles(account: Account, who: str, *wanted: str) -> member_pb2.SetMemberRolesRequest:
    return member_pb2.SetMemberRolesRequest(
        tenant=account.id, subject=subject_of(who), roles=wanted
    )


def test_suspension_denies_on_the_very_next_check_and_resume_gives_back_exactly(
    acme: Account,
) -> None:
    acme.grant("vera", "editor", "project:42")
    before = acme.member("vera")
    held = acme.hold_back("vera", "RISK")
    assert (held.state, list(held.suspensions)) == (
        member_pb2.MEMBERSHIP_STATE_SUSPENDED,
        [why("RISK")],
    )
    assert acme.reason("vera", "invoices:view") == "MEMBERSHIP_SUSPENDED"
    assert acme.reason("vera", "projects:create", "project:42") == "MEMBERSHIP_SUSPENDED"
    after = acme.let_go("vera", "RISK")
    assert acme.may("vera", "invoices:view")
    assert acme.may("vera", "projects:create", "project:42")
    assert after.revision > before.revision
    after.revision = before.revision
    assert after == before


def test_lifting_one_reason_leaves_the_other(acme: Account) -> None:
    acme.hold_back("vera", "RISK")
    acme.hold_back("vera", "BILLING")
    assert list(acme.let_go("vera", "RISK").suspensions) == [why("BILLING")]
    assert acme.reason("vera", "invoices:view") == "MEMBERSHIP_SUSPENDED"
    assert acme.let_go("vera", "BILLING").state == member_pb2.MEMBERSHIP_STATE_ACTIVE
    assert acme.may("vera", "invoices:view")


def test_removal_denies_on_the_very_next_check(acme: Account) -> None:
    assert acme.may("vera", "invoices:view")
    removed = acme.remove("vera")
    assert removed.member.state == member_pb2.MEMBERSHIP_STATE_REMOVED
    assert acme.reason("vera", "invoices:view") == "NOT_A_MEMBER"


def test_suspending_and_removing_are_possible_in_any_state_of_the_account(acme: Account) -> None:
    acme.set_tier("free")
    acme.suspend()
    acme.hold_back("vera")
    acme.set_roles("edgar")
    acme.remove("edgar")
    acme.let_go("vera")
    acme.offboard()
    request = member_pb2.ResumeMemberRequest(tenant=acme.id, subject="user:vera")
    acme.server.refuses(request, ErrorReason.TENANT_STATE_CONFLICT, at="tenant")


def test_set_roles_gives_and_takes_the_difference_in_one_revision(acme: Account) -> None:
    before = acme.server.revision
    answer = acme.set_roles("edgar", "viewer", "billing-admin")
    assert (answer.revision, list(answer.member.roles)) == (before + 1, ["billing-admin", "viewer"])
    assert acme.reason("edgar", "invoices:create") == "ROLE_MISSING"
    assert acme.may("edgar", "invoices:void")
    assert acme.set_roles("edgar", "viewer", "billing-admin").revision == before + 1
    assert list(acme.set_roles("edgar").member.roles) == []


def test_set_roles_leaves_scoped_grants_and_those_of_other_sources(acme: Account) -> None:
    acme.grant("vera", "editor", "project:42")
    for source in ("CONTRACT", "SCIM", "SSO"):
        acme.grant(
            "vera",
            "billing-admin",
            source=role_grant_pb2.GrantSource.Value(f"GRANT_SOURCE_{source}"),
        )
    assert list(acme.set_roles("vera").member.roles) == ["billing-admin"]
    request = role_grant_pb2.ListRoleGrantsRequest(tenant=acme.id, subject="user:vera")
    left = acme.operator.role_grants.ListRoleGrants(request).role_grants
    assert [(each.role, each.scope) for each in left] == [
        ("editor", "project:42"), *[("billing-admin", "")] * 3
    ]  # fmt: skip


def test_set_roles_makes_a_timed_grant_that_is_named_one_without_end(acme: Account) -> None:
    ends = acme.grant("vera", "editor", valid_until={"seconds": 4_000_000_000})
    assert ends.HasField("valid_until")
    assert list(acme.set_roles("vera", "editor").member.roles) == ["editor"]
    request = role_grant_pb2.ListRoleGrantsRequest(tenant=acme.id, subject="user:vera")
    left = acme.operator.role_grants.ListRoleGrants(request).role_grants
    assert [each.HasField("valid_until") for each in left] == [True, False]


def test_set_roles_that_cannot_be_given_changes_nothing(acme: Account) -> None:
    for wanted, reason in (
        (("astronaut",), ErrorReason.ROLE_NOT_FOUND),
        (("viewer", "viewer"), ErrorReason.INVALID_FIELD),
    ):
        acme.server.refuses(roles(acme, "edgar", *wanted), reason, at="roles")


def test_the_first_admin_of_an_account_owns_it(acme: Account) -> None:
    assert [each.subject for each in acme.members(owner=True).members] == ["user:ada"]
    assert not acme.member("abe").owner


def test_another_first_member_can_be_said_to_own_it(acme: Account) -> None:
    other = Account(acme.server, f"{acme.id}-2")
    abe = member_pb2.NewMember(subject="user:abe", roles=["admin"], owner=True)
    request = tenant_pb2.OnboardTenantRequest(
        tenant=other.id, tier="free", members=[member("ada", "admin"), abe]
    )
    opened = other.operator.tenants.OnboardTenant(request)
    assert [(each.subject, each.owner) for each in opened.members] == [
        ("user:ada", False),
        ("user:abe", True),
    ]


def test_an_account_has_one_owner_at_most(acme: Account) -> None:
    owners = [
        member_pb2.NewMember(subject=f"user:{n}", roles=["admin"], owner=True) for n in range(2)
    ]
    request = tenant_pb2.OnboardTenantRequest(tenant=f"{acme.id}-2", tier="free", members=owners)
    acme.server.refuses(request, ErrorReason.INVALID_FIELD, at="members", says="one owner")
    added = member_pb2.AddMemberRequest(tenant=acme.id, member=owners[0])
    found = acme.server.refuses(added, ErrorReason.OWNER_EXISTS, at="member.owner")
    assert found.metadata == {"owner": "user:ada"}


@pytest.mark.parametrize(("who", "role"), [("nina", "viewer"), ("service:bot", "admin")])
def test_an_owner_is_a_user_with_an_admin_role(acme: Account, who: str, role: str) -> None:
    new = member_pb2.NewMember(subject=subject_of(who), roles=[role], owner=True)
    other = f"{acme.id}-2"
    request = tenant_pb2.OnboardTenantRequest(tenant=other, tier="free", members=[new])
    acme.server.refuses(request, ErrorReason.INVALID_FIELD, at="members[0].owner")


def test_an_account_without_owner_gets_one_with_a_member(acme: Account) -> None:
    other = Account(acme.server, f"{acme.id}-2")
    other.onboard("free", vera=["viewer"])
    assert other.members(owner=True).total_size == 0
    new = member_pb2.NewMember(subject="user:ada", roles=["admin"], owner=True)
    other.operator.members.AddMember(member_pb2.AddMemberRequest(tenant=other.id, member=new))
    assert other.member("ada").owner


def test_the_owner_is_not_removed_suspended_or_demoted_before_a_transfer(acme: Account) -> None:
    for request in (
        removal(acme, "ada"),
        suspension(acme, "ada"),
        roles(acme, "ada", "viewer"),
        role_grant_pb2.RevokeRoleRequest(tenant=acme.id, subject="user:ada", role="admin"),
    ):
        found = acme.server.refuses(request, ErrorReason.MEMBER_IS_OWNER, says="transfer the owner")
        assert found.metadata == {"tenant": acme.id, "subject": "user:ada"}
    acme.hold_back("ada", "RISK")
    assert acme.let_go("ada", "RISK").owner
    answer = acme.transfer("abe")
    assert (answer.owner.owner, answer.former_owner.owner) == (True, False)
    for request in (suspension(acme, "ada"), roles(acme, "ada", "viewer"), removal(acme, "ada")):
        acme.operator.call(request)


def test_the_owner_of_a_suspended_account_stays_until_it_is_ended(acme: Account) -> None:
    acme.suspend()
    acme.server.refuses(removal(acme, "ada"), ErrorReason.MEMBER_IS_OWNER)
    acme.offboard()
    assert acme.reason("ada", "invoices:view") == "TENANT_OFFBOARDED"


def test_a_new_owner_without_an_admin_role_is_granted_the_only_one(acme: Account) -> None:
    before = acme.server.revision
    answer = acme.transfer("vera")
    assert (answer.revision, list(answer.owner.roles)) == (before + 1, ["admin", "viewer"])
    assert answer.former_owner.subject == "user:ada"
    assert acme.may("vera", "team:manage")


def test_transfer_to_the_owner_changes_nothing(acme: Account) -> None:
    before = acme.server.revision
    answer = acme.transfer("ada")
    assert (answer.revision, answer.owner.owner) == (before, True)
    assert not answer.HasField("former_owner")
    assert answer.owner == acme.member("ada")


def test_only_an_active_user_that_is_a_member_becomes_the_owner(acme: Account) -> None:
    def to(who: str) -> member_pb2.TransferOwnershipRequest:
        return member_pb2.TransferOwnershipRequest(tenant=acme.id, new_owner=subject_of(who))

    acme.add("service:bot", "admin")
    acme.hold_back("vera", "RISK")
    acme.invite("user:ivan")
    refuses = acme.server.refuses
    refuses(to("nobody"), ErrorReason.NOT_A_MEMBER, at="new_owner")
    refuses(to("service:bot"), ErrorReason.INVALID_FIELD, at="new_owner")
    refuses(to("vera"), ErrorReason.MEMBER_STATE_CONFLICT, at="new_owner", says="suspended")
    refuses(to("ivan"), ErrorReason.MEMBER_STATE_CONFLICT, at="new_owner", says="invited")


def only_admin(account: Account) -> Account:
    """Open an account whose only admin does not own it: nobody does."""
    other = Account(account.server, f"{account.id}-2")
    other.onboard("enterprise", vera=["viewer"])
    other.add("ada", "admin")
    return other


LOCKING_OUT: Final[dict[str, Any]] = {
    "remove": lambda a: removal(a, "ada"),
    "suspend": lambda a: suspension(a, "ada", "RISK"),
    "set-roles": lambda a: roles(a, "ada", "viewer"),
    "revoke": lambda a: role_grant_pb2.RevokeRoleRequest(
        tenant=a.id, subject="user:ada", role="admin"
    ),
}


@pytest.mark.parametrize("build", LOCKING_OUT.values(), ids=LOCKING_OUT)
def test_the_last_admin_stays_until_there_is_another(acme: Account, build: Any) -> None:
    account = only_admin(acme)
    account.grant("vera", "admin", "project:42")
    account.grant("vera", "admin", valid_until={"seconds": 4_000_000_000})
    found = account.server.refuses(build(account), ErrorReason.LAST_ADMIN, says="grant an admin")
    assert found.metadata == {"tenant": account.id}
    account.grant("vera", "admin")
    account.operator.call(build(account))


@pytest.mark.parametrize("build", LOCKING_OUT.values(), ids=LOCKING_OUT)
def test_the_last_admin_of_an_account_that_is_not_open_may_go(acme: Account, build: Any) -> None:
    account = only_admin(acme)
    account.suspend()
    account.operator.call(build(account))


def test_an_admin_that_is_held_back_is_none(acme: Account) -> None:
    account = only_admin(acme)
    account.grant("vera", "admin")
    account.hold_back("vera")
    account.server.refuses(removal(account, "ada"), ErrorReason.LAST_ADMIN)


def test_no_policy_leaves_an_account_without_an_admin_and_its_end_is_not_held_back(
    acme: Account,
) -> None:
    account = only_admin(acme)
    account.put_role("boss", "invoices:view")
    own = role_pb2.Role(id=f"{account.id}/boss", permissions=["invoices:view"], admin=True)
    account.operator.roles.UpdateRole(role_pb2.UpdateRoleRequest(**PUT, role=own))
    account.grant("ada", own.id)
    account.revoke("ada", "admin")
    own.admin = False
    demotion = role_pb2.UpdateRoleRequest(**PUT, role=own)
    account.server.refuses(demotion, ErrorReason.LAST_ADMIN, says=account.id)
    account.add("ben", "admin")
    account.operator.call(demotion)
    account.remove("ada")
    acme.offboard()


def test_a_member_that_a_directory_keeps_is_read_only_to_all_but_those_who_may_override(
    acme: Account, provisioner: Caller
) -> None:
    new = member_pb2.NewMember(
        subject="user:dora", roles=["viewer"], managed_by=member_pb2.MANAGED_BY_SCIM
    )
    added = member_pb2.AddMemberRequest(tenant=acme.id, member=new)
    managed = ErrorReason.MEMBER_MANAGED
    acme.server.refuses(added, managed, at="subject", by=provisioner)
    assert acme.operator.call(added).member.managed_by == member_pb2.MANAGED_BY_SCIM
    for request in (
        suspension(acme, "dora"),
        roles(acme, "dora", "editor"),
        removal(acme, "dora"),
    ):
        found = acme.server.refuses(request, managed, at="subject", by=provisioner)
        assert found.metadata == {"managed_by": "scim"}
    assert acme.may("dora", "invoices:view")
    for request in (
        suspension(acme, "dora", "SCIM"),
        roles(acme, "dora", "editor"),
        removal(acme, "dora"),
    ):
        acme.operator.call(request)


def test_roles_of_a_member_that_a_directory_keeps_are_read_only_to_keys_too(
    acme: Account, provisioner: Caller
) -> None:
    new = member_pb2.NewMember(
        subject="user:dora", roles=["viewer"], managed_by=member_pb2.MANAGED_BY_SCIM
    )
    acme.operator.call(member_pb2.AddMemberRequest(tenant=acme.id, member=new))
    held = acme.grant("dora", "editor", "project:42")
    more = role_grant_pb2.RoleGrant(tenant=acme.id, subject="user:dora", role="admin")
    less = role_grant_pb2.RoleRevocation(tenant=acme.id, subject="user:dora", role="viewer")
    ended = role_grant_pb2.RoleGrant(
        tenant=acme.id, id=held.id, valid_until=timestamp(time.time() + 60)
    )
    mask = FieldMask(paths=["valid_until"])
    revoked = {"tenant": acme.id, "subject": "user:dora", "role": "viewer"}
    requests: list[tuple[Message, str]] = [
        (role_grant_pb2.GrantRoleRequest(role_grant=more), "role_grant.subject"),
        (role_grant_pb2.BatchGrantRolesRequest(role_grants=[more]), "role_grants[0].subject"),
        (made(role_grant_pb2.RevokeRoleRequest, **revoked), "subject"),
        (role_grant_pb2.BatchRevokeRolesRequest(revocations=[less]), "revocations[0].subject"),
        (
            role_grant_pb2.UpdateRoleGrantRequest(role_grant=ended, update_mask=mask),
            "role_grant.id",
        ),
        (role_grant_pb2.DeleteRoleGrantRequest(tenant=acme.id, id=held.id), "id"),
    ]
    managed = ErrorReason.MEMBER_MANAGED
    for request, at in requests:
        acme.server.refuses(request, managed, at=at, says="authz.members:override", by=provisioner)
    for request, _ in requests:
        acme.operator.call(request)
    assert acme.may("dora", "team:manage")


def test_only_known_directories_keep_members(acme: Account) -> None:
    new = member_pb2.NewMember(subject="user:dora", managed_by=member_pb2.ManagedBy.ValueType(9))
    request = member_pb2.AddMemberRequest(tenant=acme.id, member=new)
    acme.server.refuses(
        request, ErrorReason.INVALID_FIELD, at="member.managed_by", says="named values"
    )


def test_members_are_found_by_state_role_beginning_and_owner(acme: Account) -> None:
    def found(**how: Any) -> list[str]:
        answer = acme.members(**how)
        assert answer.total_size == len(answer.members)
        return [each.subject.removeprefix("user:") for each in answer.members]

    acme.hold_back("vera", "RISK")
    acme.invite("user:ivan", "viewer")
    acme.grant("edgar", "admin", "project:42")
    assert found(state=member_pb2.MEMBERSHIP_STATE_SUSPENDED) == ["vera"]
    assert found(state=member_pb2.MEMBERSHIP_STATE_INVITED) == ["ivan"]
    assert found(role="admin") == ["abe", "ada"]
    assert found(subject_prefix="user:a") == ["abe", "ada"]
    assert found(owner=True) == ["ada"]
    assert found(role="admin", subject_prefix="user:ab") == ["abe"]
    assert acme.members(page_size=2).total_size == 5
    request = member_pb2.ListMembersRequest(tenant=acme.id, state=99)  # type: ignore[arg-type]
    acme.server.refuses(request, ErrorReason.INVALID_FIELD, at="state")


def test_revision_of_a_member_is_that_of_its_last_change(acme: Account) -> None:
    opened = acme.member("vera").revision
    acme.hold_back("edgar", "RISK")
    assert acme.member("vera").revision == opened
    granted = acme.set_roles("vera", "editor")
    assert acme.member("vera").revision == granted.revision == granted.member.revision
    acme.revoke("vera", "editor")
    assert acme.member("vera").revision == granted.revision + 1
    listed = {each.subject: each.revision for each in acme.members().members}
    assert listed["user:vera"] == granted.revision + 1
    assert listed["user:ada"] == opened


def test_every_text_of_a_member_is_sent_and_shown(acme: Account) -> None:
    texts = {field.name for field in fields(Membership) if field.type is str}
    assert texts <= set(member_pb2.Member.DESCRIPTOR.fields_by_name)
    assert texts - {"tenant"} <= set(member_pb2.NewMember.DESCRIPTOR.fields_by_name)
    words = {name: f"the {name}" for name in texts - {"tenant", "subject"}}
    new = member_pb2.NewMember(subject="user:nina", **words)  # type: ignore[arg-type] # names
    acme.operator.members.AddMember(member_pb2.AddMemberRequest(tenant=acme.id, member=new))
    member = acme.member("nina")
    assert {name: getattr(member, name) for name in words} == words
    assert member.subject == "user:nina"
