"""Instants as people write them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.cli.display.instants import FORMS, instant
from authz_service.cli.display.words import instant as shown

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01T00:00:00Z", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01t00:00:00z", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01 02:00:00+02:00", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T00:00:00.250Z", datetime(2026, 12, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01 14:30", datetime(2026, 12, 1, 14, 30, tzinfo=UTC)),
        ("+30d", datetime(2026, 12, 23, 12, 30, tzinfo=UTC)),
        ("-1d12h", datetime(2026, 11, 22, 0, 30, tzinfo=UTC)),
        ("+2h", datetime(2026, 11, 23, 14, 30, tzinfo=UTC)),
        ("+1d12h", datetime(2026, 11, 25, 0, 30, tzinfo=UTC)),
        ("+1w", datetime(2026, 11, 30, 12, 30, tzinfo=UTC)),
        ("+90s", datetime(2026, 11, 23, 12, 31, 30, tzinfo=UTC)),
    ],
)
def test_instants_dates_and_durations_are_read(text: str, expected: datetime) -> None:
    assert instant(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-13-01",
        "2026-12-01T00:00:00",  # whose midnight?
        "2026-12-01T25:00:00Z",
        "20261201",
        "2026-W49-2",
        "30d",
        "-30",
        "+30",
        "+",
        "+1.5h",
        "+999999999w",
        "+٣d",
    ],
)
def test_anything_else_is_refused_with_the_forms_that_are_read(text: str) -> None:
    with pytest.raises(ValueError, match="write 2026-12-01T00:00:00Z") as refused:
        instant(text, NOW)
    assert FORMS in str(refused.value)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_instants_are_shown_in_the_readers_time_zone_and_can_be_typed_as_shown() -> None:
    summer, winter = Timestamp(), Timestamp()
    summer.FromDatetime(datetime(2026, 7, 1, 22, 59, 59, 9, tzinfo=UTC))
    winter.FromDatetime(datetime(2026, 12, 1, 22, 59, 59, 9, tzinfo=UTC))
    assert shown(summer) == "2026-07-02 00:59"
    assert shown(winter) == "2026-12-01 23:59"
    assert instant("2026-07-02 00:59", NOW) == datetime(2026, 7, 1, 22, 59, tzinfo=UTC)
    assert instant("2026-12-02", NOW) == datetime(2026, 12, 1, 23, 0, tzinfo=UTC)


def test_no_instant_is_shown_as_nothing() -> None:
    assert shown(Timestamp()) == ""
