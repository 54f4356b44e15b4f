"""What several plans set is merged as an independent reading of the rules says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service.domain.catalog import MAX_NUMBER, Feature, FeatureKind, Limit, Plan
from authz_service.domain.merging import merged, summed
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.policy_validation import violations
from authz_service.domain.tenant import SubscriptionItem, Tenant
from authz_service.domain.window import Window
from authz_service.engine.builder import build
from authz_service.engine.entitlements import plan_features
from authz_service.errors import ErrorReason

RANKS = {"none": 0, "mail": 1, "chat": 2, "phone": 3}
FLAG = st.sampled_from(["true", "false"]).map(lambda value: Feature("sso", value))
DAYS = st.integers(0, MAX_NUMBER).map(lambda n: Feature("days", str(n), FeatureKind.NUMBER))
HELP = st.sampled_from(sorted(RANKS)).map(
    lambda word: Feature("help", word, FeatureKind.TEXT, RANKS[word])
)
PARTS = st.tuples(st.none() | FLAG, st.none() | DAYS, st.none() | HELP).map(
    lambda parts: tuple(part for part in parts if part is not None)
)
AT = 10
WINDOWS = st.sampled_from([Window(), Window(0, 5), Window(20), Window(5, 15)])


@given(PARTS, PARTS, st.lists(st.tuples(PARTS, WINDOWS), max_size=4))
def test_features_in_force_are_those_of_a_brute_force_reading(
    of_free: tuple[Feature, ...],
    of_pro: tuple[Feature, ...],
    add_ons: list[tuple[tuple[Feature, ...], Window]],
) -> None:
    plans = [Plan("tier/free", features=of_free), Plan("tier/pro", "tier/free", features=of_pro)]
    plans += [Plan(f"addon/a{i}", features=parts) for i, (parts, _) in enumerate(add_ons)]
    items = [SubscriptionItem(f"addon/a{i}", window) for i, (_, window) in enumerate(add_ons)]
    acme = Tenant("acme", subscription_items=(SubscriptionItem("tier/pro"), *items))
    in_force = plan_features(build([*plans, acme], 1), acme, AT)
    expected = {}
    for name in ("sso", "days", "help"):
        named = {f.name: f.value for f in of_free} | {f.name: f.value for f in of_pro}
        values = {named[name]} if name in named else set()
        for parts, window in add_ons:
            if window.valid_from <= AT < window.valid_until:
                values |= {f.value for f in parts if f.name == name}
        if values:
            expected[name] = best(name, values)
    assert {name: item.feature.value for name, item in in_force.items()} == expected


def best(name: str, values: set[str]) -> str:
    """Read the rules of the kinds once more, in other words."""
    if name == "sso":
        return "true" if "true" in values else "false"
    if name == "days":
        return str(max(map(int, values)))
    return next(word for word in ("phone", "chat", "mail", "none") if word in values)


AMOUNTS = st.none() | st.sampled_from([0, 1, MAX_NUMBER - 1, MAX_NUMBER]) | st.integers(0, 9)


@given(st.lists(AMOUNTS, min_size=1, max_size=5))
def test_limits_add_up_to_the_largest_number_at_most(amounts: list[int | None]) -> None:
    total = summed([Limit("calls", amount, "call") for amount in amounts]).value
    if None in amounts:
        assert total is None
        return
    numbers = [amount for amount in amounts if amount is not None]
    exact = sum(numbers)
    assert total == (min(exact, 2**53))


def test_first_of_equals_holds_and_another_kind_does_not_count() -> None:
    on, number = Feature("x", "true"), Feature("x", "9", FeatureKind.NUMBER)
    assert merged([Feature("x", "false"), number]) == Feature("x", "false")
    assert merged([on, on]) is on


NUMBER = Feature("x", "1", FeatureKind.NUMBER)


def text(value: str, rank: int = 0) -> Feature:
    return Feature("x", value, FeatureKind.TEXT, rank)


@pytest.mark.parametrize(
    ("tiers", "add_ons", "reason"),
    [
        ([Feature("x", "true"), NUMBER], [], ErrorReason.FEATURE_KIND_MISMATCH),
        ([Feature("x", "true")], [text("a")], ErrorReason.FEATURE_KIND_MISMATCH),
        ([text("a")], [text("b")], ErrorReason.FEATURE_RANK_CONFLICT),
        ([text("a", 1), text("a", 2)], [], ErrorReason.FEATURE_RANK_CONFLICT),
        ([], [text("a", 1), text("b", 1)], ErrorReason.FEATURE_RANK_CONFLICT),
        ([text("a"), text("b")], [], None),
        ([text("a"), text("b")], [text("c", 1)], None),
        ([text("a", 1), text("b", 2)], [text("b", 2), text("c", 3)], None),
        ([Feature("x", "true")], [Feature("x", "false")], None),
    ],
)
def test_policy_that_could_not_be_merged_is_refused(
    tiers: list[Feature], add_ons: list[Feature], reason: ErrorReason | None
) -> None:
    policy = PolicySet(
        tiers=tuple(Plan(f"tier/t{i}", features=(f,)) for i, f in enumerate(tiers)),
        add_ons=tuple(Plan(f"addon/a{i}", features=(f,)) for i, f in enumerate(add_ons)),
    )
    found = [violation.reason for violation in violations(policy)]
    assert found == ([reason] if reason else [])


def test_what_an_older_policy_has_may_stay_and_what_is_written_may_not_join_it() -> None:
    older = PolicySet(tiers=(Plan("tier/a", features=(text("a"),)),))
    add_on = Plan("addon/b", features=(text("b"),))
    assert [v.path for v in violations(PolicySet(add_ons=(add_on,)), older)] == [
        ("add_ons", "b", "features", "x")
    ]
    both = PolicySet(tiers=older.tiers, add_ons=(add_on,))
    described = PolicySet(tiers=(Plan("tier/a", features=(text("a"),), description="A"),))
    assert not list(violations(described, both))
