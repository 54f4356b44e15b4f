"""`policies/lifecycle.yaml` to a `LifecyclePolicy`, or to a list of what is wrong with it."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError

from authz_service.domain.billing_policy import (
    NOTHING,
    SECOND,
    Amount,
    BreakerSettings,
    Downgrade,
    EventRule,
    Excess,
    Expression,
    LifecyclePolicy,
    Scheme,
    SoldPlan,
    Source,
)
from authz_service.domain.catalog import chain
from authz_service.domain.contract import Deed, Lapse
from authz_service.domain.policy_set import PolicySet
from authz_service.policyfiles import schema, yaml_text
from authz_service.policyfiles.problem import MAX_BYTES, TOO_LARGE, PolicyFileError, Problem
from authz_service.policyfiles.yaml_text import Document, Steps

LIFECYCLE: Final = "lifecycle.yaml"
NO_ROLE: Final = "none"

_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_ATTRIBUTES: Final = ("id", "type", "time", "subject")
_NEEDED: Final = {
    Scheme.STANDARD_WEBHOOKS: ("type", "time"),  # its id comes in a header
    Scheme.TRUSTED_RPC: (),  # IngestEvent has them
}
_TAKES: Final = {Deed.CHANGE_PLAN: "plans", Deed.TRIAL: "trial_until"}


def read_folder(folder: Path, known: PolicySet | None = None) -> LifecyclePolicy:
    """Read the file of a policy folder; without one, no event means anything.

    Raises:
        PolicyFileError: as `read`, or it cannot be read as UTF-8 text.
    """
    path = folder / LIFECYCLE
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
    return read(text, known)


def read(text: str, known: PolicySet | None = None) -> LifecyclePolicy:
    """Read the file from its text.

    Names of tiers, add-ons, roles and limits are looked up in `known`, if that is given.

    Raises:
        PolicyFileError: everything found wrong, in the order of lines.
    """
    document = yaml_text.parse(LIFECYCLE, text)
    policy = NOTHING
    if not document.broken:
        schema.inspect(document, "lifecycle_file", "lifecycle.schema.json")
        if not document.problems:
            policy = _policy(document, document.data)
            if known is not None:
                _look_up(document, policy, known)
            _inspect(document, policy)
    if document.problems:
        raise PolicyFileError(sorted(document.problems.values(), key=lambda p: (p.line, p.field)))
    return policy


def _unreadable(message: str) -> PolicyFileError:
    return PolicyFileError([Problem(LIFECYCLE, 1, "", message)])


def _policy(document: Document, data: Any) -> LifecyclePolicy:
    """Convert what the schema has found good; expressions that do not compile are blamed."""
    sources = data["sources"]
    return LifecyclePolicy(
        sources={name: _source(document, name, body) for name, body in sources.items()},
        plans={name: _plan(body) for name, body in data["plans"].items()},
        admin_roles=tuple(data.get("first_admin", {}).get("roles", ())),
        grace=_duration(data.get("past_due", {}).get("grace", "0s")),
        trial_then=Lapse(data.get("trial", {}).get("then", "suspended")),
        cancelled_then=Lapse(data.get("cancelled", {}).get("then", "suspended")),
        downgrade=_downgrade(data.get("downgrade", {})),
        breaker=_breaker(data["breaker"]) if "breaker" in data else BreakerSettings(),
    )


def _source(document: Document, name: str, body: Mapping[str, Any]) -> Source:
    at: Steps = ("sources", name)
    paths = {
        key: path
        for key in (*_ATTRIBUTES, "data", "tenant")
        if key in body and (path := _compiled(document, (*at, key), body[key])) is not None
    }
    shared = _fields(document, (*at, "fields"), body.get("fields", {}))
    return Source(
        name,
        Scheme(body["scheme"]),
        {key: paths[key] for key in _ATTRIBUTES if key in paths},
        paths.get("tenant"),
        paths.get("data"),
        body.get("header", "x-signature").lower(),
        tuple(body.get("ignore", ())),
        tuple(
            _rule(document, (*at, "events", index), rule, shared)
            for index, rule in enumerate(body["events"])
        ),
    )


def _rule(
    document: Document, at: Steps, body: Mapping[str, Any], shared: Mapping[str, Expression]
) -> EventRule:
    when = _compiled(document, (*at, "when"), body["when"]) if "when" in body else None
    own = _fields(document, (*at, "fields"), body.get("fields", {}))
    return EventRule(body["type"], tuple(map(Deed, body["do"])), when, {**shared, **own})


def _fields(document: Document, at: Steps, body: Mapping[str, str]) -> dict[str, Expression]:
    found = {name: _compiled(document, (*at, name), text) for name, text in body.items()}
    return {name: path for name, path in found.items() if path is not None}


def _compiled(document: Document, at: Steps, text: str) -> Expression | None:
    try:
        compiled: Expression = jmespath.compile(text)
    except (JMESPathError, RecursionError) as error:
        said = " ".join(str(error).split())[:200]
        document.blame(at, f"not JMESPath: {said}")
        return None
    return compiled


def _plan(body: Mapping[str, Any]) -> SoldPlan:
    limits = {name: _amount(value) for name, value in body.get("limits", {}).items()}
    return SoldPlan(body.get("tier", ""), frozenset(body.get("add_ons", ())), limits)


def _amount(value: Any) -> Amount:
    match value:
        case {"each": int(each)}:
            return Amount(each=each)
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


def _inspect(document: Document, policy: LifecyclePolicy) -> None:
    """Blame what contradicts itself, whatever the catalogue."""
    for name, source in policy.sources.items():
        at: Steps = ("sources", name)
        for attribute in _NEEDED.get(source.scheme, ("id", "type", "time")):
            if attribute not in source.attributes:
                message = f"it is missing: say where {source.scheme.value} events have their "
                document.blame((*at, attribute), message + attribute)
        for index, rule in enumerate(source.rules):
            for deed in rule.do:
                if _TAKES.get(deed, "plans") not in rule.fields and deed in _TAKES:
                    message = f"{deed.value} takes the field `{_TAKES[deed]}`: add it to `fields`"
                    document.blame((*at, "events", index, "do"), message)
    if not policy.downgrade.read_only_role and any(
        limit is Excess.READ_ONLY_EXCESS for limit in policy.downgrade.limits.values()
    ):
        message = "read_only_excess needs it: name the role that the excess members keep"
        document.blame(("downgrade", "read_only_role"), message)
    for name, plan in policy.plans.items():
        if plan.tier and policy.downgrade.order and plan.tier not in policy.downgrade.order:
            message = f"tier {plan.tier!r} is not in downgrade.order: add it there"
            document.blame(("plans", name, "tier"), message)


def _look_up(document: Document, policy: LifecyclePolicy, known: PolicySet) -> None:
    """Blame names that the catalogue does not have."""
    plans = {plan.name: plan for plan in known.tiers}
    tiers, add_ons = set(plans), {plan.name for plan in known.add_ons}
    roles = {role.id for role in known.roles}
    for steps, kind, name, names in _names(policy, tiers, add_ons, roles):
        if name not in names:
            document.blame(steps, f"there is no {kind} {name!r}: {_known(kind, names)}")
    by_id = {plan.id: plan for plan in known.tiers}
    for tier in sorted({plan.tier for plan in policy.plans.values()} & tiers):
        offered = {r for plan in chain(by_id, plans[tier].id) for r in plan.assignable_roles}
        for index, role in enumerate(policy.admin_roles):
            if role in roles and role not in offered:
                message = f"tier {tier!r} does not list role {role!r} as assignable"
                document.blame(("first_admin", "roles", index), message)


def _names(
    policy: LifecyclePolicy, tiers: set[str], add_ons: set[str], roles: set[str]
) -> Iterator[tuple[Steps, str, str, set[str]]]:
    """Yield every name that the file takes from the catalogue, and where it stands."""
    for name, plan in policy.plans.items():
        if plan.tier:
            yield ("plans", name, "tier"), "tier", plan.tier, tiers
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
