"""What an event says, read by the policy: its tenant, its agreement, its meaning.

Nothing is assumed in place of what is missing, and it decides nothing else.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final, assert_never

from pydantic import TypeAdapter

from authz_service.domain.agreement import Admin, Clause, Verb
from authz_service.domain.agreement_course import Meaning
from authz_service.domain.billing_event import EventReason, ReceivedEvent
from authz_service.domain.billing_policy import BillingPolicy, EventRule, Source
from authz_service.domain.identifiers import checked
from authz_service.domain.window import Instant
from authz_service.errors import AuthzError
from authz_service.usecases.billing.fields import Fields
from authz_service.usecases.billing.terms import terms_of
from authz_service.usecases.billing.values import (
    LATEST,
    Unreadable,
    find,
    holds,
    identifier,
    malformed,
    merged,
    text,
)

MEANING: Final = TypeAdapter(Meaning)
"""How a meaning is kept."""

_CLAUSES: Final = TypeAdapter(tuple[Clause, ...])

_AHEAD: Final = 24 * 3600 * 1_000_000
"""How far a sender's clock may be ahead: an event of the future would win over all to come."""

_OF_SUBJECT: Final = frozenset({Verb.ONBOARD, Verb.CHURNED, Verb.REACTIVATED})
"""What can be said without naming an agreement: of the account, or of all that a subject has."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an event says. `tenant` is "" if only its subject can tell; no meaning: ignored."""

    tenant: str
    meaning: Meaning | None = None


def read(policy: BillingPolicy, event: ReceivedEvent, now: Instant) -> Reading:
    """Make out what an event says.

    Raises:
        Unreadable: it cannot be made out; never is anything assumed in place of what is missing.
    """
    source = policy.sources.get(event.source)
    if source is None:
        raise Unreadable(
            EventReason.UNKNOWN_TYPE,
            f"the billing policy declares no source {event.source!r} any more; declare it and "
            "replay",
        )
    if not 0 < event.time <= min(now + _AHEAD, LATEST):
        raise malformed("its time is missing or more than one day in the future")
    rules = [rule for rule in source.rules if fnmatchcase(event.type, rule.type)]
    if not rules:
        _require_ignored(source, event)
        return Reading(_tenant(source, event))
    for park in source.park_when:
        if holds(park.when, event.data, "park_when"):
            raise Unreadable(EventReason.PARKED_BY_POLICY, park.reason)
    clauses, agreement, sequence = _statement(policy, source, rules, event)
    if not clauses:
        return Reading(_tenant(source, event))
    after = _digest(clauses) if source.snapshot else ""
    return Reading(
        _tenant(source, event),
        Meaning(
            event.time,
            event.source,
            event.id,
            clauses,
            agreement,
            event.subject,
            _rank(source, event),
            _before(policy, source, rules, event),
            after,
            sequence,
        ),
    )


def fired(source: Source, event: ReceivedEvent) -> Iterator[tuple[int, str]]:
    """Name the rules that an event fires: their positions, and the values of their `by`."""
    for position, rule in enumerate(source.rules):
        if not fnmatchcase(event.type, rule.type):
            continue
        if rule.when is not None and not holds(rule.when, event.data, "when"):
            continue
        yield position, "" if rule.by is None else _value(rule, event)


def _require_ignored(source: Source, event: ReceivedEvent) -> None:
    if not any(fnmatchcase(event.type, pattern) for pattern in source.ignore):
        raise Unreadable(
            EventReason.UNKNOWN_TYPE,
            f"the billing policy says nothing of type {event.type!r}: add it to `events` or "
            "`ignore`",
        )


def _statement(
    policy: BillingPolicy, source: Source, rules: list[EventRule], event: ReceivedEvent
) -> tuple[tuple[Clause, ...], str, int]:
    """Read what the rules that apply make of an event: clauses, agreement, sequence."""
    applying = [rule for rule in rules if rule.when is None or holds(rule.when, event.data, "when")]
    if not applying:
        raise Unreadable(
            EventReason.UNKNOWN_STATUS,
            f"no rule of the billing policy fires for this {event.type!r}: say what it means in "
            "`events`, or `do: []`",
        )
    agreements: set[str] = set()
    clauses: list[Clause] = []
    sequences: list[int] = []
    for rule in applying:
        fields = Fields(rule, event, source.times)
        verbs = _verbs(rule, event)
        clauses += [_clause(policy, fields, verb) for verb in verbs]
        agreements |= {_agreement(fields, verb) for verb in verbs}
        sequences.append(fields.number("sequence"))
    if len(agreements - {""}) > 1:
        raise malformed(f"its rules find several agreements: {', '.join(sorted(agreements))}")
    return tuple(clauses), max(agreements, default=""), max(sequences)


