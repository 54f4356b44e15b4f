"""Versions of tiers: what was sold before is kept, stays as it was, and can be sold again."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any, Final

import pytest

from authz_service.domain.call import Call
from authz_service.domain.catalog import Feature, Limit, Permission, Plan, Role
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SubscriptionItem, Tenant
from authz_service.domain.window import Window
from authz_service.engine.decide import reason
from authz_service.engine.entitlements import Entitlements, entitlements
from authz_service.errors import AuthzError, ErrorReason
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog.deletion import DeleteObject
from authz_service.usecases.catalog.objects import Create, Update
from authz_service.usecases.catalog.permissions import delete_permission
from authz_service.usecases.catalog.plans import create_tier, delete_tier, update_tier
from authz_service.usecases.catalog.tier_versions import (
    ListVersions,
    MigrateTenants,
    OneVersion,
    PinTenant,
    RollBackTier,
    get_tier_version,
    list_tier_versions,
    migrate_tenants,
    pin_tenant,
    roll_back_tier,
)
from authz_service.usecases.kernel.execution import View
from authz_service.usecases.kernel.paging import PageRequest
from tests.conformance import ledger
from tests.conformance.store_world import CALL, NOON, StoreWorld

NAMES: Final = tuple(f"doc:p{n}" for n in range(6))
FREE: Final = Plan("tier/free", permissions=frozenset(NAMES[:1]))
PRO: Final = Plan("tier/pro", extends="tier/free", permissions=frozenset(NAMES[1:3]))
TOP: Final = Plan("tier/top", extends="tier/pro", limits=(Limit("seats", 9, "seat"),))


@pytest.fixture
def world(store_world: StoreWorld) -> StoreWorld:
    """Sell three tiers that extend each other to a tenant each; everybody may do everything."""
    everything = Role("all", frozenset(NAMES))
    store_world.put(*map(Permission, NAMES), everything, FREE, PRO, TOP)
    for plan in (FREE, PRO, TOP):
        tenant = Tenant(plan.name, subscription_items=(SubscriptionItem(plan.id),))
        member = Membership(plan.name, "user:a")
        store_world.put(tenant, member, RoleGrant(plan.name, "user:a", "all", id=plan.name))
    return store_world


def may(world: StoreWorld, tenant: str) -> list[str]:
    """Name what the member of a tenant may do."""
    return [
        name
        for name in NAMES
        if reason(world.index, Question(tenant, "user:a", name), NOON) is DecisionReason.ALLOWED
    ]


def bought(world: StoreWorld, tenant: str) -> Entitlements:
    return entitlements(world.index, world.index.tenants[tenant], NOON)


def do(world: StoreWorld, case: Any, wanted: Any, call: Call = CALL) -> Any:
    """Run a change without asking for a right, and hold memory against the database."""
    found = []

    def body(tx: Transaction) -> None:
        found.append(case.body(tx, wanted))

    world.run(body, call)
    assert ledger.same(world.index, world.stored_index())
    return found[0]


def look(world: StoreWorld, case: Any, wanted: Any) -> Any:
    return case.body(View(world.index, world.database, NOON), wanted)


def sell(world: StoreWorld, plan: Plan) -> Plan:
    case, command = (
        (update_tier, Update(object=plan, mask=("*",)))
        if plan.id in world.index.plans
        else (create_tier, Create(object=plan))
    )
    sold: Plan = do(world, case, command)
    return sold


def pin(world: StoreWorld, tenant: str, version: int, **more: Any) -> Any:
    return do(world, pin_tenant, PinTenant(tenant=tenant, version=version, **more))


def roll_back(world: StoreWorld, tier: str, version: int) -> Any:
    return do(world, roll_back_tier, RollBackTier(tier=tier, version=version))


def refused(world: StoreWorld, case: Any, wanted: Any) -> tuple[ErrorReason, str]:
    """Assert that a change is refused and nothing happened; give the reason and the field."""
    before = world.index.revision
    with pytest.raises(AuthzError) as raised:
        do(world, case, wanted)
    assert ledger.head(world.database) == before
    return raised.value.reason, raised.value.field


def versions(world: StoreWorld) -> dict[str, int]:
    return {name: plan.version for name, plan in world.index.plans.items() if not plan.is_kept}


def kept(world: StoreWorld) -> set[str]:
    return {name for name, plan in world.index.plans.items() if plan.is_kept}


def test_nothing_is_kept_of_tiers_that_never_change(world: StoreWorld) -> None:
    sell(world, PRO)
    assert (versions(world), kept(world)) == (dict.fromkeys(versions(world), 1), set())


def test_every_change_makes_a_version_and_keeps_the_one_before(world: StoreWorld) -> None:
    wider = replace(TOP, permissions=frozenset({NAMES[5]}))
    assert sell(world, wider).version == 2
    assert sell(world, TOP).version == 3
    assert versions(world)["tier/top"] == 3
    assert kept(world) == {"tier/top@1", "tier/top@2", "tier/pro@1", "tier/free@1"}
    assert world.index.plans["tier/top@2"].permissions == wider.permissions
    assert world.index.plans["tier/top@2"].extends == "tier/pro@1"


def test_a_change_below_numbers_what_extends_it_and_is_seen_there(world: StoreWorld) -> None:
    sell(world, replace(FREE, permissions=frozenset(NAMES[4:])))
    assert versions(world) == {"tier/free": 2, "tier/pro": 2, "tier/top": 2}
    assert may(world, "top") == [*NAMES[1:3], *NAMES[4:]]
    assert world.index.plans["tier/top@1"].extends == "tier/pro@1"
    assert world.store.changes["tier.versioned"] == 2
    assert world.store.changes["tier.version_kept"] == 3


@pytest.mark.parametrize("lower", [FREE, PRO, TOP])
def test_who_is_pinned_stays_as_it_was_whatever_changes(world: StoreWorld, lower: Plan) -> None:
    then = may(world, "top"), [each.limit for each in bought(world, "top").limits]
    pinned = pin(world, "top", 1)
    assert (pinned.tier, pinned.tier_version) == ("top", 1)
    sell(world, replace(lower, permissions=frozenset(), limits=(Limit("seats", 1, "seat"),)))
    assert (may(world, "top"), [each.limit for each in bought(world, "top").limits]) == then
    pin(world, "top", 0)
    assert world.index.tenants["top"].fact.subscription_items == (SubscriptionItem("tier/top"),)
    assert (may(world, "top"), [each.limit for each in bought(world, "top").limits]) != then


def test_a_version_that_is_not_there_is_refused_with_its_own_reason(world: StoreWorld) -> None:
    missing = ErrorReason.TIER_VERSION_NOT_FOUND
    for version in (2, -1, 99):
        asked = PinTenant(tenant="top", version=version)
        assert refused(world, pin_tenant, asked) == (missing, "version")
    asked_back = RollBackTier(tier="top", version=2)
    assert refused(world, roll_back_tier, asked_back) == (missing, "version")
    migration = MigrateTenants(tier="top", from_versions=(0, 7), version=0)
    assert refused(world, migrate_tenants, migration) == (missing, "from_versions[1]")
    unnamed = RollBackTier(tier="top", version=0)
    assert refused(world, roll_back_tier, unnamed) == (ErrorReason.INVALID_FIELD, "version")
    unheard = PinTenant(tenant="top", tier="gold", version=1)
    assert refused(world, pin_tenant, unheard) == (ErrorReason.TIER_NOT_FOUND, "tier")


def test_a_pin_can_be_dated(world: StoreWorld) -> None:
    sell(world, replace(PRO, permissions=frozenset()))
    pin(world, "pro", 1, at=NOON + 10)
    assert world.index.tenants["pro"].fact.subscription_items == (
        SubscriptionItem("tier/pro", Window(0, NOON + 10)),
        SubscriptionItem("tier/pro@1", Window(NOON + 10)),
    )
    late = PinTenant(tenant="pro", version=1, at=NOON)
    assert refused(world, pin_tenant, late) == (ErrorReason.SCHEDULE_IN_PAST, "effective_time")


def test_rolling_back_makes_a_new_version_of_the_old_content(world: StoreWorld) -> None:
    then = may(world, "top")
    sell(world, replace(PRO, permissions=frozenset(NAMES[3:])))
    assert may(world, "top") != then
    told = roll_back(world, "pro", 1)
    assert (told.version.plan.version, told.version.latest) == (3, True)
    assert {each.permission for each in told.effect.permissions} == {*NAMES[1:3], *NAMES[3:]}
    assert may(world, "top") == then
    assert world.index.plans["tier/pro"] == PRO
    assert roll_back(world, "pro", 3).version.plan.version == 3  # nothing differs


def test_rolling_back_over_a_change_below_takes_what_was_below_into_itself(
    world: StoreWorld,
) -> None:
    """The tier below stays as it is, and its own customers with it."""
    below, above = Limit("seats", 1, "seat"), Limit("seats", 2, "seat")
    on, off = Feature("sso", "true"), Feature("sso", "false")
    sell(world, replace(FREE, features=(on, Feature("api", "true")), limits=(below,)))
    sell(world, replace(PRO, features=(off,), limits=(above,)))
    then = state(world, ["pro", "top"])
    sell(world, replace(FREE, permissions=frozenset({NAMES[5]})))
    assert state(world, ["pro", "top"]) != then
    assert roll_back(world, "pro", 3).version.plan.extends == ""
    assert state(world, ["pro", "top"]) == then
    assert may(world, "free") == [NAMES[5]]


def test_rolling_back_to_what_is_no_longer_declared_is_refused(world: StoreWorld) -> None:
    sell(world, replace(TOP, permissions=frozenset({NAMES[5]})))
    sell(world, TOP)
    world.replace(Role("all", frozenset(NAMES)), Role("all", frozenset(NAMES[:5])))
    do(world, delete_permission, DeleteObject(id=NAMES[5]))
    gone = RollBackTier(tier="top", version=2)
    assert refused(world, roll_back_tier, gone) == (ErrorReason.PERMISSION_NOT_FOUND, "version")


def test_what_somebody_is_pinned_to_is_in_use(world: StoreWorld) -> None:
    wider = replace(TOP, permissions=frozenset({NAMES[5]}))
    sell(world, wider)
    pin(world, "top", 2)
    sell(world, TOP)
    world.replace(Role("all", frozenset(NAMES)), Role("all", frozenset(NAMES[:5])))
    in_use = ErrorReason.STILL_IN_USE, "id"
    assert refused(world, delete_permission, DeleteObject(id=NAMES[5])) == in_use
    assert refused(world, delete_tier, DeleteObject(id="top")) == in_use


def test_a_deleted_tier_takes_its_versions_with_it_but_for_those_that_others_extend(
    world: StoreWorld,
) -> None:
    then = may(world, "top")
    pin(world, "top", 1)
    for name in ("pro", "free"):
        sell(world, replace(world.index.plans[f"tier/{name}"], description="changed"))
    do(world, delete_tier, DeleteObject(id="pro", replacement="free"))
    assert kept(world) == {f"tier/{n}@{v}" for n in ("pro", "top") for v in (1, 2, 3)} | {
        "tier/free@1",
        "tier/free@2",
    }
    assert may(world, "top") == then
    assert sell(world, replace(PRO, permissions=frozenset())).version == 4
    do(world, delete_tier, DeleteObject(id="top", replacement="free"))
    do(world, delete_tier, DeleteObject(id="pro", replacement="free"))
    assert kept(world) == {"tier/free@1", "tier/free@2"}
    assert sell(world, replace(PRO, permissions=frozenset())).version == 1


def test_versions_are_listed_the_latest_first_with_who_holds_them(world: StoreWorld) -> None:
    for description in ("second", "third"):
        sell(world, replace(PRO, description=description))
    pin(world, "pro", 2)
    pin(world, "top", 3, tier="pro")
    asked = ListVersions(tier="pro", page=PageRequest(2))
    first = look(world, list_tier_versions, asked)
    rest = look(world, list_tier_versions, replace(asked, page=PageRequest(2, first.next_token)))
    assert rest.next_token == ""
    found = (*first.items, *rest.items)
    told = [(v.plan.version, v.latest, v.extends_version, v.pinned, v.following) for v in found]
    assert told == [(3, True, 0, 1, 0), (2, False, 1, 1, 0), (1, False, 1, 0, 0)]
    one = look(world, get_tier_version, OneVersion(tier="pro", version=2))
    assert (one.plan.id, one.plan.extends, one.plan.description) == (
        "tier/pro",
        "tier/free",
        "second",
    )


def test_tenants_are_migrated_together_and_the_preview_shows_the_same(world: StoreWorld) -> None:
    for name in ("a1", "a2", "b1"):
        member, grant = Membership(name, "user:a"), RoleGrant(name, "user:a", "all", id=name)
        world.put(Tenant(name, subscription_items=(SubscriptionItem("tier/pro"),)), member, grant)
    pin(world, "a1", 1)
    sell(world, replace(PRO, permissions=frozenset(NAMES[3:])))
    wanted = MigrateTenants(tier="pro", version=1, tenant_prefix="a")
    shown = do(world, migrate_tenants, wanted, replace(CALL, validate_only=True))
    assert world.index.tenants["a2"].fact.tier_version_at(NOON) == 0
    done = do(world, migrate_tenants, wanted)
    assert (done.count, done.tenants, done.effect.gaining) == (1, ("a2",), 1)
    assert done == shown
    assert may(world, "a2") == may(world, "a1") == [*NAMES[:3]]
    pin(world, "b1", 2)
    back = MigrateTenants(tier="pro", from_versions=(1,), version=0)
    assert do(world, migrate_tenants, back).tenants == ("a1", "a2")
    assert may(world, "a1") == [NAMES[0], *NAMES[3:]]
    assert world.index.tenants["b1"].fact.tier_version_at(NOON) == 2


def drawn(random: Random, tier: Plan) -> Plan:
    """Draw another content for a tier, which extends what it did or nothing."""
    return replace(
        tier,
        extends=tier.extends if random.random() < 0.9 else "",
        permissions=frozenset(random.sample(NAMES, random.randint(0, 4))),
        limits=(Limit("seats", random.randint(1, 5), "seat"),) if random.random() < 0.5 else (),
        features=(Feature("sso", "true"),) if random.random() < 0.3 else (),
    )


def state(world: StoreWorld, tenants: Iterable[str]) -> list[Any]:
    return [
        (
            may(world, name),
            [each.limit for each in bought(world, name).limits],
            [each.feature for each in bought(world, name).features],
        )
        for name in tenants
    ]


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(4))
def test_change_then_roll_back_and_every_decision_is_as_before(
    world: StoreWorld, seed: int
) -> None:
    """Of whichever tiers, over whatever changed meanwhile; who is pinned never notices."""
    random = Random(f"versions {seed}")
    then: dict[str, dict[int, Any]] = {"free": {}, "pro": {}, "top": {}}
    frozen_in: dict[str, Any] = {}
    for _ in range(12):
        for name, number in versions(world).items():
            tier = name.removeprefix("tier/")
            now = state(world, [tier])
            assert then[tier].setdefault(number, now) == now
        name = random.choice(("free", "pro", "top"))
        plan = world.index.plans[f"tier/{name}"]
        if random.random() < 0.4:
            number = random.choice(list(then[name]))
            roll_back(world, name, number)
            assert state(world, [name]) == then[name][number]
        else:
            sell(world, drawn(random, plan))
        pinned = f"p{len(frozen_in)}"
        tier = random.choice(list(then))
        number = random.choice([*then[tier]])
        world.put(
            Tenant(pinned, subscription_items=(SubscriptionItem(f"tier/{tier}"),)),
            Membership(pinned, "user:a"),
            RoleGrant(pinned, "user:a", "all", id=pinned),
        )
        pin(world, pinned, number)
        frozen_in[pinned] = then[tier][number]
    for tenant, found in frozen_in.items():
        assert state(world, [tenant]) == [found[0]], tenant
    later = world.another()
    assert ledger.same(later.index, world.index)
    assert ledger.same(ledger.replayed(world.database), world.index)
    numbers = {name: plan.version for name, plan in later.index.plans.items()}
    assert numbers == {name: plan.version for name, plan in world.index.plans.items()}
