"""A served account, with jobs that tests do by hand: no time passes, and nothing runs beside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from authz_service.app import door
from authz_service.config import Settings
from authz_service.domain.job import Job, JobState
from authz_service.domain.window import Instant
from authz_service.gen.authz.v1 import invitation_pb2, member_pb2, tenant_pb2
from authz_service.gen.authz.v1 import job_pb2 as pb
from authz_service.gen.authz.v1 import webhook_pb2 as webhooks
from authz_service.jobs.composing import Door, Jobs
from authz_service.store import jobs as stored
from authz_service.usecases.delivery.attempts import JobRunner
from tests.rpc.harness import Server, serving

DAY = 86_400_000_000


class HandQueue:
    """Where attempts wait for a test to make them."""

    def __init__(self) -> None:
        self.put_: list[tuple[str, int, float]] = []

    def put(self, connection: Connection, job: Job, delay: float) -> None:
        self.put_.append((job.id, job.turn, delay))


@dataclass
class World:
    server: Server
    settings: Settings
    ahead: Instant = 0
    """How far this world's clock is ahead of the server's."""
    queue: HandQueue = field(default_factory=HandQueue)

    def now(self) -> Instant:
        return door.now() + self.ahead

    def runner(self) -> JobRunner:
        """Make what does jobs, with this world's clock, no jitter and retries kept for the test."""
        outside = Door(self.now, door.new_id, door.new_secret, lambda: 0.0)
        service = self.server.service
        jobs = Jobs(self.settings, service.database.url, outside)
        fetcher = service._parts.fetcher
        crafts = jobs._handlers(service.store, lambda: service.replica.index, fetcher)
        return JobRunner(service.database, self.queue, crafts, self.now, lambda: 0.0)

    def attempt(self, job: str) -> JobState | None:
        found = self.stored(job)
        return self.runner().attempt(job, found.turn)

    def attempt_all(self) -> list[JobState | None]:
        """Make an attempt at every job that waits, oldest first."""
        waiting = [each.id for each in self.jobs(state=pb.JOB_STATE_PENDING)]
        return [self.attempt(job) for job in reversed(waiting)]

    def stored(self, job: str) -> Job:
        with self.server.service.database.read() as connection:
            found = stored.find(connection, job)
        assert found is not None
        return found

    def jobs(self, **wanted: Any) -> list[pb.Job]:
        return list(self.server.operator.jobs.ListJobs(pb.ListJobsRequest(**wanted)).jobs)

    def job(self, job: str) -> pb.Job:
        return self.server.operator.jobs.GetJob(pb.GetJobRequest(id=job)).job

    def onboard(self, tenant: str = "acme", *members: str) -> None:
        self.server.operator.tenants.OnboardTenant(
            tenant_pb2.OnboardTenantRequest(
                tenant=tenant,
                display_name=tenant.title(),
                tier="professional",
                members=[
                    member_pb2.NewMember(subject=f"user:{each}", roles=["admin"])
                    for each in members
                ],
            )
        )

    def invite(self, email: str, tenant: str = "acme") -> invitation_pb2.InviteMemberResponse:
        request = invitation_pb2.InviteMemberRequest(tenant=tenant, email=email, roles=["viewer"])
        return self.server.operator.invitations.InviteMember(request)

    def accept(self, token: str, subject: str, tenant: str = "acme") -> member_pb2.Member:
        request = invitation_pb2.AcceptInvitationRequest(
            tenant=tenant, token=token, subject=f"user:{subject}"
        )
        return self.server.operator.invitations.AcceptInvitation(request).member

    def endpoint(self, url: str, tenant: str = "", *kinds: str) -> webhooks.CreateEndpointResponse:
        return self.server.operator.webhooks.CreateEndpoint(
            webhooks.CreateEndpointRequest(
                tenant=tenant, endpoint=webhooks.Endpoint(url=url, kinds=kinds)
            )
        )


@contextmanager
def world(folder: Path, **settings: Any) -> Iterator[World]:
    """Serve without a worker, with webhooks to this machine allowed."""
    chosen = {"webhook_allow_private": True, "jobs": False, **settings}
    with serving(folder, **chosen) as server:
        yield World(server, server.settings)


Make = Callable[..., World]
