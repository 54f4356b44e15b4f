"""Invitation and welcome mails, received by a real mail server."""

import re
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authz_service.app import setup
from authz_service.config import Settings
from authz_service.domain.job import JobReason, JobState
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import audit_pb2 as audit
from authz_service.gen.authz.v1 import invitation_pb2
from authz_service.gen.authz.v1 import job_pb2 as pb
from tests.jobs.mail_server import Inbox, MailServer, mail_server
from tests.jobs.world import World, world
from tests.rpc.certificates import Authority, files

LATER = (60.0, 300.0)


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/authz.db"
    url = str(request.getfixturevalue("postgres_url"))
    setup.migrate(Settings(database_url=url))
    return url


def mailing(server: MailServer, **more: Any) -> dict[str, Any]:
    return {
        "smtp_host": "127.0.0.1",
        "smtp_port": server.port,
        "smtp_tls": "none",
        "smtp_seconds": 5.0,
        "mail_from": "Acme <access@acme.example>",
        "public_url": "https://app.example/join",
        "mail_retry_seconds": LATER,
        **more,
    }


@pytest.fixture
def acme(mails: MailServer, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, **mailing(mails)) as made:
        made.onboard("acme", "ada")
        yield made


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def token_of(mail: EmailMessage) -> str:
    (link,) = re.findall(r"https://app\.example/join\S+", text_of(mail))
    (token,) = parse_qs(urlsplit(link).query)["token"]
    return str(token)


def test_invitation_is_mailed_with_a_link_that_works_once(
    mails: MailServer, tmp_path: Path, database: str
) -> None:
    with world(tmp_path, database_url=database, **mailing(mails)) as acme:
        acme.onboard("acme", "ada")
        acme.invite("ivan@example.com")
        assert acme.attempt_all() == [JobState.DONE]
        (mail,) = mails.inbox.mails
        assert mails.inbox.recipients == ["ivan@example.com"]
        assert mail["from"] == "Acme <access@acme.example>"
        assert mail["subject"] == "You are invited to Acme"
        assert "viewer" in text_of(mail)
        assert token_of(mail) in text_of(mail, "html")
        assert acme.accept(token_of(mail), "ivan").subject == "user:ivan"
        with pytest.raises(Exception, match="no open invitation"):
            acme.accept(token_of(mail), "ivan")


def test_first_invitation_to_an_empty_account_is_a_welcome(mails: MailServer, acme: World) -> None:
    acme.onboard("newcomer")
    acme.invite("boss@newcomer.example", "newcomer")
    (job,) = acme.jobs()
    assert job.kind == pb.JOB_KIND_WELCOME
    acme.attempt_all()
    assert mails.inbox.mails[0]["subject"] == "Welcome to Newcomer"


def test_token_that_the_caller_was_shown_goes_on_working(mails: MailServer, acme: World) -> None:
    shown = acme.invite("ivan@example.com").token
    acme.attempt_all()
    assert token_of(mails.inbox.mails[0]) != shown
    assert acme.accept(shown, "ivan").subject == "user:ivan"


def test_no_token_of_a_mail_is_kept_anywhere(
    mails: MailServer, acme: World, tmp_path: Path
) -> None:
    acme.invite("ivan@example.com")
    acme.attempt_all()
    token = token_of(mails.inbox.mails[0]).encode()
    acme.server.service.database.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("authz.db*"))
    assert len(kept) > 10_000
    assert token not in kept


def test_resent_invitation_is_mailed_again_and_only_its_new_link_works(
    mails: MailServer, acme: World
) -> None:
    invited = acme.invite("ivan@example.com").invitation
    acme.attempt_all()
    acme.server.operator.invitations.ResendInvitation(
        invitation_pb2.ResendInvitationRequest(tenant="acme", id=invited.id)
    )
    assert acme.attempt_all() == [JobState.DONE]
    first, second = map(token_of, mails.inbox.mails)
    with pytest.raises(Exception, match="no open invitation"):
        acme.accept(first, "ivan")
    acme.accept(second, "ivan")


