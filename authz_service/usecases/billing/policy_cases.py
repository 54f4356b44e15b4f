"""Policy cases for billing: recorded events of a sender, and what is right after them.

A case names a recording (a JSON list of events as they were sent, beside its file) and says at
which instant one looks, what state, tier and limits the account has then, and which events wait.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from authz_service.domain.agreement_course import Meaning
from authz_service.domain.billing_policy import BillingPolicy, Scheme, Source
from authz_service.domain.contract import Contract, fold, share_at
from authz_service.domain.window import Instant, from_datetime
from authz_service.policyfiles import schema, yaml_text
from authz_service.policyfiles.billing_policy_file import BILLING
from authz_service.policyfiles.problem import PolicyFileError, Problem
from authz_service.policyfiles.yaml_text import Steps
from authz_service.usecases.billing.envelopes import Attributes, Envelope, envelopes
from authz_service.usecases.billing.interpretation import Reading, fired, read
from authz_service.usecases.billing.values import Unreadable, malformed

FOLDER: Final = Path("cases", "billing")
NO_ACCOUNT: Final = "none"

Rule = tuple[str, int, str]
"""A rule of a source, by its position, and the value of its `by`; "" if it has none."""


@dataclass(frozen=True, slots=True)
class _Case:
    file: str
    line: int
    source: str
    body: Mapping[str, Any]
    events: Sequence[Any]


@dataclass(frozen=True, slots=True)
class CaseReport:
    """What running the cases came to."""

    cases: int
    problems: tuple[Problem, ...] = ()


def run(folder: Path, policy: BillingPolicy) -> CaseReport:
    """Run all cases of a policy folder. If there are any, each rule must be fired by one.

    Raises:
        PolicyFileError: a file of cases, or a recording, cannot be read.
    """
    cases = [case for file in sorted((folder / FOLDER).glob("*.yaml")) for case in _read(file)]
    if not cases:
        return CaseReport(0)
    problems, used = list[Problem](), set[Rule]()
    for case in cases:
        problems += _run(policy, case, used)
    unfired = [rule for rule in _rules(policy) if rule not in used]
    return CaseReport(len(cases), (*problems, *_unfired(folder, unfired)))


def _unfired(folder: Path, rules: Sequence[Rule]) -> Iterator[Problem]:
    """Blame the rules that no case fires, with their lines."""
    text = (folder / BILLING).read_text(encoding="utf-8-sig") if rules else ""
    document = yaml_text.parse(BILLING, text)
    for source, position, value in rules:
        steps: Steps = ("sources", source, "events", position)
        steps = (*steps, "do", value) if value else steps
        message = f"no case fires it: record one in {FOLDER.as_posix()}, or take it out"
        yield Problem(BILLING, document.line(steps), yaml_text.told(steps), message)


def _rules(policy: BillingPolicy) -> Iterator[Rule]:
    for name, source in policy.sources.items():
        for position, rule in enumerate(source.rules):
            for value in rule.cases or ("",):
                yield name, position, value


def _read(file: Path) -> Iterator[_Case]:
    name = f"{FOLDER.as_posix()}/{file.name}"
    document = yaml_text.parse(name, file.read_text(encoding="utf-8-sig"))
    if not document.broken:
        schema.inspect(document, "billing_cases_file", "billing.schema.json")
    if document.problems:
        raise PolicyFileError(sorted(document.problems.values(), key=lambda p: p.line))
    data: Any = document.data
    for index, body in enumerate(data["cases"]):
        line = document.line(("cases", index))
        yield _Case(name, line, data["source"], body, _recording(name, line, file, body["events"]))


def _recording(name: str, line: int, file: Path, relative: str) -> Sequence[Any]:
    try:
        events = json.loads((file.parent / relative).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"the recording {relative!r} cannot be read: {error}"
        raise PolicyFileError([Problem(name, line, "events", message)]) from error
    return events if isinstance(events, list) else [events]


def _run(policy: BillingPolicy, case: _Case, used: set[Rule]) -> Iterator[Problem]:
    """Run one case; both ways, for the order of arrival makes no difference."""
    source = policy.sources.get(case.source)
    if source is None:
        message = f"the billing policy declares no source {case.source!r}"
        yield Problem(case.file, case.line, "source", message)
        return
    now = _instant(case.body["now"])
    meanings, parked = list[Meaning](), dict[str, str]()
    for envelope in _envelopes(source, case.events):
        try:
            if envelope.wrong:
                raise malformed(envelope.wrong)
            reading: Reading = read(policy, envelope.event, now)
            used |= {(case.source, *rule) for rule in fired(source, envelope.event)}
        except Unreadable as why:
            parked[envelope.event.id] = why.reason.value
            continue
        meanings += [reading.meaning] if reading.meaning else []
    contract = fold(meanings, policy.merging)
    parked |= {id_: "unclear_order" for _, id_ in contract.unclear}
    right = case.body["right"]
    matches = [*_differences(policy, contract, right, now)]
    for at, later in case.body.get("later", {}).items():
        matches += _differences(policy, contract, later, _instant(at), f"{at}: ")
    if parked != case.body.get("parked", {}):
        matches.append(f"parked are {parked or 'none'}")
    for difference in matches:
        yield Problem(case.file, case.line, case.body["name"], difference)


def _envelopes(source: Source, events: Sequence[Any]) -> Iterator[Envelope]:
    """Make out recorded events; those of a job have their attributes beside the data."""
    if source.scheme is not Scheme.TRUSTED_RPC:
        yield from envelopes(source, json.dumps(list(events)).encode())
        return
    for event in events:
        at, subject = _instant(event["time"]), event.get("subject", "")
        beside = Attributes(event["id"], event["type"], at, subject)
        yield from envelopes(source, json.dumps(event["data"]).encode(), beside)


def _differences(
    policy: BillingPolicy, contract: Contract, right: Mapping[str, Any], at: Instant, when: str = ""
) -> Iterator[str]:
    share = share_at(contract, policy.merging, at)
    state = share.state.value if contract.complete else NO_ACCOUNT
    if state != right["state"]:
        yield f"{when}the account is {state}, not {right['state']}"
    if "tier" in right and share.terms.tier != right["tier"]:
        yield f"{when}its tier is {share.terms.tier or 'none'}, not {right['tier']}"
    limits = {n: "unlimited" if v is None else v for n, v in share.terms.limits}
    if "limits" in right and limits != right["limits"]:
        yield f"{when}its limits are {limits or 'none'}, not {right['limits']}"


def _instant(written: str) -> Instant:
    return from_datetime(datetime.fromisoformat(written))
