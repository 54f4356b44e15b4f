"""What all changes have in common: revision, request id, a dry run; each is done once or not."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import (
    effect_pb2,
    key_pb2,
    permission_pb2,
    role_grant_pb2,
    role_pb2,
    subscription_pb2,
    tenant_pb2,
    tier_pb2,
)
from tests.changesets import apply, puts
from tests.rpc.account import Account
from tests.rpc.harness import Server, made, serving
from tests.rpc.requests import BESIDE_FACTS, CHANGES, Ready, made_ready
from tests.services import PUT, RPCS, request

VARYING = (
    *("id", "role_grant_id", "create_time", "send_time", "expire_time"),
    "previous_expire_time",
)
"""Given by the service anew for each thing that it makes."""

DRAWN_FOR = {
    "CreateEndpointResponse": ("id", "create_time"),
    # A job is made, due at once.
    "PingEndpointResponse": ("id", "create_time", "next_attempt_time"),
    # The same job, due at the instant of the change.
    "RedeliverDeliveryResponse": ("next_attempt_time",),
    "RetryJobResponse": ("next_attempt_time",),
    "CancelJobResponse": ("end_time",),
}
"""By answer, what is drawn anew or is the instant of the change; the rest of it must be the same,
and so must ids and times in the other answers about endpoints and jobs.
"""

SECRETS = ("credential", "token", "secret")
"""Shown in the first answer alone."""


@pytest.fixture
def ready(account: Account) -> Ready:
    return made_ready(account)


def shape(answer: Any) -> Any:
    """Take away what no two answers can share: ids given by the service, the time, the secret."""
    seen = type(answer)()
    seen.CopyFrom(answer)
    for _, part in seen.ListFields():
        for message in part if hasattr(part, "add") else [part]:
            if getattr(message, "DESCRIPTOR", None) is not None:
                _forget(message)
                for name in DRAWN_FOR.get(answer.DESCRIPTOR.name, ()):
                    message.ClearField(name)
    return without_secret(seen)


def without_secret(answer: Any) -> Any:
    for name in SECRETS:
        if name in answer.DESCRIPTOR.fields_by_name:
            answer.ClearField(name)
    return answer


def _forget(message: Any) -> None:
    if message.DESCRIPTOR.name in (
        "RoleGrant",
        "BatchGrantResult",
        "TenantException",
        "Key",
        "Identity",
        "Invitation",
    ):
        for name in VARYING:
            if name in message.DESCRIPTOR.fields_by_name:
                message.ClearField(name)
    if message.DESCRIPTOR.name == "BillingEvent":
        message.ClearField("receive_time")
        for step in message.passage:
            step.ClearField("time")
    if message.DESCRIPTOR.name == "Tenant":  # its dates begin at the instant of the change
        message.ClearField("create_time")
        message.ClearField("periods")


def with_id(name: str, ready: Ready, request_id: str = "") -> Any:
    request: Any = CHANGES[name](ready)
    request.request_id = request_id or f"{ready.id}-{name}"
    return request


@pytest.mark.parametrize("name", [name for name in CHANGES if name not in BESIDE_FACTS])
def test_change_makes_the_next_revision_and_says_so(ready: Ready, name: str) -> None:
    request = CHANGES[name](ready)
    before = ready.account.server.revision
    answer = ready.account.operator.call(request)
    assert (answer.revision, ready.account.server.revision) == (before + 1, before + 1)


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_dry_run_answers_as_the_change_will_and_writes_nothing(ready: Ready, name: str) -> None:
    request: Any = CHANGES[name](ready)
    before = ready.account.server.footprint()
    request.validate_only = True
    told = ready.account.operator.call(request)
    assert ready.account.server.footprint() == before
    told.ClearField("preview")
    request.validate_only = False
    done = ready.account.operator.call(request)
    assert shape(told) == shape(done)


@pytest.mark.parametrize("name", [name for name in CHANGES if name not in BESIDE_FACTS])
def test_dry_run_shows_the_objects_that_would_change(ready: Ready, name: str) -> None:
    request: Any = CHANGES[name](ready)
    request.validate_only = True
    assert ready.account.operator.call(request).preview.objects


def test_dry_run_shows_who_would_gain_and_lose_what(ready: Ready) -> None:
    account = ready.account
    grant = role_grant_pb2.RoleGrant(tenant=account.id, subject="user:vera", role="editor")
    dry = role_grant_pb2.GrantRoleRequest(role_grant=grant, validate_only=True)
    gaining = account.operator.role_grants.GrantRole(dry).preview.effect
    assert (gaining.subjects_gaining, gaining.subjects_losing) == (1, 0)
    free = subscription_pb2.SetTierRequest(tenant=account.id, tier="free", validate_only=True)
    losing = account.operator.subscriptions.SetTier(free).preview
    assert losing.effect.subjects_losing > 0
    assert "seats" in {value.name for value in losing.effect.limits}


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_retry_gets_the_first_answer_and_changes_nothing(ready: Ready, name: str) -> None:
    request = with_id(name, ready)
    first = ready.account.operator.call(request)
    before = ready.account.server.footprint()
    again = ready.account.operator.call(request)
    assert ready.account.server.footprint() == before
    for secret in set(SECRETS) & {field.name for field, _ in first.ListFields()}:
        assert not getattr(again, secret)
    assert again == without_secret(first)


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_request_id_with_other_content_is_refused(ready: Ready, name: str) -> None:
    request = with_id(name, ready)
    ready.account.operator.call(request)
    if "reason" in RPCS[name].input_type.fields_by_name:
        request.reason = "another"
    elif name == "GrantRole":
        request.role_grant.scope = "project:1"
    elif name == "CreateException":
        request.exception.approver = "user:other"
    elif name == "IngestBillingEvent":
        request.subject = "another"
    else:
        request.display_name = "another"
    ready.account.server.refuses(
        request, ErrorReason.REQUEST_ID_REUSED, at="request_id", says="send a fresh one"
    )


def test_everything_is_as_it_was_after_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        account = Account(server, "acme")
        account.onboard("professional", ada=["admin"], vera=["viewer"])
        account.grant("vera", "editor", "project:42")
        before = server.footprint()
        told = account.entitlements()
        told.ClearField("as_of_time")
    with serving(tmp_path) as server:
        account = Account(server, "acme")
        assert server.footprint() == before
        entitlements = account.entitlements()
        entitlements.ClearField("as_of_time")
        assert entitlements == told
        assert account.may("vera", "projects:create", "project:42")


def test_request_id_of_one_caller_is_free_for_another(ready: Ready) -> None:
    server = ready.account.server
    other = server.caller(server.new_key("authz.operator"))
    request = with_id("SetTier", ready)
    ready.account.operator.call(request)
    request.tier = "free"
    assert other.call(request).tenant.tier == "free"


def test_request_id_of_one_rpc_is_not_free_for_another(ready: Ready) -> None:
    ready.account.operator.call(with_id("SetTier", ready, "same"))
    request = with_id("OffboardTenant", ready, "same")
    ready.account.server.refuses(request, ErrorReason.REQUEST_ID_REUSED, at="request_id")


def test_refused_request_leaves_its_id_free(ready: Ready) -> None:
    request = subscription_pb2.SetTierRequest(tenant=ready.id, tier="platinum", request_id=ready.id)
    ready.account.server.refuses(request, ErrorReason.TIER_NOT_FOUND, at="tier")
    request.tier = "enterprise"
    assert ready.account.operator.subscriptions.SetTier(request).tenant.tier == "enterprise"


def test_dry_run_leaves_its_request_id_free(ready: Ready) -> None:
    request = with_id("SetTier", ready)
    request.validate_only = True
    ready.account.operator.call(request)
    request.validate_only = False
    assert ready.account.operator.call(request).tenant.tier == "enterprise"


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_malformed_request_id_of_a_dry_run_is_refused(ready: Ready, name: str) -> None:
    request: Any = CHANGES[name](ready)
    request.validate_only = True
    request.request_id = "é"
    ready.account.server.refuses(request, ErrorReason.INVALID_IDENTIFIER, at="request_id")


def test_change_without_an_effect_makes_no_revision(account: Account) -> None:
    changed = account.onboard("free").revision
    same_tier = subscription_pb2.SetTierRequest(tenant=account.id, tier="free")
    role = account.operator.roles.GetRole(role_pb2.GetRoleRequest(id="viewer")).role
    assert account.operator.subscriptions.SetTier(same_tier).revision == changed
    put = account.operator.roles.UpdateRole(role_pb2.UpdateRoleRequest(**PUT, role=role))
    assert (put.revision, account.server.revision) == (changed, changed)


def test_read_tells_the_revision_it_was_answered_at(account: Account) -> None:
    changed = account.onboard("free").revision
    request = tenant_pb2.GetTenantRequest(tenant=account.id)
    assert account.operator.tenants.GetTenant(request).revision == changed


def test_dry_run_of_a_key_shows_no_credential(server: Server) -> None:
    request = key_pb2.CreateKeyRequest(key=key_pb2.Key(roles=["authz.checker"]), validate_only=True)
    assert not server.operator.keys.CreateKey(request).credential


def test_changeset_tells_what_it_creates_and_updates(account: Account) -> None:
    name, ask = account.id, account.operator.changesets
    permission = permission_pb2.Permission(id=f"{name}:view")
    role = role_pb2.Role(id=name, permissions=[permission.id])
    first = apply(ask, puts(permissions=[permission], roles=[role]))
    assert [(each.change, each.kind) for each in first.objects] == [
        (effect_pb2.OBJECT_CHANGE_KIND_CREATED, "permission"),
        (effect_pb2.OBJECT_CHANGE_KIND_CREATED, "role"),
    ]
    role.description = "Sees"
    again = apply(ask, puts([permission], [role], [tier_pb2.Tier(id=name)]))
    assert [(each.change, each.kind) for each in again.objects] == [
        (effect_pb2.OBJECT_CHANGE_KIND_UPDATED, "role"),
        (effect_pb2.OBJECT_CHANGE_KIND_CREATED, "tier"),
    ]


DEFINITIONS: dict[str, Any] = {
    "permission": permission_pb2.Permission(
        id="a:b", internal=True, description="Öffnen\nund lesen"
    ),
    "role": role_pb2.Role(
        id="r", permissions=["invoices:send", "invoices:view"], includes=["viewer"], description="R"
    ),
    "tier": made(
        tier_pb2.Tier,
        id="t",
        extends="free",
        permissions=["sso:configure"],
        features=[{"name": "sso", "enabled": True}, {"name": "support", "text": "gold"}],
        limits=[
            {"name": "projects", "unlimited": True, "unit": "project"},
            {"name": "seats", "value": 7, "unit": "seat"},
        ],
        assignable_roles=["admin", "billing-admin"],
        description="T",
    ),
}


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_what_was_written_is_got_again_whole(server: Server, kind: str) -> None:
    name = kind.capitalize()
    put = request(f"Update{name}", **PUT, **{kind: DEFINITIONS[kind]})
    get = request(f"Get{name}", id=DEFINITIONS[kind].id)
    made = server.operator.call(put)
    whole = type(DEFINITIONS[kind])()
    whole.MergeFrom(DEFINITIONS[kind])
    whole.revision = made.revision
    if kind == "tier":  # numbered by the service
        assert made.tier.version > 0
        whole.version = made.tier.version
    assert getattr(made, kind) == whole
    assert getattr(server.operator.call(get), kind) == whole


def test_changes_at_once_each_make_a_revision_of_their_own(account: Account) -> None:
    first = account.onboard("enterprise").revision
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda n: account.add(f"u{n}", "viewer"), range(40))
    assert sorted(answer.revision for answer in answers) == list(range(first + 1, first + 41))
