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
    known = tuple(facts)
    standing = Standing.of(known)
    found: dict[tuple[str, tuple[str, ...]], Rule] = {}
    for fact in known:
        if isinstance(fact, RoleGrant) and standing.objection(fact.tenant, fact.subject, at):
            continue
        for rule in rules_of(fact):
            key = (rule.ptype, rule.values)
            if rule.window.covers(at) and (key not in found or _outlasts(rule, found[key])):
                found[key] = rule
    return tuple(found[key] for key in sorted(found))


def _outlasts(rule: Rule, other: Rule) -> bool:
    return rule.window.valid_until > other.window.valid_until
