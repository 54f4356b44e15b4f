"""Sequences of the other senders, in every order of arrival: the pure fold, and signed HTTP."""

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.app import setup
from authz_service.config import Settings
from authz_service.domain.agreement_course import Meaning
from authz_service.domain.contract import Contract, fold, share_at
from authz_service.domain.tenant import Tenant, TenantState
from authz_service.domain.window import from_datetime
from authz_service.gen.authz.v1 import billing_pb2 as pb
from authz_service.usecases.billing.envelopes import Attributes, Envelope, envelopes
from authz_service.usecases.billing.interpretation import read
from authz_service.usecases.billing.values import Unreadable
from tests.billing.senders import SECRETS, Case, arrivals, cases, renamed, signed, tenants
from tests.billing.stripe import Event
from tests.billing.test_signed import patient
from tests.billing.test_situations import orders, shipped
from tests.postgres import fresh_database
from tests.rpc.harness import Server, serving

JOB: Final = "billing-job"
ORDERS: Final = int(os.environ.get("AUTHZ_BILLING_ORDERS", "1"))
NUMBERS: Final = count(1)
CLIENT: Final = httpx.Client(trust_env=False, timeout=30)


def envelope_of(case: Case, event: Event) -> Envelope:
    source = shipped().sources[case.source]
    if case.source != JOB:
        (envelope,) = envelopes(source, json.dumps(event).encode())
        return envelope
    at = from_datetime(datetime.fromisoformat(event["time"]))
    beside = Attributes(event["id"], event["type"], at, event.get("subject", ""))
    (envelope,) = envelopes(source, json.dumps(event["data"]).encode(), beside)
    return envelope


def meanings(case: Case, events: list[Event]) -> list[Meaning | None]:
    """Read events; None for one that is parked or means nothing."""
    now, found = time.time_ns() // 1000, list[Meaning | None]()
    for event in events:
        envelope = envelope_of(case, event)
        try:
            reading = None if envelope.wrong else read(shipped(), envelope.event, now)
        except Unreadable:
            reading = None
        found.append(None if reading is None else reading.meaning)
    return found


def require_right(case: Case, contract: Contract) -> None:
    """Compare with what the case says is right."""
    right, merging = case.body["right"], shipped().merging
    later = {case.body["now"]: right} | case.body.get("later", {})
    for written, expected in later.items():
        if expected["state"] == "none":
            assert not contract.complete
            continue
        at = from_datetime(datetime.fromisoformat(written))
        assert (written, share_at(contract, merging, at).state) == (written, expected["state"])


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_every_order_of_every_sender_ends_as_it_is_right(case: Case) -> None:
    merging, events = shipped().merging, case.events
    by_event = list(zip(events, meanings(case, events), strict=True))
    contract = fold([meaning for _, meaning in by_event if meaning], merging)
    require_right(case, contract)
    positions = [{"at": at} for at in range(len(events))]
    for order in orders(positions, Random(case.name)):
        arrived = [by_event[each["at"]][1] for each in order]
        assert fold([meaning for meaning in arrived if meaning], merging) == contract


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("senders")
    web = {"web_port": 0, "event_secrets": SECRETS, "policies_dir": patient(folder)}
    if request.param == "sqlite":
        with serving(folder, **web) as started:
            yield started
        return
    with fresh_database(request.getfixturevalue("postgres_base_url")) as url:
        setup.migrate(Settings(database_url=url))
        with serving(folder, database_url=url, **web) as started:
            yield started


def send(server: Server, case: Case, event: Event) -> None:
    """Send an event as its sender does: by a signed request, or by a call."""
    if case.source == JOB:
        time_ = Timestamp()
        time_.FromDatetime(datetime.fromisoformat(event["time"]))
        request = pb.IngestBillingEventRequest(
            source=JOB, id=event["id"], type=event["type"], time=time_,
            subject=event.get("subject", ""), data=json.dumps(event["data"]).encode(),
        )  # fmt: skip
        server.operator.billing.IngestBillingEvent(request)
        return
    port = server.service.web_port
    assert port is not None
    url = f"http://127.0.0.1:{port.number}/events/{case.source}"
    body = json.dumps([event] if case.source == "hubspot-webhooks" else event).encode()
    answer = CLIENT.post(url, content=body, headers=signed(case.source, url, body))
    assert answer.status_code == 200, answer.text


def require_account(server: Server, case: Case, events: list[Event]) -> None:
    """Compare the account with what the fold, which is right, says of it today."""
    contract = fold([m for m in meanings(case, events) if m], shipped().merging)
    now, (name, *_) = time.time_ns() // 1000, tenants(events)
    account: Tenant | None = server.service.replica.index.tenant(name)
    assert (account is not None) == contract.complete
    if account is None:
        return
    share = share_at(contract, shipped().merging, now)
    assert account.state_at(now) == share.state
    if share.state is not TenantState.OFFBOARDED:
        assert account.tier_at(now) == share.terms.tier
        assert {each.name: each.value for each in account.limits_at(now)} == dict(
            share.terms.limits
        )


@pytest.mark.sweep
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_signed_events_of_every_sender_end_as_it_is_right(server: Server, case: Case) -> None:
    for number in range(ORDERS):
        events = renamed(case.events, next(NUMBERS))
        for event in arrivals(case.name, events, number):
            send(server, case, event)
        require_account(server, case, events)
