"""`authz apply`: policy written in files, put in one step."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from authz_service.cli.change_plan import ChangePlan
from authz_service.cli.commands.plan import Folder, Prune, Replace, document, show
from authz_service.cli.display import output as out
from authz_service.cli.display.preview import impact_name
from authz_service.cli.display.progress import waiting
from authz_service.cli.display.words import instant, timestamp
from authz_service.cli.files import billing_changes, folder_changes
from authz_service.cli.options import POLICY, Reason
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.cli.time_options import ScheduledAt
from authz_service.client.failure import ExitCode, Failure
from authz_service.gen.authz.v1 import changeset_pb2 as pb
from authz_service.gen.authz.v1 import effect_pb2

commands = typer.Typer()
Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="IMPACT",
        help="Accept this, as in seats-below-taken:seats. Repeat for more.",
    ),
]
imports = typer.Typer(help="Take over policy and customers from elsewhere.")


@changes(commands, panel=POLICY)
def apply(
    session: Session,
    folder: Folder = None,
    reason: Reason = "",
    *,
    prune: Prune = False,
    replace: Replace = None,
    at: ScheduledAt = None,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Apply what authz plan --out kept."),
    ] = None,
    accept: Accept = None,
) -> None:
    """Put the policy of a folder in one step, as planned; billing.yaml, too, if it has one.

    With --at, all of it comes into force at that instant: authz schedule shows it. Without a
    terminal, what needs consent is accepted by --accept, or by a plan that somebody has seen.
    """  # fmt: skip
    from authz_service.policyfiles.policy_files import read_folder

    if plan is not None:
        change_plan = _planned_before(plan, folder, more=prune or bool(replace) or at is not None)
    else:
        folder = folder or session.settings.policies_dir
        policy = read_folder(folder)
        change_plan = folder_changes.planned(
            session,
            policy,
            folder=folder,
            billing=billing_changes.read(folder, policy),
            prune=prune,
            replacing=replace or (),
            at=timestamp(at),
        )
    apply_plan(session, change_plan, reason, None if plan is not None else accept or ())


def apply_plan(
    session: Session,
    change_plan: ChangePlan,
    reason: str,
    accept: Collection[str] | None = (),
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Show a plan, ask for consent, and do it; `accept` None takes all impacts as accepted.

    Programs are told `more` beside what was done.

    Raises:
        Failure: nobody can be asked, and an impact is not accepted by name.
    """
    if session.output is out.Output.TABLE:
        show(session, change_plan)
    if not change_plan.changes_anything or session.dry_run:
        revision = change_plan.previewed.revision
        _report(session, change_plan, pb.ApplyChangesetResponse(revision=revision), more)
        return
    if accept is not None and not session.can_ask:
        _require_accepted(change_plan.previewed.preview.impacts, accept)
    session.confirm("Apply these changes?")
    request = pb.ApplyChangesetRequest(
        changeset=change_plan.changeset,
        fingerprint=change_plan.previewed.fingerprint,
        reason=reason,
    )
    with waiting(f"Applying {len(change_plan.changeset.commands):,} commands"):
        answer = session.changesets.ApplyChangeset(request)
    _report(session, change_plan, answer, more)


def _require_accepted(impacts: Iterable[effect_pb2.Impact], accept: Collection[str]) -> None:
    """Check that each impact that does not block is accepted; those that do, nobody can accept."""
    names = [impact_name(impact) for impact in impacts if not impact.blocking]
    missing = [name for name in names if name not in accept]
    if missing:
        raise Failure(
            ExitCode.REFUSED,
            "CONSENT_NEEDED",
            f"nobody is here to be asked about {out.listed(missing)}; nothing was changed",
            field="--accept",
            advice="accept what you have seen with "
            + " ".join(f"--accept {name}" for name in missing)
            + ", or apply a plan: authz plan FOLDER --out FILE, authz apply --plan FILE",
        )


def _planned_before(file: Path, folder: Path | None, *, more: bool) -> ChangePlan:
    if folder is not None or more:
        message = "--plan holds all that is to be applied; give neither a folder nor other options"
        raise Failure(ExitCode.USAGE, "USAGE", message, field="--plan")
    return folder_changes.read_plan(file)


def _report(
    session: Session,
    change_plan: ChangePlan,
    answer: pb.ApplyChangesetResponse,
    more: Mapping[str, Any],
) -> None:
    """Say what was done: for programs, names by what became of them."""
    if session.output is out.Output.JSON:
        names: dict[str, list[str]] = {"created": [], "updated": [], "deleted": []}
        for change in change_plan.previewed.preview.objects:
            kind = effect_pb2.ObjectChangeKind.Name(change.change).rpartition("_")[2].lower()
            names[kind].append(f"{change.kind} {change.id}")
        content = {"revision": str(answer.revision), "unchanged": change_plan.same, **names}
        out.print_document({**document(change_plan), **content, **_scheduled(answer), **more})
    elif session.dry_run:
        session.say("dry run, nothing was changed: this is what would be")
    elif answer.HasField("scheduled"):
        when = instant(answer.scheduled.apply_time)
        session.say(f"scheduled for {when} as {answer.scheduled.id}, revision {answer.revision}")
    elif change_plan.changes_anything:
        session.say(f"applied, revision {answer.revision}")


def _scheduled(answer: pb.ApplyChangesetResponse) -> dict[str, Any]:
    if not answer.HasField("scheduled"):
        return {}
    scheduled = answer.scheduled
    return {"scheduled": scheduled.id, "apply_time": scheduled.apply_time.ToJsonString()}
