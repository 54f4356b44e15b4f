"""Doing what a remedy says, by nothing but what the remedy says."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import limit_pb2, permission_pb2, tier_pb2
from tests.rpc.account import GRANT, Account, usage
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


def ways(remedy: checks.Remedy) -> list[list[str]]:
    """List the choices that a remedy leaves: one of its roles or tiers, all of the others."""
    if remedy.kind in (checks.REMEDY_KIND_GRANT_ROLE, checks.REMEDY_KIND_CHANGE_TIER):
        return [[option] for option in remedy.options] or [[]]
    return [list(remedy.options)]


def declare(account: Account, permission: str) -> None:
    message = permission_pb2.Permission(id=permission)
    account.operator.permissions.UpdatePermission(
        permission_pb2.UpdatePermissionRequest(**PUT, permission=message)
    )


def put_tier(account: Account, name: str, **more: Any) -> None:
    tier = tier_pb2.Tier(id=name, **more)
    account.operator.tiers.UpdateTier(tier_pb2.UpdateTierRequest(**PUT, tier=tier))


def _onboarded(asked: Asked, _: list[str]) -> Asked:
    """Open the account; one that has ended needs a new name."""
    known = asked.account.reason("ada", "invoices:view") != "UNKNOWN_TENANT"
    account = replace(asked.account, id=f"{asked.account.id}-new") if known else asked.account
    account.onboard("free")
    return replace(asked, account=account)


def _declared(asked: Asked, _: list[str]) -> None:
    declare(asked.account, asked.permission)


def _resumed(asked: Asked, reasons: list[str]) -> None:
    for reason in reasons:
        asked.account.resume(reason.upper())


def _added(asked: Asked, _: list[str]) -> None:
    asked.account.add(asked.who)


def _revoked(asked: Asked, exceptions: list[str]) -> None:
    for exception in exceptions:
        asked.account.delete_exception(exception)


def _granted(asked: Asked, roles: list[str]) -> None:
    """Grant the role; without one to choose, put the permission into the tenant's own."""
    account = asked.account
    if not roles:
        if asked.permission not in {each.permission for each in account.entitlements().permissions}:
            account.except_(GRANT, asked.permission)
        account.put_role("remedy", asked.permission)
    account.grant(asked.who, roles[0] if roles else f"{account.id}/remedy", asked.scope)


def _moved(asked: Asked, tiers: list[str]) -> None:
    asked.account.set_tier(tiers[0])


def _excepted(asked: Asked, _: list[str]) -> None:
    asked.account.except_(GRANT, asked.permission)


def _raised(asked: Asked, _: list[str]) -> None:
    """Buy a tier that sets the limit as high as is wanted."""
    assert asked.usage is not None
    wanted = limit_pb2.Limit(name=asked.usage.limit, value=1_000_000, unit="project")
    name = f"{asked.account.id}-more"
    put_tier(asked.account, name, extends="enterprise", limits=[wanted])
    asked.account.set_tier(name)


_DEEDS: Final[dict[int, Callable[[Asked, list[str]], Asked | None]]] = {
    checks.REMEDY_KIND_DECLARE_PERMISSION: _declared,
    checks.REMEDY_KIND_ONBOARD_TENANT: _onboarded,
    checks.REMEDY_KIND_RESUME_TENANT: _resumed,
    checks.REMEDY_KIND_ADD_MEMBER: _added,
    checks.REMEDY_KIND_REVOKE_EXCEPTION: _revoked,
    checks.REMEDY_KIND_GRANT_ROLE: _granted,
    checks.REMEDY_KIND_CHANGE_TIER: _moved,
    checks.REMEDY_KIND_GRANT_EXCEPTION: _excepted,
    checks.REMEDY_KIND_RAISE_LIMIT: _raised,
}


def follow(asked: Asked, remedy: checks.Remedy, options: list[str]) -> Asked:
    """Do what the remedy says, and give the question to ask again."""
    return _DEEDS[remedy.kind](asked, options) or asked


FULL: Final = usage("projects", 1000)
