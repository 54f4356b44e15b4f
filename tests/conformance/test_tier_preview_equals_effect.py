"""What PreviewTierChange says is what happens: random accounts, moves and policies."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from shutil import copy
from typing import Any, Final

import pytest

from authz_service.domain.billing_policy import BillingPolicy, Downgrade, Excess
from authz_service.domain.catalog import Limit
from authz_service.domain.decision import Question
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.window import ALWAYS, Instant, Window
from authz_service.engine.decide import decide
from authz_service.engine.entitlements import entitlements
from authz_service.engine.index import Index
from authz_service.usecases.delivery.downgrade_jobs import DowngradeJobs
from authz_service.usecases.delivery.outbox import downgrade_jobs
from authz_service.usecases.grants import role_grants
from authz_service.usecases.members.invitations import InviteMember, invite_member
from authz_service.usecases.tenants import onboarding, subscriptions
from authz_service.usecases.tenants.tier_change import (
    PreviewTierChange,
    TierChange,
    preview_tier_change,
)
from tests.conformance.event_world import decide_by
from tests.conformance.store_world import opened
from tests.conformance.tenant_world import DAY, TenantWorld

CASES: Final = 60
TIERS: Final = ("free", "professional", "enterprise")
ROLES: Final = ("viewer", "editor", "billing-admin", "admin")
SCOPES: Final = ((), ("project:1",))


@dataclass
class Case:
    """A customer made by chance, and a change of its tier."""

    random: Random
    accounts: TenantWorld
    tenant: str
    start: str = ""

    def make(self) -> None:
        start = self.start = self.random.choice(TIERS[1:])
        people = {f"m{n}": self.roles() for n in range(self.random.randrange(2, 7))}
        self.accounts.onboard(self.tenant, start, ada=("admin",), **people)
        if self.random.random() < 0.5:
            limits = (Limit("seats", self.random.randrange(1, 9), "seat"),)
            self.do(
                subscriptions.set_limits, subscriptions.SetLimits(tenant=self.tenant, limits=limits)
            )
        for name in people:
            if self.random.random() < 0.5:
                self.grant(name)
        if self.random.random() < 0.4:
            self.invite()

    def roles(self) -> tuple[str, ...]:
        return tuple(self.random.sample(ROLES, self.random.randrange(3)))

    def grant(self, name: str) -> None:
        until = self.accounts.now + self.random.choice((DAY // 2, 5 * DAY))
        grant = RoleGrant(
            self.tenant,
            f"user:{name}",
            self.random.choice(ROLES),
            scope=self.random.choice(("", "project:1")),
            window=self.random.choice((ALWAYS, Window(0, until))),
            source=self.random.choice((GrantSource.SCIM, GrantSource.CONTRACT)),
        )
        self.do(role_grants.grant_role, role_grants.GrantRole(grant=grant))

    def invite(self) -> None:
        taken = self.accounts.world.index.tenants[self.tenant].members.size
        bought = self.accounts.tenant(self.tenant).limit("seats", self.accounts.now)
        if bought is None or bought.value is None or bought.value > taken:
            wanted = InviteMember(
                tenant=self.tenant,
                token_hash="t",
                lifetime=3 * DAY,
                subject="user:nina",
                roles=("billing-admin",),
            )
            self.do(invite_member, wanted)

    def policy(self) -> Downgrade:
        seats = self.random.choice(tuple(Excess))
        roles = {"billing-admin": self.random.choice(("", "editor", "viewer"))}
        return Downgrade(
            limits={"seats": seats},
            roles=self.random.choice((roles, {})),
            read_only_role="viewer",
        )

    def do(self, case: Any, wanted: Any) -> Any:
        return self.accounts.do(case, wanted).value


def answers(index: Index, tenant: str, subjects: set[str], at: Instant) -> set[tuple[str, ...]]:
    """Ask everything of everybody, one question at a time."""
    return {
        (subject, permission, *scopes)
        for subject in subjects
        for permission in index.permissions
        for scopes in SCOPES
        if decide(index, Question(tenant, subject, permission, scopes), at).allowed
    }


def bought(index: Index, tenant: str, at: Instant) -> set[str]:
    found = entitlements(index, index.tenants[tenant], at)
    return {each.permission for each in found.permissions}


def said(found: TierChange) -> Iterator[tuple[str, str, str, str]]:
    """Yield direction, subject, permission and scope of all that the preview names."""
    for each in found.members:
        assert each.members.count == len(each.members.names)
        for subject in each.members.names:
            yield from (("gained", subject, r.permission, r.scope) for r in each.shift.gained)
            yield from (("lost", subject, r.permission, r.scope) for r in each.shift.lost)


def check(case: Case) -> bool:
    """Preview a change, make it, and compare; tell whether the policy had anything to do."""
    policy, accounts = case.policy(), case.accounts
    tier = case.random.choice((*TIERS, "free"))
    at = case.random.choice((None, accounts.now + DAY))
    add_ons = case.random.choice(((), ("audit",)))
    wanted = PreviewTierChange(tenant=case.tenant, tier=tier, add_ons=add_ons, at=at, apply=True)
    decide_by(accounts.world, BillingPolicy(downgrade=policy))
    before = accounts.world.index
    found = accounts.ask(preview_tier_change, wanted)
    for name in add_ons:
        window = ALWAYS if at is None else Window(at)
        case.do(
            subscriptions.add_add_on,
            subscriptions.AddAddOn(tenant=case.tenant, add_on=name, window=window),
        )
    move = onboarding.SetTier(tenant=case.tenant, tier=tier, at=at)
    if at is None:
        steps = case.do(onboarding.set_tier, replace(move, apply_downgrade_policy=True)).steps
        assert steps == found.steps
    else:
        case.do(onboarding.set_tier, move)
        assert done_at(case, policy, at) == "; ".join(step.summary for step in found.steps)
    compare(found, before, accounts.world.stored_index(), case.tenant, accounts.now)
    if not add_ons and takes_only(policy) and TIERS.index(tier) < TIERS.index(case.start):
        assert not [each for each in said(found) if each[0] == "gained"]
    return bool(found.steps)


def takes_only(policy: Downgrade) -> bool:
    """Tell whether a policy gives no role in the place of what it takes."""
    gives = any(policy.roles.values())
    return not gives and policy.limits["seats"] is not Excess.READ_ONLY_EXCESS


def done_at(case: Case, policy: Downgrade, at: Instant) -> str:
    """Let an instant come and the job for it be done, if there is one; say what it did."""
    accounts, tenant = case.accounts, case.accounts.tenant(case.tenant)
    jobs = list(downgrade_jobs([tenant], accounts.now, accounts.world.new_id))
    accounts.wait(at)
    decide_by(accounts.world, BillingPolicy(downgrade=policy))
    outcomes = [DowngradeJobs(accounts.world.store).attempt(job) for job in jobs]
    return "; ".join(each.message for each in outcomes).removeprefix("all fits")


def compare(found: TierChange, before: Index, after: Index, tenant: str, at: Instant) -> None:
    old_members, new_members = (
        {subject for subject, _ in index.tenants[tenant].members.items()}
        for index in (before, after)
    )
    subjects = old_members | new_members
    old, new = answers(before, tenant, subjects, at), answers(after, tenant, subjects, at)
    told: dict[str, set[tuple[str, str]]] = {"gained": set(), "lost": set()}
    for direction, subject, permission, _ in said(found):
        told[direction].add((subject, permission))
    assert told["lost"] == {each[:2] for each in old - new}
    assert told["gained"] == {each[:2] for each in new - old}
    assert set(found.gained) == bought(after, tenant, at) - bought(before, tenant, at)
    assert set(found.lost) == bought(before, tenant, at) - bought(after, tenant, at)


@pytest.mark.parametrize("chunk", range(2))
def test_preview_of_a_random_tier_change_equals_what_making_it_changes(
    chunk: int, migrated_sqlite: Path, tmp_path: Path
) -> None:
    file = copy(migrated_sqlite, tmp_path / "authz.db")
    busy = 0
    with opened(f"sqlite:///{file}") as world:
        accounts = TenantWorld(world)
        for number in range(chunk, CASES, 2):
            case = Case(Random(f"tier {number}"), accounts, f"t{number}")
            case.make()
            busy += check(case)
    assert busy > CASES // 8
