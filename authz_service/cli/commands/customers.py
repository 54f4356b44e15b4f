"""`authz import customers`: customers with their members, taken over from a file of any size."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.progress import advancing
from authz_service.cli.display.words import code, word
from authz_service.cli.files.customer_files import Customer, Form, customers, form_of, opened
from authz_service.cli.options import Reason
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure
from authz_service.gen.authz.v1 import error_reason_pb2
from authz_service.gen.authz.v1 import tenant_pb2 as pb

MOST_CUSTOMERS: Final = 100
MOST_MEMBERS: Final = 1000
MOST_BYTES: Final = 2 * 1024 * 1024
"""What one call carries: little enough that others who change something hardly wait for it."""

_DONE: Final = frozenset({"created", "unchanged"})
_SHOWN: Final = 10

Result = dict[str, Any]


commands = typer.Typer()


@changes(commands, "customers")
def batch_onboard_tenants(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or JSON lines; - is standard input.")
    ],
    *,
    form: Annotated[
        Form | None, typer.Option("--format", help="How it is written; its name says so, too.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option("--results", metavar="FILE", help="Where to keep what became of each "
                     "customer, as JSON lines; FILE.results.jsonl if not given."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with an import that broke off: leave out what its "
                     "results say is done."),
    ] = False,
    reason: Reason = "",
) -> None:  # fmt: skip
    """Open the accounts of a file with their members, each whole or not at all.

    JSON lines: one customer a line, with tenant, tier and optionally display_name, add_ons, limits,
    members (subject, roles, owner), trial_end_time, after_trial. CSV: one member a line, with the
    columns tenant, tier and optionally display_name, add_ons, trial_end_time, subject, roles,
    owner; consecutive lines of one tenant are one customer. Separate names in a cell by blanks.

    A customer that is there already is left as it is, so the same file can be imported again.
    """
    existing = form or form_of(file)
    path = results or _results_of(file, dry_run=session.dry_run)
    done = _done(path) if resume else frozenset()
    if path.exists() and not resume and not session.dry_run:
        message = f"{path} holds the results of an import"
        advice = "go on with it by --resume, or name another file by --results"
        raise Failure(ExitCode.USAGE, "FILE_EXISTS", message, field="--results", advice=advice)
    answers: Counter[str] = Counter()
    wrong: list[Result] = []
    with opened(file) as source, _journal(path, resume=resume) as journal:
        remaining = _left(customers(source, existing), done, answers)
        with advancing("Importing" if not session.dry_run else "Trying", source.size) as reach:
            for number, batch in enumerate(_batches(remaining)):
                for result in _taken(session, batch, number, reason):
                    journal.write(json.dumps(result, ensure_ascii=False) + "\n")
                    answers[result["outcome"]] += 1
                    if result["outcome"] not in _DONE and len(wrong) < _SHOWN:
                        wrong.append(result)
                journal.flush()
                reach(source.position, f"{answers.total():,} customers")
    _tell(session, answers, wrong, path)


def _taken(session: Session, batch: list[Customer], number: int, reason: str) -> Iterator[Result]:
    """Send a batch; yield what became of each customer, in the order of the file."""
    sent = [item.message for item in batch if item.message is not None]
    answered: Iterable[pb.OnboardResult] = ()
    if sent:
        request = pb.BatchOnboardTenantsRequest(tenants=sent, reason=reason)
        if session.request_id:
            request.request_id = f"{session.request_id}-{number}"
        answered = _call(session, request).results
    answers = iter(answered)
    for item in batch:
        if item.message is None:
            yield _result(item, "refused", reason="UNREADABLE", message=item.problem)
        else:
            yield _answered(item, next(answers))


def _call(
    session: Session, request: pb.BatchOnboardTenantsRequest
) -> pb.BatchOnboardTenantsResponse:
    try:
        return session.tenants.BatchOnboardTenants(request)
    except Failure as failure:
        again = "what was imported stays; go on with --resume"
        failure.advice = "; ".join(filter(None, [failure.advice, again]))
        raise


def _answered(customer: Customer, answer: pb.OnboardResult) -> Result:
    outcome = word(pb.OnboardOutcome, answer.outcome)
    reason = code(error_reason_pb2.ErrorReason, answer.error_reason) if answer.error_reason else ""
    answers = {"field": answer.field, "message": answer.message}
    return _result(
        customer, outcome, reason=reason, **answers, differences=list(answer.differences)
    )


def _result(customer: Customer, outcome: str, **more: Any) -> Result:
    answers = {name: value for name, value in more.items() if value}
    return {"line": customer.line, "tenant": customer.tenant, "outcome": outcome, **answers}


def _left(
    matches: Iterable[Customer], results: frozenset[str], answers: Counter[str]
) -> Iterator[Customer]:
    """Leave out what was done before; count it."""
    for item in matches:
        if item.tenant and item.tenant in results:
            answers["skipped"] += 1
        else:
            yield _carried(item)


def _carried(customer: Customer) -> Customer:
    """Refuse here what no call can carry."""
    message = customer.message
    if message is None or len(message.members) <= MOST_MEMBERS:
        return customer
    problem = (
        f"it has {len(message.members):,} members, of which one call carries {MOST_MEMBERS:,}; "
        "leave the others out and add them with authz members add"
    )
    return Customer(customer.line, customer.tenant, problem=problem)


def _batches(matches: Iterable[Customer]) -> Iterator[list[Customer]]:
    """Put customers together for one call each."""
    batch: list[Customer] = []
    members = size = 0
    for item in matches:
        more, larger = _weight(item)
        full = members + more > MOST_MEMBERS or size + larger > MOST_BYTES
        if batch and (full or len(batch) == MOST_CUSTOMERS):
            yield batch
            batch, members, size = [], 0, 0
        batch.append(item)
        members, size = members + more, size + larger
    if batch:
        yield batch


def _weight(customer: Customer) -> tuple[int, int]:
    message = customer.message
    return (len(message.members), message.ByteSize()) if message is not None else (0, 0)


def _results_of(file: Path, *, dry_run: bool) -> Path:
    name = "customers" if str(file) == "-" else file.name
    folder = Path() if str(file) == "-" else file.parent
    return folder / f"{name}{'.dry-run' if dry_run else ''}.results.jsonl"


def _done(path: Path) -> frozenset[str]:
    """Read which customers need not be sent again; the last line may have been cut off."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise _unkept(f"{path} was not read: {error.strerror}") from None
    answer = []
    for line in lines:
        try:
            result = json.loads(line)
        except ValueError:
            continue
        if isinstance(result, dict) and result.get("outcome") in _DONE:
            answer.append(str(result.get("tenant", "")))
    return frozenset(answer)


