"""What is kept of a tenant's events comes to what all of them come to, event by event."""

from collections.abc import Iterable
from random import Random
from typing import Final

import pytest

from authz_service.domain.agreement_course import Meaning
from authz_service.domain.contract import Merging, Quantity, fold
from authz_service.domain.running_contract import RunningContract, started
from tests.billing.oracle import TIERS
from tests.billing.situations import SITUATIONS
from tests.billing.stripe import Generation, Stripe
from tests.billing.test_oracle import drawn
from tests.billing.test_oracle import meanings as written
from tests.billing.test_situations import BEGAN, read_all, shipped

WORLDS: Final = 300


def require_same(order: Iterable[Meaning], merging: Merging) -> int:
    """Add events one by one; count those that came too late."""
    running, arrived, late = RunningContract(merging.order), list[Meaning](), 0
    for meaning in order:
        arrived.append(meaning)
        joined = running.joined(meaning, merging)
        late += joined is None
        running = started(arrived, merging) if joined is None else joined
        assert running.contract(merging) == fold(arrived, merging)
    return late


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_situation_in_random_orders(name: str) -> None:
    write, _ = SITUATIONS[name]
    stripe = Stripe(Generation.ON_ITEMS, "acme", BEGAN)
    meanings, _ = read_all(stripe, write(stripe))
    for seed in range(12):
        order = list(meanings)
        Random(seed).shuffle(order)
        require_same(order, shipped().merging)


def test_random_agreements_in_random_orders_and_in_their_own() -> None:
    merging = Merging(TIERS, {"seats": Quantity.SUM})
    for number in range(WORLDS):
        random = Random(number)
        days = [random.randrange(1, 12) for _ in range(40)]  # many of them on one day
        agreements = [drawn(random, name, [], days) for name in "ab"]
        order = [meaning for each in agreements for meaning in written(each)]
        random.shuffle(order)
        require_same(order, merging)
        in_time = sorted(order, key=lambda meaning: meaning.time)
        assert require_same(in_time, merging) == 0


def test_little_is_kept_of_many_events() -> None:
    merging = shipped().merging
    stripe = Stripe(Generation.ON_ITEMS, "acme", BEGAN)
    running = RunningContract(merging.order)
    for number in range(400):
        event = stripe.updated(f"n{number}", number / 24, previous={}, quantity=1 + number % 9)
        ((meaning,), _) = read_all(stripe, [event])
        joined = running.joined(meaning, merging)
        assert joined is not None
        running = joined
    assert sum(len(each.recent) + len(each.earlier) for each in running.running) <= 9


def test_event_that_came_a_little_late_is_fitted_in() -> None:
    merging = shipped().merging
    stripe = Stripe(Generation.ON_ITEMS, "acme", BEGAN)
    events = [stripe.updated(f"n{n}", n, previous={}, quantity=1 + n) for n in range(40)]
    meanings, _ = read_all(stripe, events)
    for late in range(1, 5):
        order = [*meanings[: -1 - late], *meanings[-late:], meanings[-1 - late]]
        assert require_same(order, merging) == 0
    assert require_same([*meanings[1:], meanings[0]], merging) == 1
