"""`authz features`: flags and words that tiers and add-ons set, one at a time."""

from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli.changing import Expected, feature
from authz_service.cli.display import tables
from authz_service.cli.display.entitlements import feature_value
from authz_service.cli.display.plans import PlanName
from authz_service.cli.options import Limit, Reason, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import feature_pb2 as pb

app = typer.Typer(help="Flags and words that tiers and add-ons set.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The feature: sso.")]


@reads(app, "list")
def list_features(
    session: Session,
    *,
    plan: Annotated[
        str, typer.Option("--plan", metavar="PLAN", help="Only of this one: tier/pro.")
    ] = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Only this feature.")] = "",
    limit: Limit = None,
) -> None:
    """List what features tiers and add-ons set themselves."""
    request = pb.ListFeaturesRequest(plan=plan, name=name)
    answer = every(session.features.ListFeatures, request, lambda page: page.plan_features, limit)
    rows = [
        (plan_feature.plan, plan_feature.feature.name, feature_value(plan_feature.feature))
        for plan_feature in answer.plan_features
    ]
    session.show(
        answer,
        tables.table(("PLAN", "FEATURE", "VALUE"), rows),
        note=total(len(rows), "feature", answer),
    )


@reads(app)
def get(session: Session, plan: PlanName, name: Name) -> None:
    """Show one feature that a tier or add-on sets itself."""
    answer = session.features.GetFeature(pb.GetFeatureRequest(plan=plan, name=name))
    session.show(answer, _facts(answer.plan_feature))


@changes(app)
def put(
    session: Session,
    plan: PlanName,
    name: Name,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="true, false, or a word such as email.")
    ],
    *,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Set one feature of a tier or add-on."""
    request = pb.PutFeatureRequest(
        plan=plan, feature=feature(name, value), expected_revision=expected_revision, reason=reason
    )
    answer = session.features.PutFeature(request)
    session.show(answer, _facts(answer.plan_feature))


@changes(app)
def delete(
    session: Session,
    plan: PlanName,
    name: Name,
    *,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Take one feature out of a tier or add-on."""
    request = pb.DeleteFeatureRequest(
        plan=plan, name=name, expected_revision=expected_revision, reason=reason
    )
    answer = session.features.DeleteFeature(request)
    session.show(answer, _facts(answer.plan_feature))


def _facts(found: pb.PlanFeature) -> Table:
    return tables.facts(
        [
            ("plan", found.plan),
            ("feature", found.feature.name),
            ("value", feature_value(found.feature)),
            ("last changed", f"revision {found.plan_revision}"),
        ]
    )
