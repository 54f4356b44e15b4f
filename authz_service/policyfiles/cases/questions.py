"""The cases of a case file as expectations."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from authz_service.domain.decision import DecisionReason, Question, Usage
from authz_service.domain.identifiers import enclosing
from authz_service.domain.policy_case import ANSWERS, Expectation, answer
from authz_service.domain.suggestions import undeclared
from authz_service.domain.window import Instant
from authz_service.policyfiles.cases import table
from authz_service.policyfiles.cases.place import Known, Place

_NOWHEN: Final[Instant] = -1
_UNKNOWN_PERMISSION: Final = answer(DecisionReason.UNKNOWN_PERMISSION)
_UNKNOWN_TENANT: Final = answer(DecisionReason.UNKNOWN_TENANT)
_NOT_A_MEMBER: Final = answer(DecisionReason.NOT_A_MEMBER)
_LIMIT_UNKNOWN: Final = answer(DecisionReason.LIMIT_UNKNOWN)


def expectations(file: Place, existing: Known) -> Iterator[Expectation]:
    """Read every case in its order; mistakes are blamed."""
    default = file.at("at").instant(_NOWHEN)
    names: dict[str, int] = {}
    for case in file.at("cases").items():
        name = case.at("name")
        if name.text in names:
            name.blame(f"line {names[name.text]} has a case of this name already: rename one")
        names.setdefault(name.text, name.line)
        at = case.at("at").instant(default)
        if at == _NOWHEN and not file.at("at").is_there:
            case.at("at").blame("it is missing: say when, here or with `at` at the top of the file")
        yield from _Case(case, file.at("tenants"), existing, at).expectations()


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question where it stands: a permission in a list, or a cell of a table."""

    place: Place
    line: int
    subject: str
    permission: str
    answer: str

    def blame(self, message: str) -> None:
        self.place.document.blame(self.place.steps, message, self.line)


@dataclass(frozen=True, slots=True)
class _Case:
    place: Place
    tenants: Place
    known: Known
    at: Instant

    def expectations(self) -> Iterator[Expectation]:
        name, tenant = self.place.at("name").text, self.place.at("tenant").identifier("tenant")
        scopes = enclosing(self.place.at("scope").identifier("scope"))
        usage, file = self._usage(), self.place.document.file
        for item in chain(self._listed(), self._tabled()):
            self._check(item, tenant, usage)
            question = Question(tenant, item.subject, item.permission, scopes, usage)
            yield Expectation(file, item.line, name, question, self.at, item.answer)

    def _usage(self) -> Usage | None:
        place = self.place.at("usage")
        if not place.is_there:
            return None
        limit, used, quantity = place.at("limit"), place.at("used"), place.at("quantity")
        return Usage(limit.text, used.number(0), quantity.number(1))

    def _listed(self) -> Iterator[_Asked]:
        for subject, answers in self.place.at("expect").entries():
            Place(answers.document, answers.steps, subject).identifier("subject")
            for expected, permissions in answers.entries():
                for item in permissions.items() if expected in ANSWERS else ():
                    yield _Asked(item, item.line, subject, item.text, expected)

    def _tabled(self) -> Iterator[_Asked]:
        for cell in table.cells(self.place.at("table")):
            question = _Asked(cell.place, cell.line, cell.subject, cell.permission, cell.answer)
            if question.answer in ANSWERS:
                yield question
            else:
                answers = ", ".join(sorted(ANSWERS))
                question.blame(f"{question.answer!r} is no answer: write one of {answers}")

    def _check(self, question: _Asked, tenant: str, usage: Usage | None) -> None:
        """Blame a question about what does not exist, unless that is what is asked."""
        expected, name = question.answer, question.permission
        if name not in self.known.permissions and expected != _UNKNOWN_PERMISSION and name:
            question.blame(
                f"{undeclared('permission', name, self.known.permissions)} "
                f"(or expect {_UNKNOWN_PERMISSION})"
            )
        if usage and usage.limit not in self.known.limits and expected != _LIMIT_UNKNOWN:
            limit = self.place.at("usage").at("limit")
            message = undeclared("limit", usage.limit, self.known.limits)
            limit.blame(f"{message} (or expect {_LIMIT_UNKNOWN})")
        self._check_subject(question, tenant)

    def _check_subject(self, question: _Asked, tenant: str) -> None:
        expected, subject = question.answer, question.subject
        tenant_place = self.tenants.at(tenant)
        if not tenant_place.is_there:
            if expected != _UNKNOWN_TENANT:
                self.place.at("tenant").blame(
                    f"{tenant!r} is not among the file's `tenants`: add it, correct the name, "
                    f"or expect {_UNKNOWN_TENANT}"
                )
        elif not tenant_place.at("members").at(subject).is_there and expected != _NOT_A_MEMBER:
            question.blame(
                f"{subject} is not among the `members` of {tenant}: add it, correct the name, "
                f"or expect {_NOT_A_MEMBER}"
            )
