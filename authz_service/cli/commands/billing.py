"""`authz billing`: what events would do, asked of the policy's file or of the server."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.files.event_files import read_file
from authz_service.cli.registration import local, reads
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure

if TYPE_CHECKING:
    from authz_service.domain.billing_policy import BillingPolicy
    from authz_service.policyfiles.problem import PolicyFileError
    from authz_service.usecases.billing.offline_preview import Tried

app = typer.Typer(help="What events of billing and CRM systems do: check it, try it.")

Policies = Annotated[
    Path | None,
    typer.Option("--policies", metavar="DIR", help="The policy folder; AUTHZ_POLICIES_DIR."),
]


@local(app)
def check(session: Session, policies: Policies = None) -> None:
    """Check billing.yaml: its expressions, the tiers and roles beside it, and its cases.

    Cases are recorded events of a sender in cases/billing. If there are any, each rule must be
    fired by one of them.
    """
    folder = policies or session.settings.policies_dir
    policy = _policy(folder)
    cases = _run_cases(folder, policy)
    counts = {"sources": len(policy.sources), "prices": len(policy.prices), "cases": cases}
    if session.output is out.Output.JSON:
        out.print_document({"ok": True, **counts})
        return
    session.print(tables.facts([(name, str(number)) for name, number in counts.items()]))


@reads(app, "test")
def try_events(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON: an event, or a list.")],
    *,
    source: Annotated[
        str, typer.Option("--source", metavar="SOURCE", help="Who would send it, as the file says.")
    ],
    server: Annotated[
        bool, typer.Option("--server", help="Ask the server, about the accounts that it has.")
    ] = False,
    policies: Policies = None,
) -> None:
    """Show what an event would do, without doing it.

    Without --server nothing is called: each event meets an account that those before it made.
    """
    content = read_file(file)
    if server:
        _ask(session, source, content)
        return
    policy = _policy(policies or session.settings.policies_dir)
    tried = _try(policy, source, content)
    if session.output is out.Output.JSON:
        out.print_document({"events": [_document(item) for item in tried]})
    else:
        rows = [
            (item.id, item.type, item.tenant, out.listed(item.says), _outcome(item))
            for item in tried
        ]
        session.print(tables.table(("EVENT", "TYPE", "TENANT", "SAYS", "EFFECT"), rows))
    parked = any(item.reason.value not in ("none", "ignored") for item in tried)
    raise typer.Exit(ExitCode.DENIED if parked else ExitCode.DONE)


def _policy(folder: Path) -> "BillingPolicy":
    # They read YAML, which --help can do without.
    from authz_service.policyfiles import billing_policy_file, policy_files
    from authz_service.policyfiles.problem import PolicyFileError

    try:
        return billing_policy_file.read_folder(folder, policy_files.read_folder(folder))
    except PolicyFileError as wrong:
        raise _invalid(wrong) from None


def _run_cases(folder: Path, policy: "BillingPolicy") -> int:
    """Run the billing cases of a folder; return how many there are."""
    from authz_service.policyfiles.problem import PolicyFileError
    from authz_service.usecases.billing import policy_cases

    try:
        report = policy_cases.run(folder, policy)
        if report.problems:
            raise PolicyFileError(report.problems)
    except PolicyFileError as wrong:
        raise _invalid(wrong) from None
    return report.cases


def _invalid(wrong: "PolicyFileError") -> Failure:
    return Failure(
        ExitCode.USAGE,
        "INVALID_POLICY",
        wrong.message,
        field=wrong.field,
        details=wrong.details,
        advice="mend the file and run the command again",
    )


def _try(policy: "BillingPolicy", source: str, content: bytes) -> "list[Tried]":
    from authz_service.usecases.billing.envelopes import envelopes
    from authz_service.usecases.billing.offline_preview import tried

    if source not in policy.sources:
        listed = out.listed(sorted(policy.sources))
        message = f"billing.yaml declares no source {source!r}; it declares {listed}"
        raise Failure(ExitCode.USAGE, "UNKNOWN_SOURCE", message, field="--source")
    return tried(policy, envelopes(policy.sources[source], content), time.time_ns() // 1000)


def _document(tried: "Tried") -> dict[str, object]:
    return {
        "id": tried.id,
        "type": tried.type,
        "tenant": tried.tenant,
        "says": list(tried.says),
        "effects": list(tried.effects),
        "reason": tried.reason.name,
        "message": tried.message,
    }


def _outcome(tried: "Tried") -> str:
    if tried.reason.value == "none":
        return "; ".join(tried.effects) or "nothing changes"
    return f"{tried.reason.value}: {tried.message}".rstrip(": ")


def _ask(session: Session, source: str, content: bytes) -> None:
    from authz_service.cli.commands.events import event_facts
    from authz_service.cli.commands.tier_change import effect_parts
    from authz_service.gen.authz.v1 import billing_pb2 as pb

    answer = session.billing.PreviewBillingEvent(
        pb.PreviewBillingEventRequest(source=source, data=content)
    )
    effects = tables.table(("EFFECT",), [(effect,) for effect in answer.effects])
    note = "it came before and would do nothing" if answer.duplicate else ""
    session.show(answer, event_facts(answer.event), effects, *effect_parts(answer), note=note)
