"""Time never goes backwards, follows no clock that is wrong, and lets none commit that is ahead."""

import pytest

from authz_service.errors import ErrorReason, Unavailable
from authz_service.replication.time import SECOND, Time

NOON = 1_750_000_000 * SECOND
HOUR = 3600 * SECOND
YEAR = 365 * 24 * HOUR


class Machine:
    """A machine whose clock can be set, and whose uptime cannot."""

    def __init__(self) -> None:
        self.wall = NOON
        self.up = 100.0
        self.time = Time(lambda: self.wall, lambda: self.up)

    def later(self, seconds: float) -> None:
        self.wall += round(seconds * SECOND)
        self.up += seconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_time_is_the_machines(machine: Machine) -> None:
    assert machine.time.now() == NOON
    machine.later(5)
    assert machine.time.now() == NOON + 5 * SECOND
    assert machine.time.offset == 0


def test_clock_that_is_set_back_is_not_followed(machine: Machine) -> None:
    machine.time.now()
    machine.later(10)
    machine.wall -= HOUR
    assert machine.time.now() == NOON + 10 * SECOND
    machine.later(60)
    assert machine.time.now() == NOON + 70 * SECOND
    assert machine.time.offset == -HOUR


def test_clock_that_jitters_never_takes_time_back(machine: Machine) -> None:
    before = machine.time.now()
    machine.wall -= SECOND // 2
    assert machine.time.now() == before


def test_clock_that_is_set_ahead_is_followed_where_no_database_says_otherwise(
    machine: Machine,
) -> None:
    machine.wall += HOUR
    assert machine.time.now() == NOON + HOUR
    machine.later(1)
    assert machine.time.now() == NOON + HOUR + SECOND


def test_databases_clock_counts_where_the_machines_is_ahead(machine: Machine) -> None:
    machine.wall += YEAR
    machine.time.now()
    machine.time.hear(NOON)
    assert machine.time.now() == NOON
    machine.later(30)
    assert machine.time.now() == NOON + 30 * SECOND
    assert machine.time.offset == YEAR


def test_databases_clock_that_goes_back_is_not_followed(machine: Machine) -> None:
    machine.time.hear(NOON)
    machine.later(30)
    machine.time.hear(NOON - HOUR)
    assert machine.time.now() == NOON + 30 * SECOND


def test_no_time_is_before_the_newest_commit(machine: Machine) -> None:
    machine.time.pass_by(NOON + HOUR)
    assert machine.time.now() == NOON + HOUR
    machine.later(3601)
    assert machine.time.now() == NOON + 3601 * SECOND


@pytest.mark.parametrize("seconds", [-3600, 0, 4.9])
def test_process_that_is_not_ahead_commits(machine: Machine, seconds: float) -> None:
    machine.time.require_not_ahead(NOON - round(seconds * SECOND))


@pytest.mark.parametrize("ahead", [6 * SECOND, YEAR])
def test_process_ahead_of_the_database_does_not_commit(machine: Machine, ahead: int) -> None:
    with pytest.raises(Unavailable) as refused:
        machine.time.require_not_ahead(NOON - ahead)
    assert refused.value.reason is ErrorReason.CLOCK_AHEAD
    assert refused.value.details == {"seconds": f"{ahead / SECOND:.1f}"}
