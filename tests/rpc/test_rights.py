"""Every RPC by every kind of key: allowed or refused as the roles of the release say."""

import re
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from google.protobuf.message_factory import GetMessageClass

from authz_service.config import shipped_policies
from authz_service.domain import own_policy
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import (
    exception_pb2,
    key_pb2,
    role_grant_pb2,
    role_pb2,
    subscription_pb2,
    tenant_pb2,
    tier_pb2,
)
from tests.rpc.access import ACCESS, IN_TENANT, RIGHT_OF
from tests.rpc.account import DENY, Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Caller, Refusal, Server, made, refusal, serving
from tests.rpc.requests import (
    CHANGES,
    GOOD,
    OF_OWN_ROLES,
    Ready,
    about,
    made_ready,
    names_tenant,
)
from tests.services import PUT, RPCS

ROLES: Final = (
    "authz.checker",
    "authz.operator",
    "authz.product",
    "authz.provisioner",
    "authz.auditor",
)


@cache
def permissions_of(role: str) -> frozenset[str]:
    """Read what a role of the release or of the example product holds."""
    own = {role.id: role for role in own_policy.ROLES}
    if role in own:
        return own[role].permissions.union(*map(permissions_of, own[role].includes))
    roles = yaml.safe_load((shipped_policies() / "roles.yaml").read_text())["roles"]
    below = map(permissions_of, roles[role].get("includes", ()))
    return frozenset(roles[role]["permissions"]).union(*below)


@pytest.fixture(scope="module")
def callers(server: Server) -> dict[str, Caller]:
    return {role: server.caller(server.new_key(role)) for role in ROLES}


@pytest.fixture(scope="module")
def ready(server: Server) -> Ready:
    """Make one account ready for all tests here: they are refused, or change nothing."""
    return made_ready(Account(server, fresh_name("rights"))).whole()


def alone(request: Any) -> Any:
    """Let a change be answered without being made."""
    if "validate_only" in request.DESCRIPTOR.fields_by_name:
        request.validate_only = True
    return request


def empty(name: str) -> Any:
    return GetMessageClass(RPCS[name].input_type)()


def lets(role: str, right: str, *, one: bool) -> bool:
    """Tell whether a role lets its holder do what takes the right: for one customer, or for all."""
    enough = {right, IN_TENANT.get(right, right)} if one else {right}
    return not enough.isdisjoint(permissions_of(role))


def without(name: str, *, one: bool = False) -> list[str]:
    return [role for role in ROLES if not lets(role, RIGHT_OF[name], one=one)]


def test_every_rpc_takes_a_right() -> None:
    assert [name for name, right in RIGHT_OF.items() if not right] == []


@pytest.mark.sweep
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", RPCS)
def test_rpc_is_allowed_as_the_shipped_roles_say(
    ready: Ready, callers: dict[str, Caller], name: str, role: str
) -> None:
    request = alone(GOOD[name](ready))
    if lets(role, RIGHT_OF[name], one=name in OF_OWN_ROLES):
        callers[role].call(request)
        return
    found = ready.account.server.refuses(
        request, ErrorReason.PERMISSION_DENIED, says="use a key with a role", by=callers[role]
    )
    assert found.metadata == {"permission": RIGHT_OF[name]}


@pytest.mark.sweep
@pytest.mark.parametrize("name", [name for name in RPCS if without(name)])
def test_right_is_asked_before_anything_is_found_wrong(
    server: Server, callers: dict[str, Caller], name: str
) -> None:
    for role in without(name):
        server.refuses(empty(name), ErrorReason.PERMISSION_DENIED, by=callers[role])


