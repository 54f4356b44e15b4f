"""`authz export`: the policy in force, as files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.files import billing_changes
from authz_service.cli.files.folder_changes import in_force
from authz_service.cli.options import POLICY, Reserved
from authz_service.cli.registration import reads
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure
from authz_service.domain.policy_set import PolicySet

commands = typer.Typer()


@reads(commands, panel=POLICY)
def export(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.")],
    *,
    reserved: Reserved = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over files that are there; comments are lost.")
    ] = False,
) -> None:
    """Write the policy in force as files; authz apply of them changes nothing."""
    from authz_service.policyfiles.policy_files import write

    texts = write(in_order(in_force(session, reserved=bool(reserved))[0]))
    parts, _ = billing_changes.in_force(session)
    texts["billing.yaml"] = billing_changes.written(parts)
    there = [name for name in texts if (folder / name).exists()]
    if there and not force:
        message = f"{folder} holds {out.listed(there)} already"
        advice = "name another folder, or write over them with --force: comments are lost"
        raise Failure(ExitCode.USAGE, "FILE_EXISTS", message, field="DIR", advice=advice)
    _write(folder, texts)
    if session.output is out.Output.JSON:
        out.print_document({"folder": str(folder), "files": sorted(texts)})
        return
    session.print(*(Text.assemble(("+ ", "green"), str(folder / name)) for name in texts))


def in_order(policy: PolicySet) -> PolicySet:
    """Put a policy into the order of its ids, so that two exports of it are the same bytes."""
    return PolicySet(
        tuple(sorted(policy.permissions, key=lambda item: item.id)),
        tuple(sorted(policy.roles, key=lambda item: item.id)),
        tuple(sorted(policy.tiers, key=lambda item: item.id)),
        tuple(sorted(policy.add_ons, key=lambda item: item.id)),
    )


def _write(folder: Path, texts: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        message = f"{error.filename or folder} cannot be written: {error.strerror}"
        raise Failure(ExitCode.USAGE, "UNWRITABLE_FILE", message, field="DIR") from None
