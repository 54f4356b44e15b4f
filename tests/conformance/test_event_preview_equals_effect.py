"""What PreviewBillingEvent says is what the event does: random accounts, policies and events."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any, Final

from authz_service.domain.billing_event import EventReason, EventState
from authz_service.domain.billing_policy import Downgrade, Excess
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.usecases.billing.preview import Preview
from tests.conformance.event_sets import DEEDS, Told, bring, written
from tests.conformance.event_world import ADMIN, EventWorld
from tests.conformance.test_tier_preview_equals_effect import answers, bought, said

ACCOUNTS: Final = 60
EVENTS: Final = 8
PLANS: Final = ("free", "professional", "enterprise")
ROLES: Final = ("viewer", "editor", "billing-admin")


class Account:
    """A customer made by chance, and what its billing system tells of it."""

    def __init__(self, random: Random, came: EventWorld, tenant: str) -> None:
        self.random, self.came, self.tenant = random, came, tenant

    def policy(self) -> Downgrade:
        return Downgrade(
            order=PLANS,
            at_term_end=self.random.random() < 0.5,
            limits={"seats": self.random.choice(tuple(Excess))},
            roles={"billing-admin": self.random.choice(("", "viewer", "editor"))},
            read_only_role="viewer",
        )

    def people(self) -> None:
        for number in range(self.random.randrange(7)):
            who = f"user:m{number}"
            roles = self.random.sample(ROLES, self.random.randrange(3))
            scope = self.random.choice(("", "project:1"))
            grants = [
                RoleGrant(self.tenant, who, role, scope, id=f"{self.tenant}-{number}-{role}")
                for role in roles
            ]
            self.came.world.put(Membership(self.tenant, who), *grants)

    def told(self, number: int) -> Told:
        """Draw an event, in two of three cases one of a day after those before."""
        type_ = self.random.choice((*DEEDS, *["change_plan"] * 3))
        late = self.random.random() < 0.3
        day = self.random.randrange(-40, 1) if late else number * 5 - 40
        data: dict[str, object] = {}
        if type_ in ("change_plan", "reactivated"):
            data["plans"] = [{"plan": self.random.choice(PLANS)}]
            if self.random.random() < 0.5:
                seats = self.random.randrange(3, 8)
                data["plans"] = [{"plan": "price_professional_monthly", "quantity": seats}]
        if type_ == "change_plan":
            data["term_end"] = self.random.choice((None, -20, -3, 5))
        if type_ == "trial":
            data["trial_until"] = self.random.randrange(-30, 30)
        if type_ == "cancelled":
            data["ends_at"] = self.random.randrange(-30, 30)
        return type_, day, data


def compare(found: Preview, before: Index, after: Index, tenant: str, at: Instant) -> None:
    if found.change is None:
        assert before is after
        return
    subjects = {
        subject
        for index in (before, after)
        if index.tenant(tenant) is not None
        for subject, _ in index.tenants[tenant].members.items()
    }
    old, new = (answers(index, tenant, subjects, at) for index in (before, after))
    told: dict[str, set[tuple[str, str]]] = {"gained": set(), "lost": set()}
    for direction, subject, permission, _ in said(found.change):
        told[direction].add((subject, permission))
    assert told["lost"] == {each[:2] for each in old - new}
    assert told["gained"] == {each[:2] for each in new - old}
    was = bought(before, tenant, at) if before.tenant(tenant) is not None else set()
    assert set(found.change.gained) == bought(after, tenant, at) - was
    assert set(found.change.lost) == was - bought(after, tenant, at)


def check(account: Account, number: int, each: Told) -> str:
    """Preview an event, let it come, and compare; name its deed if it did something."""
    came, tenant = account.came, account.tenant
    type_, at, id_, data = written(came, tenant, number, each)
    before = came.world.index
    found = came.preview(type_, at, tenant, id_=id_, **data)
    assert came.world.index is before
    taken = bring(came, tenant, number, each)
    assert (found.event.state, found.event.reason) == (taken.event.state, taken.event.reason)
    assert found.event.message == taken.event.message
    assert found.effects == taken.effects
    compare(found, before, came.world.index, tenant, came.now)
    return type_ if taken.effects else ""


def test_preview_of_a_random_event_equals_what_it_does(sets_came: EventWorld) -> None:
    did: Counter[str] = Counter()
    for number in range(ACCOUNTS):
        account = Account(Random(f"event {number}"), sets_came, f"e{number}")
        sets_came.policy = replace(sets_came.policy, downgrade=account.policy())
        plan = account.random.choice(PLANS)
        did[check(account, 0, ("onboard", -45, {"plans": plan, "admin": ADMIN}))] += 1
        account.people()
        for event in range(1, EVENTS):
            did[check(account, event, account.told(event))] += 1
    assert not {"onboard", *DEEDS} - set(did), did


def test_event_that_releases_others_is_previewed_with_what_they_do(sets_came: EventWorld) -> None:
    now = sets_came.now
    early = sets_came.bring("change_plan", now - 1, "", subject="cus_9", plans="enterprise")
    assert early.event.reason is EventReason.UNKNOWN_SUBJECT
    wanted: dict[str, Any] = {"subject": "cus_9", "plans": "free", "admin": ADMIN}
    found = sets_came.preview("onboard", now - 2, "released", **wanted)
    before = sets_came.world.index
    taken = sets_came.bring("onboard", now - 2, "released", **wanted)
    assert found.effects == taken.effects
    assert any("enterprise" in effect for effect in found.effects)
    compare(found, before, sets_came.world.index, "released", now)


def test_event_that_came_before_would_do_nothing(sets_came: EventWorld) -> None:
    sets_came.onboard("twice")
    at = sets_came.now - 1
    found = sets_came.preview("churned", at, "twice", id_="onboard-twice")
    assert found.duplicate
    assert (found.effects, found.change) == ((), None)
    assert found.event.state is EventState.APPLIED


def test_event_that_its_account_refuses_is_previewed_as_parked(sets_came: EventWorld) -> None:
    sets_came.onboard("firm")
    staff: dict[str, Any] = {"plans": "enterprise", "admin": {"subject": "staff:mallory"}}
    found = sets_came.preview("onboard", sets_came.now - 1, "firm", **staff)
    assert found.event.reason is EventReason.REFUSED
    assert "STAFF_NOT_ALLOWED" in found.event.message
