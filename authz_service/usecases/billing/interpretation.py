"""What an event says, read by the policy: attributes, tenant, meaning. It decides nothing else."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final, assert_never

from jmespath.exceptions import JMESPathError
from pydantic import TypeAdapter

from authz_service.domain.billing_event import EventReason, InboundEvent
from authz_service.domain.billing_policy import (
    Amount,
    EventRule,
    Expression,
    LifecyclePolicy,
    SoldPlan,
    Source,
)
from authz_service.domain.contract import Admin, Clause, Deed, Meaning, Terms
from authz_service.domain.identifiers import checked
from authz_service.domain.window import LATEST, Instant, from_datetime
from authz_service.errors import AuthzError

MEANING: Final = TypeAdapter(Meaning)
"""How a meaning is kept."""

_AHEAD: Final = 24 * 3600 * 1_000_000
"""How far a sender's clock may be ahead: an event of the future would win over all to come."""

_MILLISECONDS: Final = 100_000_000_000
"""Numbers from here on are milliseconds since the epoch; as seconds they were the year 5138."""

_MOST_TEXT: Final = 200
_MOST_MESSAGE: Final = 500
_MOST_LIMIT: Final = 2**53


class Unreadable(Exception):
    """The policy cannot make out what an event means; it is parked with this reason."""

    def __init__(self, reason: EventReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = storable(message)


def storable(message: str) -> str:
    """Write a message so that every database keeps it: it may repeat what was sent."""
    plain = message.encode(errors="backslashreplace").decode().replace("\0", "\\0")
    return plain[:_MOST_MESSAGE]


@dataclass(frozen=True, slots=True)
class Read:
    """What an event says. `tenant` is "" if only its subject can tell; no clauses: ignored."""

    tenant: str
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Attributes:
    """CloudEvents attributes that came beside the data; what is empty or None is read from it."""

    id: str = ""
    type: str = ""
    time: Instant | None = None
    subject: str = ""


NOTHING_GIVEN: Final = Attributes()


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event as it came in, and what is wrong with it, "" for nothing."""

    event: InboundEvent
    wrong: str = ""


def envelopes(
    source: Source, body: bytes, given: Attributes = NOTHING_GIVEN, header_id: str = ""
) -> tuple[Envelope, ...]:
    """Make events of what a source sent: of each item, if it is a list.

    `header_id` names an event that bears no id of its own. One without any is named after its
    content, so that it can be kept and shown nevertheless.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        event = InboundEvent(source.name, given.id or header_id or _named(body), given.type, 0)
        return (Envelope(event, "it is not JSON"),)
    if isinstance(document, list) and not given.id:
        return tuple(_envelope(source, each, given, "") for each in document)
    return (_envelope(source, document, given, header_id),)


def _envelope(source: Source, document: Any, given: Attributes, header_id: str) -> Envelope:
    named = header_id or _named(json.dumps(document, sort_keys=True).encode())
    try:
        return Envelope(_event(source, document, given, named))
    except (Unreadable, AuthzError) as wrong:
        kept = document if isinstance(document, dict) else {}
        id_ = given.id or _kept_id(source, document) or named
        event = InboundEvent(source.name, id_, given.type, 0, data=kept)
        return Envelope(event, wrong.message)


def again(source: Source, event: InboundEvent) -> Envelope:
    """Make out anew an event whose attributes could not be read when it came."""
    envelope = _envelope(source, event.data, NOTHING_GIVEN, "")
    return replace(envelope, event=replace(envelope.event, id=event.id))


def _named(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _event(source: Source, document: Any, given: Attributes, named: str) -> InboundEvent:
    if not isinstance(document, dict):
        raise _malformed("its data is not a JSON object")
    found = {name: _found(path, document, name) for name, path in source.attributes.items()}
    at = given.time if given.time is not None else _instant(found.get("time"), "time")
    data = document
    if source.data is not None and not given.id:
        data = _found(source.data, document, "data")
    if not isinstance(data, dict):
        raise _malformed("`data` finds no JSON object in it")
    type_ = given.type or _text(found.get("type"), "type")
    if not type_:
        raise _malformed("it has no type")
    return InboundEvent(
        source.name,
        given.id or _attribute(found.get("id"), "id") or named,
        type_,
        at,
        given.subject or _attribute(found.get("subject"), "subject"),
        data,
    )


def _kept_id(source: Source, document: Any) -> str:
    """Find the id of an event that is wrong in another respect."""
    try:
        return _attribute(_found(source.attributes["id"], document, "id"), "id")
    except (KeyError, Unreadable):
        return ""


def read(policy: LifecyclePolicy, event: InboundEvent, now: Instant) -> Read:
    """Make out what an event says.

    Raises:
        Unreadable: it cannot be made out; never is anything assumed in place of what is missing.
    """
    source = policy.sources.get(event.source)
    if source is None:
        raise Unreadable(
            EventReason.UNKNOWN_TYPE,
            f"lifecycle.yaml declares no source {event.source!r} any more; declare it and replay",
        )
    if not 0 < event.time <= min(now + _AHEAD, LATEST):
        raise _malformed("its time lies more than a day ahead, or is not there")
    tenant = _tenant(source, event)
    of_type = [rule for rule in source.rules if fnmatchcase(event.type, rule.type)]
    if not of_type and not any(fnmatchcase(event.type, each) for each in source.ignore):
        raise Unreadable(
            EventReason.UNKNOWN_TYPE,
            f"lifecycle.yaml says nothing of type {event.type!r}: add it to `events` or `ignore`",
        )
    said = [rule for rule in of_type if _applies(rule, event)]
    clauses = (_clause(policy, rule, deed, event) for rule in said for deed in rule.do)
    return Read(tenant, tuple(clauses))


def meaning(event: InboundEvent, found: Read) -> Meaning:
    return Meaning(event.time, event.source, event.id, found.clauses)


def _applies(rule: EventRule, event: InboundEvent) -> bool:
    """Evaluate `when`; what JMESPath takes for false is 0-like: null, false, "" and empty."""
    return rule.when is None or _found(rule.when, event.data, "when") not in (
        None,
        False,
        "",
        [],
        {},
    )


def _tenant(source: Source, event: InboundEvent) -> str:
    if source.tenant is None:
        return ""
    found = _text(_found(source.tenant, event.data, "tenant"), "tenant")
    if not found:
        return ""
    try:
        return checked("tenant", found)
    except AuthzError as wrong:
        raise _malformed(wrong.message) from wrong


def _clause(policy: LifecyclePolicy, rule: EventRule, deed: Deed, event: InboundEvent) -> Clause:
    fields = _Fields(rule, event)
    match deed:
        case Deed.ONBOARD:
            return Clause(
                deed=deed,
                terms=_terms(policy, fields, required=False),
                display_name=fields.text("display_name"),
                admin=_admin(policy, fields),
            )
        case Deed.CHANGE_PLAN | Deed.REACTIVATED:
            return Clause(
                deed=deed,
                terms=_terms(policy, fields, required=deed is Deed.CHANGE_PLAN),
                term_end=fields.instant("term_end") if policy.downgrade.at_term_end else None,
            )
        case Deed.TRIAL:
            until = fields.required_instant("trial_until")
            return Clause(deed=deed, until=until, then=policy.trial_then)
        case Deed.PAST_DUE:
            return Clause(deed=deed, until=event.time + policy.grace)
        case Deed.CANCELLED:
            # Whoever says where the end stands means that end, and no other if it is not there.
            until = fields.required_instant("ends_at") if fields.has("ends_at") else event.time
            return Clause(deed=deed, until=until, then=policy.cancelled_then)
        case Deed.PAID | Deed.PAUSED | Deed.RESUMED | Deed.RENEWED | Deed.CHURNED:
            return Clause(deed=deed)
        case _:
            assert_never(deed)


def _admin(policy: LifecyclePolicy, fields: "_Fields") -> Admin | None:
    subject, email = fields.text("admin_subject"), fields.text("admin_email")
    if subject:
        try:
            checked("subject", subject)
        except AuthzError as wrong:
            raise _malformed(wrong.message) from wrong
    if not subject and not email:
        return None
    return Admin(subject, "" if subject else email, policy.admin_roles)


def _terms(policy: LifecyclePolicy, fields: "_Fields", *, required: bool) -> Terms | None:
    """Read what the plans of an event sell: one tier, all add-ons, limits added up."""
    plans = fields.plans()
    if plans is None:
        if required:
            raise _malformed("`plans` finds nothing in it")
        return None
    return terms_of(policy, plans)


def terms_of(policy: LifecyclePolicy, plans: Iterable[tuple[str, object]]) -> Terms:
    """Put together what plans and quantities sell.

    Raises:
        Unreadable: UNKNOWN_PLAN, or MALFORMED for a quantity that is none.
    """
    tiers: dict[str, None] = {}
    add_ons: set[str] = set()
    limits: dict[str, int | None] = {}
    for name, quantity in plans:
        plan = policy.plans.get(name)
        if plan is None:
            raise Unreadable(
                EventReason.UNKNOWN_PLAN,
                f"plan {name!r} is not in lifecycle.yaml: add it to `plans` and replay the event",
            )
        tiers |= {plan.tier: None} if plan.tier else {}
        add_ons |= plan.add_ons
        _add_limits(limits, plan, name, quantity)
    if len(tiers) != 1:
        said = f"the plans stand for the tiers {', '.join(tiers)}" if tiers else "no plan is a tier"
        raise Unreadable(EventReason.UNKNOWN_PLAN, f"{said}: exactly one must be sold")
    (tier,) = tiers
    order = policy.downgrade.order
    rank = order.index(tier) if tier in order else len(order)
    return Terms(tier, frozenset(add_ons), tuple(sorted(limits.items())), rank)


def _add_limits(limits: dict[str, int | None], plan: SoldPlan, name: str, quantity: object) -> None:
    for limit, amount in plan.limits.items():
        value = _amount(amount, name, quantity)
        known = limits.get(limit, 0)
        limits[limit] = None if value is None or known is None else known + value


def _amount(amount: Amount, plan: str, quantity: object) -> int | None:
    if amount.each is None:
        return amount.value
    sound = isinstance(quantity, int) and not isinstance(quantity, bool)
    if not sound or not isinstance(quantity, int) or not 0 < quantity * amount.each < _MOST_LIMIT:
        raise _malformed(f"plan {plan!r} is sold by quantity, and {quantity!r} is none")
    return quantity * amount.each


class _Fields:
    """The fields of one rule, looked up in the data of one event."""

    def __init__(self, rule: EventRule, event: InboundEvent) -> None:
        self._paths: Mapping[str, Expression] = rule.fields
        self._data = event.data

    def has(self, name: str) -> bool:
        return name in self._paths

    def text(self, name: str) -> str:
        return _text(self._value(name), name)

    def instant(self, name: str) -> Instant | None:
        value = self._value(name)
        return None if value is None else _instant(value, name)

    def required_instant(self, name: str) -> Instant:
        return _instant(self._value(name), name)

    def plans(self) -> list[tuple[str, object]] | None:
        """List plans and quantities: names, or mappings with `plan` and `quantity`."""
        value = self._value("plans")
        if value is None:
            return None
        items = value if isinstance(value, list) else [value]
        found = [_plan(item) for item in items]
        if not found:
            raise _malformed("`plans` finds no plan in it")
        return found

    def _value(self, name: str) -> Any:
        path = self._paths.get(name)
        return None if path is None else _found(path, self._data, name)


def _plan(item: Any) -> tuple[str, object]:
    match item:
        case str(name) if name:
            return name, None
        case {"plan": str(name)} if name:
            quantity = item.get("quantity")
            digits = isinstance(quantity, str) and quantity.isascii() and quantity.isdecimal()
            return name, int(quantity) if digits and len(quantity) < 16 else quantity
    raise _malformed(f"`plans` finds {str(item)[:100]!r}, which names no plan")


def _found(path: Expression, data: Any, name: str) -> Any:
    try:
        return path.search(data)
    except (JMESPathError, RecursionError) as error:
        raise _malformed(f"`{name}` cannot be read: {error}") from error


def _text(value: Any, name: str) -> str:
    match value:
        case None:
            return ""
        case str() if len(value) <= _MOST_TEXT and (not value or value.isprintable()):
            return value.strip()
    raise _malformed(f"`{name}` is no text of up to {_MOST_TEXT} printable characters")


def _attribute(value: Any, name: str) -> str:
    """Read an id: text, or a whole number as some systems have them."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if whole else _text(value, name)


def _instant(value: Any, name: str) -> Instant:
    """Read seconds or milliseconds since the epoch, or RFC 3339."""
    try:
        match value:
            case bool() | None:
                pass
            case int() | float() if 0 < value < LATEST / 1000:
                return round(value * (1_000 if value >= _MILLISECONDS else 1_000_000))
            case str() if value.isascii() and value.isdecimal():
                return _instant(int(value[:18]), name)
            case str():
                moment = datetime.fromisoformat(value)
                return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except ValueError:
        pass
    raise _malformed(
        f"`{name}` is {str(value)[:60]!r}: expected seconds or milliseconds since 1970, or RFC 3339"
    )


def _malformed(message: str) -> Unreadable:
    return Unreadable(EventReason.MALFORMED, message)
