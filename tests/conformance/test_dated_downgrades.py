"""What the dates of an account leave to be put in order: on each database, by a job that nobody has
to wait for, and that does nothing if the date has moved.
"""

from dataclasses import replace
from typing import Final

import pytest
from sqlalchemy import Connection

from authz_service.domain.billing_policy import Downgrade, Excess
from authz_service.domain.catalog import Limit
from authz_service.domain.job import Again, Done, Job, JobKind, JobReason, Outcome
from authz_service.domain.schedule import ScheduledKind, scheduled
from authz_service.domain.window import Instant, Window
from authz_service.errors import AuthzError, ErrorReason
from authz_service.store import jobs
from authz_service.usecases.delivery.downgrade_jobs import DowngradeJobs
from authz_service.usecases.delivery.outbox import Outbox
from authz_service.usecases.members import members
from authz_service.usecases.tenants import scheduled_changes, subscriptions
from authz_service.usecases.tenants.onboarding import SetTier, set_tier
from tests.conformance.event_world import EventWorld, billing_policy, decide_by
from tests.conformance.store_world import StoreWorld
from tests.conformance.tenant_world import DAY
from tests.conformance.test_tier_change import Moving, refused

SUSPEND: Final = Downgrade(
    order=("free", "professional", "enterprise"),
    limits={"seats": Excess.SUSPEND_NEWEST},
    roles={"billing-admin": ""},
)


SEVEN: Final = {"quantity": 7}


class NoQueue:
    def put(self, connection: Connection, job: Job, delay: float) -> None:
        raise AssertionError("a dated job is enqueued by a worker, when its instant has come")


class Dated(Moving):
    """`acme` on `professional` with five members, one of them a billing admin."""

    downgrade = SUSPEND

    def jobs(self) -> list[Job]:
        with self.world.database.read() as connection:
            found = jobs.page(connection, 0, 100)
        return sorted(found, key=lambda job: job.next_at)

    def attempt(self, job: Job) -> Outcome:
        decide_by(self.world, replace(billing_policy(), downgrade=self.downgrade))
        return DowngradeJobs(self.world.store).attempt(job)

    def attempted(self, at: Instant) -> str:
        """Let an instant come and do what is due; say what was done."""
        self.wait(at)
        (job,) = (each for each in self.jobs() if each.next_at == at)
        outcome = self.attempt(job)
        assert isinstance(outcome, Done)
        return outcome.message


@pytest.fixture
def acme(store_world: StoreWorld) -> Dated:
    store_world.store._outbox = Outbox(NoQueue(), mailing=False)
    made = Dated(store_world)
    made.add("carl", "dora", "emil")
    made.grant("carl", "billing-admin")
    return made


def test_dated_move_leaves_a_job_for_its_instant_in_the_same_transaction(acme: Dated) -> None:
    acme.move("free", acme.now + DAY)
    (job,) = acme.jobs()
    assert (job.kind, job.tenant, job.next_at) == (JobKind.DOWNGRADE, "acme", acme.now + DAY)


def test_move_that_is_not_made_leaves_no_job(acme: Dated) -> None:
    move = SetTier(tenant="acme", tier="free", at=acme.now + DAY)
    acme.do(set_tier, move, validate_only=True)
    with pytest.raises(AuthzError):
        acme.do(set_tier, replace(move, tier="gold"))
    assert acme.jobs() == []


def test_job_puts_in_order_what_the_smaller_tier_has_no_room_for(acme: Dated) -> None:
    acme.move("free", at := acme.now + DAY)
    said = acme.attempted(at)
    assert "user:emil suspended, no seat" in said
    assert acme.held_back() == ["user:dora", "user:emil"]
    assert acme.roles_of("carl") == {"editor"}
    (action, entry), *_ = acme.actions()
    assert action == "member.suspended"
    assert '"reason":"downgrade policy: tier:free@' in entry
    assert '"actor":"service:jobs"' in entry


def test_smaller_tier_holds_from_its_instant_on_without_any_worker(acme: Dated) -> None:
    acme.move("free", at := acme.now + DAY)
    acme.wait(at - 1)
    assert acme.reason("ada", "invoices:export") == "ALLOWED"
    acme.wait(at)
    assert acme.reason("ada", "invoices:export") == "ENTITLEMENT_EXPIRED"
    assert acme.limit("seats") == 3
    found = refused(lambda: acme.add("fred"))
    assert found.reason is ErrorReason.SEATS_EXHAUSTED
    found = refused(lambda: acme.grant("vera", "billing-admin"))
    assert found.reason is ErrorReason.ROLE_NOT_ASSIGNABLE


def test_job_made_again_changes_nothing(acme: Dated) -> None:
    acme.move("free", at := acme.now + DAY)
    acme.attempted(at)
    before = acme.world.index.revision
    assert acme.attempted(at) == "all fits"
    assert acme.world.index.revision == before


def test_job_that_comes_too_early_waits(acme: Dated) -> None:
    acme.move("free", acme.now + DAY)
    acme.wait(acme.now + DAY - 1)
    outcome = acme.attempt(acme.jobs()[0])
    assert isinstance(outcome, Again)
    assert outcome.reason is JobReason.NOT_DUE
    assert acme.held_back() == []


