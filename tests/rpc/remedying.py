"""Doing what a remedy says, by nothing but what the remedy says."""

from dataclasses import dataclass
from typing import Any, Final

from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import permission_pb2, tier_pb2
from tests.rpc.account import Account, usage
from tests.services import PUT


@dataclass(frozen=True)
class Asked:
    """A question that is asked again after each remedy."""

    account: Account
    who: str = "ada"
    permission: str = "invoices:export"
    scope: str = ""
    usage: checks.Usage | None = None

    @property
    def more(self) -> dict[str, Any]:
        return {} if self.usage is None else {"usage": self.usage}

    def explain(self) -> checks.ExplainResponse:
        return self.account.explain(self.who, self.permission, self.scope, **self.more)

    def allowed(self) -> bool:
        return self.account.may(self.who, self.permission, self.scope, **self.more)


def declare(account: Account, permission: str) -> None:
    message = permission_pb2.Permission(id=permission)
    account.operator.permissions.UpdatePermission(
        permission_pb2.UpdatePermissionRequest(**PUT, permission=message)
    )


def put_tier(account: Account, name: str, **more: Any) -> None:
    tier = tier_pb2.Tier(id=name, **more)
    account.operator.tiers.UpdateTier(tier_pb2.UpdateTierRequest(**PUT, tier=tier))


def follow(asked: Asked, remedy: checks.Remedy) -> None:
    """Call what each step of a remedy holds, as it stands."""
    operator = asked.account.operator
    stubs: dict[str, Any] = {
        "create_permission": operator.permissions.CreatePermission,
        "onboard_tenant": operator.tenants.OnboardTenant,
        "reactivate_tenant": operator.tenants.ReactivateTenant,
        "resume_tenant": operator.tenants.ResumeTenant,
        "activate_tenant": operator.tenants.ActivateTenant,
        "add_member": operator.members.AddMember,
        "resume_member": operator.members.ResumeMember,
        "delete_exception": operator.exceptions.DeleteException,
        "create_role": operator.roles.CreateRole,
        "grant_role": operator.role_grants.GrantRole,
        "set_tier": operator.subscriptions.SetTier,
        "add_add_on": operator.subscriptions.AddAddOn,
        "create_exception": operator.exceptions.CreateException,
        "set_limits": operator.subscriptions.SetLimits,
    }
    for step in remedy.steps:
        name = step.WhichOneof("call") or ""
        stubs[name](getattr(step, name))


FULL: Final = usage("projects", 1000)
