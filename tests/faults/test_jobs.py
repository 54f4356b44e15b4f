"""`kill -9` between a commit and its job, and amid a job: nothing is lost, and at most one mail is
sent twice. Several processes share the work.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import Channel
from sqlalchemy import text

from authz_service.app import setup
from authz_service.cli.demo.throwaway_server import Trial, trial_server
from authz_service.config import Settings
from authz_service.gen.authz.v1 import invitation_pb2, member_pb2, tenant_pb2
from authz_service.gen.authz.v1 import job_pb2 as pb
from authz_service.gen.authz.v1 import webhook_pb2 as webhooks
from authz_service.gen.authz.v1.invitation_pb2_grpc import InvitationServiceStub
from authz_service.gen.authz.v1.job_pb2_grpc import JobServiceStub
from authz_service.gen.authz.v1.tenant_pb2_grpc import TenantServiceStub
from authz_service.gen.authz.v1.webhook_pb2_grpc import WebhookServiceStub
from authz_service.store.database import Database
from tests.jobs.mail_server import MailServer, mail_server
from tests.jobs.receiver import receiver

TENANT = "acme"
PATIENCE = 60.0


def eventually(happened: Callable[[], object], what: str) -> None:
    """Return when it has happened. Each look is a call, which is audited: not too many."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE:g} s"
        time.sleep(0.1)


class Operator:
    """Calls a server as its first operator."""

    def __init__(self, channel: Channel, key: str) -> None:
        self._how: dict[str, Any] = {
            "metadata": (("authorization", f"Bearer {key}"),),
            "timeout": 20.0,
        }
        self._tenants = TenantServiceStub(channel)
        self._invitations = InvitationServiceStub(channel)
        self._jobs = JobServiceStub(channel)
        self._webhooks = WebhookServiceStub(channel)

    def onboard(self) -> None:
        member = member_pb2.NewMember(subject="user:ada", roles=["admin"])
        self._tenants.OnboardTenant(
            tenant_pb2.OnboardTenantRequest(tenant=TENANT, tier="professional", members=[member]),
            **self._how,
        )

    def invite(self, number: int) -> None:
        request = invitation_pb2.InviteMemberRequest(
            tenant=TENANT, email=f"user-{number}@example.com", roles=["viewer"]
        )
        self._invitations.InviteMember(request, **self._how)

    def listen(self, url: str) -> None:
        endpoint = webhooks.Endpoint(url=url, kinds=["invitation.created"])
        self._webhooks.CreateEndpoint(
            webhooks.CreateEndpointRequest(tenant=TENANT, endpoint=endpoint), **self._how
        )

    def states(self) -> Counter[str]:
        found = self._jobs.ListJobs(pb.ListJobsRequest(page_size=1000), **self._how).jobs
        return Counter(pb.JobState.Name(job.state) for job in found)

    def done(self) -> int:
        return self.states()["JOB_STATE_DONE"]


@contextmanager
def operator_of(server: Trial) -> Iterator[Operator]:
    with grpc.insecure_channel(server.admin_address) as channel:
        yield Operator(channel, server.key)


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/authz.db"
    found = str(request.getfixturevalue("postgres_url"))
    setup.migrate(Settings(database_url=found))
    return found


def mailing(url: str, port: int) -> dict[str, str]:
    return {
        "AUTHZ_DATABASE_URL": url,
        "AUTHZ_SMTP_HOST": "127.0.0.1",
        "AUTHZ_SMTP_PORT": str(port),
        "AUTHZ_SMTP_TLS": "none",
        "AUTHZ_SMTP_SECONDS": "30",
        "AUTHZ_MAIL_FROM": "access@acme.example",
        "AUTHZ_PUBLIC_URL": "https://app.example/join",
        "AUTHZ_MAIL_RETRY_SECONDS": "[1, 1, 1]",
        "AUTHZ_JOBS_SILENT_SECONDS": "2",
    }


def killed(server: Trial) -> None:
    server.process.kill()
    server.process.wait()


def queued(url: str) -> int:
    """Count the attempts that DBOS knows of."""
    database = Database(url)
    table = "workflow_status" if database.dialect == "sqlite" else "dbos.workflow_status"
    with database.read() as connection:
        found = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    database.close()
    return int(found)


