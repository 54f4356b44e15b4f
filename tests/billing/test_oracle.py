"""Access equals an independent reading of "some agreement in good standing carries it"."""

from random import Random
from typing import Final

from authz_service.domain.agreement import OFFBOARDED, SUSPENDED, Clause, Terms, Verb
from authz_service.domain.agreement_course import Meaning
from authz_service.domain.contract import Merging, Quantity, fold, share_at
from authz_service.domain.tenant import OPEN_STATES
from tests.billing.oracle import GRACE, TIERS, Told, access

DAY: Final = 86_400_000_000
WORLDS: Final = 1500
VERBS: Final = ("change_plan", "change_plan", "pending", "active", "active", "trial", "past_due")
VERBS_TOO: Final = ("paid", "payment_failed", "suspended", "paused", "resumed", "cancelled")
RARE: Final = ("renewed", "churned", "reactivated")


def drawn(random: Random, name: str, others: list[str], days: list[int]) -> Told:
    told = Told(name)
    if others and random.random() < 0.3:
        told.replaces = random.choice(others)
    told.story.append((days.pop(), "change_plan", (random.choice(TIERS), random.randrange(1, 9))))
    for _ in range(random.randrange(7)):
        verb = random.choice((*VERBS, *VERBS_TOO, *RARE))
        day = days.pop()
        value: object = None
        if verb == "change_plan":
            value = (random.choice(TIERS), random.randrange(1, 9))
        if verb == "trial" or (verb == "cancelled" and random.random() < 0.5):
            value = random.randrange(1, 120)
        told.story.append((day, verb, value))
    return told


def meanings(told: Told) -> list[Meaning]:
    written = []
    for at, (day, verb, value) in enumerate(told.story):
        terms, until = None, None
        if isinstance(value, tuple):
            terms = Terms(value[0], frozenset(), (("seats", value[1]),))
        elif isinstance(value, int):
            until = value * DAY
        then = OFFBOARDED if verb == "churned" else SUSPENDED
        clause = Clause(
            verb=Verb(verb), terms=terms, until=until, grace=GRACE * DAY, then=then,
            replaces=told.replaces if verb == "change_plan" else "",
        )  # fmt: skip
        id_ = f"{told.name}-{at}"
        written.append(Meaning(day * DAY, "s", id_, (clause,), told.name))
    opening = Clause(verb=Verb.ONBOARD)
    return [*written, Meaning(0, "s", "open", (opening,))]


def test_access_equals_the_brute_force_reading() -> None:
    seen = {True: 0, False: 0}
    for number in range(WORLDS):
        random = Random(number)
        days = random.sample(range(1, 100), 40)
        names = ["a", "b", "c", "d"][: random.randrange(1, 5)]
        agreements = [drawn(random, name, names[:at], days) for at, name in enumerate(names)]
        rule = random.choice(tuple(Quantity))
        merging = Merging(TIERS, {"seats": rule})
        told = [meaning for each in agreements for meaning in meanings(each)]
        random.shuffle(told)
        contract = fold(told, merging)
        for day in (100, 107, 130):
            share = share_at(contract, merging, day * DAY)
            right = access(agreements, day, rule is Quantity.SUM)
            open_ = share.state in OPEN_STATES
            assert open_ == (right is not None), (number, day, agreements)
            if right is not None:
                assert (share.terms.tier, dict(share.terms.limits)["seats"]) == right, agreements
            seen[open_] += 1
    assert min(seen.values()) > WORLDS // 3