MALFORMED: Final[dict[str, Any]] = {
    "unknown-enum-number": made(role_grant_pb2.GrantRoleRequest, role_grant={"source": 99}),
    "unset-enum": made(exception_pb2.CreateExceptionRequest, exception={"tenant": "acme"}),
    "limit-without-amount": made(
        tier_pb2.UpdateTierRequest, **PUT, tier={"id": "x", "limits": [{"name": "a"}]}
    ),
    "bad-request-id": subscription_pb2.SetTierRequest(request_id="é"),
    "long-reason": subscription_pb2.SetTierRequest(reason="x" * 1001),
    "bad-state": tenant_pb2.ListTenantsRequest(state=99),  # type: ignore[arg-type]
    "page-size": key_pb2.ListKeysRequest(page_size=-1),
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_right_is_asked_before_conversion_finds_fault(
    server: Server, callers: dict[str, Caller], request_: Any
) -> None:
    server.refuses(request_, ErrorReason.PERMISSION_DENIED, by=callers["authz.checker"])


def test_size_of_a_batch_is_looked_at_after_the_right(
    server: Server, callers: dict[str, Caller]
) -> None:
    request = checks.BatchCheckRequest(questions=[checks.Question()] * 1001)
    server.refuses(request, ErrorReason.PERMISSION_DENIED, by=callers["authz.auditor"])


def nameless(found: Refusal, tenant: str) -> tuple[object, ...]:
    """Take away the name that the caller itself has sent."""
    said = re.sub(re.escape(tenant), "?", found.message)
    return found.code, found.reason, found.field, said, found.metadata


@pytest.mark.sweep
@pytest.mark.parametrize("name", [name for name in RPCS if without(name)])
def test_refusal_does_not_say_whether_the_tenant_exists(
    ready: Ready, callers: dict[str, Caller], name: str
) -> None:
    for role in without(name, one=True):
        told = []
        for tenant in (ready.id, "nowhere"):
            asked = about(GOOD[name](ready), tenant)
            told.append(nameless(refusal(partial(callers[role].call, asked)), tenant))
        assert told[0] == told[1]


@pytest.fixture(scope="module")
def bound(ready: Ready) -> tuple[Ready, Caller]:
    """Give an operator's key that is bound to the account."""
    server = ready.account.server
    return ready, server.caller(
        server.new_key(
            "authz.operator", tenants=(ready.id, ready.ended, ready.fallen, ready.suspended)
        )
    )


@pytest.fixture(scope="module")
def other(server: Server) -> Account:
    """Open an account that the bound key is not for."""
    opened = Account(server, fresh_name("other"))
    opened.onboard("free", ada=["admin"])
    return opened


NEW: Final = {"OnboardTenant", "BatchOnboardTenants"}
"""RPCs about tenants that are not there yet."""

NOT_ABOUT_ONE: Final = {
    name
    for name, access in ACCESS.items()
    if name in NEW or not (access.tenant or name in OF_OWN_ROLES)
}
ABOUT_ONE: Final = [name for name in RPCS if name not in NOT_ABOUT_ONE]


def test_requests_that_are_about_one_tenant_name_it(ready: Ready) -> None:
    named = {name for name in GOOD if names_tenant(name, ready)}
    assert named - NEW - {"MapSubject"} == set(ABOUT_ONE)


@pytest.mark.parametrize("name", ABOUT_ONE)
def test_key_bound_to_a_tenant_works_in_it(bound: tuple[Ready, Caller], name: str) -> None:
    ready, caller = bound
    caller.call(alone(GOOD[name](ready)))


@pytest.mark.parametrize("name", ABOUT_ONE)
def test_key_bound_to_a_tenant_learns_nothing_of_others(
    bound: tuple[Ready, Caller], other: Account, name: str
) -> None:
    ready, caller = bound
    told = []
    for tenant in (other.id, "nowhere"):
        request = about(GOOD[name](ready), tenant)
        found = other.server.refuses(request, ErrorReason.PERMISSION_DENIED, by=caller)
        told.append(nameless(found, tenant))
    assert told[0] == told[1]


@pytest.mark.parametrize("name", sorted(NOT_ABOUT_ONE))
def test_key_bound_to_a_tenant_is_refused_what_concerns_all(
    bound: tuple[Ready, Caller], name: str
) -> None:
    ready, caller = bound
    request = GOOD[name](ready)
    ready.account.server.refuses(request, ErrorReason.PERMISSION_DENIED, by=caller)


def test_batch_with_one_question_about_another_tenant_is_refused(
    bound: tuple[Ready, Caller],
) -> None:
    ready, caller = bound
    request: Any = GOOD["BatchCheck"](ready)
    request.questions[1].tenant = "nowhere"
    found = ready.account.server.refuses(request, ErrorReason.PERMISSION_DENIED, by=caller)
    assert "'nowhere'" in found.message


WRONG_IN_OWN: Final[dict[str, Any]] = {
    "grant": lambda t: made(
        role_grant_pb2.GrantRoleRequest, role_grant={"tenant": t, "source": 99}
    ),
    "exception": lambda t: made(
        exception_pb2.CreateExceptionRequest, exception={"tenant": t, "kind": 99}
    ),
    "suspend": lambda t: made(tenant_pb2.SuspendTenantRequest, tenant=t, suspension_reason=99),
    "role": lambda t: made(
        role_pb2.UpdateRoleRequest, **PUT, role={"id": f"{t}/x"}, reason="x" * 1001
    ),
}


@pytest.mark.parametrize("build", WRONG_IN_OWN.values(), ids=WRONG_IN_OWN)
def test_key_bound_to_a_tenant_is_told_what_is_wrong_in_its_own(
    bound: tuple[Ready, Caller], build: Any
) -> None:
    ready, caller = bound
    found = refusal(lambda: caller.call(build(ready.id)))
    assert found.reason == ErrorReason.INVALID_FIELD


def test_right_that_another_process_took_away_is_not_used_for_a_change(tmp_path: Path) -> None:
    with serving(tmp_path, poll_seconds=600) as stale, serving(tmp_path) as other:
        Account(other, "acme").onboard("free")
        key = other.new_key("authz.provisioner")
        caller = stale.caller(key)
        request = subscription_pb2.SetTierRequest(tenant="acme", tier="professional")
        stale.operator.call(alone(request))  # takes the change log in
        request.validate_only = False
        other.operator.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=key.split("_")[2]))
        found = refusal(lambda: caller.call(request))
    assert found.reason == ErrorReason.PERMISSION_DENIED


def test_key_without_a_role_of_its_own_tenant_gets_none_from_a_customer(account: Account) -> None:
    account.onboard("enterprise")
    made = account.operator.keys.CreateKey(
        key_pb2.CreateKeyRequest(key=key_pb2.Key(roles=["authz.checker"]))
    ).key
    account.add(f"service:{made.id}", "admin")
    assert account.may(f"service:{made.id}", "team:manage")
    assert account.reason(f"service:{made.id}", "authz.keys:create") == "ROLE_MISSING"


def test_exception_of_a_customer_takes_nothing_from_its_operators(account: Account) -> None:
    account.onboard("enterprise")
    account.except_(DENY, "authz.tenants:get")
    account.operator.tenants.GetTenant(tenant_pb2.GetTenantRequest(tenant=account.id))


def test_every_change_takes_a_right_that_an_auditor_lacks() -> None:
    assert {name for name in CHANGES if "authz.auditor" not in without(name)} == set()
