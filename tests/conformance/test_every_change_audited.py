"""Every fact of a customer that changes has exactly one entry in the customer's audit, of the same
revision and with what was before and after, whatever is done and whatever is refused.
"""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Final

import pytest

from authz_service.domain.audit import canonical
from authz_service.domain.audit_changes import change_document
from authz_service.domain.billing_policy import Downgrade, Excess
from authz_service.domain.catalog import Limit, Role
from authz_service.domain.change import FactChange
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.tenant import SuspensionReason
from authz_service.errors import AuthzError
from authz_service.store import change_log
from authz_service.usecases.grants.exceptions import CreateException, create_exception
from authz_service.usecases.tenants import onboarding, states, subscriptions, tier_change
from tests.conformance import ledger
from tests.conformance.event_world import EventWorld
from tests.conformance.store_world import StoreWorld
from tests.conformance.tenant_world import DAY, TenantWorld
from tests.conformance.test_roster import Crowd

STEPS: Final = 150
MOVES: Final = (
    "suspend", "resume", "set_tier", "schedule", "offboard", "reactivate", "add_on", "limit",
    "trial", "except_", "rename", "downgrade", "tidy", "event", "event", "reactivate",
)  # fmt: skip


class Customer:
    """Does one thing after another to an account, its roster aside."""

    def __init__(self, accounts: TenantWorld, random: Random) -> None:
        self.accounts, self.random = accounts, random
        self.came = EventWorld(accounts.world)
        self.made: Counter[str] = Counter()

    def step(self) -> None:
        move = self.random.choice(MOVES)
        try:
            getattr(self, move)()
        except AuthzError:
            return
        self.made[move] += 1

    def suspend(self) -> None:
        self.accounts.do(states.suspend_tenant, self._suspension())

    def resume(self) -> None:
        self.accounts.do(states.resume_tenant, self._suspension())

    def _suspension(self) -> states.Suspension:
        why = self.random.choice((SuspensionReason.BILLING, SuspensionReason.RISK))
        return states.Suspension(tenant="acme", reason=why)

    def set_tier(self) -> None:
        self.accounts.move(self._tier())

    def schedule(self) -> None:
        self.accounts.move(self._tier(), self.accounts.now + DAY)

    def _tier(self) -> str:
        return self.random.choice(("free", "professional", "enterprise"))

    def downgrade(self) -> None:
        wanted = onboarding.SetTier(tenant="acme", tier=self._tier(), apply_downgrade_policy=True)
        self.came.policy = replace(self.came.policy, downgrade=self._policy())
        self.accounts.do(onboarding.set_tier, wanted)

    def tidy(self) -> None:
        self.came.policy = replace(self.came.policy, downgrade=self._policy())
        wanted = tier_change.ApplyDowngradePolicy(tenant="acme")
        self.accounts.do(tier_change.apply_downgrade_policy, wanted)

    def event(self) -> None:
        """Let a contract be another, under a downgrade policy."""
        self.came.policy = replace(self.came.policy, downgrade=self._policy())
        type_ = self.random.choice(("onboard", "change_plan", "change_plan", "paused", "resumed"))
        plan = self._tier() if type_ in ("onboard", "change_plan") else None
        at = self.accounts.now - self.random.randrange(9 * DAY)
        self.came.bring(type_, at, plans=plan, admin={"subject": "user:ada"})

    def _policy(self) -> Downgrade:
        excess = self.random.choice((Excess.SUSPEND_NEWEST, Excess.READ_ONLY_EXCESS))
        roles = {"billing-admin": self.random.choice(("", "viewer")), "editor": "viewer"}
        return Downgrade(limits={"seats": excess}, roles=roles, read_only_role="viewer")

    def offboard(self) -> None:
        self.accounts.offboard()

    def reactivate(self) -> None:
        self.accounts.reactivate(self.random.choice(("", "free", "enterprise")))

    def add_on(self) -> None:
        wanted = subscriptions.AddAddOn(tenant="acme", add_on="extra-seats")
        self.accounts.do(subscriptions.add_add_on, wanted)

    def limit(self) -> None:
        limits = (Limit("seats", self.random.randint(1, 9), "seat"),)
        self.accounts.do(
            subscriptions.set_limits, subscriptions.SetLimits(tenant="acme", limits=limits)
        )

    def trial(self) -> None:
        self.accounts.trial(self.accounts.now + DAY)

    def except_(self) -> None:
        kind = self.random.choice((ExceptionKind.DENY, ExceptionKind.GRANT))
        permissions = frozenset({"reports:schedule"})
        wanted = TenantException("", "acme", kind, permissions, reason="agreed", approver="boss")
        self.accounts.do(create_exception, CreateException(exception=wanted))

    def rename(self) -> None:
        name = self.random.choice(("Acme", "Acme Ltd"))
        wanted = onboarding.UpdateTenant(tenant="acme", display_name=name, mask=("display_name",))
        self.accounts.do(onboarding.update_tenant, wanted)


def written(change: FactChange, at: int) -> str:
    return canonical(change_document(change.before, change.after, at))


def changed(world: StoreWorld, after: int) -> dict[int, Counter[str]]:
    with world.database.read() as connection:
        found = list(change_log.read_after(connection, after))
    return {
        delta.revision: Counter(written(each, delta.at) for each in delta.changes)
        for delta in found
    }


def audited(world: StoreWorld, after: int) -> dict[int, Counter[str]]:
    """Read what was done; a call that found nothing to change has an entry without any change."""
    found: dict[int, Counter[str]] = {}
    for entry in ledger.chains(world.database)["acme"]:
        told = entry.document["changes"]
        assert len(told) <= 1
        if entry.revision > after and told:
            found.setdefault(entry.revision, Counter())[canonical(told[0])] += 1
    return found


@pytest.mark.parametrize("drawn", range(2))
def test_every_change_of_an_account_has_exactly_one_entry(
    store_world: StoreWorld, drawn: int
) -> None:
    accounts = TenantWorld(store_world)
    store_world.put(Role("acme/boss", frozenset({"invoices:view"})))
    begun = store_world.index.revision
    random = Random(f"audit {drawn}")
    customer, crowd = Customer(accounts, random), Crowd(store_world, random)
    for _ in range(STEPS):
        random.choice((customer, crowd, crowd)).step()
    made = changed(store_world, begun)
    assert audited(store_world, begun) == made
    assert len(made) > STEPS / 4
    assert len(customer.made) > len(MOVES) / 2
    assert len(crowd.ended) > 10
