"""`authz plan`: what a folder of policy files would change, for whom, and what needs consent."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.change_plan import ChangePlan
from authz_service.cli.display import output as out
from authz_service.cli.display import preview, tables
from authz_service.cli.display.progress import waiting
from authz_service.cli.display.words import instant, timestamp
from authz_service.cli.files import billing_changes, folder_changes
from authz_service.cli.options import POLICY, Reserved
from authz_service.cli.registration import reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import ScheduledAt
from authz_service.client.failure import ExitCode
from authz_service.gen.authz.v1 import changeset_pb2 as pb

commands = typer.Typer()

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR]",
        help="Holds catalogue.yaml, roles.yaml, tiers.yaml, addons.yaml and billing.yaml; "
        "AUTHZ_POLICIES_DIR.",
    ),
]
Prune = Annotated[
    bool, typer.Option("--prune", help="Delete what is in force and not in the files.")
]
Replace = Annotated[
    list[str] | None,
    typer.Option(
        "--replace", metavar="KIND:OLD=NEW", help="Delete OLD, and let NEW take its place."
    ),
]


@reads(commands, panel=POLICY)
def plan(
    session: Session,
    folder: Folder = None,
    *,
    prune: Prune = False,
    reserved: Reserved = None,
    replace: Replace = None,
    at: ScheduledAt = None,
    names: Annotated[
        bool, typer.Option("--names", help="Name every tenant and member affected.")
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Keep the plan for authz apply --plan FILE."),
    ] = None,
    detailed: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help="End with 6 if there is anything to change."),
    ] = False,
) -> None:
    """Show what a folder of policy files would change, and change nothing."""
    from authz_service.policyfiles.policy_files import read_folder

    folder = folder or session.settings.policies_dir
    policy = read_folder(folder)
    plan_ = folder_changes.planned(
        session,
        policy,
        folder=folder,
        billing=billing_changes.read(folder, policy),
        prune=prune,
        reserved=bool(reserved),
        replacing=replace or (),
        at=timestamp(at),
    )
    effects = _effects(session, plan_) if names and plan_.changes_anything else None
    if keep is not None:
        folder_changes.keep(plan_, keep)
    _show(session, plan_, effects, keep)
    if detailed and plan_.changes_anything:
        raise typer.Exit(ExitCode.CHANGES)


def show(session: Session, plan_: ChangePlan) -> None:
    """Print a plan for people."""
    session.print(*_parts(plan_))


def _show(
    session: Session,
    plan_: ChangePlan,
    effects: pb.ListChangesetEffectsResponse | None,
    path: Path | None,
) -> None:
    if session.output is out.Output.JSON:
        out.print_document(document(plan_, effects))
        return
    show(session, plan_)
    if effects is not None:
        columns = ("TENANT", "MEMBER", "GAINS", "LOSES", "VALUES")
        session.print(Text(), tables.table(columns, preview.effect_rows(effects.effects)))
    if plan_.previewed.revision:
        where = f"; apply it with authz apply --plan {path}" if path is not None else ""
        when = f" for {instant(plan_.at)}" if plan_.at is not None else ""
        session.say(f"planned at revision {plan_.previewed.revision}{when}{where}")


def document(
    plan_: ChangePlan, effects: pb.ListChangesetEffectsResponse | None = None
) -> dict[str, Any]:
    """Write a plan for programs: all of the preview, and what the files leave alone."""
    content = MessageToDict(
        plan_.previewed,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    content |= {"not_in_the_files": list(plan_.left), "unchanged": plan_.same}
    if effects is not None:
        content["effects"] = [
            MessageToDict(item, preserving_proto_field_name=True) for item in effects.effects
        ]
    return content


def _effects(session: Session, plan_: ChangePlan) -> pb.ListChangesetEffectsResponse:
    """Fetch every name, page by page, and show how many there are so far."""
    request = pb.ListChangesetEffectsRequest(changeset=plan_.changeset, page_size=1000)
    effects = pb.ListChangesetEffectsResponse()
    with waiting("Naming who is affected") as tell:
        while True:
            page = session.changesets.ListChangesetEffects(request)
            effects.effects.extend(page.effects)
            tell(f"{len(effects.effects):,}")
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return effects


def _parts(plan: ChangePlan) -> Iterator[RenderableType]:
    """Lay out a plan, whole: nothing is left out without its total."""
    yield from preview.object_parts(plan.previewed.preview.objects)
    if plan.left:
        yield Text(f"\nNot in the files, and left as they are ({len(plan.left):,})", "bold")
        yield _left(plan.left)
    if plan.previewed.preview.objects:
        yield from preview.effect_parts(plan.previewed.preview.effect)
        yield from preview.impact_parts(plan.previewed.preview.impacts)
    yield from preview.warning_parts(plan.previewed.preview.warnings)
    yield Text(f"\n{_summary(plan)}", "bold")


def _left(objects: Iterable[str]) -> RenderableType:
    """Lay out objects, `role clerk`, by their kind."""
    names: dict[str, list[str]] = {}
    for item in objects:
        kind, _, name = item.partition(" ")
        names.setdefault(kind, []).append(name)
    return tables.facts((f"  {kind}", out.listed(names[kind])) for kind in names)


def _summary(plan: ChangePlan) -> str:
    """Say in one line what is made, changed and ended."""
    kinds = [object_change.change for object_change in plan.previewed.preview.objects]
    if not kinds:
        return "No changes: what is in force is as the files say."
    result, changed, ended = (kinds.count(kind) for kind in preview.SIGNS)
    same = f", {plan.same:,} unchanged" if plan.same else ""
    return f"{result:,} to create, {changed:,} to update, {ended:,} to delete{same}"
