"""Windows are decided at check time: with nothing done, access begins and ends on the instant."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from authz_service.app import door
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import exception_pb2, key_pb2, member_pb2
from tests.rpc.account import DENY, GRANT, REPLACE, Account, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import TIMELESS, Server, refusal, serving

NOON: Final = 1_800_000_000
TICK: Final = 0.000001


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.seconds: float = NOON

    def __call__(self) -> int:
        return round(self.seconds * 1_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(door, "now", clock)
    monkeypatch.setattr(door, "elapsed", lambda: clock() / 1_000_000)
    return clock


@pytest.fixture
def clocked(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve by a clock that the test sets."""
    with serving(tmp_path_factory.mktemp("clocked"), **TIMELESS) as started:
        yield started


@pytest.fixture
def acme(clocked: Server, request: pytest.FixtureRequest) -> Account:
    account = Account(clocked, fresh_name(request.node.name))
    account.onboard("professional", ada=["admin"], vera=["viewer"])
    return account


def test_grant_begins_on_its_first_instant_and_ends_on_the_one_after_its_last(
    acme: Account, clock: Clock
) -> None:
    window: dict[str, Any] = {
        "valid_from": timestamp(NOON + 60),
        "valid_until": timestamp(NOON + 120),
    }
    acme.grant("vera", "editor", **window)
    seen = []
    for seconds in (60 - TICK, 60, 120 - TICK, 120):
        clock.seconds = NOON + seconds
        seen.append(acme.reason("vera", "invoices:create"))
    assert seen == ["ROLE_MISSING", "ALLOWED", "ALLOWED", "GRANT_EXPIRED"]


def test_grant_without_a_start_has_always_held(acme: Account) -> None:
    acme.grant("vera", "editor", valid_until=timestamp(NOON + 1))
    assert acme.may("vera", "invoices:create")


def test_grant_whose_window_is_over_gives_nothing(acme: Account) -> None:
    acme.grant("vera", "editor", valid_from=timestamp(NOON - 120), valid_until=timestamp(NOON - 60))
    answer = acme.ask("vera", "invoices:create")
    assert answer.reason == checks.DECISION_REASON_GRANT_EXPIRED
    assert answer.reason_class == checks.REASON_CLASS_EXPIRED


def test_renewal_that_overlaps_leaves_no_gap(acme: Account, clock: Clock) -> None:
    acme.grant("vera", "editor", valid_until=timestamp(NOON + 60))
    acme.grant("vera", "editor", valid_from=timestamp(NOON + 30))
    for seconds in (29, 45, 60, 90):
        clock.seconds = NOON + seconds
        assert acme.may("vera", "invoices:create")


def test_grant_exception_ends_on_the_instant(acme: Account, clock: Clock) -> None:
    acme.except_(GRANT, "sso:configure", valid_until=timestamp(NOON + 60))
    assert acme.may("ada", "sso:configure")
    clock.seconds = NOON + 60
    answer = acme.ask("ada", "sso:configure")
    assert answer.reason == checks.DECISION_REASON_ENTITLEMENT_EXPIRED
    assert answer.reason_class == checks.REASON_CLASS_EXPIRED


def test_deny_exception_holds_in_its_window_alone(acme: Account, clock: Clock) -> None:
    window = {"valid_from": timestamp(NOON + 60), "valid_until": timestamp(NOON + 120)}
    acme.except_(DENY, "team:manage", **window)
    seen = []
    for seconds in (0, 60, 120 - TICK, 120):
        clock.seconds = NOON + seconds
        seen.append(acme.may("ada", "team:manage"))
    assert seen == [True, False, False, True]


def test_replacement_gives_the_tier_back_when_it_ends(acme: Account, clock: Clock) -> None:
    acme.except_(REPLACE, "team:view", valid_until=timestamp(NOON + 60))
    assert not acme.may("ada", "team:manage")
    clock.seconds = NOON + 60
    assert acme.may("ada", "team:manage")


def test_exceptions_not_in_force_are_listed_but_entitle_to_nothing(acme: Account) -> None:
    made = acme.except_(GRANT, "sso:configure", valid_from=timestamp(NOON + 60))
    request = exception_pb2.ListExceptionsRequest(tenant=acme.id)
    listed = acme.operator.exceptions.ListExceptions(request).exceptions
    assert [each.id for each in listed] == [made.id]
    assert list(acme.entitlements().exceptions) == []


def test_member_shows_the_roles_in_force_now(acme: Account, clock: Clock) -> None:
    acme.grant("vera", "editor", valid_until=timestamp(NOON + 60))
    request = member_pb2.GetMemberRequest(tenant=acme.id, subject="user:vera")
    shown = []
    for seconds in (0, 60):
        clock.seconds = NOON + seconds
        shown.append(list(acme.operator.members.GetMember(request).member.roles))
    assert shown == [["editor", "viewer"], ["viewer"]]


def test_key_ends_on_the_instant(clocked: Server, clock: Clock) -> None:
    request = key_pb2.CreateKeyRequest(
        key=key_pb2.Key(roles=["authz.operator"], expire_time=timestamp(NOON + 60))
    )
    caller = clocked.caller(clocked.operator.keys.CreateKey(request).credential)
    clock.seconds = NOON + 60 - TICK
    caller.keys.ListKeys(key_pb2.ListKeysRequest())
    clock.seconds = NOON + 60
    found = refusal(lambda: caller.keys.ListKeys(key_pb2.ListKeysRequest()))
    assert found.reason == "CREDENTIALS_INVALID"


def test_explanation_tells_its_instant_and_the_window_of_a_rule(acme: Account) -> None:
    until = timestamp(NOON + 60)
    acme.grant("vera", "editor", valid_until=until)
    told = acme.explain("vera", "invoices:create")
    assert told.at_time == timestamp(NOON)
    assert until in [rule.valid_until for rule in told.rules]