def test_revoked_invitation_is_not_mailed(mails: MailServer, acme: World) -> None:
    invited = acme.invite("ivan@example.com").invitation
    acme.server.operator.invitations.RevokeInvitation(
        invitation_pb2.RevokeInvitationRequest(tenant="acme", id=invited.id)
    )
    assert acme.attempt_all() == [JobState.DEAD]
    assert acme.jobs()[0].reason == pb.JOB_REASON_INVITATION_ENDED
    assert mails.inbox.tries == 0


def test_invitation_whose_time_is_over_is_not_mailed(mails: MailServer, acme: World) -> None:
    acme.invite("ivan@example.com")
    invited = acme.server.service.replica.index.tenants["acme"].invitations.values()
    end = next(iter(invited)).expires_at
    acme.server.service.store._clock = lambda: end
    assert acme.attempt_all() == [JobState.DEAD]
    assert mails.inbox.tries == 0


def test_mail_says_in_the_audit_that_a_link_was_made_and_nothing_secret(
    mails: MailServer, acme: World
) -> None:
    acme.invite("ivan@example.com")
    acme.attempt_all()
    request = audit.ListAuditEntriesRequest(tenant="acme", page_size=1000)
    entries = acme.server.operator.audit.ListAuditEntries(request).entries
    (made,) = [each for each in entries if each.action == "invitation.link_made"]
    assert made.actor == "service:jobs"
    (change,) = made.changes
    assert change.after.invitation.id == change.before.invitation.id != ""
    assert "hash" not in made.canonical_json.replace("prev_hash", "")
    assert "ivan@" not in str(made)


def test_validated_invitation_mails_nothing(mails: MailServer, acme: World) -> None:
    acme.server.operator.invitations.InviteMember(
        invitation_pb2.InviteMemberRequest(
            tenant="acme", email="ivan@example.com", roles=["viewer"], validate_only=True
        )
    )
    assert acme.jobs() == []


def test_repeated_request_mails_once(mails: MailServer, acme: World) -> None:
    request = invitation_pb2.InviteMemberRequest(
        tenant="acme", email="ivan@example.com", roles=["viewer"], request_id="once"
    )
    for _ in range(2):
        acme.server.operator.invitations.InviteMember(request)
    assert len(acme.jobs()) == 1


def test_without_a_mail_server_nothing_is_enqueued(tmp_path: Path) -> None:
    with world(tmp_path) as acme:
        acme.onboard("acme", "ada")
        acme.invite("ivan@example.com")
        assert acme.jobs() == []


def delay(acme: World, turn: int) -> float:
    """Tell after how many seconds the last enqueued attempt, of that turn, is to be made."""
    _, enqueued, seconds = acme.queue.put_[-1]
    assert enqueued == turn
    return seconds


def down(inbox: Inbox) -> None:
    inbox.refusal = "451 come back later"


def refusing(inbox: Inbox) -> None:
    inbox.refusal = "554 we do not like you"


def refusing_recipient(inbox: Inbox) -> None:
    inbox.refuse_recipient = "550 nobody of that name"


def dropping(inbox: Inbox) -> None:
    inbox.hang_up = True


def slow(inbox: Inbox) -> None:
    inbox.slow = 3.0


@pytest.mark.parametrize(
    ("trouble", "reason", "said"),
    [
        (down, JobReason.MAIL_SERVER_REFUSED, "451 come back later"),
        (refusing, JobReason.MAIL_SERVER_REFUSED, "554 we do not like you"),
        (refusing_recipient, JobReason.MAIL_SERVER_REFUSED, "550 nobody of that name"),
        (dropping, JobReason.MAIL_DROPPED, "Connection unexpectedly closed"),
        (slow, JobReason.MAIL_DROPPED, "timed out"),
    ],
)
def test_mail_that_is_not_taken_is_tried_again_later_and_at_last_given_up(
    mails: MailServer, tmp_path: Path, trouble: Any, reason: JobReason, said: str
) -> None:
    trouble(mails.inbox)
    with world(tmp_path, **mailing(mails, smtp_seconds=0.7)) as acme:
        acme.onboard("acme", "ada")
        acme.invite("ivan@example.com")
        assert acme.attempt_all() == [JobState.PENDING]
        (job,) = acme.jobs()
        kept = acme.stored(job.id)
        assert (kept.reason, kept.attempts, kept.turn) == (reason, 1, 2)
        assert said in kept.message
        assert "ivan@" not in kept.message
        assert delay(acme, 2) == pytest.approx(LATER[0], abs=1)
        assert acme.attempt_all() == [JobState.PENDING]
        assert delay(acme, 3) == pytest.approx(LATER[1], abs=1)
        assert acme.attempt_all() == [JobState.DEAD]
        assert mails.inbox.mails == []
        invited = acme.server.operator.invitations.ListInvitations(
            invitation_pb2.ListInvitationsRequest(tenant="acme")
        )
        assert len(invited.invitations) == 1


