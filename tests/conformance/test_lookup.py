"""Agreements read again at their source: a real server that answers as Stripe does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from authz_service.domain.audit import AuditRecord
from authz_service.domain.billing_event import EventReason, EventState, StoredEvent
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.call import Call
from authz_service.domain.job import Again, Done, Job, JobKind, JobReason, Outcome
from authz_service.domain.tenant import StatePeriod, TenantState
from authz_service.jobs.fetching import SourceFetcher
from authz_service.store import events as store
from authz_service.store import jobs
from authz_service.usecases.billing.envelopes import envelopes
from authz_service.usecases.billing.lookup_jobs import LookupJobs
from authz_service.usecases.billing.reconcile import (
    Reconcile,
    Reconciled,
    ask_sources,
    reconcile,
)
from authz_service.usecases.delivery.outbox import keep
from authz_service.usecases.kernel.execution import View
from authz_service.usecases.kernel.paging import PageRequest
from tests.billing.stripe import DAY, Event, Generation, Stripe
from tests.billing.stripe_server import KEY, StripeApi, stripe_api
from tests.conformance.event_world import EventWorld, billing_policy
from tests.conformance.store_world import OPS, StoreWorld


@dataclass
class Reading:
    """Stripe's events of one account, and the server that knows better."""

    came: EventWorld
    stripe: Stripe
    api: StripeApi
    fetcher: SourceFetcher

    def send(self, event: Event) -> StoredEvent:
        source = self.came.policy.sources["stripe"]
        (envelope,) = envelopes(source, json.dumps(event).encode())
        return self.came.door.take(envelope, source, "a test", "").event

    def knows(self, event: Event) -> None:
        """Let the server know a subscription as an event has it."""
        content = event["data"]["object"]
        self.api.subscriptions[content["id"]] = content

    def event(self, event: Event) -> StoredEvent:
        with self.came.world.database.read() as connection:
            found = store.find(connection, "stripe", event["id"])
        assert found is not None
        return found

    def job(self) -> Job:
        with self.came.world.database.read() as connection:
            (job,) = jobs.page(connection, 0, 10)
        assert job.kind is JobKind.LOOKUP
        return job

    def attempt(self) -> Outcome:
        return LookupJobs(self.came.world.store, self.fetcher).attempt(self.job())

    def seats(self) -> tuple[str, int | None]:
        account = self.came.account()
        assert account is not None
        (limit,) = (each for each in account.limits if each.name == "seats")
        return account.state.value, limit.value

    def reconcile(self, *, repair: bool = False) -> Reconciled:
        command = Reconcile(page=PageRequest(), repair=repair, fetcher=self.fetcher)
        world = self.came.world
        read = ask_sources(View(world.index, world.database, self.came.now), command)
        with world.store.transaction(Call(OPS)) as tx:
            return reconcile.body(tx, read)


def asking(policy: BillingPolicy, origin: str) -> BillingPolicy:
    """Let the shipped policy ask another server than Stripe's."""
    source = policy.sources["stripe"]
    lookup = source.lookup
    assert lookup is not None
    assert lookup.of_subject is not None
    one, every = (
        url.replace("https://api.stripe.com", origin) for url in (lookup.url, lookup.of_subject.url)
    )
    of_subject = replace(lookup.of_subject, url=every)
    other = replace(source, lookup=replace(lookup, url=one, of_subject=of_subject))
    return replace(policy, sources={**policy.sources, "stripe": other})


@pytest.fixture(params=Generation)
def reading(request: pytest.FixtureRequest, store_world: StoreWorld) -> Iterator[Reading]:
    with stripe_api() as api:
        store_world.store._outbox = lambda tx: [keep(tx.connection, job) for job in tx.jobs]  # type: ignore[assignment]
        came = EventWorld(store_world)
        came.policy = asking(billing_policy(), api.origin)
        stripe = Stripe(request.param, "acme", came.now // 1_000_000 - 40 * DAY)
        secrets = {api.origin: [KEY]}
        fetcher = SourceFetcher(lambda origin: secrets.get(origin, ()), seconds=1.0)
        read = Reading(came, stripe, api, fetcher)
        for event in stripe.opened():
            read.send(event)
        yield read


def two_at_once(reading: Reading) -> tuple[Event, Event]:
    """Send two updates of one second that say nothing of each other."""
    pair = tuple(
        reading.stripe.updated(name, 20, previous={"metadata": {}}, quantity=quantity)
        for name, quantity in (("one", 7), ("two", 9))
    )
    for event in pair:
        event["data"].pop("previous_attributes")
        reading.send(event)
    return pair[0], pair[1]


def test_truth_settles_an_order_that_cannot_be_told(reading: Reading) -> None:
    pair = two_at_once(reading)
    assert {reading.event(each).reason for each in pair} == {EventReason.UNCLEAR_ORDER}
    assert reading.seats() == ("active", 5)
    reading.knows(pair[1])
    assert isinstance(reading.attempt(), Done)
    assert {reading.event(each).state for each in pair} == {EventState.APPLIED}
    assert reading.seats() == ("active", 9)
    assert reading.attempt() == Done("a later event has settled the order")
    assert len(reading.api.asked) == 1


def test_what_comes_after_the_instant_counts_after_the_truth(reading: Reading) -> None:
    pair = two_at_once(reading)
    reading.send(reading.stripe.updated("later", 20 + 1 / DAY, previous={}, quantity=30))
    reading.knows(pair[0])
    reading.attempt()
    assert reading.seats() == ("active", 30)


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("slow", JobReason.SOURCE_UNREACHABLE),
        ("huge", JobReason.SOURCE_UNREADABLE),
        ("html", JobReason.SOURCE_UNREADABLE),
        ("limited", JobReason.SOURCE_REFUSED),
        ("", JobReason.SOURCE_REFUSED),  # it does not know the subscription
    ],
)
def test_failure_is_told_and_tried_again(reading: Reading, mood: str, reason: JobReason) -> None:
    pair = two_at_once(reading)
    if mood:
        reading.knows(pair[0])
    reading.api.mood = mood
    outcome = reading.attempt()
    assert isinstance(outcome, Again)
    assert outcome.reason is reason
    waiting = reading.event(pair[0])
    assert waiting.reason is EventReason.UNCLEAR_ORDER
    assert "reading it again failed" in waiting.message
    assert KEY not in waiting.message
    reading.api.mood = ""
    reading.knows(pair[0])
    assert isinstance(reading.attempt(), Done)
    assert reading.seats() == ("active", 7)


