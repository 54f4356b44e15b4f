"""`authz billing settings` and `authz billing versions`: what holds for all, and how it came so."""

from datetime import timedelta
from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import instant, word
from authz_service.cli.options import ExpectedRevision, Limit, Reason
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import span
from authz_service.gen.authz.v1 import billing_policy_pb2 as pb
from authz_service.gen.authz.v1 import tenant_pb2

settings = typer.Typer(help="What applies to every account, whatever it has bought.")
commands = typer.Typer()


@reads(settings, "show")
def show_settings(session: Session) -> None:
    """Show the settings of the billing policy."""
    answer = session.billing_policy.GetBillingSettings(pb.GetBillingSettingsRequest())
    session.show(answer, tables.facts(_facts(answer.billing_settings)))


@changes(settings, "update")
def update_settings(
    session: Session,
    *,
    grace: Annotated[
        timedelta | None,
        typer.Option("--grace", metavar="LENGTH", parser=span, help="How long past due is good."),
    ] = None,
    after_trial: Annotated[
        str | None,
        typer.Option("--after-trial", metavar="WHAT", help="suspended, active or tier/NAME."),
    ] = None,
    after_end: Annotated[
        str | None,
        typer.Option("--after-end", metavar="WHAT", help="suspended, offboarded or tier/NAME."),
    ] = None,
    first_admin: Annotated[
        list[str] | None,
        typer.Option("--first-admin-role", metavar="ROLE", help="One it gets. Repeat for more."),
    ] = None,
    expected_revision: ExpectedRevision = 0,
    reason: Reason = "",
) -> None:
    """Change some settings, and nothing else; authz apply changes the others."""
    message, paths = pb.BillingSettings(first_admin_roles=first_admin or ()), list[str]()
    if grace is not None:
        message.grace_period.FromTimedelta(grace)
        paths.append("grace_period")
    for field, text in (("after_trial", after_trial), ("after_end", after_end)):
        if text is not None:
            getattr(message, field).CopyFrom(_fallback(text))
            paths.append(field)
    paths += ["first_admin_roles"] if first_admin else []
    request = pb.UpdateBillingSettingsRequest(
        billing_settings=message,
        update_mask=FieldMask(paths=paths),
        expected_revision=expected_revision,
        reason=reason,
    )
    answer = session.billing_policy.UpdateBillingSettings(request)
    session.show(answer, tables.facts(_facts(answer.billing_settings)))


def _fallback(text: str) -> pb.AccountFallback:
    kind, slash, tier = text.partition("/")
    if slash and kind == "tier" and tier:
        return pb.AccountFallback(tier=tier)
    name = f"TENANT_STATE_{text.upper()}"
    if name not in tenant_pb2.TenantState.DESCRIPTOR.values_by_name:
        raise typer.BadParameter(f"{text!r}: write suspended, active, offboarded or tier/NAME")
    return pb.AccountFallback(state=tenant_pb2.TenantState.Value(name))


def _facts(message: pb.BillingSettings) -> list[tuple[str, str]]:
    downgrade, breaker = message.downgrade, message.breaker
    rules = ((name, word(pb.ExcessRule, rule)) for name, rule in sorted(downgrade.limits.items()))
    quantities = sorted(message.quantities.items())
    sums = ((name, word(pb.QuantityRule, rule)) for name, rule in quantities)
    roles = (f"{role} -> {other or 'none'}" for role, other in sorted(downgrade.roles.items()))
    return [
        ("first admin", out.listed(message.first_admin_roles)),
        ("grace", str(message.grace_period.ToTimedelta()) if message.grace_period.seconds else ""),
        ("after a trial", _then(message.after_trial)),
        ("after an end", _then(message.after_end)),
        ("quantities", out.listed(f"{name} {rule}" for name, rule in sums)),
        ("tiers in order", out.listed(downgrade.order)),
        ("smaller plans hold", "at the end of the term" if downgrade.at_term_end else "at once"),
        ("excess", out.listed(f"{name} {rule}" for name, rule in rules)),
        ("roles", out.listed(roles)),
        ("breaker", out.listed(f"{k} {v}" for k, v in MessageToDict(breaker).items())),
        ("last changed", f"revision {message.revision}"),
    ]


def _then(fallback: pb.AccountFallback) -> str:
    if fallback.WhichOneof("then") == "tier":
        return f"tier/{fallback.tier}"
    return word(tenant_pb2.TenantState, fallback.state) if fallback.state else "suspended"


@reads(commands, "versions")
def list_versions(session: Session, limit: Limit = None) -> None:
    """List who changed the billing policy, when, why and how, the newest first."""
    call = session.billing_policy.ListBillingPolicyVersions
    request = pb.ListBillingPolicyVersionsRequest()
    answer = every(call, request, lambda page: page.versions, limit)
    rows = [
        (
            str(version.revision),
            instant(version.change_time),
            version.actor,
            out.listed(f"{change.kind} {change.id}" for change in version.objects),
            version.reason,
        )
        for version in answer.versions
    ]
    columns = ("REVISION", "WHEN", "WHO", "CHANGED", "WHY")
    session.show(answer, tables.table(columns, rows), note=total(len(rows), "version", answer))