def test_mail_server_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    with mail_server() as gone:
        settings = mailing(gone)
    with world(tmp_path, **settings) as acme:
        acme.onboard("acme", "ada")
        acme.invite("ivan@example.com")
        assert acme.attempt_all() == [JobState.PENDING]
        assert acme.jobs()[0].reason == pb.JOB_REASON_MAIL_SERVER_UNREACHABLE


def test_dead_mail_is_sent_when_it_is_retried(mails: MailServer, acme: World) -> None:
    refusing(mails.inbox)
    acme.invite("ivan@example.com")
    while acme.attempt_all() != [JobState.DEAD]:
        pass
    mails.inbox.refusal = ""
    (job,) = acme.jobs()
    acme.server.operator.jobs.RetryJob(pb.RetryJobRequest(id=job.id, reason="it is up again"))
    assert acme.attempt_all() == [JobState.DONE]
    acme.accept(token_of(mails.inbox.mails[0]), "ivan")


def test_attempt_of_an_earlier_turn_does_nothing(mails: MailServer, acme: World) -> None:
    acme.invite("ivan@example.com")
    (job,) = acme.jobs()
    assert acme.runner().attempt(job.id, 1) is JobState.DONE
    assert acme.runner().attempt(job.id, 1) is None
    assert acme.runner().attempt(job.id, 2) is None
    assert len(mails.inbox.mails) == 1


def test_attempts_whose_process_died_count_and_end(mails: MailServer, acme: World) -> None:
    """A worker that was killed between an attempt's beginning and its end leaves it begun."""
    acme.invite("ivan@example.com")
    (job,) = acme.jobs()
    for _ in range(len(LATER) + 1):
        assert acme.runner()._begin(job.id, 1) is not None
    assert acme.runner().attempt(job.id, 1) is JobState.DEAD
    assert acme.job(job.id).reason == pb.JOB_REASON_CRASHED
    assert mails.inbox.mails == []


def test_mail_goes_by_tls_to_a_server_that_is_trusted_with_user_and_password(
    tmp_path: Path,
) -> None:
    authority = Authority()
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority.pem)
    served = files(tmp_path, "mail", authority.sign())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(served.certificate, served.key)
    with mail_server(context, login=("me", "secret")) as server:
        settings = mailing(server, smtp_tls="starttls", smtp_user="me", smtp_password="secret")
        with world(tmp_path, **settings, smtp_ca=trusted) as acme:
            acme.onboard("acme", "ada")
            acme.invite("ivan@example.com")
            assert acme.attempt_all() == [JobState.DONE]
        with world(tmp_path, **settings) as acme:
            acme.invite("vera@example.com")
            assert acme.attempt_all() == [JobState.PENDING]
            assert "certificate" in acme.jobs()[0].message.lower()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"public_url": ""}, "AUTHZ_PUBLIC_URL"),
        ({"mail_from": ""}, "AUTHZ_MAIL_FROM"),
        ({"smtp_host": "mail.example", "smtp_user": "me"}, "AUTHZ_SMTP_TLS"),
    ],
)
def test_server_does_not_start_with_settings_that_can_send_no_mail(
    mails: MailServer, tmp_path: Path, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as refused, world(tmp_path, **mailing(mails, **wrong)):
        pass
    assert (refused.value.reason, refused.value.field) == (ErrorReason.INVALID_FIELD, field)