def test_kill_between_commit_and_job_loses_no_mail(
    mails: MailServer, url: str, tmp_path: Path
) -> None:
    settings = mailing(url, mails.port)
    idle = {**settings, "AUTHZ_JOBS": "false"}
    with trial_server(tmp_path, idle) as server, operator_of(server) as operator:
        operator.onboard()
        for number in range(5):
            operator.invite(number)
        killed(server)
    assert mails.inbox.tries == 0
    assert queued(url) == 5
    with trial_server(tmp_path, settings) as server, operator_of(server) as operator:
        eventually(lambda: operator.done() == 5, "all mails sent")
    assert Counter(mails.inbox.recipients) == {f"user-{n}@example.com": 1 for n in range(5)}


def test_kill_amid_a_mail_sends_it_once_more_at_most(
    mails: MailServer, url: str, tmp_path: Path
) -> None:
    """The server dies while the mail server is taking the mail, which arrives all the same."""
    settings = mailing(url, mails.port)
    mails.inbox.slow = 1.5
    with trial_server(tmp_path, settings) as server, operator_of(server) as operator:
        operator.onboard()
        operator.invite(0)
        eventually(lambda: mails.inbox.tries == 1, "the mail is on its way")
        killed(server)
    mails.inbox.slow = 0.0
    with trial_server(tmp_path, settings) as server, operator_of(server) as operator:
        eventually(lambda: operator.done() == 1, "the mail is sent")
    assert mails.inbox.tries == 2
    assert 1 <= len(mails.inbox.mails) <= 2
    assert len({mail["message-id"] for mail in mails.inbox.mails}) == 1


def test_rolled_back_change_enqueues_nothing(mails: MailServer, url: str, tmp_path: Path) -> None:
    settings = mailing(url, mails.port)
    with trial_server(tmp_path, settings) as server, operator_of(server) as operator:
        operator.onboard()
        operator.invite(0)
        with pytest.raises(grpc.RpcError):
            operator.invite(0)
        eventually(lambda: operator.done() == 1, "the one mail is sent")
    assert queued(url) == 1


def test_two_processes_share_the_work_and_one_goes_on_for_a_dead_one(
    mails: MailServer, postgres_url: str, tmp_path: Path
) -> None:
    setup.migrate(Settings(database_url=postgres_url))
    mails.inbox.slow = 0.3
    settings = mailing(postgres_url, mails.port)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with trial_server(folders[0], settings) as first, operator_of(first) as operator:
        shared: Mapping[str, str] = {**settings, "AUTHZ_KEY_FILE": str(folders[0] / "operator.key")}
        with trial_server(folders[1], shared) as second, operator_of(second) as other:
            operator.onboard()
            for number in range(20):
                (operator if number % 2 else other).invite(number)
            eventually(lambda: len(workers(postgres_url)) == 2, "both have worked")
            killed(second)
        eventually(lambda: operator.done() == 20, "every mail is sent")
    sent = Counter(mails.inbox.recipients)
    assert set(sent) == {f"user-{n}@example.com" for n in range(20)}
    assert max(sent.values()) <= 2
    # Of those that the dead process had begun, four at most.
    assert sum(sent.values()) <= 24


def workers(url: str) -> set[str]:
    database = Database(url)
    query = text("SELECT DISTINCT executor_id FROM dbos.workflow_status WHERE status = 'SUCCESS'")
    with database.read() as connection:
        found = set(connection.execute(query).scalars())
    database.close()
    return found


def test_webhook_is_delivered_by_a_server_and_waits_for_nobody(url: str, tmp_path: Path) -> None:
    settings = {
        "AUTHZ_DATABASE_URL": url,
        "AUTHZ_WEBHOOK_ALLOW_PRIVATE": "true",
        "AUTHZ_WEBHOOK_RETRY_SECONDS": "[1, 1]",
        "AUTHZ_JOBS_SILENT_SECONDS": "2",
    }
    with (
        receiver() as endpoint,
        trial_server(tmp_path, settings) as server,
        operator_of(server) as operator,
    ):
        endpoint.status = 503
        operator.onboard()
        operator.listen(endpoint.url)
        operator.invite(0)
        eventually(lambda: len(endpoint.got) == 1, "it was tried")
        endpoint.status = 200
        eventually(lambda: operator.done() == 1, "it was delivered")
        assert len({got.headers["webhook-id"] for got in endpoint.got}) == 1