def test_no_key_goes_to_an_origin_that_has_none(reading: Reading) -> None:
    with stripe_api() as other:
        reading.came.policy = asking(billing_policy(), other.origin)
        pair = two_at_once(reading)
        outcome = reading.attempt()
        assert isinstance(outcome, Done)
        assert "there is no key" in outcome.message
        assert other.asked == []
        assert reading.event(pair[0]).reason is EventReason.UNCLEAR_ORDER
        reading.fetcher = SourceFetcher(lambda _: [KEY])
        content = pair[1]["data"]["object"]
        other.subscriptions[content["id"]] = content
        reading.reconcile(repair=True)
        assert {reading.event(each).state for each in pair} == {EventState.APPLIED}
        assert reading.seats() == ("active", 9)


def test_lost_end_is_found_and_repaired(reading: Reading) -> None:
    reading.knows(reading.stripe.deleted("lost", 30))
    assert reading.seats() == ("active", 5)
    (drift,) = reading.reconcile().drifts
    assert drift.differences
    assert reading.seats() == ("active", 5), "nothing was to be repaired"
    (drift,) = reading.reconcile(repair=True).drifts
    assert drift.repaired
    assert reading.seats()[0] == "suspended"
    assert not reading.reconcile(repair=True).drifts


def test_subscription_that_no_event_told_of_is_found_and_keeps_counting(reading: Reading) -> None:
    reading.send(reading.stripe.deleted("end", 20))
    reading.knows(reading.stripe.deleted("end", 20))
    reading.knows(reading.stripe.created("new", 21, "b", quantity=8))
    assert reading.seats()[0] == "suspended"
    (drift,) = reading.reconcile(repair=True).drifts
    assert (drift.repaired, reading.seats()) == (True, ("active", 8))
    reading.send(reading.stripe.deleted("again", 20.5))
    assert reading.seats() == ("active", 8), "what was read stays part of the contract"


def test_customer_who_pays_is_never_closed(reading: Reading) -> None:
    """The end came by an event, what was bought instead was never told, and somebody opened it."""
    end = reading.stripe.deleted("end", 20)
    reading.send(end)
    reading.knows(end)
    reading.knows(reading.stripe.created("new", 21, "b"))
    reading.reconcile(repair=True)
    assert reading.seats()[0] == "active"
    reading.api.mood = "limited"
    (drift,) = reading.reconcile(repair=True).drifts
    assert "answered 429" in drift.problem
    assert reading.seats()[0] == "active"


def test_account_is_not_closed_while_events_about_it_wait(reading: Reading) -> None:
    reading.send(reading.stripe.created("new", 19, "b", price="price_of_tomorrow"))
    reading.send(reading.stripe.deleted("end", 20))
    reading.fetcher = SourceFetcher(lambda _: ())
    opened_by_hand(reading)
    (drift,) = reading.reconcile(repair=True).drifts
    assert "1 events about it wait" in drift.problem
    assert reading.seats()[0] == "active"


def test_order_unclear_is_settled_by_reconcile_too(reading: Reading) -> None:
    pair = two_at_once(reading)
    reading.knows(pair[0])
    reading.reconcile(repair=True)
    assert reading.seats() == ("active", 7)
    assert {reading.event(each).state for each in pair} == {EventState.APPLIED}


def opened_by_hand(reading: Reading) -> None:
    """Open the account, as an operator does for a customer on the phone."""
    with reading.came.world.store.transaction(Call(OPS)) as tx:
        account = tx.index.tenant("acme")
        assert account is not None
        opened = replace(account, periods=(StatePeriod(TenantState.ACTIVE),))
        tx.change(account, opened)
        tx.record(AuditRecord("tenant.reactivated", "acme", ("acme",), account, opened))
