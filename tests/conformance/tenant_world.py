"""A store with the shipped policy and an operator, and what it does to customers' accounts."""

from typing import Any, Final, TypeVar

from authz_service.domain.call import Call
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.schedule import scheduled
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.domain.window import Instant
from authz_service.engine.decide import decide
from authz_service.engine.entitlements import limit_in_force
from authz_service.usecases.bootstrap import seeding
from authz_service.usecases.kernel.execution import Answer, ChangeCase, ReadCase
from authz_service.usecases.members.members import NewMember
from authz_service.usecases.tenants import offboarding, onboarding, states
from tests.conformance.event_world import shipped
from tests.conformance.store_world import OPS, StoreWorld

DAY: Final = 86_400_000_000

T = TypeVar("T")


class TenantWorld:
    """`acme` is on `professional`, with ada its admin and vera a viewer."""

    def __init__(self, world: StoreWorld) -> None:
        self.world = world
        seeding.seed(world.store, shipped())
        world.put(
            Membership(SYSTEM, OPS.subject),
            RoleGrant(SYSTEM, OPS.subject, "authz.operator", id="ops"),
        )
        self.onboard("acme", ada=("admin",), vera=("viewer",))

    @property
    def now(self) -> Instant:
        return self.world.clock.now

    def wait(self, until: Instant) -> None:
        """Let time pass; nothing else happens meanwhile."""
        self.world.clock.now = until

    def do(self, case: ChangeCase[Any, T], wanted: Any, **call: Any) -> Answer[T]:
        return self.world.executor.change(Call(OPS, **call), case, wanted)

    def ask(self, case: ReadCase[Any, T], wanted: Any) -> T:
        return self.world.executor.read(OPS, case, wanted).value

    def onboard(
        self, tenant: str, tier: str = "professional", /, **members: tuple[str, ...]
    ) -> onboarding.Onboarded:
        new = tuple(NewMember.of(f"user:{name}", roles) for name, roles in members.items())
        wanted = onboarding.OnboardTenant(tenant=tenant, tier=tier, members=new)
        return self.do(onboarding.onboard_tenant, wanted).value

    def move(self, tier: str, at: Instant | None = None) -> None:
        self.do(onboarding.set_tier, onboarding.SetTier(tenant="acme", tier=tier, at=at))

    def trial(self, until: Instant, **then: Any) -> None:
        self.do(states.start_trial, states.StartTrial(tenant="acme", until=until, **then))

    def grace(self, until: Instant) -> None:
        self.do(states.start_grace, states.StartGrace(tenant="acme", until=until))

    def activate(self) -> None:
        self.do(states.activate_tenant, onboarding.OneTenant(tenant="acme"))

    def offboard(self, tenant: str = "acme", at: Instant | None = None) -> offboarding.Counts:
        wanted = offboarding.OffboardTenant(tenant=tenant, at=at)
        return self.do(offboarding.offboard_tenant, wanted).value.ended

    def reactivate(self, tier: str = "") -> offboarding.Reactivated:
        wanted = offboarding.ReactivateTenant(tenant="acme", tier=tier)
        return self.do(offboarding.reactivate_tenant, wanted).value

    def tenant(self, name: str = "acme") -> Tenant:
        found = self.world.index.tenant(name)
        assert found is not None
        return found

    def scheduled(self) -> list[str]:
        return [change.id for change in scheduled(self.tenant(), self.now)]

    def reason(self, who: str, permission: str) -> str:
        """Name the decision: of this process, and of one that starts from the database now."""
        question = Question("acme", f"user:{who}", permission)
        mine, fresh = (
            decide(index, question, self.now).reason
            for index in (self.world.index, self.world.stored_index())
        )
        assert mine is fresh
        return DecisionReason(mine).name

    def limit(self, name: str) -> int | None:
        found = limit_in_force(self.world.stored_index(), self.tenant(), name, self.now)
        assert found is not None
        return found.limit.value