@contextmanager
def _journal(path: Path, *, resume: bool) -> Iterator[IO[str]]:
    """Open the results for writing, behind those that are there if the import goes on."""
    try:
        opened_ = path.open("a" if resume else "w", encoding="utf-8")
    except OSError as error:
        raise _unkept(f"{path} cannot be written: {error.strerror}") from None
    with opened_ as journal:
        if journal.tell():
            journal.write("\n")  # ends a line that was cut off; an empty one says nothing
        yield journal


def _tell(session: Session, answers: Counter[str], wrong: list[Result], path: Path) -> None:
    """Sum up. Raises: Failure, if not every customer is there as the file has it."""
    counts = {name: answers[name] for name in ("created", "unchanged", "different", "refused")}
    counts |= {"skipped": answers["skipped"]} if answers["skipped"] else {}
    if session.output is out.Output.JSON:
        out.print_document({**counts, "results": str(path), "dry_run": session.dry_run})
    else:
        session.print(tables.facts([(name, f"{count:,}") for name, count in counts.items()]))
        if wrong:
            session.print(tables.table(("LINE", "TENANT", "OUTCOME", "WHY"), map(_row, wrong)))
        dry = "dry run, nothing was changed: " if session.dry_run else ""
        session.say(f"{dry}what became of each customer is in {path}")
    missed = answers["different"] + answers["refused"]
    if missed:
        raise Failure(
            ExitCode.REFUSED,
            "CUSTOMERS_REFUSED",
            f"{out.counted(missed, 'customer')} of {answers.total():,} cannot be imported so",
            details={"different": str(answers["different"]), "refused": str(answers["refused"])},
            advice=f"mend them in the file, see {path}, and run the import with --resume",
        )


def _row(result: Result) -> tuple[str, ...]:
    why = result.get("message") or out.listed(result.get("differences", ()))
    where = " ".join(filter(None, [result.get("reason", ""), result.get("field", "")]))
    text = f"{where}: {why}" if where else why
    return str(result["line"]), result["tenant"], result["outcome"], text


def _unkept(message: str) -> Failure:
    return Failure(ExitCode.USAGE, "UNWRITABLE_FILE", message, field="--results")
