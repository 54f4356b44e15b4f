"""`authz policy test`: what a policy must answer, asked of its files without a server."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.registration import local
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure

if TYPE_CHECKING:
    from authz_service.domain.policy_case import CaseFile, Coverage
    from authz_service.domain.policy_set import PolicySet
    from authz_service.policyfiles.cases.running import Answered

app = typer.Typer(help="The policy as files.")

_CASES: Final = "cases"


@local(app, "test")
def run_cases(
    session: Session,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE|DIR]...", help="Case files; the policy folder's cases/."),
    ] = None,
    *,
    policies: Annotated[
        Path | None,
        typer.Option("--policies", metavar="DIR", help="The policy to test; AUTHZ_POLICIES_DIR."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML there too.")
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Tell what of the policy no case touches.")
    ] = False,
) -> None:
    """Test the policy's files with case files; no server is called."""
    # They read YAML, which --help can do without.
    from authz_service.policyfiles.cases import coverage as coverages
    from authz_service.policyfiles.cases import report
    from authz_service.policyfiles.cases.running import run

    folder = policies or _near(session.settings.policies_dir)
    policy, files = _read(folder, paths or [folder / _CASES])
    answered = list(run(policy, files))
    covered = coverages.coverage(policy, answered) if coverage else None
    if junit is not None:
        _write(junit, report.junit(answered))
    if session.output is out.Output.JSON:
        out.print_document(report.document(answered, covered))
    else:
        _show(session, answered, covered or ())
    raise typer.Exit(ExitCode.DONE if all(item.met for item in answered) else ExitCode.DENIED)


@local(app)
def check(
    session: Session,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The folder; AUTHZ_POLICIES_DIR.")
    ] = None,
) -> None:
    """Check the policy's files and, if there are any, its case files; no server is called."""
    folder = folder or _near(session.settings.policies_dir)
    cases = folder / _CASES
    policy, files = _read(folder, [cases] if cases.is_dir() else [])
    counts = {
        "permissions": len(policy.permissions),
        "roles": len(policy.roles),
        "tiers": len(policy.tiers),
        "add_ons": len(policy.add_ons),
        "case_files": len(files),
    }
    if session.output is out.Output.JSON:
        out.print_document({"folder": str(folder), **counts})
        return
    parts = (out.counted(count, name[:-1].replace("_", " ")) for name, count in counts.items())
    session.print(Text.assemble((f"{out.YES} {folder}", "bold green"), f": {out.listed(parts)}"))


def _near(path: Path) -> Path:
    """Write a path as a person here would: without the folder that they are in."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _read(folder: Path, paths: Iterable[Path]) -> "tuple[PolicySet, tuple[CaseFile, ...]]":
    """Read a policy and its case files. Raises: Failure, with every problem in its message."""
    from authz_service.policyfiles.cases.running import PolicyCaseError, read
    from authz_service.policyfiles.policy_files import read_folder
    from authz_service.policyfiles.problem import PolicyFileError

    try:
        policy = read_folder(folder)
        return policy, read(paths, policy)
    except (PolicyFileError, PolicyCaseError) as wrong:
        reason = "INVALID_POLICY" if isinstance(wrong, PolicyFileError) else "INVALID_CASES"
        raise Failure(
            ExitCode.USAGE, reason, wrong.message, field=wrong.field, details=wrong.details,
            advice="mend the files and run the command again",
        ) from None  # fmt: skip


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}"
        raise Failure(ExitCode.USAGE, "UNWRITABLE_FILE", message, field="--junit") from None


def _show(session: Session, answered: "Sequence[Answered]", covered: "Iterable[Coverage]") -> None:
    failed = [coverage for coverage in answered if not coverage.met]
    for coverage in failed:
        session.print(*_failure(coverage), Text())
    rows = [_coverage_row(coverage) for coverage in covered]
    if rows:
        session.print(tables.table(("COVERAGE", "TOUCHED", "NO CASE TOUCHES"), rows), Text())
    session.print(_summary(answered, len(failed)))


def _failure(answered: "Answered") -> list[Text]:
    from authz_service.policyfiles.cases.report import told

    expectation = answered.expectation
    place = tables.shown(f"{expectation.file}:{expectation.line}").plain
    head = Text.assemble((f"{out.NO} ", "bold red"), (place, "bold"), "  ")
    lines = [head.append_text(tables.shown(expectation.case))]
    for label, text in told(answered):
        lines.append(Text.assemble((f"  {label:<9} ", "dim"), tables.shown(text)))
    return lines


def _coverage_row(coverage: "Coverage") -> tuple[str, str, str]:
    total = len(coverage.touched) + len(coverage.untouched)
    return coverage.kind, f"{len(coverage.touched)} of {total}", out.listed(coverage.untouched)


def _summary(answered: "Sequence[Answered]", failed: int) -> Text:
    passed, style = len(answered) - failed, "bold red" if failed else "bold green"
    text = f"{out.counted(passed, 'question')} passed"
    text = f"{out.NO} {failed:,} failed, {text}" if failed else f"{out.YES} {text}"
    files = len({item.expectation.file for item in answered})
    return Text.assemble((text, style), f" in {out.counted(files, 'file')}")
