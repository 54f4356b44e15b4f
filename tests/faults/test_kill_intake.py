"""`kill -9` while events come in: the sender repeats what was not answered, as billing systems do,
and in the end every event has been taken in whole, once.
"""

import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from typing import Any, Final

import httpx

from authz_service.cli.demo.throwaway_server import Trial, trial_server
from authz_service.domain.billing_event import EventState
from authz_service.domain.tenant import Tenant
from authz_service.store import events, snapshot
from authz_service.store.database import Database
from tests.conformance import ledger
from tests.conformance.outages import eventually

KILLS, THREADS, CUSTOMERS = 2, 4, 24
SECRET: Final = "whsec_test"
ITEMS: Final = {"data": [{"price": {"id": "price_enterprise"}, "quantity": 7}]}


def stories() -> dict[str, bytes]:
    """Write the events of every customer: one buys, is invited by mail, and moves up."""
    began = int(time.time()) - 1000
    found = {}
    for at in range(CUSTOMERS):
        tenant, customer = f"acme-{at}", f"cus_{at}"
        buyer = {"name": f"Acme {at}", "email": f"ada@acme-{at}.example"}
        small = {"data": [{"price": {"id": "price_professional_monthly"}, "quantity": 5}]}
        contents: tuple[tuple[str, dict[str, Any]], ...] = (
            (
                "checkout.session.completed",
                {
                    "mode": "subscription",
                    "metadata": {"tenant": tenant},
                    "customer_details": buyer,
                },
            ),
            ("customer.subscription.created", {"id": "sub_1", "status": "active", "items": small}),
            ("customer.subscription.updated", {"id": "sub_1", "status": "active", "items": ITEMS}),
        )
        for number, (type_, content) in enumerate(contents):
            id_ = f"evt_{at}_{number}"
            about = {"object": {"customer": customer, **content}}
            event = {"id": id_, "type": type_, "created": began + number, "data": about}
            found[id_] = json.dumps(event).encode()
    return found


@dataclass
class Sender:
    """Sends every event twice, in no order, and again whatever was not answered with 2xx."""

    bodies: dict[str, bytes]
    waiting: "SimpleQueue[str]" = field(default_factory=SimpleQueue)
    acknowledged: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        twice = [*self.bodies, *self.bodies]
        Random("intake").shuffle(twice)
        for id_ in twice:
            self.waiting.put(id_)

    def run(self, url: str, ending: threading.Event) -> None:
        """Send one event after the other, until there are none or the server is gone."""
        with httpx.Client(timeout=20, trust_env=False) as client:
            while not ending.is_set():
                try:
                    id_ = self.waiting.get_nowait()
                except Empty:
                    return
                if not self.send(client, url, id_):
                    self.waiting.put(id_)
                    self.failed.append(id_)
                    return

    def send(self, client: httpx.Client, url: str, id_: str) -> bool:
        try:
            answer = client.post(url, content=self.bodies[id_], headers=signed(self.bodies[id_]))
        except httpx.TransportError:
            return False
        assert answer.is_success, answer.text
        self.acknowledged.append(id_)
        return True


def signed(body: bytes) -> dict[str, str]:
    at = int(time.time())
    digest = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={at},v1={digest}"}


def sending(sender: Sender, server: Trial, enough: int | None) -> None:
    """Send with many hands; kill the server amid it once so many were acknowledged."""
    ending = threading.Event()
    with ThreadPoolExecutor(THREADS) as pool:
        url = f"{server.web_url}/events/stripe"
        hands = [pool.submit(sender.run, url, ending) for _ in range(THREADS)]
        if enough is not None:
            try:
                eventually(lambda: len(sender.acknowledged) >= enough, "enough events")
            finally:
                server.process.kill()
                server.process.wait()
                ending.set()
    for hand in hands:
        hand.result()


def states(database: Database, ids: set[str]) -> dict[str, EventState | None]:
    with database.read() as connection:
        found = {id_: events.find(connection, "stripe", id_) for id_ in ids}
    return {id_: event.state if event else None for id_, event in found.items()}


def assert_none_lost(sender: Sender, database: Database) -> None:
    """Assert that what the server said it had, it has, and read as far as it can be."""
    held = states(database, set(sender.acknowledged))
    assert set(held.values()) <= {EventState.APPLIED, EventState.PARKED, EventState.RECEIVED}, held
    ledger.assert_whole(database)


def assert_each_customer_whole(database: Database) -> None:
    with database.read() as connection:
        index = snapshot.read_index(connection)
    now = time.time_ns() // 1000
    chains = ledger.chains(database)
    for at in range(CUSTOMERS):
        entry = index.tenants[f"acme-{at}"]
        tenant = entry.fact
        assert isinstance(tenant, Tenant)
        assert (tenant.display_name, tenant.tier_at(now)) == (f"Acme {at}", "enterprise")
        assert [(limit.name, limit.value) for limit in tenant.limits] == [("seats", 7)]
        assert [each.email for each in entry.invitations.values()] == [f"ada@acme-{at}.example"]
        done = Counter(each.action for each in chains[tenant.id])
        assert (done["tenant.onboarded"], done["invitation.created"]) == (1, 1)


def test_kill_amid_events_loses_none_and_leaves_none_half_applied(
    database_url: str, tmp_path: Path
) -> None:
    sender = Sender(stories())
    settings = {
        "AUTHZ_DATABASE_URL": database_url,
        "AUTHZ_WEB_PORT": "0",
        "AUTHZ_EVENT_SECRETS": json.dumps({"stripe": [SECRET]}),
        "AUTHZ_JOBS": "false",
        "AUTHZ_WORKERS": "0",
    }
    database = Database(database_url)
    try:
        for kill in range(KILLS):
            with trial_server(tmp_path, settings) as server:
                sending(sender, server, len(sender.acknowledged) + 15 + 10 * kill)
            assert_none_lost(sender, database)
        assert sender.failed, "no event was under way at any kill"
        with trial_server(tmp_path, settings) as server:
            sending(sender, server, None)
        assert Counter(sender.acknowledged) == dict.fromkeys(sender.bodies, 2)
        assert set(states(database, set(sender.bodies)).values()) == {EventState.APPLIED}
        assert_each_customer_whole(database)
        ledger.assert_whole(database)
    finally:
        database.close()
