"""Invitations through gRPC, on both databases: one token, once, in time, for whom it is meant."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import select

from authz_service.domain.invitation import PREFIX
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import invitation_pb2, member_pb2, role_grant_pb2
from authz_service.store import schema
from tests.rpc import trail
from tests.rpc.account import Account, member, subject_of
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server, serving

NINA: Final = "nina@example.com"
OVER_AT_ONCE: Final = Duration(nanos=1000)
"""A lifetime that is over before the next call."""


@pytest.fixture
def acme(any_server: Server, request: pytest.FixtureRequest) -> Account:
    """Open a tenant on `free`, which has three seats, with its owner in one of them."""
    account = Account(any_server, fresh_name(request.node.name))
    account.onboard("free", ada=["admin"])
    return account


def invitation(account: Account, **whom: Any) -> invitation_pb2.InviteMemberRequest:
    return invitation_pb2.InviteMemberRequest(tenant=account.id, **whom)


def acceptance(
    account: Account, token: str, who: str = "nina"
) -> invitation_pb2.AcceptInvitationRequest:
    return invitation_pb2.AcceptInvitationRequest(
        tenant=account.id, token=token, subject=subject_of(who)
    )


def resend(
    account: Account, sent: invitation_pb2.InviteMemberResponse
) -> invitation_pb2.ResendInvitationResponse:
    request = invitation_pb2.ResendInvitationRequest(tenant=account.id, id=sent.invitation.id)
    return account.operator.invitations.ResendInvitation(request)


def revoke(
    account: Account, sent: invitation_pb2.InviteMemberResponse
) -> invitation_pb2.RevokeInvitationResponse:
    request = invitation_pb2.RevokeInvitationRequest(tenant=account.id, id=sent.invitation.id)
    return account.operator.invitations.RevokeInvitation(request)


def listed(account: Account) -> list[invitation_pb2.Invitation]:
    request = invitation_pb2.ListInvitationsRequest(tenant=account.id)
    answer = account.operator.invitations.ListInvitations(request)
    assert answer.total_size == len(answer.invitations)
    return list(answer.invitations)


def test_whoever_has_the_token_of_an_address_becomes_a_member_with_its_roles(
    acme: Account,
) -> None:
    sent = acme.invite("Nina@Example.com", "viewer", "editor")
    assert sent.token.startswith(PREFIX)
    assert sent.invitation.email == NINA
    assert list(sent.invitation.roles) == ["editor", "viewer"]
    assert sent.invitation.expire_time.seconds - sent.invitation.send_time.seconds == 7 * 86_400
    assert listed(acme) == [sent.invitation]
    assert acme.reason("nina", "invoices:view") == "NOT_A_MEMBER"
    joined = acme.accept(sent.token, "nina")
    assert (joined.state, list(joined.roles)) == (
        member_pb2.MEMBERSHIP_STATE_ACTIVE,
        ["editor", "viewer"],
    )
    assert acme.may("nina", "invoices:create")
    assert listed(acme) == []


def test_an_invited_subject_is_a_member_that_may_nothing_until_it_accepts(acme: Account) -> None:
    sent = acme.invite("nina", "viewer")
    assert acme.member("nina").state == member_pb2.MEMBERSHIP_STATE_INVITED
    assert acme.reason("nina", "invoices:view") == "MEMBERSHIP_INVITED"
    acme.accept(sent.token, "nina")
    assert acme.may("nina", "invoices:view")


def test_every_token_that_opens_nothing_is_refused_alike(acme: Account) -> None:
    used, late = acme.invite("used@example.com"), acme.invite(NINA, lifetime=OVER_AT_ONCE)
    acme.accept(used.token, "ursula")
    meant = acme.invite("meant-for-somebody")
    dead, revoked = meant.token, late.token
    tokens = [used.token, late.token, f"{PREFIX}wrong", "", "é" * 300]
    told = [acme.server.refuses(acceptance(acme, token), *REFUSED) for token in tokens]
    told.append(acme.server.refuses(acceptance(acme, meant.token, "mallory"), *REFUSED))
    resend(acme, meant)
    told.append(acme.server.refuses(acceptance(acme, dead, "meant-for-somebody"), *REFUSED))
    revoke(acme, late)
    told.append(acme.server.refuses(acceptance(acme, revoked), *REFUSED))
    assert told == [told[0]] * len(told)


REFUSED: Final = (ErrorReason.INVITATION_TOKEN_REFUSED, "token", "ask for a new invitation")


def test_a_token_of_one_account_opens_no_other(acme: Account) -> None:
    other = Account(acme.server, f"{acme.id}-2")
    other.onboard("free", ada=["admin"])
    sent = other.invite(NINA, "admin")
    acme.server.refuses(acceptance(acme, sent.token), *REFUSED)


def test_sending_again_makes_a_new_token_and_a_new_end(acme: Account) -> None:
    sent = acme.invite(NINA, "viewer", lifetime=OVER_AT_ONCE)
    (over,) = listed(acme)
    assert over.expired
    again = resend(acme, sent)
    assert (again.invitation.id, again.invitation.expired) == (sent.invitation.id, False)
    assert again.token != sent.token
    acme.server.refuses(acceptance(acme, sent.token), *REFUSED)
    assert list(acme.accept(again.token, "nina").roles) == ["viewer"]


def test_revoking_ends_the_invitation_and_a_membership_that_was_only_invited(
    acme: Account,
) -> None:
    sent = acme.invite("nina", "viewer")
    acme.suspend()
    revoke(acme, sent)
    assert listed(acme) == []
    assert [each.subject for each in acme.members().members] == ["user:ada"]
    gone = invitation_pb2.GetInvitationRequest(tenant=acme.id, id=sent.invitation.id)
    acme.server.refuses(gone, ErrorReason.INVITATION_NOT_FOUND, at="id", says="list the open")


def test_removing_an_invited_member_ends_its_invitation(acme: Account) -> None:
    sent = acme.invite("nina", "viewer")
    acme.remove("nina")
    assert listed(acme) == []
    acme.server.refuses(acceptance(acme, sent.token), *REFUSED)


def test_one_held_back_that_accepts_stays_held_back_until_it_is_let_go(acme: Account) -> None:
    sent = acme.invite("nina", "viewer")
    acme.hold_back("nina", "RISK")
    assert acme.accept(sent.token, "nina").state == member_pb2.MEMBERSHIP_STATE_SUSPENDED
    assert acme.reason("nina", "invoices:view") == "MEMBERSHIP_SUSPENDED"
    acme.let_go("nina", "RISK")
    assert acme.may("nina", "invoices:view")


def test_a_member_that_accepts_gets_the_roles_it_lacks(acme: Account) -> None:
    acme.add("nina", "viewer")
    sent = acme.invite(NINA, "viewer", "editor")
    assert list(acme.accept(sent.token, "nina").roles) == ["editor", "viewer"]
    request = role_grant_pb2.ListRoleGrantsRequest(tenant=acme.id, subject="user:nina")
    assert len(acme.operator.role_grants.ListRoleGrants(request).role_grants) == 2


def test_an_invitation_takes_a_seat_until_it_is_over(acme: Account) -> None:
    acme.invite(NINA, lifetime=OVER_AT_ONCE)
    acme.invite("olga", lifetime=OVER_AT_ONCE)
    first = acme.invite("first@example.com")
    acme.invite("second")
    exhausted = ErrorReason.SEATS_EXHAUSTED
    found = acme.server.refuses(invitation(acme, email="third@example.com"), exhausted)
    assert found.metadata == {"seats": "3", "taken": "3"}
    addition = member_pb2.AddMemberRequest(tenant=acme.id, member=member("vera"))
    acme.server.refuses(addition, exhausted)
    again = invitation_pb2.ResendInvitationRequest(tenant=acme.id, id=listed(acme)[0].id)
    acme.server.refuses(again, exhausted, says="revoke an invitation")
    acme.accept(first.token, "vera")
    acme.server.refuses(invitation(acme, email="third@example.com"), exhausted)
    acme.remove("vera")
    acme.invite("third@example.com")


def test_the_same_person_is_invited_once_at_a_time(acme: Account) -> None:
    sent = acme.invite("nina", email=NINA)
    taken = ErrorReason.INVITATION_EXISTS
    found = acme.server.refuses(invitation(acme, email=NINA.upper()), taken, at="email")
    assert found.metadata == {"id": sent.invitation.id}
    acme.server.refuses(invitation(acme, subject="user:nina"), taken, at="subject")
    acme.accept(sent.token, "nina")
    exists = ErrorReason.MEMBER_EXISTS
    acme.server.refuses(invitation(acme, subject="user:nina"), exists, at="subject")


def test_an_invitation_that_is_over_makes_way_for_another(acme: Account) -> None:
    acme.invite("nina", email=NINA, lifetime=OVER_AT_ONCE)
    again = acme.invite("nina", "viewer")
    assert [each.id for each in listed(acme)] == [again.invitation.id]
    assert list(acme.accept(again.token, "nina").roles) == ["viewer"]


def test_a_subject_that_was_invited_by_its_address_makes_way_for_the_address(
    acme: Account,
) -> None:
    acme.invite("nina", email=NINA, lifetime=OVER_AT_ONCE)
    again = acme.invite(NINA)
    assert acme.members().total_size == 1
    assert [each.id for each in listed(acme)] == [again.invitation.id]


WRONG: Final[dict[str, tuple[dict[str, Any], ErrorReason, str]]] = {
    "nobody": ({}, ErrorReason.INVALID_FIELD, "subject"),
    "service": ({"subject": "service:bot"}, ErrorReason.INVALID_FIELD, "subject"),
    "staff": ({"subject": "staff:sam"}, ErrorReason.STAFF_NOT_ALLOWED, "subject"),
    "address": ({"email": "nina"}, ErrorReason.INVALID_FIELD, "email"),
    "unknown-role": (
        {"email": NINA, "roles": ["astronaut"]},
        ErrorReason.ROLE_NOT_FOUND,
        "roles",
    ),
    "role-not-sold": (
        {"email": NINA, "roles": ["billing-admin"]},
        ErrorReason.ROLE_NOT_ASSIGNABLE,
        "roles",
    ),
    "role-twice": (
        {"email": NINA, "roles": ["viewer", "viewer"]},
        ErrorReason.INVALID_FIELD,
        "roles",
    ),
    "no-time": ({"email": NINA, "lifetime": Duration()}, ErrorReason.INVALID_FIELD, "lifetime"),
    "too-long": (
        {"email": NINA, "lifetime": Duration(seconds=366 * 86_400)},
        ErrorReason.INVALID_FIELD,
        "lifetime",
    ),
}


@pytest.mark.parametrize(("asked", "reason", "field"), WRONG.values(), ids=WRONG)
def test_invitation_that_cannot_be_is_refused(
    acme: Account, asked: dict[str, Any], reason: ErrorReason, field: str
) -> None:
    acme.server.refuses(invitation(acme, **asked), reason, at=field)


def test_token_is_shown_once_and_kept_as_a_hash_alone(acme: Account) -> None:
    asked = invitation(acme, email=NINA, request_id=f"{acme.id}-1")
    asked.validate_only = True
    assert not acme.operator.call(asked).token
    asked.validate_only = False
    sent = acme.operator.call(asked)
    assert not acme.operator.call(asked).token
    again = resend(acme, sent)
    with acme.server.service.database.read() as connection:
        tables = schema.metadata.sorted_tables
        kept = "\n".join(repr(connection.execute(select(each)).all()) for each in tables)
    for token in (sent.token, again.token):
        assert token not in kept
        assert token.removeprefix(PREFIX) not in kept


def test_address_and_token_stand_neither_in_the_audit_nor_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path) as server:
        account = Account(server, "acme")
        account.onboard("free", ada=["admin"])
        sent = account.invite(NINA, "viewer")
        server.refuses(invitation(account, email=NINA), ErrorReason.INVITATION_EXISTS, at="email")
        server.refuses(acceptance(account, "wrong"), *REFUSED)
        again = resend(account, sent)
        account.accept(again.token, "nina")
        audited = json.dumps(trail.entries(server))
    said = "".join(capsys.readouterr())
    assert "invitation.created" in audited
    assert "InviteMember" in said
    for private in ("nina@", sent.token, again.token, "token_hash"):
        assert private not in audited
        assert private not in said


def test_every_fact_that_an_acceptance_changes_is_audited(acme: Account) -> None:
    sent = acme.invite("nina", "viewer", reason="new hire")
    before = trail.mark(acme.server)
    request = acceptance(acme, sent.token)
    request.reason = "clicked"
    acme.operator.call(request)
    added = trail.added(acme.server, before)
    assert [each["action"] for each in added] == [
        *("invitation.accepted", "member.joined", "role.granted")
    ]
    assert {each["reason"] for each in added} == {"clicked"}
    assert added[0]["targets"] == [sent.invitation.id]
    assert added[0]["before"]["invited_by"].startswith("service:key-")


def test_lifetime_that_is_not_asked_is_the_setting(tmp_path: Path) -> None:
    with serving(tmp_path, invitation_days=0.5) as server:
        account = Account(server, "acme")
        account.onboard("free")
        sent = account.invite(NINA).invitation
    assert sent.expire_time.seconds - sent.send_time.seconds == 43_200
