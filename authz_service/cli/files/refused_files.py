"""What the service refuses of a folder of policy files, by file and line."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authz_service.client.failure import Failure
from authz_service.gen.authz.v1 import changeset_pb2 as pb

if TYPE_CHECKING:
    from authz_service.policyfiles.problem import Problem

_BILLING: Final = {
    "billing_prices": ("prices",),
    "billing_sources": ("sources",),
    "billing_settingss": (),
}
_COMMAND = re.compile(r"changeset\.commands\[(\d+)\]\.(?:create|update|delete)_(\w+?)\.(.*)")


def located(refusal: Failure, changeset: pb.Changeset, folder: Path) -> Failure:
    """Name the files and lines of all that is refused; the same failure if it is not of a command.

    The service names commands of the changeset; each defines what one place of a file says.
    """
    from authz_service.policyfiles.policy_files import located as located_in

    violations = [_place(field, message, changeset) for field, message in refusal.violations]
    places = [violation for violation in violations if violation]
    billing = [place for place in places if place[0][0] in _BILLING]
    problems = located_in(folder, [place for place in places if place not in billing])
    problems += _in_billing(folder, billing)
    if not problems:
        return refusal
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = "".join(f"\n  {problem}" for problem in problems)
    return Failure(
        refusal.exit_code,
        refusal.reason,
        f"{count}, nothing was changed:{lines}",
        code=refusal.code,
        field=problems[0].field,
        details={**refusal.details, "file": problems[0].file, "line": str(problems[0].line)},
        advice=refusal.advice,
    )


def _in_billing(folder: Path, places: "list[tuple[tuple[str, ...], str]]") -> "list[Problem]":
    """Say where in billing.yaml the parts are that are refused."""
    from authz_service.policyfiles import yaml_text
    from authz_service.policyfiles.billing_policy_file import BILLING
    from authz_service.policyfiles.problem import Problem

    if not places:
        return []
    document = yaml_text.parse(BILLING, (folder / BILLING).read_text("utf-8-sig"))
    steps = [(_BILLING[path[0]] + path[1:2] if path[1] else (), text) for path, text in places]
    return [
        Problem(BILLING, document.line(at), yaml_text.told(at), message) for at, message in steps
    ]


def _place(field: str, message: str, changeset: pb.Changeset) -> tuple[tuple[str, ...], str] | None:
    """Give the path of the definition in its file: its section, its name, and the field in it."""
    match = _COMMAND.fullmatch(field)
    if match is None:
        return None
    number, noun, rest = int(match[1]), match[2], match[3].split(".")
    command = changeset.commands[number]
    request = getattr(command, command.WhichOneof("command") or "")
    definition = getattr(request, noun, request)
    inside = tuple(rest[1:]) if rest[0] == noun else ()
    return (f"{noun}s", getattr(definition, "id", ""), *inside), message
