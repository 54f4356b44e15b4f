"""`authz apply` and `authz import matrix`: policy written in files, put in one step."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from authz_service.cli.change_plan import ChangePlan
from authz_service.cli.commands.plan import Folder, Prune, Replace, document, show
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.progress import waiting
from authz_service.cli.display.words import instant, timestamp
from authz_service.cli.files import folder_changes
from authz_service.cli.options import POLICY, Reason, ScheduledAt, changes
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure
from authz_service.domain.policy_set import PolicySet
from authz_service.gen.authz.v1 import changeset_pb2, effect_pb2

commands = typer.Typer()
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
) -> None:
    """Put the permissions, roles, tiers and add-ons of a folder in one step, as planned.

    With --at, all of it comes into force at that instant by itself: authz schedule shows it.
    """
    from authz_service.policyfiles.policy_files import read_folder

    if plan is not None:
        made = _kept(plan, folder, more=prune or bool(replace) or at is not None)
    else:
        policy = read_folder(folder or session.settings.policies_dir)
        made = folder_changes.planned(
            session, policy, prune=prune, replacing=replace or (), at=timestamp(at)
        )
    if session.output is out.Output.TABLE:
        show(session, made)
    if not made.preview.objects or session.dry_run:
        _tell(session, made, changeset_pb2.ApplyChangesetResponse(revision=made.preview.revision))
        return
    session.confirm("Apply these changes?")
    request = changeset_pb2.ApplyChangesetRequest(
        changes=made.changes, fingerprint=made.preview.fingerprint, reason=reason, at=made.at
    )
    with waiting(f"Applying {len(made.changes):,} changes"):
        answer = session.changesets.ApplyChangeset(request)
    _tell(session, made, answer)


def _kept(file: Path, folder: Path | None, *, more: bool) -> ChangePlan:
    if folder is not None or more:
        message = "--plan holds all that is to be applied; give neither a folder nor other options"
        raise Failure(ExitCode.USAGE, "USAGE", message, field="--plan")
    return folder_changes.kept(file)


def _tell(session: Session, made: ChangePlan, answer: changeset_pb2.ApplyChangesetResponse) -> None:
    """Say what was done: for programs, names by what became of them."""
    if session.output is out.Output.JSON:
        names: dict[str, list[str]] = {"created": [], "updated": [], "deleted": []}
        for each in made.preview.objects:
            kind = effect_pb2.ObjectChangeKind.Name(each.change).rpartition("_")[2].lower()
            names[kind].append(f"{each.kind} {each.id}")
        told = {"revision": str(answer.revision), "unchanged": made.same, **names}
        told |= _scheduled(answer)
        out.print_document(document(made) | told)
    elif session.dry_run:
        session.say("dry run, nothing was changed: this is what would be")
    elif answer.HasField("scheduled"):
        when = instant(answer.scheduled.at)
        session.say(f"scheduled for {when} as {answer.scheduled.id}, revision {answer.revision}")
    elif made.preview.objects:
        session.say(f"applied, revision {answer.revision}")


def _scheduled(answer: changeset_pb2.ApplyChangesetResponse) -> dict[str, Any]:
    if not answer.HasField("scheduled"):
        return {}
    return {"scheduled": answer.scheduled.id, "at": answer.scheduled.at.ToJsonString()}


def put(session: Session, policy: PolicySet, reason: str) -> None:
    """Send a policy and show what it changed."""
    answer = session.changesets.ApplyPolicy(request(policy, reason))
    parts = [
        *(Text.assemble(("+ ", "green"), tables.shown(name)) for name in answer.created),
        *(Text.assemble(("~ ", "yellow"), tables.shown(name)) for name in answer.updated),
        *(Text.assemble(("! ", "bold yellow"), tables.shown(said)) for said in answer.warnings),
    ]
    session.show(
        answer,
        *parts,
        Text(
            f"{len(answer.created):,} created, {len(answer.updated):,} updated, "
            f"{answer.unchanged:,} unchanged",
            "bold",
        ),
    )


def request(policy: PolicySet, reason: str = "") -> changeset_pb2.ApplyPolicyRequest:
    """Write a policy as the message that puts it."""
    from authz_service.rpc.messages import catalog

    return changeset_pb2.ApplyPolicyRequest(
        permissions=map(catalog.permission_message, policy.permissions),
        roles=map(catalog.role_message, policy.roles),
        tiers=map(catalog.tier_message, policy.tiers),
        add_ons=map(catalog.add_on_message, policy.add_ons),
        reason=reason,
    )
