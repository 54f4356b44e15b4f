"""The same situations through signed HTTP, on both databases: same end, right end."""

import hashlib
import hmac
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

import httpx
import pytest

from authz_service.app import setup
from authz_service.config import Settings, shipped_policies
from authz_service.domain.tenant import Tenant, TenantState
from authz_service.store import events as store
from tests.billing.situations import NOW, SITUATIONS, Right
from tests.billing.stripe import DAY, Event, Generation, Stripe
from tests.postgres import fresh_database
from tests.rpc.harness import Server, serving

SECRET: Final = "whsec_of_a_test"
ORDERS: Final = int(os.environ.get("AUTHZ_BILLING_ORDERS", "1"))
"""Random orders of each situation; `make billing` sends twenty."""

NUMBERS: Final = count()
CLIENT: Final = httpx.Client(trust_env=False, timeout=30)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("signed")
    web = {"web_port": 0, "event_secrets": {"stripe": [SECRET]}, "policies_dir": patient(folder)}
    if request.param == "sqlite":
        with serving(folder, **web) as started:
            yield started
        return
    with fresh_database(request.getfixturevalue("postgres_base_url")) as url:
        setup.migrate(Settings(database_url=url))
        with serving(folder, database_url=url, **web) as started:
            yield started


def patient(folder: Path) -> Path:
    """Copy the shipped policy with a breaker that lets every test close its accounts."""
    policies = shutil.copytree(shipped_policies(), folder / "policies")
    file = policies / "billing.yaml"
    text = file.read_text()
    breaker = "breaker: {share: 10, at_least: 5, window: 1h}"
    assert breaker in text
    file.write_text(text.replace(breaker, "breaker: {share: 100, at_least: 100000, window: 1h}"))
    return policies


def post(server: Server, event: Event) -> None:
    port = server.service.web_port
    assert port is not None
    body, now = json.dumps(event).encode(), int(time.time())
    signature = hmac.new(SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    answer = CLIENT.post(
        f"http://127.0.0.1:{port.number}/events/stripe",
        content=body,
        headers={"Stripe-Signature": f"t={now},v1={signature}"},
    )
    assert answer.status_code == 200, answer.text


def arrivals(name: str, events: Sequence[Event], number: int) -> list[Event]:
    """Give a random order in which some events come twice."""
    random = Random(f"{name} {number}")
    order = [*events, *random.sample(list(events), random.randrange(len(events)))]
    random.shuffle(order)
    return order


def require(server: Server, tenant: str, right: Right) -> None:
    now = time.time_ns() // 1000
    account: Tenant | None = server.service.replica.index.tenant(tenant)
    if right.state == "none":
        assert account is None
        return
    assert account is not None
    state = account.state_at(now)
    assert state == right.state
    if state is TenantState.OFFBOARDED:
        return
    seats, calls = (account.limit(name, now) for name in ("seats", "api-calls"))
    assert account.tier_at(now) == right.tier
    assert (seats and seats.value) == right.seats
    assert (calls and calls.value) == right.calls
    for day, later in right.later.items():
        at = now + (day - NOW) * DAY * 1_000_000
        assert (day, account.state_at(at)) == (day, later)


def require_parked(server: Server, stripe: Stripe, right: Right) -> None:
    with server.service.store.database.read() as connection:
        for name, reason in right.parked.items():
            event = store.find(connection, "stripe", f"evt_{stripe.tenant}_{name}")
            assert event is not None
            assert event.reason == reason


@pytest.mark.parametrize("generation", Generation)
@pytest.mark.parametrize("name", SITUATIONS)
def test_signed_events_end_as_it_is_right(
    server: Server, name: str, generation: Generation
) -> None:
    write, right = SITUATIONS[name]
    for number in range(ORDERS):
        tenant = f"t{next(NUMBERS)}"
        stripe = Stripe(generation, tenant, int(time.time()) - NOW * DAY)
        for event in arrivals(name, write(stripe), number):
            post(server, event)
        require(server, tenant, right)
        require_parked(server, stripe, right)