def _verbs(rule: EventRule, event: ReceivedEvent) -> tuple[Verb, ...]:
    if rule.by is None:
        return rule.do
    value = _value(rule, event)
    verbs = rule.cases.get(value)
    if verbs is None:
        raise Unreadable(
            EventReason.UNKNOWN_STATUS,
            f"`by` of {rule.type!r} finds {value[:60]!r}, to which the billing policy gives no "
            "meaning: add it to the rule's `do`",
        )
    return verbs


def _value(rule: EventRule, event: ReceivedEvent) -> str:
    """Write what a rule goes by as the keys of `do` are written."""
    value = None if rule.by is None else find(rule.by, event.data, "by")
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
    return str(value)


def _agreement(fields: Fields, verb: Verb) -> str:
    """Name the agreement that a verb is about; "" if it concerns none alone."""
    id_ = identifier(fields.value("agreement"), "agreement")
    if not id_ and (verb not in _OF_SUBJECT or fields.value("plans") is not None):
        raise malformed(f"`agreement` finds nothing in it, and {verb.value} concerns one")
    return id_


def _before(
    policy: BillingPolicy, source: Source, rules: list[EventRule], event: ReceivedEvent
) -> str:
    """Digest what the event says that its agreement was before it; "" if it does not say."""
    if source.snapshot is None:
        return ""
    previous = _at(event.data, source.snapshot.previous)
    if previous is None:
        return ""
    was = merged(_at(event.data, source.snapshot.now), previous)
    data = _with(event.data, source.snapshot.now, was)
    try:
        clauses, _, _ = _statement(policy, source, rules, replace(event, data=data))
    except Unreadable:
        return ""
    return _digest(clauses)


def _digest(clauses: tuple[Clause, ...]) -> str:
    return hashlib.sha256(_CLAUSES.dump_json(clauses)).hexdigest()[:16]


def _at(data: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        data = data.get(step) if isinstance(data, dict) else None
    return data


def _with(data: Any, steps: tuple[str, ...], value: Any) -> Any:
    """Return the data with another value at the end of the steps."""
    if not steps:
        return value
    return {**data, steps[0]: _with(data.get(steps[0], {}), steps[1:], value)}


def _rank(source: Source, event: ReceivedEvent) -> int:
    """Rank a type of event within one instant; one that is not ordered comes first."""
    matching = (at for at, type_ in enumerate(source.order, 1) if fnmatchcase(event.type, type_))
    return next(matching, 0)


def _tenant(source: Source, event: ReceivedEvent) -> str:
    if source.tenant is None:
        return ""
    name = text(find(source.tenant, event.data, "tenant"), "tenant")
    if not name:
        return ""
    try:
        return checked("tenant", name)
    except AuthzError as wrong:
        raise malformed(wrong.message) from wrong


def _clause(policy: BillingPolicy, fields: Fields, verb: Verb) -> Clause:
    match verb:
        case Verb.ONBOARD:
            return Clause(
                verb=verb,
                terms=terms_of(policy, fields.plans()),
                display_name=fields.label("display_name"),
                admin=_admin(policy, fields),
            )
        case Verb.CHANGE_PLAN | Verb.REACTIVATED:
            terms = terms_of(policy, fields.plans())
            if verb is Verb.CHANGE_PLAN and terms is None:
                raise malformed("`plans` finds nothing in it")
            term_end = fields.instant("term_end", ends=True) if policy.downgrade.at_term_end else 0
            replaces = identifier(fields.value("replaces"), "replaces")
            return Clause(verb=verb, terms=terms, term_end=term_end or None, replaces=replaces)
        case Verb.TRIAL:
            until = fields.required_instant("trial_until")
            return Clause(verb=verb, until=until, then=policy.trial_then)
        case Verb.PAST_DUE | Verb.PAYMENT_FAILED:
            return Clause(verb=verb, grace=policy.grace)
        case Verb.PAUSED:
            return Clause(verb=verb, until=fields.instant("resumes_at"))
        case Verb.END:
            until_ = fields.instant("ends_at", ends=True)
            return Clause(verb=verb, until=until_, then=policy.cancelled_then)
        case Verb.CANCELLED:
            # Whoever says where the end stands means that end, and no other if it is not there.
            end = fields.required_instant("ended_at") if fields.has("ended_at") else None
            return Clause(verb=verb, until=end, then=policy.cancelled_then)
        case (
            Verb.PENDING
            | Verb.ACTIVE
            | Verb.PAID
            | Verb.SUSPENDED
            | Verb.RESUMED
            | Verb.RENEWED
            | Verb.CHURNED
        ):
            return Clause(verb=verb)
        case _:
            assert_never(verb)


def _admin(policy: BillingPolicy, fields: Fields) -> Admin | None:
    subject, email = fields.text("admin_subject"), fields.text("admin_email")
    if subject:
        try:
            checked("subject", subject)
        except AuthzError as wrong:
            raise malformed(wrong.message) from wrong
    if not subject and not email:
        return None
    return Admin(subject, "" if subject else email, policy.admin_roles)
