"""Policies of other Casbin users: read from a file or a live table, sent in parts."""

import csv
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from rich.progress import Progress

from authz_service.cli.display import output as out
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure
from authz_service.errors import InvalidArgument
from authz_service.gen.authz.v1 import rule_pb2 as pb
from authz_service.reference.foreign_model import Shape, read_shape
from authz_service.store import foreign_table

MOST: Final = 20_000
"""Rules that one call carries."""


class Found(NamedTuple):
    """A rule and where it stood: `line 7`, `id 12`."""

    place: str
    ptype: str
    values: tuple[str, ...]


def from_file(path: Path) -> list[Found]:
    """Read a policy as Casbin writes it: comma-separated, `#` begins a comment."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, skipinitialspace=True)
        return [
            Found(
                f"line {rows.line_num}", row[0].strip(), tuple(value.strip() for value in row[1:])
            )
            for row in rows
            if row and row[0].strip() and not row[0].startswith("#")
        ]


def from_table(url: str) -> list[Found]:
    """Read a live table `casbin_rule`. Raises: Failure, if it cannot be read."""
    try:
        return [
            Found(f"id {number}", ptype, _values(values))
            for number, ptype, values in foreign_table.rules_of(url)
        ]
    except InvalidArgument as error:
        raise Failure(ExitCode.USAGE, "UNREADABLE_POLICY", error.message) from None


def send(
    session: Session, model: str, rules: list[Found], how: pb.ImportRulesRequest
) -> tuple[pb.ImportRulesResponse, dict[int, str]]:
    """Send all rules, in as many calls as they take, each with what `how` says.

    Returns the answers as one, its numbers counted through, and the place of each number.
    """
    import_rules, places = pb.ImportRulesResponse(), dict[int, str]()
    with Progress(console=out.console(errors=True), transient=True) as progress:
        task = progress.add_task("Importing", total=len(rules))
        for part in _parts(model, rules):
            request = pb.ImportRulesRequest(
                model=model,
                rules=[pb.CasbinRule(ptype=rule.ptype, values=rule.values) for rule in part],
            )
            request.MergeFrom(how)
            answer = session.rules.ImportRules(request)
            _add(import_rules, answer, len(places))
            places |= {len(places) + at: rule.place for at, rule in enumerate(part, 1)}
            progress.advance(task, len(part))
    return import_rules, places


def _add(import_rules: pb.ImportRulesResponse, answer: pb.ImportRulesResponse, before: int) -> None:
    for action, count in answer.made.items():
        import_rules.made[action] += count
    for rule in answer.left_out:
        import_rules.left_out.add(number=before + rule.number, why=rule.why)
    for line in answer.expanded:
        import_rules.expanded.add(number=before + line.number, into=line.into)
    import_rules.unheld_roles.extend(answer.unheld_roles)
    import_rules.renamed.update(answer.renamed)
    import_rules.revision = answer.revision


def _parts(model: str, matches: list[Found]) -> Iterable[list[Found]]:
    """Split by domain what is too much for one call.

    Raises:
        Failure: what belongs together is too much for one.
    """
    if len(matches) <= MOST:
        return [matches]
    shape = read_shape(model)
    ordered = sorted(matches, key=lambda rule: _domain(shape, rule))
    parts: list[list[Found]] = [[]]
    for _, group in groupby(ordered, key=lambda rule: _domain(shape, rule)):
        together = list(group)
        if len(together) > MOST:
            raise Failure(
                ExitCode.USAGE,
                "POLICY_TOO_LARGE",
                f"{len(together)} rules belong together and one call carries {MOST}",
            )
        if len(parts[-1]) + len(together) > MOST:
            parts.append([])
        parts[-1] += together
    return parts


def _domain(shape: Shape, rule: Found) -> str:
    """Name the domain a rule belongs to; "" where all have to be seen together."""
    place = 2 if rule.ptype == "g" else shape.domain
    # What stands for all domains, or for what other lines name, has to be seen with them.
    alone = not shape.domain_by.any_by_star and not shape.resource_by.key_match
    apart = alone and shape.links_by_domain and shape.domain >= 0
    return rule.values[place] if apart and len(rule.values) > place else ""


def _values(given: Iterable[str | None]) -> tuple[str, ...]:
    values = [value or "" for value in given]
    while values and not values[-1]:
        values.pop()
    return tuple(values)
