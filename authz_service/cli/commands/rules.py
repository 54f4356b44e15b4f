"""`authz rules`: the rules as other Casbin enforcers take them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.options import AsKnownAt, Reason
from authz_service.cli.paging import every
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import At
from authz_service.gen.authz.v1 import rule_pb2 as pb

app = typer.Typer(help="The rules for other Casbin enforcers.")


@reads(app)
def export(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made if it is not there.")],
    *,
    tenant: Annotated[
        str, typer.Option("--tenant", metavar="TENANT", help="Only this account's.")
    ] = "",
    at: At = None,
    as_known_at: AsKnownAt = 0,
) -> None:
    """Write model.conf and policy.csv, which a stock Casbin of any language enforces."""
    request = pb.ExportRulesRequest(tenant=tenant, as_known_at=as_known_at)
    if at is not None:
        request.at_time.FromDatetime(at)
    answer = every(session.rules.ExportRules, request, lambda page: page.rules)
    written = list(dict.fromkeys(map(_line, answer.rules)))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.conf").write_text(answer.model, encoding="utf-8")
    (folder / "policy.csv").write_text("".join(written), encoding="utf-8")
    session.show(
        answer, _summary(answer.rules), note=f"{out.counted(len(written), 'rule')} in {folder}"
    )


def _line(rule: pb.CasbinRule) -> str:
    """Write one line; by `domain.rules.encoded` no value holds a comma or a quote."""
    return ", ".join((rule.ptype, *rule.values)) + "\n"


def _summary(rules: Iterable[pb.CasbinRule]) -> RenderableType:
    counts: dict[str, int] = {}
    for rule in rules:
        counts[rule.ptype] = counts.get(rule.ptype, 0) + 1
    return tables.table(("TYPE", "RULES"), [(name, str(counts[name])) for name in sorted(counts)])


@changes(app, "import")
def import_rules(
    session: Session,
    model: Annotated[Path, typer.Argument(metavar="MODEL", exists=True, help="model.conf")],
    *,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", exists=True, help="policy.csv")
    ] = None,
    database: Annotated[
        str,
        typer.Option(
            "--database", metavar="URL", help="SQLAlchemy's URL of a live table `casbin_rule`."
        ),
    ] = "",
    tier: Annotated[
        str, typer.Option("--tier", metavar="TIER", help="For new accounts; made if need be.")
    ] = "imported",
    into: Annotated[
        str, typer.Option("--into", metavar="TENANT", help="For a model without domains.")
    ] = "",
    roles: Annotated[
        str, typer.Option("--roles", metavar="NAME,...", help="Names that are roles.")
    ] = "",
    people: Annotated[
        str, typer.Option("--people", metavar="NAME,...", help="Names that are people.")
    ] = "",
    reason: Reason = "",
) -> None:
    """Take over another Casbin policy, and say of each line that was left out why."""
    from authz_service.cli.files import foreign_policy

    text = model.read_text(encoding="utf-8")
    sources = [source for source in (policy, database) if source]
    if len(sources) != 1:
        raise typer.BadParameter("name either --policy or --database")
    policy_read = (
        foreign_policy.from_file(policy) if policy else foreign_policy.from_table(database)
    )
    answer, places = foreign_policy.send(
        session,
        text,
        policy_read,
        pb.ImportRulesRequest(
            tier=tier, into=into, roles=_names(roles), people=_names(people), reason=reason
        ),
    )
    counts = [(action, str(answer.made[action])) for action in sorted(answer.made)]
    parts = [tables.table(("MADE", "COUNT"), counts)]
    if answer.renamed:
        parts.append(tables.table(("NAME", "BECAME"), sorted(answer.renamed.items())))
    if answer.expanded:
        rows = [(places[rule.number], rule.into) for rule in answer.expanded]
        parts.append(tables.table(("LINE", "STANDS FOR"), rows))
    if answer.unheld_roles:
        rows = [(role, "people are named by --people") for role in answer.unheld_roles]
        parts.append(tables.table(("ROLE THAT NOBODY HAS", ""), rows))
    if answer.left_out:
        rows = [
            (places[left_out_rule.number], left_out_rule.why) for left_out_rule in answer.left_out
        ]
        parts.append(tables.table(("LEFT OUT", "WHY"), rows))
    session.show(answer, *parts, note=f"{out.counted(len(answer.left_out), 'line')} left out")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
