"""Over the wire: what is scheduled is in force from its instant on, for whoever asks whatever."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authz_service.app import door
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import changeset_pb2 as pb
from authz_service.gen.authz.v1 import permission_pb2, role_pb2
from tests.changesets import applying, puts
from tests.rpc.account import Account, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.exported import asked, by_pycasbin, exported
from tests.rpc.harness import TIMELESS, Server, serving
from tests.rpc.test_looking_back import everything
from tests.rpc.test_windows import TICK, Clock
from tests.rpc.trail import added, mark

CREATE = "invoices:create"


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    with pytest.MonkeyPatch.context() as patch:
        made = Clock()
        patch.setattr(door, "now", made)
        patch.setattr(door, "elapsed", lambda: made() / 1_000_000)
        yield made


@pytest.fixture(scope="module")
def server(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve by a clock that the test sets; nothing is read or written but what is asked for."""
    with serving(tmp_path_factory.mktemp("scheduled"), poll_seconds=3600.0, **TIMELESS) as started:
        yield started


@pytest.fixture
def acme(server: Server, clock: Clock) -> Account:
    clock.seconds += 1_000
    account = Account(server, fresh_name("acme"))
    account.onboard("professional", ada=["admin"], vera=["viewer"])
    account.put_role("clerk", "invoices:view")
    account.grant("vera", f"{account.id}/clerk")
    return account


def previewed(
    account: Account, at: float, *permissions: str, **more: Any
) -> pb.ApplyChangesetRequest:
    """Look at what the account's own role is to hold from an instant on, and ask for it."""
    role = role_pb2.Role(id=f"{account.id}/clerk", permissions=permissions)
    changeset = puts(roles=[role])
    changeset.apply_time.CopyFrom(timestamp(at))
    return applying(account.operator.changesets, changeset, **more)


def schedule(
    account: Account, at: float, *permissions: str, **more: Any
) -> pb.ApplyChangesetResponse:
    return account.operator.changesets.ApplyChangeset(previewed(account, at, *permissions, **more))


def test_checks_change_at_the_instant_while_nobody_writes(acme: Account, clock: Clock) -> None:
    at = clock.seconds + 60
    schedule(acme, at, "invoices:view", CREATE)
    revision = acme.server.revision
    question = checks.Question(tenant=acme.id, subject="user:vera", permission=CREATE)
    batch = checks.BatchCheckRequest(questions=[question])
    several = checks.CheckPermissionsRequest(
        tenant=acme.id, subject="user:vera", permissions=[CREATE]
    )
    for moment, expected in ((at - TICK, False), (at, True), (at + 9, True)):
        clock.seconds = moment
        assert acme.may("vera", CREATE) is expected
        assert list(acme.operator.checks.BatchCheck(batch).allowed) == [expected]
        assert list(acme.operator.checks.CheckPermissions(several).allowed) == [expected]
        assert acme.explain("vera", CREATE).allowed is expected
    assert acme.server.revision == revision
    assert acme.server.service.explainer.disagreements == 0


def test_questions_about_the_instant_are_answered_before_as_then_and_after_as_before(
    acme: Account, clock: Clock
) -> None:
    at, before = clock.seconds + 60, everything(acme)
    schedule(acme, at, "invoices:view", CREATE)
    told = everything(acme, at_time=timestamp(at))
    gained = CREATE in told[1], "user:vera" in told[2]
    assert (gained, CREATE in before[1]) == ((True, True), False)
    clock.seconds = at
    assert everything(acme) == told
    assert everything(acme, at_time=timestamp(at - TICK)) == before
    assert acme.server.service.explainer.disagreements == 0


def test_rules_exported_for_the_instant_decide_in_stock_casbin_as_then(
    acme: Account, clock: Clock, tmp_path: Path
) -> None:
    at = clock.seconds + 60
    schedule(acme, at, "invoices:view", CREATE)
    questions = [asked(acme.id, "user:vera", each) for each in ("invoices:view", CREATE)]
    for moment, expected in ((at - TICK, False), (at, True)):
        files = exported(acme.server, tmp_path, at_time=timestamp(moment))
        assert by_pycasbin(*files, questions) == [True, expected]


