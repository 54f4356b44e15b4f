"""Versions of tiers as callers see them, also after a restart."""

from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.message import Message

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import limit_pb2, subscription_pb2, tenant_pb2, tier_pb2
from authz_service.gen.authz.v1 import tier_pb2 as pb
from tests.rpc.account import Account, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server, serving
from tests.services import PUT

FIRST: Final = ("invoices:view", "invoices:create")
SECOND: Final = ("invoices:view", "reports:schedule")
YEAR_2100: Final = 4_102_444_800


def sell(account: Account, *permissions: str) -> tier_pb2.Tier:
    """Put the tier that is named like the account."""
    tier = tier_pb2.Tier(id=account.id, permissions=permissions, assignable_roles=["admin"])
    return account.operator.tiers.UpdateTier(tier_pb2.UpdateTierRequest(**PUT, tier=tier)).tier


def sold(account: Account) -> list[str]:
    return [each.permission for each in account.entitlements().permissions]


@pytest.fixture
def on_its_tier(account: Account) -> Account:
    """Open an account on a tier of its own that has had two versions."""
    sell(account, *FIRST)
    account.onboard(account.id, ada=["admin"])
    sell(account, *SECOND)
    return account


def call(account: Account, request: Message) -> Any:
    return account.operator.call(request)


def test_a_tier_tells_its_version_and_lists_those_before(on_its_tier: Account) -> None:
    account = on_its_tier
    got = call(account, tier_pb2.GetTierRequest(id=account.id)).tier
    assert (got.version, list(got.permissions)) == (2, sorted(SECOND))
    found = call(account, pb.ListTierVersionsRequest(tier=account.id)).tier_versions
    told = [(v.version, v.latest, v.following_tenants, v.pinned_tenants) for v in found]
    assert told == [(2, True, 1, 0), (1, False, 0, 0)]
    one = call(account, pb.GetTierVersionRequest(tier=account.id, version=1)).tier_version
    assert (one.tier.id, list(one.tier.permissions)) == (account.id, sorted(FIRST))


def test_versions_kept_are_in_no_list_of_tiers_and_in_no_remedy(on_its_tier: Account) -> None:
    account = on_its_tier
    tiers = call(account, tier_pb2.ListTiersRequest(page_size=1000)).tiers
    assert [each.id for each in tiers if "@" in each.id] == []
    remedies = account.explain("ada", "invoices:create").remedies
    options = [s.set_tier.tier for r in remedies for s in r.steps if s.HasField("set_tier")]
    assert options
    assert not any("@" in option for option in options)
    by_item = limit_pb2.ListLimitsRequest(page_size=1000)
    assert not any("@" in each.tier for each in call(account, by_item).plan_limits)


def test_a_pinned_tenant_says_so_and_follows_again(on_its_tier: Account) -> None:
    account = on_its_tier
    pinned = call(
        account, pb.PinTenantRequest(tenant=account.id, version=1, reason="grandfathered")
    )
    assert (pinned.tenant.tier, pinned.tenant.tier_version) == (account.id, 1)
    assert (
        pinned.tenant.subscription_items[0].tier,
        pinned.tenant.subscription_items[0].tier_version,
    ) == (
        account.id,
        1,
    )
    assert sold(account) == sorted(FIRST)
    listed = tenant_pb2.ListTenantsRequest(tier=account.id)
    assert [each.id for each in call(account, listed).tenants] == [account.id]
    account.server.refuses(
        tier_pb2.DeleteTierRequest(id=account.id), ErrorReason.STILL_IN_USE, "id"
    )
    call(account, pb.PinTenantRequest(tenant=account.id))
    assert sold(account) == sorted(SECOND)
    call(account, pb.PinTenantRequest(tenant=account.id, version=2))
    sell(account, *FIRST)
    assert sold(account) == sorted(SECOND)
    call(account, subscription_pb2.SetTierRequest(tenant=account.id, tier=account.id))
    assert sold(account) == sorted(FIRST)


def test_a_scheduled_pin_is_listed_with_its_version_and_cancelled(on_its_tier: Account) -> None:
    account = on_its_tier
    at = timestamp(YEAR_2100)
    call(account, pb.PinTenantRequest(tenant=account.id, version=1, effective_time=at))
    listed = subscription_pb2.ListScheduledChangesRequest(tenant=account.id)
    (coming,) = call(account, listed).changes
    assert (coming.before.tier, coming.after.tier) == (account.id, f"{account.id}@1")
    cancel = subscription_pb2.CancelScheduledChangeRequest(tenant=account.id, id=coming.id)
    assert call(account, cancel).tenant.tier_version == 0
    assert not call(account, listed).changes


