"""Policy tests as data: case files read, and run against a policy without a server.

`docs/policy-tests.md` shows how a case file is written, `policies/schema.json` is its form.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz_service.domain import own_policy
from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason
from authz_service.domain.policy_case import CaseFile, Expectation
from authz_service.domain.policy_set import PolicySet
from authz_service.engine.builder import build
from authz_service.engine.decide import decide
from authz_service.engine.explain import Explanation, explain
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.policyfiles import schema, yaml_text
from authz_service.policyfiles.cases import fixtures, questions
from authz_service.policyfiles.cases.place import Known, Place
from authz_service.policyfiles.problem import MAX_BYTES, TOO_LARGE, Problem

_BILLING: Final = "billing"
_SUFFIXES: Final = (".yaml", ".yml")
_DEFINITION: Final = "cases_file"
_REVISION: Final = 1


class PolicyCaseError(InvalidArgument):
    """Refuses case files; the message lists every problem, one a line.

    The place of the first is in `field` and `details` as well.
    """

    summary = "a policy case file is wrong"

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(
            ErrorReason.INVALID_FIELD,
            f"{count}, nothing was asked:{lines}",
            field=problems[0].field,
            details={"file": problems[0].file, "line": str(problems[0].line)},
        )
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Answered:
    """An expectation and what the policy says to it."""

    expectation: Expectation
    index: Index
    reason: DecisionReason

    @property
    def met(self) -> bool:
        return self.expectation.met_by(self.reason)

    def explained(self) -> Explanation:
        """Tell the answer layer by layer, with what would change it."""
        return explain(self.index, self.expectation.question, self.expectation.at)


def read(paths: Iterable[Path], policy: PolicySet) -> tuple[CaseFile, ...]:
    """Read case files, and all those in folders and the folders within, each once.

    Raises:
        PolicyCaseError: everything found wrong, file by file in the order of lines. A path that
            is not there, and a folder without a case file, are problems too.
    """
    names, problems = Known.of(policy), list[Problem]()
    files = []
    for path in dict.fromkeys(_files(paths, problems)):
        text = _text(path, problems)
        if text is not None:
            files.append(_file(str(path), text, names, policy, problems))
    if problems:
        raise PolicyCaseError(problems)
    return tuple(files)


def run(policy: PolicySet, files: Iterable[CaseFile]) -> Iterator[Answered]:
    """Ask every question, in the order written, of the policy and the file's own tenants."""
    permissions = dict.fromkeys(own_policy.PERMISSIONS + policy.permissions)
    roles = dict.fromkeys(own_policy.ROLES + policy.roles)
    catalogue: tuple[Fact, ...] = (*permissions, *roles, *policy.plans)
    for file in files:
        index = build((*catalogue, *file.facts), _REVISION)
        for expectation in file.expectations:
            reason = decide(index, expectation.question, expectation.at).reason
            yield Answered(expectation, index, reason)


def _files(paths: Iterable[Path], problems: list[Problem]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        files = sorted(f for f in path.rglob("*") if f.suffix in _SUFFIXES and f.is_file())
        # Recorded events of senders are run by `authz billing check`.
        files = [f for f in files if _BILLING not in f.relative_to(path).parts]
        if not files:
            message = "the folder holds no case file: write one, its name ending in .yaml"
            problems.append(Problem(str(path), 1, "", message))
        yield from files


def _text(path: Path, problems: list[Problem]) -> str | None:
    """Read a file without its byte order mark; None if it cannot be read."""
    line, message = 1, ""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) <= MAX_BYTES:
            return content.decode("utf-8-sig")
        message = TOO_LARGE
    except FileNotFoundError:
        message = "no such file or folder"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = "not UTF-8: save the file as UTF-8"
    problems.append(Problem(str(path), line, "", message))
    return None


def _file(
    name: str, text: str, names: Known, policy: PolicySet, problems: list[Problem]
) -> CaseFile:
    document = yaml_text.parse(name, text)
    facts: tuple[Fact, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    if not document.broken:
        schema.inspect(document, _DEFINITION)
        place = Place(document, (), document.data)
        facts = tuple(fixtures.facts(place.at("tenants"), names, policy))
        expectations = tuple(questions.expectations(place, names))
    problems += sorted(document.problems.values(), key=lambda p: (p.line, p.field))
    return CaseFile(name, facts, expectations)