def test_administration_after_the_instant_finds_it_done_by_who_scheduled_it(
    acme: Account, clock: Clock
) -> None:
    at = clock.seconds + 60
    made = schedule(acme, at, CREATE, reason="prices rise").scheduled
    clock.seconds, before = at, mark(acme.server)
    request = role_pb2.GetRoleRequest(id=f"{acme.id}/clerk")
    role = acme.operator.roles.GetRole(request).role
    assert list(role.permissions) == [CREATE]
    done = [each for each in added(acme.server, before) if each["revision"] == role.revision]
    by_action = {each["action"]: each for each in done}
    came, put = by_action["changeset.came_due"], by_action["role.updated"]
    assert (came["targets"], put["tenant"]) == ([made.id], acme.id)
    assert {put["actor"], came["actor"]} == {made.actor}
    assert {put["reason"], came["reason"]} == {"prices rise"}


def test_server_that_starts_after_the_instant_answers_as_then(clock: Clock, tmp_path: Path) -> None:
    with serving(tmp_path, **TIMELESS) as first:
        account = Account(first, "acme")
        account.onboard("professional", ada=["admin"], vera=["viewer"])
        account.put_role("clerk", "invoices:view")
        account.grant("vera", "acme/clerk")
        at = clock.seconds + 60
        schedule(account, at, CREATE)
    clock.seconds = at
    with serving(tmp_path, poll_seconds=3600.0, **TIMELESS) as second:
        assert Account(second, "acme").may("vera", CREATE)
        assert not Account(second, "acme").may("vera", "invoices:void")


def test_schedule_is_shown_whole_by_its_id_and_short_in_the_list(
    acme: Account, clock: Clock
) -> None:
    request = previewed(acme, clock.seconds + 60, CREATE, reason="prices rise", request_id=acme.id)
    made = acme.operator.changesets.ApplyChangeset(request)
    assert acme.operator.changesets.ApplyChangeset(request) == made
    assert (made.scheduled.reason, made.scheduled.object_count) == ("prices rise", 1)
    ask = acme.operator.changesets
    listed = ask.ListScheduledChangesets(pb.ListScheduledChangesetsRequest())
    assert made.scheduled in listed.scheduled
    assert listed.total_size == len(listed.scheduled)
    one = pb.GetScheduledChangesetRequest(id=made.scheduled.id)
    whole = ask.GetScheduledChangeset(one).scheduled
    assert list(whole.objects) == list(made.objects)
    back = pb.CancelScheduledChangesetRequest(id=made.scheduled.id, reason="not yet")
    assert ask.CancelScheduledChangeset(back).scheduled == whole
    acme.server.refuses(one, ErrorReason.SCHEDULED_CHANGE_NOT_FOUND, at="id")


def test_blocker_names_the_account_that_stands_in_the_way(acme: Account, clock: Clock) -> None:
    made = schedule(acme, clock.seconds + 60, CREATE).scheduled
    acme.offboard()
    one = pb.GetScheduledChangesetRequest(id=made.id)
    found = acme.operator.changesets.GetScheduledChangeset(one).scheduled
    assert (found.blocker.reason, found.object_count) == ("TENANT_STATE_CONFLICT", 0)


def test_instant_that_is_over_is_refused_by_its_field(acme: Account, clock: Clock) -> None:
    changeset = puts(permissions=[permission_pb2.Permission(id="doc:late")])
    changeset.apply_time.CopyFrom(timestamp(clock.seconds))
    for request in (
        pb.PreviewChangesetRequest(changeset=changeset),
        pb.ListChangesetEffectsRequest(changeset=changeset),
    ):
        at = "changeset.apply_time"
        acme.server.refuses(request, ErrorReason.SCHEDULE_IN_PAST, at=at)
