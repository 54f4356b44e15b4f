"""Every RPC has a good request here, so that no new one escapes the tests made of them."""

import pytest

from tests.rpc.account import Account
from tests.rpc.requests import CHANGES, GOOD, made_ready
from tests.services import RPCS


def test_every_rpc_has_a_good_request() -> None:
    assert set(RPCS) == set(GOOD)


def test_changes_are_those_that_can_be_validated_alone() -> None:
    can = {name for name, rpc in RPCS.items() if "validate_only" in rpc.input_type.fields_by_name}
    assert can == set(CHANGES)


@pytest.mark.sweep
@pytest.mark.parametrize("name", GOOD)
def test_good_request_is_answered(account: Account, name: str) -> None:
    ready = made_ready(account)
    answer = account.operator.call(GOOD[name](ready))
    assert answer.revision == account.server.revision
