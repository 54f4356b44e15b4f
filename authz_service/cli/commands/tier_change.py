"""`authz tenants set-tier`, `preview-tier` and `apply-downgrade-policy`: from tier to tier."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Final

import typer
from rich.console import RenderableType

from authz_service.cli import completion
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.plan_values import limit_value
from authz_service.cli.display.tenant_table import tenant_facts
from authz_service.cli.display.words import timestamp, word
from authz_service.cli.options import Reason, Tenant
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import ScheduledAt
from authz_service.gen.authz.v1 import billing_pb2, effect_pb2, limit_pb2
from authz_service.gen.authz.v1 import subscription_pb2 as pb

commands = typer.Typer()

_TIER_HELP: Final = "As authz tiers list shows them."
_USE: Final = re.compile(r"([^=]+)=(\d{1,18})", re.ASCII)

TierName = Annotated[
    str, typer.Argument(metavar="TIER", help=_TIER_HELP, autocompletion=completion.tiers)
]
ApplyPolicy = Annotated[
    bool,
    typer.Option("--apply-downgrade-policy", help="Hold back what no longer fits, as billing.yaml "
                 "says."),
]  # fmt: skip


@changes(commands, "set-tier")
def set_tier(
    session: Session,
    tenant: Tenant,
    tier: TierName,
    *,
    at: ScheduledAt = None,
    apply_policy: ApplyPolicy = False,
    reason: Reason = "",
) -> None:
    """Move an account to a tier, at once or at an instant."""
    request = pb.SetTierRequest(
        tenant=tenant,
        tier=tier,
        effective_time=timestamp(at),
        apply_downgrade_policy=apply_policy,
        reason=reason,
    )
    answer = session.subscriptions.SetTier(request)
    session.show(answer, tenant_facts(answer.tenant), *_steps(answer.downgrade_steps))


@changes(commands, "apply-downgrade-policy")
def apply_downgrade_policy(session: Session, tenant: Tenant, reason: Reason = "") -> None:
    """Hold back what no longer fits after a scheduled move or an event; restore what fits again."""
    request = pb.ApplyDowngradePolicyRequest(tenant=tenant, reason=reason)
    answer = session.subscriptions.ApplyDowngradePolicy(request)
    downgrade_steps = answer.downgrade_steps
    session.show(answer, *_steps(downgrade_steps), note="" if downgrade_steps else "all fits")


@reads(commands, "preview-tier")
def preview_tier(
    session: Session,
    tenant: Tenant,
    tier: Annotated[
        str,
        typer.Argument(metavar="TIER", help="The one that is held if not given.",
                       autocompletion=completion.tiers),
    ] = "",
    *,
    add_on: Annotated[
        list[str] | None,
        typer.Option("--add-on", metavar="ADD-ON", help="Given too. Repeat for more."),
    ] = None,
    remove_add_on: Annotated[
        list[str] | None,
        typer.Option("--remove-add-on", metavar="ADD-ON", help="Taken away. Repeat for more."),
    ] = None,
    at: ScheduledAt = None,
    apply_policy: ApplyPolicy = False,
    use: Annotated[
        list[str] | None,
        typer.Option("--use", metavar="LIMIT=N", help="How much is used: projects=12."),
    ] = None,
    sample: Annotated[
        int,
        typer.Option("--sample", metavar="N", min=1, max=1000, help="Members to name; 100."),
    ] = 100,
) -> None:  # fmt: skip
    """Show what another tier would do: who loses and gains what, and what no longer fits."""
    request = pb.PreviewTierChangeRequest(
        tenant=tenant,
        tier=tier,
        add_ons=add_on or (),
        removed_add_ons=remove_add_on or (),
        effective_time=timestamp(at),
        apply_downgrade_policy=apply_policy,
        usage=[_use(item) for item in use or ()],
        sample_size=sample,
    )
    answer = session.subscriptions.PreviewTierChange(request)
    impacts = [
        (word(effect_pb2.ImpactKind, impact.kind), impact.object, impact.detail
         or out.listed(impact.subjects))
        for impact in answer.impacts
    ]  # fmt: skip
    to_decide = _table(("TO DECIDE", "ABOUT", "WHO OR WHAT"), impacts)
    note = "preview, nothing was changed"
    session.show(answer, *effect_parts(answer), *to_decide, note=note)


def _use(text: str) -> pb.LimitUse:
    match = _USE.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} says no use; write LIMIT=N: projects=12")
    return pb.LimitUse(limit=match[1], used=int(match[2]))


def effect_parts(
    answer: pb.PreviewTierChangeResponse | billing_pb2.PreviewBillingEventResponse,
) -> list[RenderableType]:
    """Lay out what an account and its members gain and lose."""
    account = tables.facts(
        [
            ("gains", out.listed(answer.gained)),
            ("loses", out.listed(answer.lost)),
            *((item.name, _moves(item)) for item in (*answer.features, *answer.limits)),
        ]
    )
    members = [
        (f"{member.count:,}", _reaches(member.gained), _reaches(member.lost), _named(member))
        for member in answer.members
    ]
    exceeded = [
        (item.limit.name, f"{item.used:,}", _then(item.limit), _excess(item.policy))
        for item in answer.exceeded
    ]
    return [
        account,
        *_table(("MEMBERS", "GAIN", "LOSE", "WHO"), members),
        *_table(("LIMIT", "USED", "THEN", "POLICY"), exceeded),
        *_steps(answer.downgrade_steps),
    ]


def _then(limit: limit_pb2.Limit) -> str:
    return limit_value(limit) if limit.unit else "not set"


def _steps(steps: Iterable[pb.DowngradeStep]) -> list[RenderableType]:
    rows = [
        (word(pb.DowngradeStepKind, step.kind), step.subject, step.role, step.replacement,
         step.scope)
        for step in steps
    ]  # fmt: skip
    return _table(("DOWNGRADE POLICY", "WHOM", "ROLE", "INSTEAD", "SCOPE"), rows)


def _table(columns: tuple[str, ...], rows: list[Any]) -> list[RenderableType]:
    return [tables.table(columns, rows)] if rows else []


def _moves(value: effect_pb2.ValueChange) -> str:
    return f"{value.before or 'not set'} -> {value.after or 'not set'}"


def _reaches(reaches: Iterable[effect_pb2.Reach]) -> str:
    names = (
        f"{item.permission} in {item.scope}" if item.scope else item.permission for item in reaches
    )
    return out.listed(names)


def _named(shift: pb.MemberShift) -> str:
    more = shift.count - len(shift.subjects)
    return out.listed([*shift.subjects, *([f"and {more:,} more"] if more else [])])


def _excess(policy: pb.ExcessPolicy.ValueType) -> str:
    return word(pb.ExcessPolicy, policy) if policy else ""
