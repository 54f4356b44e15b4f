"""Which rules hold at an instant: what the view `casbin_rule` shows of the stored ones."""

from collections.abc import Iterable

from authz_service.domain.change import Fact
from authz_service.domain.grant import RoleGrant
from authz_service.domain.rules import Rule, rules_of
from authz_service.domain.window import Instant
from authz_service.reference.standing import Standing


def rules_in_force(facts: Iterable[Fact], at: Instant) -> tuple[Rule, ...]:
    """List the rules for Casbin to see, each once, sorted by rule type and values.

    Left out are rules outside their window, and role grants of everyone who may not act: whoever
    is no active member of an open tenant. Of rules that differ only in their window, the one that
    holds longest is listed.
    """
    all_facts = tuple(facts)
    standings = Standing.of(all_facts)
    rules: dict[tuple[str, tuple[str, ...]], Rule] = {}
    for fact in all_facts:
        if isinstance(fact, RoleGrant) and standings.objection(fact.tenant, fact.subject, at):
            continue
        for rule in rules_of(fact):
            key = (rule.ptype, rule.values)
            if rule.window.covers(at) and (key not in rules or _outlasts(rule, rules[key])):
                rules[key] = rule
    return tuple(rules[key] for key in sorted(rules))


def _outlasts(rule: Rule, other: Rule) -> bool:
    return rule.window.valid_until > other.window.valid_until
