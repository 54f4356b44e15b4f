"""`policies/billing.yaml` to a `BillingPolicy`, or to a list of what is wrong with it."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from authz_service.domain.agreement import Lapse, Verb
from authz_service.domain.billing_policy import (
    NOTHING,
    SECOND,
    Amount,
    BillingPolicy,
    BreakerSettings,
    Downgrade,
    Encoding,
    EventRule,
    Excess,
    Expression,
    NoQuantity,
    ParkRule,
    Scheme,
    Signature,
    Snapshot,
    SoldPlan,
    Source,
    Times,
    TimeUnit,
)
from authz_service.domain.catalog import chain
from authz_service.domain.contract import Quantity
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tenant import TenantState
from authz_service.policyfiles import expressions, schema, yaml_text
from authz_service.policyfiles.problem import MAX_BYTES, TOO_LARGE, PolicyFileError, Problem
from authz_service.policyfiles.yaml_text import Document, Steps

BILLING: Final = "billing.yaml"
NO_ROLE: Final = "none"

_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_ATTRIBUTES: Final = ("id", "type", "time", "subject")
_NEEDED: Final = {
    Scheme.STANDARD_WEBHOOKS: ("type", "time"),  # its id comes in a header
    Scheme.TRUSTED_RPC: (),  # IngestBillingEvent has them
}
_TAKES: Final = {Verb.CHANGE_PLAN: "plans", Verb.TRIAL: "trial_until", Verb.END: "ends_at"}


def read_folder(folder: Path, policy_set: PolicySet | None = None) -> BillingPolicy:
    """Read the file of a policy folder; without one, no event means anything.

    Raises:
        PolicyFileError: as `read`, or it cannot be read as UTF-8 text.
    """
    path = folder / BILLING
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        return NOTHING
    except OSError as error:
        raise _unreadable(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unreadable("not UTF-8: save the file as UTF-8") from error
    if len(content) > MAX_BYTES:
        raise _unreadable(TOO_LARGE)
    return read(text, policy_set)


def read(text: str, policy_set: PolicySet | None = None) -> BillingPolicy:
    """Read the file from its text.

    Names of tiers, add-ons, roles and limits are looked up in `known`, if that is given.

    Raises:
        PolicyFileError: everything found wrong, in the order of lines.
    """
    document = yaml_text.parse(BILLING, text)
    policy = NOTHING
    if not document.broken:
        schema.inspect(document, "billing_file", "billing.schema.json")
        if not document.problems:
            policy = _policy(document, document.data)
            if policy_set is not None:
                _look_up(document, policy, policy_set)
            _inspect(document, policy)
    if document.problems:
        raise PolicyFileError(sorted(document.problems.values(), key=lambda p: (p.line, p.field)))
    return policy


def _unreadable(message: str) -> PolicyFileError:
    return PolicyFileError([Problem(BILLING, 1, "", message)])


def _policy(document: Document, data: Any) -> BillingPolicy:
    """Convert what the schema has found good; expressions that do not compile are blamed."""
    sources = data["sources"]
    return BillingPolicy(
        sources={name: _source(document, name, body) for name, body in sources.items()},
        plans={name: _plan(body) for name, body in data["plans"].items()},
        admin_roles=tuple(data.get("first_admin", {}).get("roles", ())),
        grace=_duration(data.get("past_due", {}).get("grace", "0s")),
        trial_then=_lapse(data.get("trial", {}).get("then", "suspended")),
        cancelled_then=_lapse(data.get("cancelled", {}).get("then", "suspended")),
        quantities={name: Quantity(word) for name, word in data.get("quantities", {}).items()},
        downgrade=_downgrade(data.get("downgrade", {})),
        breaker=_breaker(data["breaker"]) if "breaker" in data else BreakerSettings(),
    )


def _lapse(then: Any) -> Lapse:
    if isinstance(then, dict):
        return Lapse(TenantState.ACTIVE, then["tier"])
    return Lapse(TenantState(then))


def _source(document: Document, name: str, body: Mapping[str, Any]) -> Source:
    at: Steps = ("sources", name)
    paths = {
        key: path
        for key in (*_ATTRIBUTES[1:], "data", "tenant")
        if key in body and (path := _compiled(document, (*at, key), body[key])) is not None
    }
    shared = _fields(document, (*at, "fields"), body.get("fields", {}))
    return Source(
        name,
        Scheme(body["scheme"]),
        _attributes(document, at, body)
        | {key: (paths[key],) for key in _ATTRIBUTES if key in paths},
        paths.get("tenant"),
        paths.get("data"),
        _signature(document, (*at, "signature"), body.get("signature", {})),
        _times(document, (*at, "times"), body["times"]),
        tuple(body.get("order", ())),
        _snapshot(body["snapshot"]) if "snapshot" in body else None,
        tuple(_park_rules(document, (*at, "park_when"), body.get("park_when", ()))),
        tuple(body.get("ignore", ())),
        tuple(
            _rule(document, (*at, "events", index), rule, shared)
            for index, rule in enumerate(body["events"])
        ),
    )


def _attributes(
    document: Document, at: Steps, body: Mapping[str, Any]
) -> dict[str, tuple[Expression, ...]]:
    """Compile what identifies an event: one expression, or several."""
    if "id" not in body:
        return {}
    texts = body["id"] if isinstance(body["id"], list) else [body["id"]]
    parts = [_compiled(document, (*at, "id"), text) for text in texts]
    return {"id": tuple(part for part in parts if part is not None)}


def _signature(document: Document, at: Steps, body: Mapping[str, str]) -> Signature:
    text = body.get("text", "{body}")
    parts = ("separator" in body, "part" in body)
    if any(parts) and not all(parts):
        document.blame(at, "`separator` and `part` need each other: where in the header is it?")
    timed = "timestamp_part" in body or "timestamp_header" in body
    if "{body}" not in text or timed != ("{timestamp}" in text):
        message = "the signed text has {body} in it, and {timestamp} exactly if there is one"
        document.blame((*at, "text"), message)
    return Signature(
        body.get("header", "x-signature").lower(),
        Encoding(body.get("encoding", "hex")),
        text,
        body.get("separator", ""),
        body.get("part", ""),
        body.get("timestamp_part", ""),
        body.get("timestamp_header", "").lower(),
        body.get("id_header", "").lower(),
    )


def _times(document: Document, at: Steps, body: Mapping[str, str]) -> Times:
    zone = body.get("zone", "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        document.blame((*at, "zone"), f"there is no time zone {zone!r}: write UTC or Europe/Berlin")
    return Times(TimeUnit(body["unit"]), body.get("end_day", "inclusive") == "inclusive", zone)


def _snapshot(body: Mapping[str, str]) -> Snapshot:
    return Snapshot(tuple(body["now"].split(".")), tuple(body["previous"].split(".")))


def _park_rules(
    document: Document, at: Steps, body: Iterable[Mapping[str, str]]
) -> Iterator[ParkRule]:
    for index, rule in enumerate(body):
        when = _compiled(document, (*at, index, "when"), rule["when"])
        if when is not None:
            yield ParkRule(when, rule["reason"])


def _rule(
    document: Document, at: Steps, body: Mapping[str, Any], shared: Mapping[str, Expression]
) -> EventRule:
    when, by = (
        _compiled(document, (*at, key), body[key]) if key in body else None
        for key in ("when", "by")
    )
    own = _fields(document, (*at, "fields"), body.get("fields", {}))
    mapping = isinstance(body["do"], dict)
    do = () if mapping else tuple(map(Verb, body["do"]))
    cases = {v: tuple(map(Verb, verbs)) for v, verbs in body["do"].items()} if mapping else {}
    if bool(cases) != ("by" in body):
        document.blame((*at, "do"), "`by` and a mapping of its values in `do` need each other")
    return EventRule(body["type"], do, when, by, cases, {**shared, **own})


def _fields(document: Document, at: Steps, body: Mapping[str, str]) -> dict[str, Expression]:
    compiled = {name: _compiled(document, (*at, name), text) for name, text in body.items()}
    return {name: path for name, path in compiled.items() if path is not None}


def _compiled(document: Document, at: Steps, text: str) -> Expression | None:
    try:
        return expressions.compiled(text)
    except ValueError as error:
        document.blame(at, str(error))
        return None


def _plan(body: Mapping[str, Any]) -> SoldPlan:
    limits = {name: _amount(value) for name, value in body.get("limits", {}).items()}
    add_ons = frozenset(body.get("add_ons", ()))
    return SoldPlan(body.get("tier", ""), add_ons, limits, "quantity" in body)


def _amount(value: Any) -> Amount:
    match value:
        case {"each": int(each)}:
            without = value.get("no_quantity", NoQuantity.PARK)
            name = isinstance(without, str)
            return Amount(each=each, no_quantity=NoQuantity(without) if name else without)
        case int(fixed):
            return Amount(fixed)
    return Amount()


def _downgrade(body: Mapping[str, Any]) -> Downgrade:
    roles = body.get("roles", {})
    return Downgrade(
        tuple(body.get("order", ())),
        body.get("when") == "term_end",
        {name: Excess(word) for name, word in body.get("limits", {}).items()},
        {role: "" if other == NO_ROLE else other for role, other in roles.items()},
        body.get("read_only_role", ""),
    )


def _breaker(body: Mapping[str, Any]) -> BreakerSettings:
    return BreakerSettings(body["share"], body["at_least"], _duration(body["window"]))


def _duration(text: str) -> int:
    """Read `14d` into microseconds."""
    return int(text[:-1]) * _SECONDS[text[-1]] * SECOND


def _inspect(document: Document, policy: BillingPolicy) -> None:
    """Blame what contradicts itself, whatever the catalogue."""
    for name, source in policy.sources.items():
        at: Steps = ("sources", name)
        for attribute in _NEEDED.get(source.scheme, ("id", "type", "time")):
            if attribute not in source.attributes:
                message = f"it is missing: say where {source.scheme.value} events have their "
                document.blame((*at, attribute), message + attribute)
        for index, rule in enumerate(source.rules):
            for verb in {*rule.do, *(verb for verbs in rule.cases.values() for verb in verbs)}:
                _require_fields(document, (*at, "events", index), rule, verb)
    if not policy.downgrade.read_only_role and any(
        limit is Excess.READ_ONLY_EXCESS for limit in policy.downgrade.limits.values()
    ):
        message = "read_only_excess needs it: name the role that the excess members keep"
        document.blame(("downgrade", "read_only_role"), message)
    for steps, tier in _tiers(policy):
        if policy.downgrade.order and tier not in policy.downgrade.order:
            document.blame(steps, f"tier {tier!r} is not in downgrade.order: add it there")
    _inspect_quantities(document, policy)


def _tiers(policy: BillingPolicy) -> Iterator[tuple[Steps, str]]:
    """Yield every tier that events can give an account."""
    for name, plan in policy.plans.items():
        if plan.tier:
            yield ("plans", name, "tier"), plan.tier
    for part, lapse in (("trial", policy.trial_then), ("cancelled", policy.cancelled_then)):
        if lapse.tier:
            yield (part, "then", "tier"), lapse.tier


def _require_fields(document: Document, at: Steps, rule: EventRule, verb: Verb) -> None:
    """Blame a rule whose verb takes a field that nothing says where to find."""
    needs = [_TAKES[verb]] if verb in _TAKES else []
    if verb not in (Verb.ONBOARD, Verb.CHURNED):
        needs.append("agreement")
    for field in needs:
        if field not in rule.fields:
            message = f"{verb.value} takes the field `{field}`: add it to `fields`"
            document.blame((*at, "do"), message)


def _inspect_quantities(document: Document, policy: BillingPolicy) -> None:
    """Blame plans that would drop a quantity which a source reads."""
    reads = any(
        expressions.reads_quantity(rule.fields["plans"])
        for source in policy.sources.values()
        for rule in source.rules
        if "plans" in rule.fields
    )
    for name, plan in policy.plans.items() if reads else ():
        if not plan.takes_quantity:
            message = "no limit takes its quantity: add a limit with `each`, or `quantity: ignored`"
            document.blame(("plans", name), message)


def _look_up(document: Document, policy: BillingPolicy, policy_set: PolicySet) -> None:
    """Blame names that the catalogue does not have."""
    plans = {plan.name: plan for plan in policy_set.tiers}
    tiers, add_ons = set(plans), {plan.name for plan in policy_set.add_ons}
    roles = {role.id for role in policy_set.roles}
    for steps, kind, name, names in _names(policy, tiers, add_ons, roles):
        if name not in names:
            document.blame(steps, f"there is no {kind} {name!r}: {_known(kind, names)}")
    by_id = {plan.id: plan for plan in policy_set.tiers}
    for tier in sorted({plan.tier for plan in policy.plans.values()} & tiers):
        offered = {r for plan in chain(by_id, plans[tier].id) for r in plan.assignable_roles}
        for index, role in enumerate(policy.admin_roles):
            if role in roles and role not in offered:
                message = f"tier {tier!r} does not list role {role!r} as assignable"
                document.blame(("first_admin", "roles", index), message)


def _names(
    policy: BillingPolicy, tiers: set[str], add_ons: set[str], roles: set[str]
) -> Iterator[tuple[Steps, str, str, set[str]]]:
    """Yield every name that the file takes from the catalogue, and where it stands."""
    for steps, tier in _tiers(policy):
        yield steps, "tier", tier, tiers
    for name, plan in policy.plans.items():
        for index, add_on in enumerate(sorted(plan.add_ons)):
            yield ("plans", name, "add_ons", index), "add-on", add_on, add_ons
    for index, tier in enumerate(policy.downgrade.order):
        yield ("downgrade", "order", index), "tier", tier, tiers
    for index, role in enumerate(policy.admin_roles):
        yield ("first_admin", "roles", index), "role", role, roles
    for role, instead in policy.downgrade.roles.items():
        yield ("downgrade", "roles", role), "role", role, roles
        if instead:
            yield ("downgrade", "roles", role), "role", instead, roles
    if policy.downgrade.read_only_role:
        yield ("downgrade", "read_only_role"), "role", policy.downgrade.read_only_role, roles


def _known(kind: str, names: Iterable[str]) -> str:
    listed = ", ".join(sorted(names)[:20])
    return f"there are {listed}" if listed else f"no {kind} is declared at all"
