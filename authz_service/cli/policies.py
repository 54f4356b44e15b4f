"""`authz apply` and `authz import matrix`: policy written in files, put in one step."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from authz_service.cli import output as out
from authz_service.cli.failure import ExitCode, Failure
from authz_service.cli.options import POLICY, Reason, changes
from authz_service.cli.session import Session
from authz_service.domain.policy_set import PolicySet
from authz_service.gen.authz.v1 import policy_pb2 as pb

commands = typer.Typer()
imports = typer.Typer(help="Take over policy from elsewhere.")


@changes(commands, panel=POLICY)
def apply(
    session: Session,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Holds catalogue.yaml, roles.yaml, tiers.yaml; AUTHZ_POLICIES_DIR.",
        ),
    ] = None,
    reason: Reason = "",
) -> None:
    """Put the permissions, roles and tiers of a folder in one step."""
    from authz_service.usecases.policy_files import read_folder  # noqa: PLC0415 - reads YAML

    put(session, read_folder(folder or session.settings.policies_dir), reason)


@changes(imports)
def matrix(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: permissions x roles, tier.")],
    *,
    tiers: Annotated[
        str, typer.Option("--tiers", metavar="TIER,...", help="Its tiers, lowest first.")
    ],
    reason: Reason = "",
) -> None:
    """Put a table of permissions x roles with the lowest tier of each."""
    from authz_service.usecases.matrix import read_matrix  # noqa: PLC0415 - as apply

    names = tuple(tier.strip() for tier in tiers.split(","))
    put(session, read_matrix(_text(file), names, file.name), reason)


def put(session: Session, policy: PolicySet, reason: str) -> None:
    """Send a policy and show what it changed."""
    answer = session.policy.ApplyPolicy(request(policy, reason))
    parts = [
        *(Text.assemble(("+ ", "green"), out.shown(name)) for name in answer.created),
        *(Text.assemble(("~ ", "yellow"), out.shown(name)) for name in answer.updated),
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


def request(policy: PolicySet, reason: str = "") -> pb.ApplyPolicyRequest:
    """Write a policy as the message that puts it."""
    from authz_service.rpc import convert  # noqa: PLC0415 - imports grpc

    return pb.ApplyPolicyRequest(
        permissions=map(convert.permission_message, policy.permissions),
        roles=map(convert.role_message, policy.roles),
        tiers=map(convert.tier_message, policy.tiers),
        reason=reason,
    )


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        message = f"{file} cannot be read: {why}"
        raise Failure(ExitCode.USAGE, "UNREADABLE_FILE", message, field="FILE") from None
