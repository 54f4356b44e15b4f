"""A server with its worker running: what falls due is done without anybody's asking."""

import time
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.app import door
from authz_service.gen.authz.v1 import job_pb2 as pb
from authz_service.gen.authz.v1 import member_pb2, subscription_pb2, tenant_pb2
from tests.jobs.receiver import receiver
from tests.jobs.world import DAY, World, world
from tests.rpc.harness import Server, serving

PATIENCE = 60.0
SECOND = 1_000_000


def instant(at: int) -> Timestamp:
    return Timestamp(seconds=at // SECOND, nanos=at % SECOND * 1000)


def prepared(acme: World, falls_due: int) -> None:
    """Let a trial end in three days, and a tier at an instant."""
    members = [member_pb2.NewMember(subject="user:ada", roles=["admin"])]
    members += [member_pb2.NewMember(subject="user:bob", roles=["viewer", "billing-admin"])]
    acme.server.operator.tenants.OnboardTenant(
        tenant_pb2.OnboardTenantRequest(
            tenant="acme",
            tier="professional",
            trial_end_time=instant(door.now() + 3 * DAY),
            members=members,
        )
    )
    move = subscription_pb2.SetTierRequest(
        tenant="acme", tier="free", effective_time=instant(falls_due)
    )
    acme.server.operator.subscriptions.SetTier(move)


def done(server: Server) -> set[int]:
    found = server.operator.jobs.ListJobs(pb.ListJobsRequest(state=pb.JOB_STATE_DONE)).jobs
    return {job.kind for job in found}


def roles(server: Server) -> list[str]:
    asked = member_pb2.GetMemberRequest(tenant="acme", subject="user:bob")
    return list(server.operator.members.GetMember(asked).member.roles)


def test_worker_gives_notice_and_puts_in_order_what_a_date_leaves(tmp_path: Path) -> None:
    falls_due = door.now() + 3 * SECOND
    with receiver() as told:
        with world(tmp_path) as acme:
            prepared(acme, falls_due)
            acme.endpoint(told.url, "acme", "notice.*")
        running = {"jobs": True, "jobs_silent_seconds": 1.0, "webhook_allow_private": True}
        with serving(tmp_path, **running) as server:
            assert roles(server) == ["billing-admin", "viewer"] or door.now() >= falls_due
            deadline = time.monotonic() + PATIENCE
            while done(server) != {pb.JOB_KIND_WEBHOOK, pb.JOB_KIND_DOWNGRADE}:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert door.now() >= falls_due
            assert roles(server) == ["viewer"]
    assert any(b"notice.trial_ends" in got.body for got in told.got)
