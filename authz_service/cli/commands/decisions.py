"""`authz check` and `authz explain`: the question that products ask, asked by hand."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display.explanation import class_advice, remedy_lines, tree
from authz_service.cli.display.words import code, demand, instant, moment
from authz_service.cli.family import command, option, required
from authz_service.cli.options import (
    DECISIONS,
    Latest,
    MinRevision,
    PermissionName,
    Scope,
    Subject,
    Tenant,
)
from authz_service.cli.registration import reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import At, KnownAt, MaxStaleness
from authz_service.client.failure import ExitCode, Failure
from authz_service.gen.authz.v1 import authorization_pb2 as pb

commands = typer.Typer()

LimitName = Annotated[
    str, typer.Option("--limit", metavar="NAME", help="Ask about this limit too: projects.")
]
Used = Annotated[int, typer.Option("--used", metavar="N", help="How much of it is used.")]
Quantity = Annotated[
    int | None, typer.Option("--quantity", metavar="N", help="How much more is wanted; 1.")
]


_ASKED: Final = (
    required("tenant", Tenant),
    required("subject", Subject),
    required("permission", PermissionName),
    option("scope", Scope, ""),
    option("limit", LimitName, ""),
    option("used", Used, 0),
    option("quantity", Quantity),
    option("min_revision", MinRevision, 0),
    option("max_staleness", MaxStaleness),
    option("latest", Latest, default=False),
    option("at", At),
    option("as_known_at", KnownAt),
)
"""What a question may say, whether it is to be decided or explained."""


def _question(
    limit: str,
    used: int,
    quantity: int | None,
    min_revision: int,
    max_staleness: timedelta | None,
    latest: bool,
    **fields: Any,
) -> dict[str, Any]:
    usage = _usage(limit, used, quantity)
    return {**fields, "usage": usage, **demand(min_revision, max_staleness, latest)}


def check(session: Session, at: datetime | None, as_known_at: str | None, **asked: Any) -> None:
    """Ask whether a subject may do something; exit 1 if not.

    Of another moment, with --at or --as-known-at, it takes the right to explain.
    """
    question = _question(**asked)
    if at is None and not as_known_at:
        _check(session, pb.CheckRequest(**question))
    else:
        _check_back(session, pb.ExplainRequest(**question, **moment(at, as_known_at)))


def explain(session: Session, at: datetime | None, as_known_at: str | None, **asked: Any) -> None:
    """Tell why, and what to do about a denial; exit 1 if denied.

    Of another moment, with --at or --as-known-at, there is nothing to do any more: it tells why.
    """
    question = pb.ExplainRequest(**_question(**asked), **moment(at, as_known_at))
    answer = session.authorization.Explain(question)
    now = at is None and not as_known_at
    if session.output is out.Output.JSON:
        session.show(answer)
    else:
        session.print(tree(question, answer), *(remedy_lines(answer) if now else ()))
    _end(allowed=answer.allowed)


for _run in (check, explain):
    reads(commands, panel=DECISIONS)(command(_run, _run.__doc__ or "", *_ASKED))


def _check(session: Session, question: pb.CheckRequest) -> None:
    answer = session.authorization.Check(question)
    session.show(answer, _said(answer))
    if answer.reason == pb.DECISION_REASON_UNKNOWN_PERMISSION:
        _say_what_is_meant(session, question)
    _end(allowed=answer.allowed)


def _say_what_is_meant(session: Session, question: pb.CheckRequest) -> None:
    """Name the permission that may be meant by one that is not declared."""
    request = pb.ExplainRequest(
        tenant=question.tenant, subject=question.subject, permission=question.permission
    )
    # Who may check need not be allowed to explain.
    with suppress(Failure):
        layers = session.authorization.Explain(request).layers
        session.say(next(layer.summary for layer in layers if layer.layer == "permission"))


def _check_back(session: Session, question: pb.ExplainRequest) -> None:
    answer = session.authorization.Explain(question)
    session.show(answer, _said(answer), note=f"as of {instant(answer.at_time)}")
    _end(allowed=answer.allowed)


def _said(answer: pb.CheckResponse | pb.ExplainResponse) -> Text:
    text = out.verdict(allowed=answer.allowed)
    if not answer.allowed:
        text.append(f"  {code(pb.DecisionReason, answer.reason)}", "red")
        text.append(f"  {class_advice(answer.reason_class)}", "not bold default")
    return text


def _usage(limit: str, used: int, quantity: int | None) -> pb.Usage | None:
    if limit:
        return pb.Usage(limit=limit, used=used, quantity=quantity)
    if used or quantity is not None:
        raise typer.BadParameter("--used and --quantity are about a limit: name it with --limit")
    return None


def _end(*, allowed: bool) -> None:
    if not allowed:
        raise typer.Exit(ExitCode.DENIED)
