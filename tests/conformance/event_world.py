"""A store with the shipped policy, and events that come to it."""

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any, Final

from authz_service.config import shipped_policies
from authz_service.domain.billing_event import StoredEvent
from authz_service.domain.billing_policy import BillingPolicy, BreakerSettings
from authz_service.domain.call import Call
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tenant import SYSTEM, TenantState
from authz_service.domain.window import Instant
from authz_service.policyfiles import billing_policy_file, policy_files
from authz_service.store import events
from authz_service.usecases.billing.envelopes import Attributes, envelopes
from authz_service.usecases.billing.event_ingest import (
    EventDoor,
    IngestBillingEvent,
    ingest_billing_event,
)
from authz_service.usecases.billing.ingestion import Taken
from authz_service.usecases.billing.preview import (
    Preview,
    PreviewBillingEvent,
    preview_billing_event,
)
from authz_service.usecases.bootstrap import seeding
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.kernel.execution import Answer, View
from authz_service.usecases.tenants.tenant_view import TenantNow, tenant_now
from tests.conformance.store_world import OPS, StoreWorld

SOURCE: Final = "billing-job"
DAY: Final = 86_400_000_000
OPERATOR: Final = RoleGrant(SYSTEM, OPS.subject, "authz.operator", id="ops")
ADMIN: Final = {"subject": "user:ada"}


@cache
def shipped() -> PolicySet:
    return policy_files.read_folder(shipped_policies())


@cache
def billing_policy() -> BillingPolicy:
    """Read the shipped policy; its breaker is put aside but where a test is about it."""
    policy = billing_policy_file.read_folder(shipped_policies(), shipped())
    return replace(policy, breaker=BreakerSettings(100, 1000, DAY))


def decide_by(world: StoreWorld, policy: BillingPolicy) -> None:
    """Let a process decide by a policy that no file could say, as if it were the one in force."""
    world.index.billing.policy = policy


class EventWorld:
    """Brings events to a store as a job of ours would, at an instant that stands still."""

    def __init__(self, world: StoreWorld) -> None:
        self.world = world
        self.counts: Counter[str] = Counter()
        self.door = EventDoor(self.world.store, self.counts)
        if not self.world.index.revision:
            seeding.seed(self.world.store, shipped())
        self.policy = billing_policy()

    @property
    def policy(self) -> BillingPolicy:
        return in_force(self.world.index)

    @policy.setter
    def policy(self, policy: BillingPolicy) -> None:
        decide_by(self.world, policy)

    @property
    def now(self) -> Instant:
        return self.world.clock.now

    def bring(
        self, type_: str, at: Instant, tenant: str = "acme", *, id_: str = "", **data: Any
    ) -> Taken:
        """Bring one event of the source `billing-job`."""
        wanted = self._event(type_, at, tenant, id_, data)
        source = self.policy.sources[SOURCE]
        (envelope,) = envelopes(source, wanted.data, wanted.beside)
        return self.door.take(envelope, source, "a test", "")

    def bring_by_call(
        self,
        type_: str,
        at: Instant,
        tenant: str = "acme",
        *,
        id_: str = "",
        request_id: str = "",
        **data: Any,
    ) -> Answer[Taken]:
        """Bring one event by a call of operations."""
        call = Call(OPS, request_id=request_id, fingerprint=f"{type_} {at} {id_}")
        wanted = self._event(type_, at, tenant, id_, data)
        return self.world.executor.change(call, ingest_billing_event, wanted)

    def preview(
        self, type_: str, at: Instant, tenant: str = "acme", *, id_: str = "", **data: Any
    ) -> Preview:
        """Ask what that event would do."""
        view = View(self.world.index, self.world.database, self.now)
        wanted = PreviewBillingEvent(event=self._event(type_, at, tenant, id_, data), sample=1000)
        return preview_billing_event.body(view, wanted)

    def _event(
        self, type_: str, at: Instant, tenant: str, id_: str, data: dict[str, Any]
    ) -> IngestBillingEvent:
        body = {"tenant": tenant, **data} if tenant else data
        subject = str(data.pop("subject", "")) if "subject" in data else ""
        given = Attributes(id_ or f"{type_}-{at}", type_, at, subject)
        content = json.dumps(body).encode()
        return IngestBillingEvent(source=SOURCE, data=content, beside=given)

    def let_operations_in(self) -> None:
        self.world.put(Membership(SYSTEM, OPS.subject), OPERATOR)

    def onboard(self, tenant: str = "acme", plan: str = "professional") -> Taken:
        return self.bring(
            "onboard", self.now - 50 * DAY, tenant, id_=f"onboard-{tenant}", plans=plan, admin=ADMIN
        )

    def event(self, id_: str) -> StoredEvent:
        with self.world.database.read() as connection:
            found = events.find(connection, SOURCE, id_)
        assert found is not None
        return found

    def account(self, tenant: str = "acme") -> TenantNow | None:
        found = self.world.index.tenant(tenant)
        return tenant_now(found, self.now) if found else None

    def member(self, tenant: str, subject: str) -> tuple[list[str], list[str]]:
        """Show what suspends a member, and the roles in force, `role@scope`."""
        found = self.world.index.member(tenant, subject)
        live = self.world.index.grants(tenant, subject)
        roles = {f"{g.role}@{g.scope}" for g in live if g.covers((g.scope,), self.now)}
        return sorted(found.suspensions) if found else [], sorted(roles)

    def shown(self, tenant: str = "acme") -> Any:
        """Show all that matters of an account from now on, not how it came to be so.

        Of one that has ended nothing is in force: what it had matters when it is reactivated.
        """
        found = self.world.index.tenant(tenant)
        if found is None or found.state_at(self.now) is TenantState.OFFBOARDED:
            return found and [s for s, _ in self.world.index.tenants[tenant].members.items()]
        entry = self.world.index.tenants[tenant]
        edges = {p.window.valid_from for p in found.periods}
        edges |= {h.window.valid_from for h in found.subscription_items}
        edges |= {p.window.valid_until for p in found.periods}
        times = sorted({self.now, *(edge for edge in edges if edge > self.now)})
        ahead = [(t, found.state_at(t), found.tier_at(t), found.add_ons_at(t)) for t in times[:-1]]
        members = sorted(
            (subject, self.member(tenant, subject)) for subject, _ in entry.members.items()
        )
        return (
            found.display_name,
            found.suspensions,
            found.limits,
            [each for i, each in enumerate(ahead) if not i or each[1:] != ahead[i - 1][1:]],
            members,
        )
