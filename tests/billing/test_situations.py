"""What Stripe's events come to, whatever the order in which they arrive: the pure fold."""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import permutations
from random import Random
from typing import Final

import pytest

from authz_service.config import shipped_policies
from authz_service.domain.agreement_course import Meaning
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.contract import Contract, fold, share_at
from authz_service.policyfiles import billing_policy_file
from authz_service.usecases.billing.envelopes import envelopes
from authz_service.usecases.billing.interpretation import read
from authz_service.usecases.billing.values import Unreadable
from tests.billing.situations import NOW, SITUATIONS, Right, microseconds
from tests.billing.stripe import Event, Generation, Stripe

BEGAN: Final = 1_790_000_000
EVERY_ORDER_OF: Final = 6
RANDOM_ORDERS: Final = 200


@cache
def shipped() -> BillingPolicy:
    return billing_policy_file.read_folder(shipped_policies())


def orders(events: Sequence[Event], random: Random) -> Iterator[Sequence[Event]]:
    """Give every order of up to six events, 200 random ones of more; some events come twice."""
    if len(events) <= EVERY_ORDER_OF:
        yield from permutations(events)
        return
    for _ in range(RANDOM_ORDERS):
        again = random.sample(list(events), random.randrange(len(events)))
        order = [*events, *again]
        random.shuffle(order)
        yield order


def read_all(stripe: Stripe, events: Iterable[Event]) -> tuple[list[Meaning], dict[str, str]]:
    """Read events; those that are parked are named with their reason."""
    meanings, parked = [], {}
    source, now = shipped().sources["stripe"], microseconds(stripe, NOW)
    for event in events:
        (envelope,) = envelopes(source, json.dumps(event).encode())
        assert not envelope.wrong
        try:
            reading = read(shipped(), envelope.event, now)
        except Unreadable as why:
            parked[event["id"].rpartition("_")[2]] = why.reason.value
            continue
        if reading.meaning is not None:
            meanings.append(reading.meaning)
    return meanings, parked


def require(stripe: Stripe, contract: Contract, right: Right) -> None:
    merging = shipped().merging
    assert not contract.unclear
    if right.state == "none":
        assert not contract.complete
        return
    assert contract.complete
    share = share_at(contract, merging, microseconds(stripe, NOW))
    assert share.state == right.state
    if right.state != "offboarded":
        assert share.terms.tier == right.tier
        limits = dict(share.terms.limits)
        assert (limits.get("seats"), limits.get("api-calls")) == (right.seats, right.calls)
    for day, state in right.later.items():
        later = share_at(contract, merging, microseconds(stripe, day))
        assert (day, later.state) == (day, state)


@pytest.mark.parametrize("generation", Generation)
@pytest.mark.parametrize("name", SITUATIONS)
def test_every_order_ends_as_it_is_right(name: str, generation: Generation) -> None:
    write, right = SITUATIONS[name]
    stripe = Stripe(generation, "acme", BEGAN)
    events = write(stripe)
    meanings, parked = read_all(stripe, events)
    assert parked == right.parked
    by_id = {meaning.id: meaning for meaning in meanings}
    contract = fold(meanings, shipped().merging)
    require(stripe, contract, right)
    for order in orders(events, Random(name)):
        arrived = [by_id[event["id"]] for event in order if event["id"] in by_id]
        assert fold(arrived, shipped().merging) == contract


@pytest.mark.parametrize("name", SITUATIONS)
def test_ids_never_decide(name: str) -> None:
    write, right = SITUATIONS[name]
    stripe = Stripe(Generation.ON_ITEMS, "acme", BEGAN)
    events = write(stripe)
    for seed in range(20):
        random = Random(seed)
        renamed = [event | {"id": f"evt_{random.random()}_{event['id']}"} for event in events]
        meanings, _ = read_all(stripe, renamed)
        require(stripe, fold(meanings, shipped().merging), right)