def test_rolling_back_shows_first_what_it_does_then(on_its_tier: Account) -> None:
    account = on_its_tier
    wanted = pb.RollBackTierRequest(tier=account.id, version=1, reason="too much")
    shown = call(account, pb.RollBackTierRequest(**_fields(wanted), validate_only=True))
    assert sold(account) == sorted(SECOND)
    done = call(account, wanted)
    assert (done.effect, done.tier_version.version) == (shown.effect, 3)
    gained = {e.permission for e in done.effect.permissions if e.gained.entitled_tenants}
    assert gained == {"invoices:create"}
    assert sold(account) == sorted(FIRST)
    stale = pb.RollBackTierRequest(tier=account.id, version=2, expected_revision=1)
    account.server.refuses(stale, ErrorReason.REVISION_MISMATCH, "expected_revision")


def _fields(message: Message) -> dict[str, Any]:
    return {field.name: value for field, value in message.ListFields()}


def test_a_repeated_migration_gets_the_first_answer(on_its_tier: Account) -> None:
    account = on_its_tier
    wanted = pb.MigrateTenantsRequest(
        tier=account.id, version=1, tenants=[account.id], request_id=fresh_name("once")
    )
    first = call(account, wanted)
    assert (first.count, list(first.tenants)) == (1, [account.id])
    assert call(account, wanted) == first
    assert sold(account) == sorted(FIRST)


def test_a_version_that_is_not_there_is_refused(on_its_tier: Account) -> None:
    account, missing = on_its_tier, ErrorReason.TIER_VERSION_NOT_FOUND
    for request in (
        pb.PinTenantRequest(tenant=account.id, version=9),
        pb.RollBackTierRequest(tier=account.id, version=9),
    ):
        found = account.server.refuses(request, missing, "version", says="its latest is 2")
        assert found.metadata == {"tier": account.id, "latest": "2"}
    to = pb.MigrateTenantsRequest(tier=account.id, version=9)
    account.server.refuses(to, missing, "version")
    for past in (pb.PinTenantRequest(tenant=account.id, version=1, effective_time=timestamp(1)),):
        account.server.refuses(past, ErrorReason.SCHEDULE_IN_PAST, "effective_time")
    unheard = pb.MigrateTenantsRequest(tier=account.id, tenants=["nobody-at-all"])
    account.server.refuses(unheard, ErrorReason.TENANT_NOT_FOUND, "tenants[0]")


def test_nobody_is_moved_to_an_old_version_that_offers_rights_the_mover_lacks(
    on_its_tier: Account,
) -> None:
    """What a version offers that is not sold any more is asked of whoever moves a tenant to it."""
    account = on_its_tier
    server = account.server
    offering = tier_pb2.Tier(id=account.id, permissions=SECOND, assignable_roles=["authz.operator"])
    account.operator.tiers.UpdateTier(tier_pb2.UpdateTierRequest(**PUT, tier=offering))
    sell(account, *FIRST)
    narrow = server.caller(server.new_key("authz.provisioner"))
    request = pb.PinTenantRequest(tenant=account.id, version=3)
    server.refuses(request, ErrorReason.GRANT_EXCEEDS_OWN_RIGHTS, by=narrow)
    call(account, request)


def test_a_restart_and_another_process_answer_alike(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        account = Account(server, "acme")
        sell(account, *FIRST)
        account.onboard("acme", ada=["admin"])
        call(account, pb.PinTenantRequest(tenant="acme", version=1))
        sell(account, *SECOND)
        with serving(tmp_path) as other:
            assert sold(Account(other, "acme")) == sorted(FIRST)
    with serving(tmp_path) as again:
        account = Account(again, "acme")
        assert sold(account) == sorted(FIRST)
        told = account.explain("ada", "invoices:create")
        assert (told.allowed, again.service.explainer.disagreements) == (True, 0)
        assert sell(account, *FIRST).version == 3


def test_casbin_agrees_with_decisions_by_an_old_version(any_server: Server) -> None:
    account = Account(any_server, fresh_name("casbin"))
    sell(account, *FIRST)
    account.onboard(account.id, ada=["admin"])
    sell(account, *SECOND)
    before = any_server.service.explainer.disagreements
    for version, allowed in ((1, True), (2, False)):
        call(account, pb.PinTenantRequest(tenant=account.id, version=version))
        assert account.explain("ada", "invoices:create").allowed is allowed
    assert any_server.service.explainer.disagreements == before
