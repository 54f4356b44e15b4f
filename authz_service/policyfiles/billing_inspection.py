"""What in a billing policy contradicts itself, whatever the catalogue."""

from collections.abc import Iterator
from typing import Final

from authz_service.domain.agreement import Verb
from authz_service.domain.billing_policy import BillingPolicy, EventRule, Excess, Scheme
from authz_service.policyfiles import expressions
from authz_service.policyfiles.yaml_text import Document, Steps

_NEEDED: Final = {
    Scheme.STANDARD_WEBHOOKS: ("type", "time"),  # its id comes in a header
    Scheme.TRUSTED_RPC: (),  # IngestBillingEvent has them
}
_TAKES: Final = {Verb.CHANGE_PLAN: "plans", Verb.TRIAL: "trial_until", Verb.END: "ends_at"}


def inspect(document: Document, policy: BillingPolicy) -> None:
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
    for steps, tier in tiers_of(policy):
        if policy.downgrade.order and tier not in policy.downgrade.order:
            document.blame(steps, f"tier {tier!r} is not in downgrade.order: add it there")
    _inspect_quantities(document, policy)


def tiers_of(policy: BillingPolicy) -> Iterator[tuple[Steps, str]]:
    """Yield every tier that events can give an account."""
    for name, price in policy.prices.items():
        if price.tier:
            yield ("prices", name, "tier"), price.tier
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
    """Blame prices that would drop a quantity which a source reads."""
    reads = any(
        expressions.reads_quantity(rule.fields["plans"])
        for source in policy.sources.values()
        for rule in source.rules
        if "plans" in rule.fields
    )
    for name, price in policy.prices.items() if reads else ():
        if not price.takes_quantity:
            message = "no limit takes its quantity: add a limit with `each`, or `quantity: ignored`"
            document.blame(("prices", name), message)
