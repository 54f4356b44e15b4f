"""A stranger is told, and can measure, nothing about whether a tenant exists."""

from statistics import median
from time import perf_counter
from typing import Any

import pytest

from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import member_pb2, role_pb2
from tests.rpc.account import Account, member
from tests.rpc.harness import Caller, Refusal, refusal
from tests.rpc.test_actors import acting
from tests.services import PUT

ROUNDS = 60
GENEROUS = 1.6
"""Ratio of the medians, on a loaded machine; an index look-up is a thousandth of a call."""


@pytest.fixture
def accounts(account: Account) -> tuple[Account, str]:
    """Make an account, and name another that is not there, in as many letters."""
    account.onboard("professional", ada=["admin"])
    other = Account(account.server, account.id[:-1] + "1")
    other.onboard("professional", gus=["admin"])
    return other, account.id[:-1] + "0"


def requests(tenant: str) -> dict[str, Any]:
    return {
        "check": checks.CheckRequest(tenant=tenant, subject="user:gus", permission="invoices:view"),
        "list": member_pb2.ListMembersRequest(tenant=tenant),
        "add": member_pb2.AddMemberRequest(tenant=tenant, member=member("nina", "viewer")),
        "role": role_pb2.UpdateRoleRequest(**PUT, role=role_pb2.Role(id=f"{tenant}/x")),
        "get": role_pb2.GetRoleRequest(id=f"{tenant}/x"),
    }


def strangers(account: Account) -> dict[str, Caller]:
    server = account.server
    return {
        "bound": server.caller(server.new_key("authz.operator", tenants=(account.id,))),
        "actor": acting(server, "user:ada"),
        "without": server.caller(server.new_key("authz.auditor", tenants=(account.id,))),
    }


def nameless(found: Refusal, tenant: str) -> Refusal:
    return found._replace(message=found.message.replace(tenant, "?"))


@pytest.mark.parametrize("who", ["bound", "actor", "without"])
@pytest.mark.parametrize("name", ["check", "list", "add", "role", "get"])
def test_stranger_hears_the_same_of_a_tenant_that_exists_and_of_none(
    account: Account, accounts: tuple[Account, str], who: str, name: str
) -> None:
    there, nowhere = accounts
    caller = strangers(account)[who]
    told = [
        nameless(refusal(lambda t=tenant: caller.call(requests(t)[name])), tenant)  # type: ignore[misc]
        for tenant in (there.id, nowhere)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize("name", ["check", "add"])
def test_stranger_waits_as_long_for_a_tenant_that_exists_as_for_none(
    account: Account, accounts: tuple[Account, str], name: str
) -> None:
    there, nowhere = accounts
    caller = strangers(account)["actor"]
    took: dict[str, list[float]] = {there.id: [], nowhere: []}
    for round_ in range(ROUNDS):
        # Interleaved, and by turns first, so that whatever slows the machine slows both.
        for tenant in sorted(took, reverse=round_ % 2 == 0):
            request, began = requests(tenant)[name], perf_counter()
            refusal(lambda r=request: caller.call(r))  # type: ignore[misc]
            took[tenant].append(perf_counter() - began)
    one, other = (median(each) for each in took.values())
    assert max(one, other) < GENEROUS * min(one, other)
