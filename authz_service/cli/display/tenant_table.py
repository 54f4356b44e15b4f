"""A customer's account as people read it."""

from collections.abc import Iterable

from rich.console import RenderableType

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.plan_values import limit_value
from authz_service.cli.display.words import Windowed, instant, window, word
from authz_service.gen.authz.v1 import suspension_pb2, tenant_pb2


def tenant_facts(tenant: tenant_pb2.Tenant, *more: tuple[str, str]) -> RenderableType:
    """Lay out an account."""
    suspensions = [
        word(suspension_pb2.SuspensionReason, suspension) for suspension in tenant.suspensions
    ]
    limits = [f"{limit.name} {limit_value(limit)}" for limit in tenant.limits]
    periods = _joined(tenant.periods)
    states = [(word(tenant_pb2.TenantState, period.state), period) for period in periods]
    items = [(_plan(item), item) for item in tenant.subscription_items]
    return tables.facts(
        [
            ("tenant", tenant.id),
            ("name", tenant.display_name),
            ("state", word(tenant_pb2.TenantState, tenant.state)),
            ("suspended for", out.listed(suspensions)),
            ("tier", versioned(tenant.tier, tenant.tier_version)),
            ("add-ons", out.listed(tenant.add_ons)),
            ("own limits", out.listed(limits)),
            ("dated states", _dated(states)),
            ("dated plans", _dated(items)),
            ("onboarded", instant(tenant.create_time)),
            ("revision", str(tenant.revision or "")),
            *more,
        ]
    )


def versioned(tier: str, version: int) -> str:
    """Write a tier, and the version if it stays at one: `pro, version 3`."""
    return f"{tier}, version {version}" if version else tier


def counts(account_counts: tenant_pb2.AccountCounts) -> str:
    """Write what ended or came back: `3 members, 5 role grants`."""
    numbers = [
        (account_counts.members, "member"),
        (account_counts.role_grants, "role grant"),
        (account_counts.exceptions, "exception"),
        (account_counts.invitations, "invitation"),
        (account_counts.keys, "key"),
    ]
    return out.listed(out.counted(number, noun) for number, noun in numbers if number)


def _joined(periods: Iterable[tenant_pb2.TenantPeriod]) -> list[tenant_pb2.TenantPeriod]:
    """Make one of periods that follow each other in the same state: what differs is not shown."""
    joined: list[tenant_pb2.TenantPeriod] = []
    for period in periods:
        if not joined or not _follows(period, joined[-1]):
            joined.append(tenant_pb2.TenantPeriod())
            joined[-1].CopyFrom(period)
        elif period.HasField("valid_until"):
            joined[-1].valid_until.CopyFrom(period.valid_until)
        else:
            joined[-1].ClearField("valid_until")
    return joined


def _follows(period: tenant_pb2.TenantPeriod, before: tenant_pb2.TenantPeriod) -> bool:
    return (
        before.state == period.state
        and before.HasField("valid_until")
        and before.valid_until == period.valid_from
    )


def _plan(item: tenant_pb2.SubscriptionItem) -> str:
    return versioned(item.tier, item.tier_version) or item.add_on


def _dated(names: Iterable[tuple[str, Windowed]]) -> str:
    """Write what has a beginning or an end."""
    windows = [(name, window(windowed)) for name, windowed in names]
    return "\n".join(f"{name} {when}" for name, when in windows if when != "always")
