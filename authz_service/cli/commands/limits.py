"""`authz limits`: numbers that tiers and add-ons set, one at a time."""

from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli.changing import Expected, limit
from authz_service.cli.display import tables
from authz_service.cli.display.entitlements import limit_value
from authz_service.cli.display.plans import PlanName
from authz_service.cli.options import Limit, Reason, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import limit_pb2 as pb

app = typer.Typer(help="Numbers that tiers and add-ons set.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The limit: seats.")]


@reads(app, "list")
def list_limits(
    session: Session,
    *,
    plan: Annotated[
        str, typer.Option("--plan", metavar="PLAN", help="Only of this one: tier/pro.")
    ] = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Only this limit.")] = "",
    limit: Limit = None,
) -> None:
    """List what limits tiers and add-ons set themselves."""
    request = pb.ListLimitsRequest(plan=plan, name=name)
    answer = every(session.limits.ListLimits, request, lambda page: page.plan_limits, limit)
    rows = [
        (plan_limit.plan, plan_limit.limit.name, limit_value(plan_limit.limit))
        for plan_limit in answer.plan_limits
    ]
    session.show(
        answer,
        tables.table(("PLAN", "LIMIT", "VALUE"), rows),
        note=total(len(rows), "limit", answer),
    )


@reads(app)
def get(session: Session, plan: PlanName, name: Name) -> None:
    """Show one limit that a tier or add-on sets itself."""
    answer = session.limits.GetLimit(pb.GetLimitRequest(plan=plan, name=name))
    session.show(answer, _facts(answer.plan_limit))


@changes(app)
def put(
    session: Session,
    plan: PlanName,
    name: Name,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="A whole number, or the word unlimited.")
    ],
    *,
    unit: Annotated[
        str, typer.Option("--unit", metavar="UNIT", help="What is counted: seat, call-per-month.")
    ],
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Set one limit of a tier or add-on."""
    request = pb.PutLimitRequest(
        plan=plan,
        limit=limit(name, value, unit),
        expected_revision=expected_revision,
        reason=reason,
    )
    answer = session.limits.PutLimit(request)
    session.show(answer, _facts(answer.plan_limit))


@changes(app)
def delete(
    session: Session,
    plan: PlanName,
    name: Name,
    *,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Take one limit out of a tier or add-on; what nothing sets is denied."""
    request = pb.DeleteLimitRequest(
        plan=plan, name=name, expected_revision=expected_revision, reason=reason
    )
    answer = session.limits.DeleteLimit(request)
    session.show(answer, _facts(answer.plan_limit))


def _facts(found: pb.PlanLimit) -> Table:
    return tables.facts(
        [
            ("plan", found.plan),
            ("limit", found.limit.name),
            ("value", limit_value(found.limit)),
            ("last changed", f"revision {found.plan_revision}"),
        ]
    )
