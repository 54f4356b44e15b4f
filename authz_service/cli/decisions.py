"""`authz check` and `authz explain`: the question that products ask, asked by hand."""

from typing import Annotated

import typer

from authz_service.cli import output as out
from authz_service.cli.explanation import class_advice, remedy_lines, tree
from authz_service.cli.failure import ExitCode
from authz_service.cli.options import (
    DECISIONS,
    MinRevision,
    PermissionName,
    Scope,
    Subject,
    Tenant,
    reads,
)
from authz_service.cli.session import Session
from authz_service.cli.words import code
from authz_service.gen.authz.v1 import authorization_pb2 as pb

commands = typer.Typer()

LimitName = Annotated[
    str, typer.Option("--limit", metavar="NAME", help="Ask about this limit too: projects.")
]
Used = Annotated[int, typer.Option("--used", metavar="N", help="How much of it is used.")]
Quantity = Annotated[
    int | None, typer.Option("--quantity", metavar="N", help="How much more is wanted; 1.")
]


@reads(commands, panel=DECISIONS)
def check(
    session: Session,
    tenant: Tenant,
    subject: Subject,
    permission: PermissionName,
    *,
    scope: Scope = "",
    limit: LimitName = "",
    used: Used = 0,
    quantity: Quantity = None,
    min_revision: MinRevision = 0,
) -> None:
    """Ask whether a subject may do something; exit 1 if not."""
    answer = session.authorization.Check(
        pb.CheckRequest(
            tenant=tenant,
            subject=subject,
            permission=permission,
            scope=scope,
            usage=_usage(limit, used, quantity),
            min_revision=min_revision,
        )
    )
    said = out.verdict(allowed=answer.allowed)
    if not answer.allowed:
        said.append(f"  {code(pb.DecisionReason, answer.reason)}", "red")
        said.append(f"  {class_advice(answer.reason_class)}", "not bold default")
    session.show(answer, said)
    _end(allowed=answer.allowed)


@reads(commands, panel=DECISIONS)
def explain(
    session: Session,
    tenant: Tenant,
    subject: Subject,
    permission: PermissionName,
    *,
    scope: Scope = "",
    limit: LimitName = "",
    used: Used = 0,
    quantity: Quantity = None,
    min_revision: MinRevision = 0,
) -> None:
    """Tell why, and what to do about a denial; exit 1 if denied."""
    question = pb.ExplainRequest(
        tenant=tenant,
        subject=subject,
        permission=permission,
        scope=scope,
        usage=_usage(limit, used, quantity),
        min_revision=min_revision,
    )
    answer = session.authorization.Explain(question)
    if session.output is out.Output.JSON:
        session.show(answer)
    else:
        session.print(tree(question, answer), *remedy_lines(question, answer))
    _end(allowed=answer.allowed)


def _usage(limit: str, used: int, quantity: int | None) -> pb.Usage | None:
    if limit:
        return pb.Usage(limit=limit, used=used, quantity=quantity)
    if used or quantity is not None:
        raise typer.BadParameter("--used and --quantity are about a limit: name it with --limit")
    return None


def _end(*, allowed: bool) -> None:
    if not allowed:
        raise typer.Exit(ExitCode.DENIED)
