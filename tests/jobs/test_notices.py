"""Notices of what is to happen by itself, once for each thing and number of days."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.app import door
from authz_service.domain.window import Instant
from authz_service.gen.authz.v1 import member_pb2, tenant_pb2
from authz_service.store import jobs as stored
from authz_service.usecases.delivery.notices import ahead, notices
from authz_service.usecases.delivery.outbox import enqueue
from tests.jobs.world import DAY, World, world

DAYS = (7, 1)


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        end = door.now() + 30 * DAY
        made.server.operator.tenants.OnboardTenant(
            tenant_pb2.OnboardTenantRequest(
                tenant="acme",
                tier="professional",
                trial_end_time=Timestamp(seconds=end // 1_000_000),
                members=[member_pb2.NewMember(subject="user:ada", roles=["admin"])],
            )
        )
        made.ahead = 0
        yield made


def given(acme: World, days_before: float) -> list[str]:
    """Look for notices so many days before the trial ends; name those that are new."""
    index = acme.server.service.replica.index
    (edge,) = {p.window.valid_until for p in index.tenants["acme"].fact.periods[:1]}
    now: Instant = edge - int(days_before * DAY)
    database = acme.server.service.database
    with database.read() as connection:
        found = list(ahead(connection, index, now, now + max(DAYS) * DAY))
    due = list(notices(index, found, now, DAYS, True, door.new_id))
    with database.write() as connection:
        return [job.subject for job in due if enqueue(connection, acme.queue, job, now)]


def test_notice_of_a_trials_end_is_given_at_each_number_of_days_and_once(acme: World) -> None:
    assert given(acme, 10) == []
    assert given(acme, 6.5) == ["notice.trial_ends"]
    assert given(acme, 3) == []
    assert given(acme, 0.5) == ["notice.trial_ends"]
    assert given(acme, 0.2) == []
    assert given(acme, -1) == []


def test_what_is_found_late_is_told_once(acme: World) -> None:
    assert given(acme, 0.5) == ["notice.trial_ends"]
    assert given(acme, 0.4) == []


def test_endpoint_that_listens_is_told(acme: World) -> None:
    acme.endpoint("https://crm.invalid/", "acme", "notice.*")
    assert given(acme, 6) == ["notice.trial_ends"] * 2
    with acme.server.service.database.read() as connection:
        kinds = {job.kind.value for job in stored.page(connection, 0, 10)}
    assert kinds == {"mail.notice", "webhook"}