def test_date_that_was_moved_takes_the_old_job_nowhere(acme: Dated) -> None:
    old, new = acme.now + DAY, acme.now + 3 * DAY
    acme.move("free", old)
    acme.move("free", new)
    assert [job.next_at for job in acme.jobs()] == [old, new]
    assert "does not change" in acme.attempted(old)
    assert acme.held_back() == []
    acme.attempted(new)
    assert acme.held_back() == ["user:dora", "user:emil"]


def test_date_that_was_taken_back_leaves_a_smaller_tier_as_it_is(acme: Dated) -> None:
    """Also where somebody has decided since to let everybody be."""
    acme.move("free", at := acme.now + DAY)
    (id_,) = acme.scheduled()
    acme.do(
        scheduled_changes.cancel_scheduled_change,
        scheduled_changes.OneScheduled(tenant="acme", id=id_),
    )
    acme.move("free")
    assert "does not change" in acme.attempted(at)
    assert acme.held_back() == []


def test_add_on_gives_seats_and_takes_them_by_its_dates(acme: Dated) -> None:
    acme.shift("free", SUSPEND)
    start, end = acme.now + DAY, acme.now + 2 * DAY
    wanted = subscriptions.AddAddOn(tenant="acme", add_on="extra-seats", window=Window(start, end))
    acme.do(subscriptions.add_add_on, wanted)
    acme.attempted(start)
    assert acme.held_back() == []
    acme.attempted(end)
    assert acme.held_back() == ["user:dora", "user:emil"]


def test_account_that_has_ended_is_left_alone(acme: Dated) -> None:
    acme.move("free", at := acme.now + DAY)
    acme.offboard()
    before = acme.world.index.revision
    assert "does not change" in acme.attempted(at)
    assert acme.world.index.revision == before


def test_policy_that_cannot_be_carried_out_is_tried_again_and_changes_nothing(
    acme: Dated,
) -> None:
    acme.move("free", at := acme.now + DAY)
    acme.wait(at)
    acme.downgrade = replace(SUSPEND, roles={"billing-admin": "support"})
    before = acme.world.index.revision
    outcome = acme.attempt(acme.jobs()[0])
    assert isinstance(outcome, Again)
    assert outcome.reason is JobReason.ACCOUNT_REFUSED
    assert "INVALID_BILLING_POLICY" in outcome.message
    assert acme.world.index.revision == before


def contracted(acme: Dated) -> tuple[EventWorld, Instant]:
    """Let events open `globex` with nine seats, and lead it to two at the end of its term."""
    came = EventWorld(acme.world)
    came.policy = replace(billing_policy(), downgrade=replace(SUSPEND, at_term_end=True))
    end = (acme.now + 9 * DAY) // 1_000_000
    plans = [{"plan": "price_enterprise", "quantity": 9}]
    came.bring("onboard", acme.now - DAY, "globex", plans=plans, admin={"subject": "user:gina"})
    plans = [{"plan": "price_professional_monthly", "quantity": 2}]
    came.bring("change_plan", acme.now - 1, "globex", plans=plans, term_end=end)
    return came, end * 1_000_000


def test_contract_that_grows_smaller_at_the_end_of_its_term_is_followed_then(acme: Dated) -> None:
    _, at = contracted(acme)
    for name in ("hal", "ina"):
        new = members.NewMember.of(f"user:{name}", ("billing-admin",))
        acme.do(members.add_member, members.AddMember(tenant="globex", member=new))
    assert [job.next_at for job in acme.jobs()] == [at]
    assert "user:ina suspended, no seat" in acme.attempted(at)


def test_event_that_ends_the_smaller_contract_before_it_begins_leaves_a_job_that_does_nothing(
    acme: Dated,
) -> None:
    came, at = contracted(acme)
    came.bring("change_plan", acme.now, "globex", plans=[{"plan": "price_enterprise"} | SEVEN])
    assert "does not change" in acme.attempted(at)


def test_limit_that_a_contract_dates_is_listed_and_can_be_taken_back(acme: Dated) -> None:
    _, at = contracted(acme)
    tenant = acme.tenant("globex")
    (change,) = (c for c in scheduled(tenant, acme.now) if c.kind is ScheduledKind.LIMIT)
    assert (change.before, change.after) == (Limit("seats", 9, "seat"), Limit("seats", 2, "seat"))
    wanted = scheduled_changes.OneScheduled(tenant="globex", id=change.id)
    acme.do(scheduled_changes.cancel_scheduled_change, wanted)
    tenant = acme.tenant("globex")
    assert tenant.limit("seats", at) == Limit("seats", 9, "seat")
    assert tenant == acme.world.stored_index().tenant("globex")


def test_limit_set_by_hand_takes_the_place_of_what_a_contract_dates(acme: Dated) -> None:
    _, at = contracted(acme)
    mine = Limit("seats", 5, "seat")
    acme.do(subscriptions.set_limits, subscriptions.SetLimits(tenant="globex", limits=(mine,)))
    assert acme.tenant("globex").limit("seats", at) == mine
    acme.do(subscriptions.set_limits, subscriptions.SetLimits(tenant="globex", removed=("seats",)))
    assert acme.tenant("globex").limit("seats", at) is None
