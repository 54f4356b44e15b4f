"""A customer's account as people read it."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from authz_service.cli.display.tenant_table import tenant_facts
from authz_service.gen.authz.v1.tenant_pb2 import (
    TENANT_STATE_ACTIVE,
    TENANT_STATE_SUSPENDED,
    Tenant,
    TenantPeriod,
)

FIRST, SECOND = Timestamp(seconds=86_400), Timestamp(seconds=172_800)
BEFORE = TenantPeriod(state=TENANT_STATE_ACTIVE, valid_until=FIRST)
BETWEEN = TenantPeriod(state=TENANT_STATE_ACTIVE, valid_from=FIRST, valid_until=SECOND)
AFTER = TenantPeriod(state=TENANT_STATE_ACTIVE, valid_from=SECOND)
ENDED = TenantPeriod(state=TENANT_STATE_SUSPENDED, valid_from=SECOND)


def lines(*periods: TenantPeriod) -> list[str]:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(tenant_facts(Tenant(id="acme", periods=periods)))
    return [line.strip() for line in captured.get().splitlines()]


def test_states_that_never_differed_are_not_shown_as_dated() -> None:
    assert not any("dated" in line for line in lines(BEFORE, BETWEEN, AFTER))


@pytest.mark.parametrize("earlier", [(BEFORE, BETWEEN), (BETWEEN,)])
def test_state_that_ends_is_shown_once_with_its_end(earlier: tuple[TenantPeriod, ...]) -> None:
    shown = [line for line in lines(*earlier, ENDED) if "1970-01-0" in line]
    assert len(shown) == 2
    assert "active" in shown[0]
    assert "1970-01-03" in shown[0]
    assert ("1970-01-02" in shown[0]) == (earlier == (BETWEEN,))
    assert "suspended from 1970-01-03" in shown[1]
