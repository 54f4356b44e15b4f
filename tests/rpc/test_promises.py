"""Invitations hold no longer than the right of who sent them; who owns; who outranks whom."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import Message

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import audit_pb2, invitation_pb2, member_pb2, role_grant_pb2
from tests.rpc.account import Account, subject_of
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Caller, Server
from tests.rpc.test_actors import acting

LACKS: Final = ErrorReason.INVITATION_SENDER_LACKS_RIGHT


@pytest.fixture
def acme(any_server: Server, request: pytest.FixtureRequest) -> Account:
    account = Account(any_server, fresh_name(request.node.name))
    account.onboard("professional", ada=["admin"], ben=["admin"], vera=["viewer"])
    return account


def by(account: Account, who: str) -> Caller:
    """Make a product that acts for somebody."""
    return acting(account.server, subject_of(who))


def invited(account: Account, sender: Caller, *roles: str) -> invitation_pb2.InviteMemberResponse:
    email = f"{fresh_name('who')}@example.com"
    request = invitation_pb2.InviteMemberRequest(tenant=account.id, email=email, roles=roles)
    answer: invitation_pb2.InviteMemberResponse = sender.call(request)
    return answer


def acceptance(account: Account, token: str, who: str = "nina") -> Message:
    return invitation_pb2.AcceptInvitationRequest(
        tenant=account.id, token=token, subject=subject_of(who)
    )


def open_invitations(account: Account) -> dict[str, str]:
    request = invitation_pb2.ListInvitationsRequest(tenant=account.id)
    answer = account.operator.call(request)
    return {each.id: each.invited_by for each in answer.invitations}


def actions(account: Account, prefix: str) -> list[str]:
    request = audit_pb2.ListAuditEntriesRequest(tenant=account.id, action_prefix=prefix)
    return [entry.action for entry in account.operator.call(request).entries]


def removal(account: Account, who: str, **how: Any) -> member_pb2.RemoveMemberRequest:
    return member_pb2.RemoveMemberRequest(tenant=account.id, subject=subject_of(who), **how)


def demotion(
    account: Account, who: str, *left: str, **how: Any
) -> member_pb2.SetMemberRolesRequest:
    subject = subject_of(who)
    return member_pb2.SetMemberRolesRequest(tenant=account.id, subject=subject, roles=left, **how)


def test_removal_of_the_sender_ends_what_it_promised(acme: Account) -> None:
    sent = invited(acme, by(acme, "ben"), "admin")
    staying = invited(acme, by(acme, "ada"), "viewer")
    acme.operator.call(removal(acme, "ben"))
    assert list(open_invitations(acme)) == [staying.invitation.id]
    refused = ErrorReason.INVITATION_TOKEN_REFUSED
    acme.server.refuses(acceptance(acme, sent.token), refused, at="token")
    assert actions(acme, "invitation.sender") == ["invitation.sender_lost_right"]


def test_demotion_ends_only_what_the_sender_could_not_send_any_more(acme: Account) -> None:
    invited(acme, by(acme, "ben"), "admin")
    acme.operator.call(demotion(acme, "ben", "viewer"))
    assert open_invitations(acme) == {}
    request = role_grant_pb2.RevokeRoleRequest(tenant=acme.id, subject="user:ada", role="admin")
    kept = invited(acme, by(acme, "ada"), "viewer")
    acme.add("cleo", "admin")
    acme.transfer("cleo")
    acme.grant("ada", "admin", "project:1")
    acme.operator.call(request)
    assert kept.invitation.id not in open_invitations(acme)


def test_sender_that_keeps_the_right_by_another_grant_keeps_its_invitations(acme: Account) -> None:
    acme.grant("ben", "editor")
    sent = invited(acme, by(acme, "ben"), "viewer")
    acme.revoke("ben", "editor")
    assert list(open_invitations(acme)) == [sent.invitation.id]


def test_by_a_switch_the_caller_takes_over_what_was_promised(acme: Account) -> None:
    sent = invited(acme, by(acme, "ben"), "admin")
    ada = by(acme, "ada")
    ada.call(removal(acme, "ben", hand_over_invitations=True))
    assert open_invitations(acme) == {sent.invitation.id: "user:ada"}
    assert actions(acme, "invitation.handed") == ["invitation.handed_over"]
    joined = acme.accept(sent.token, "nina")
    assert list(joined.roles) == ["admin"]


def test_a_preview_tells_of_the_invitations_that_would_end(acme: Account) -> None:
    sent = invited(acme, by(acme, "ben"), "admin")
    preview = acme.operator.call(removal(acme, "ben", validate_only=True)).preview
    assert sent.invitation.id in {each.id for each in preview.objects}
    assert list(open_invitations(acme)) == [sent.invitation.id]


def test_acceptance_asks_the_sender_again_whatever_took_its_right(acme: Account) -> None:
    sent = invited(acme, by(acme, "ben"), "viewer")
    acme.hold_back("ben")
    found = acme.server.refuses(acceptance(acme, sent.token), LACKS, at="token")
    assert found.metadata["invited_by"] == "user:ben"
    assert "authz.invitations:create" in found.metadata["permissions"]
    acme.let_go("ben")
    assert acme.accept(sent.token, "nina").roles == ["viewer"]


def test_who_resends_an_invitation_answers_for_it(acme: Account) -> None:
    sent = invited(acme, by(acme, "ben"), "viewer")
    resend = invitation_pb2.ResendInvitationRequest(tenant=acme.id, id=sent.invitation.id)
    again = by(acme, "ada").call(resend)
    assert again.invitation.invited_by == "user:ada"
    acme.operator.call(removal(acme, "ben"))
    assert acme.accept(again.token, "nina").roles == ["viewer"]


def test_nobody_joins_an_account_that_is_suspended(acme: Account) -> None:
    sent = acme.invite("nina@example.com", "viewer")
    acme.suspend("BILLING")
    found = acme.server.refuses(
        acceptance(acme, sent.token), ErrorReason.TENANT_SUSPENDED, at="tenant"
    )
    assert found.metadata == {"suspensions": "billing"}
    acme.resume("BILLING")
    assert acme.accept(sent.token, "nina").roles == ["viewer"]


def test_first_admin_by_mail_owns_the_account_and_no_later_one_does(any_server: Server) -> None:
    account = Account(any_server, fresh_name("byMail"))
    account.onboard("professional")
    first = account.invite("first@example.com", "admin")
    second = account.invite("second@example.com", "admin")
    assert account.accept(first.token, "flo").owner
    assert not account.accept(second.token, "sam").owner


def test_owner_hands_over_and_no_other_user_does(acme: Account) -> None:
    request = member_pb2.TransferOwnershipRequest(tenant=acme.id, new_owner="user:ben")
    owner = ErrorReason.NOT_THE_OWNER
    acme.server.refuses(request, owner, by=by(acme, "ben"))
    by(acme, "ada").call(request)
    assert acme.member("ben").owner
    acme.server.refuses(request, owner, by=by(acme, "ada"))


def test_nobody_takes_roles_from_those_above_it(acme: Account) -> None:
    helping = ["authz.members:set_roles", "authz.members:remove"]
    helping += ["authz.role_grants:delete", "authz.members:get", "invoices:view"]
    acme.put_role("helper", *helping)
    helper = f"{acme.id}/helper"
    acme.add("hugo", helper)
    hugo, above = by(acme, "hugo"), ErrorReason.MEMBER_OUTRANKS
    refuses = acme.server.refuses
    refuses(demotion(acme, "ben"), above, by=hugo)
    refuses(removal(acme, "ben"), above, by=hugo)
    revocation = role_grant_pb2.RevokeRoleRequest(tenant=acme.id, subject="user:ben", role="admin")
    refuses(revocation, above, by=hugo)
    hugo.call(demotion(acme, "hugo"))
    assert acme.member("ben").roles == ["admin"]
    by(acme, "ada").call(demotion(acme, "ben", "viewer"))


class History:
    """A random history of one account; who joins was invited by one who could do so right then."""

    def __init__(self, account: Account, random: Random) -> None:
        self.account, self.random = account, random
        self.tokens: list[tuple[str, str]] = []
        self.admitted, self.turned_away = 0, 0
        self.steps: dict[str, Callable[[str], object]] = {
            "invite": self.invite,
            "accept": self.accept,
            "demote": lambda who: account.set_roles(who, "viewer"),
            "promote": lambda who: account.set_roles(who, "admin"),
            "remove": account.remove,
            "add": lambda who: account.add(who, "admin"),
            "hold": account.hold_back,
            "let go": account.let_go,
        }

    def step(self) -> None:
        who, step = self.random.choice(["ben", "cleo"]), self.random.choice([*self.steps])
        member = self.member(who)
        if step in ("invite", "accept") or (member is None) is (step == "add"):
            self.steps[step](who)

    def member(self, who: str) -> member_pb2.Member | None:
        found = self.account.members(subject_prefix=subject_of(who)).members
        return next((each for each in found if each.subject == subject_of(who)), None)

    def may_invite(self, who: str) -> bool:
        found = self.member(who)
        return found is not None and list(found.roles) == ["admin"] and not found.suspensions

    def invite(self, who: str) -> None:
        if self.may_invite(who):
            role = self.random.choice(["viewer", "admin"])
            token = invited(self.account, by(self.account, who), role).token
            self.tokens.append((token, who))

    def accept(self, _: str) -> None:
        if not self.tokens:
            return
        token, sender = self.tokens.pop(self.random.randrange(len(self.tokens)))
        able, newcomer = self.may_invite(sender), fresh_name("n")
        request = acceptance(self.account, token, newcomer)
        try:
            self.account.operator.call(request)
        except grpc.RpcError:
            assert self.member(newcomer) is None
            self.turned_away += 1
            return
        assert able, sender
        self.admitted += 1


def test_nobody_is_admitted_by_a_right_that_the_sender_no_longer_has(server: Server) -> None:
    admitted = turned_away = 0
    for seed in range(4):
        account = Account(server, fresh_name(f"history{seed}"))
        account.onboard("enterprise", ada=["admin"])
        history = History(account, Random(seed))
        for _ in range(60):
            history.step()
        admitted += history.admitted
        turned_away += history.turned_away
    assert min(admitted, turned_away) > 0, (admitted, turned_away)
