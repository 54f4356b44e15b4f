"""What came of the cases, in words for people, in JSON and in JUnit's XML."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final
from xml.etree import ElementTree

from authz_service.domain.decision import DecisionReason
from authz_service.domain.policy_case import ALLOW, Coverage, Expectation, answer
from authz_service.domain.window import rfc3339
from authz_service.policyfiles.cases.running import Answered

_ALLOWED: Final = DecisionReason.ALLOWED


def asked(expectation: Expectation) -> str:
    """Write a question as a sentence."""
    question, at = expectation.question, rfc3339(expectation.at).replace(".000000Z", "Z")
    where = f" on {question.scopes[-1]}" if question.scopes else ""
    usage = ""
    if question.usage is not None:
        limit, used, quantity = question.usage
        usage = f", {used} of {limit} used and {quantity} wanted"
    return f"{question.subject} {question.permission} in {question.tenant}{where}{usage}, at {at}"


def told(failed: Answered) -> list[tuple[str, str]]:
    """Tell a failure: what was asked, expected and got, and which layers made it so.

    An answer that is allowed has no layer that objects: every layer says why it agrees. Remedies,
    which would allow it, are told where that was expected.
    """
    expectation, explanation = failed.expectation, failed.explained()
    objecting = [layer for layer in explanation.layers if layer.reason is not _ALLOWED]
    because = [f"{layer.name}: {layer.summary}" for layer in objecting or explanation.layers]
    remedies = explanation.remedies if expectation.answer == ALLOW else ()
    got = answer(failed.reason)
    return [
        ("asked", asked(expectation)),
        ("expected", expectation.answer),
        ("got", got if got == ALLOW else f"deny, {got}"),
        *(("because", text) for text in because),
        *(("remedy", remedy.summary) for remedy in remedies),
    ]


def document(answered: Sequence[Answered], covered: Iterable[Coverage] | None) -> dict[str, Any]:
    """Make the document that `--output json` writes."""
    failed = [case for case in answered if not case.met]
    report: dict[str, Any] = {
        "files": len({case.expectation.file for case in answered}),
        "cases": len({(case.expectation.file, case.expectation.case) for case in answered}),
        "passed": len(answered) - len(failed),
        "failed": len(failed),
        "failures": [_failure(case) for case in failed],
    }
    if covered is not None:
        report["coverage"] = {
            case.kind: {"touched": list(case.touched), "untouched": list(case.untouched)}
            for case in covered
        }
    return report


def junit(answered: Sequence[Answered]) -> bytes:
    """Write JUnit's XML: a suite for each file, a test for each question."""
    root = ElementTree.Element("testsuites", {"name": "authz policy test", **_counts(answered)})
    for file, group in groupby(answered, lambda case: case.expectation.file):
        tests = list(group)
        attributes = {"name": _clean(file), **_counts(tests)}
        suite = ElementTree.SubElement(root, "testsuite", attributes)
        for test in tests:
            _test(suite, test)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _test(suite: ElementTree.Element, case: Answered) -> None:
    expectation = case.expectation
    test = ElementTree.SubElement(
        suite,
        "testcase",
        classname=expectation.case,
        name=f"{asked(expectation)}: {expectation.answer}",
        file=_clean(expectation.file),
        line=str(expectation.line),
    )
    if not case.met:
        message = f"expected {expectation.answer}, got {answer(case.reason)}"
        failure = ElementTree.SubElement(test, "failure", type="unexpected", message=message)
        lines = [f"{_clean(expectation.file)}:{expectation.line}"]
        lines += [f"{label}: {text}" for label, text in told(case)]
        failure.text = "\n".join(lines)


def _counts(answered: Iterable[Answered]) -> dict[str, str]:
    outcomes = [case.met for case in answered]
    counts = {"tests": len(outcomes), "failures": outcomes.count(False), "errors": 0, "skipped": 0}
    return {name: str(count) for name, count in counts.items()}


def _clean(path: str) -> str:
    """Write a path so that XML can hold it: the file system allows what no document may."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in path)


def _failure(failed: Answered) -> dict[str, Any]:
    expectation, explanation = failed.expectation, failed.explained()
    question = expectation.question
    return {
        "file": expectation.file,
        "line": expectation.line,
        "case": expectation.case,
        "tenant": question.tenant,
        "subject": question.subject,
        "permission": question.permission,
        "scope": question.scopes[-1] if question.scopes else "",
        "usage": question.usage._asdict() if question.usage else None,
        "at": rfc3339(expectation.at),
        "expected": expectation.answer,
        "got": answer(failed.reason),
        "layers": [
            {"layer": layer.name, "answer": answer(layer.reason), "summary": layer.summary}
            for layer in explanation.layers
        ],
        "remedies": [
            {
                "summary": remedy.summary,
                "gives": list(remedy.gives),
                "takes_away": list(remedy.takes_away),
            }
            for remedy in explanation.remedies
        ],
    }
