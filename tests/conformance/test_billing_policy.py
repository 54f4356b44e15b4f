"""One billing policy for every process: none decides by another than the one in force."""

import json
from collections import Counter
from threading import Barrier, Thread
from typing import Final

import pytest

from authz_service.config import shipped_policies
from authz_service.domain.billing_documents import PartKind
from authz_service.domain.billing_event import EventReason, EventState, StoredEvent
from authz_service.domain.billing_part import BillingPrice, part
from authz_service.domain.call import Call
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM
from authz_service.policyfiles import billing_policy_file
from authz_service.store import event_prices, events
from authz_service.store.facts import Facts
from authz_service.usecases.billing.billing_policy import (
    DeletePart,
    PartNow,
    UpdatePart,
    delete_billing_price,
    update_billing_price,
)
from authz_service.usecases.billing.envelopes import Attributes, envelopes
from authz_service.usecases.billing.event_ingest import EventDoor
from authz_service.usecases.bootstrap import seeding
from authz_service.usecases.kernel.billing_policy import in_force
from tests.conformance.event_world import DAY, SOURCE, shipped
from tests.conformance.store_world import OPS, StoreWorld

PRICE: Final = "price_x"
ROUNDS: Final = 12


class Process:
    """One process: it takes events in, and maps prices."""

    def __init__(self, world: StoreWorld) -> None:
        self.world = world
        self.door = EventDoor(world.store, Counter())

    def buy(self, tenant: str, type_: str = "onboard") -> StoredEvent:
        data = {"tenant": tenant, "plans": PRICE, "admin": {"subject": "user:ada"}}
        beside = Attributes(f"{tenant}-{type_}", type_, self.world.clock.now - DAY)
        source = in_force(self.world.index).sources[SOURCE]
        (envelope,) = envelopes(source, json.dumps(data).encode(), beside)
        return self.door.take(envelope, source, "a test", "").event

    def map(self, tier: str) -> PartNow:
        limits = {"seats": {"each": 1, "no_quantity": "tier"}}
        body = part(PartKind.PRICE, PRICE, {"tier": tier, "limits": limits}).body
        command = UpdatePart(
            kind=PartKind.PRICE, id=PRICE, body=body, mask=("*",), allow_missing=True
        )
        return self.world.executor.change(Call(OPS), update_billing_price, command).value

    def unmap(self) -> None:
        command = DeletePart(kind=PartKind.PRICE, id=PRICE)
        self.world.executor.change(Call(OPS), delete_billing_price, command)


@pytest.fixture
def processes(store_world: StoreWorld) -> tuple[Process, Process]:
    policy = billing_policy_file.read_data(shipped_policies(), shipped())
    seeding.seed(store_world.store, shipped(), policy)
    store_world.put(
        Membership(SYSTEM, OPS.subject),
        RoleGrant(SYSTEM, OPS.subject, "authz.operator", id="ops"),
    )
    return Process(store_world), Process(store_world.another("b"))


def test_process_that_has_not_heard_of_a_change_decides_by_it_all_the_same(
    processes: tuple[Process, Process],
) -> None:
    one, other = processes
    one.map("free")
    other.world.replica.catch_up()
    one.map("professional")
    assert other.buy("acme").state is EventState.APPLIED
    account = other.world.index.tenant("acme")
    assert account is not None
    assert account.tier_at(other.world.clock.now) == "professional"
    one.unmap()
    event = other.buy("globex")
    assert (event.reason, event.waits_for) == (EventReason.UNKNOWN_PLAN, PRICE)
    (released,) = one.map("free").released.events
    assert released.event.event.name == event.event.name
    assert one.world.index.tenant("globex") is not None


def test_no_event_is_left_waiting_for_a_price_that_is_mapped_meanwhile(
    processes: tuple[Process, Process],
) -> None:
    """An event that is parked aside from the head comes wholly before the mapping, or after it."""
    for number in range(ROUNDS):
        barrier = Barrier(3)

        def bring(at: int, number: int = number, barrier: Barrier = barrier) -> None:
            barrier.wait()
            processes[at].buy(f"t-{number}-{at}")

        threads = [Thread(target=bring, args=(at,)) for at in (0, 1)]
        for thread in threads:
            thread.start()
        barrier.wait()
        processes[number % 2].map("free")
        for thread in threads:
            thread.join()
        with processes[0].world.database.read() as connection:
            assert event_prices.count_waiting_for(connection, [PRICE]) == 0
        processes[0].unmap()


def test_every_event_is_decided_by_the_policy_of_its_own_revision(
    processes: tuple[Process, Process],
) -> None:
    processes[0].map("free")

    def change() -> None:
        for number in range(ROUNDS):
            processes[number % 2].map(("professional", "free")[number % 2])

    changing = Thread(target=change)
    changing.start()
    for number in range(ROUNDS):
        processes[number % 2].buy(f"t-{number}")
    changing.join()
    world = processes[0].world
    world.replica.catch_up()
    with world.database.read() as connection:
        for number in range(ROUNDS):
            event = events.find(connection, SOURCE, f"t-{number}-onboard")
            assert event is not None
            (price,) = (
                each for each in Facts(connection, event.revision).kept(BillingPrice)
                if each.id == PRICE
            )  # fmt: skip
            account = world.index.tenant(f"t-{number}")
            assert account is not None
            assert account.tier_at(world.clock.now) == price.data["tier"]


def test_what_a_changeset_has_mapped_at_its_instant_is_released_by_the_worker(
    processes: tuple[Process, Process],
) -> None:
    one, other = processes
    event = one.buy("acme")
    assert event.reason is EventReason.UNKNOWN_PLAN
    body = part(PartKind.PRICE, PRICE, {"tier": "free", "quantity": "ignored"})
    one.world.put(body)
    assert one.world.index.tenant("acme") is None
    assert other.door.release_mapped() == 0  # it has not heard of it
    other.world.replica.catch_up()
    assert other.door.release_mapped() == 1
    assert other.world.index.tenant("acme") is not None
    assert other.door.release_mapped() == 0


def test_refused_price_changes_nothing(processes: tuple[Process, Process]) -> None:
    world = processes[0].world
    before = world.index.revision
    wrong = UpdatePart(
        kind=PartKind.PRICE, id=PRICE, body='{"tier": "platinum"}', mask=("*",), allow_missing=True
    )
    with pytest.raises(Exception, match="there is no tier 'platinum'"):
        world.executor.change(Call(OPS), update_billing_price, wrong)
    assert world.index.revision == before
    assert world.index.billing.of(PartKind.PRICE, PRICE) is None
