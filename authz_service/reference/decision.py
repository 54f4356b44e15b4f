"""The decision by stock Casbin: the specification that the compiled index is held against.

No decision code is shared with `engine/`, so a fault there cannot hide here. It costs a
millisecond and more a question, growing with the rules; `Explain` and shadow checks can wait.
"""

from collections.abc import Iterable

from casbin.util.builtin_operators import key_match

from authz_service.domain.catalog import ADD_ON, TIER
from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason, Question, Usage
from authz_service.domain.exception import EVERYONE
from authz_service.domain.rules import INTERNAL, REPLACE, UNLIMITED, Rule
from authz_service.domain.window import Instant
from authz_service.reference.enforcer import enforced, enforcer, path, request
from authz_service.reference.in_force import rules_in_force
from authz_service.reference.standing import Standing


class Reference:
    """All decisions at one instant over the given facts.

    Layers 3 to 5 are one plain `enforce` of the model over the rules in force; the others, which
    Casbin knows nothing of, are read from the facts and from the rules of type p2. Casbin's role
    manager remembers each name that it was asked about: use one for one explanation or a run of
    checks, not for good.
    """

    def __init__(self, model: str, facts: Iterable[Fact], at: Instant) -> None:
        all_facts = tuple(facts)
        self._at = at
        self._standing = Standing.of(all_facts)
        self._rules = {(rule.ptype, rule.values): rule for rule in rules_in_force(all_facts, at)}
        policy = (rule for rule in self._rules.values() if rule.ptype == "p")
        self._allowing = [rule for rule in policy if rule.values[3] == "allow"]
        self._enforcer = enforcer(model, self._rules.values())

    def decide(self, question: Question) -> DecisionReason:
        """Answer the question.

        Rules that have ended are not there to be seen: an expired grant or entitlement reads
        ROLE_MISSING or NOT_ENTITLED here.
        """
        objection = self._early_objection(question)
        if objection is not None:
            return objection
        allowed, explained = enforced(self._enforcer, question)
        if not allowed:
            return self._refusal(question, explained)
        usage = question.usage
        late = self._limit_objection(question.tenant, usage) if usage is not None else None
        return late or DecisionReason.ALLOWED

    def rules_that_mattered(self, question: Question) -> tuple[Rule, ...]:
        """List the rules that Casbin decided by, in the order in which they link.

        A denial by exception: its p rule, and the g chain from the subject to whom it denies. Else
        what speaks for the subject, as far as it goes: the allow rule, the g chain from the subject
        to whom it allows, the g4 chain from what it allows to the permission, the g2 chain from the
        tenant to the permission (or g3 rules, where a replace exception stands in for it), and
        the limits asked about. Nothing where an earlier layer or an unknown permission decides.
        """
        if self._early_objection(question) is not None:
            return ()
        allowed, explained = enforced(self._enforcer, question)
        if explained and not allowed:
            return tuple(self._linked_rules(question, self._rules["p", tuple(explained)]))
        by_usage = self._limits(question.tenant, question.usage.limit) if question.usage else []
        return (
            *self._role_rules(question, tuple(explained)),
            *self._entitlement_rules(question),
            *by_usage,
        )

    def _early_objection(self, question: Question) -> DecisionReason | None:
        if question.permission not in self._standing.declared:
            return DecisionReason.UNKNOWN_PERMISSION
        return self._standing.objection(question.tenant, question.subject, self._at)

    def _refusal(self, question: Question, explained: list[str]) -> DecisionReason:
        if explained:  # only a deny rule both matches and refuses
            return DecisionReason.DENIED_BY_EXCEPTION
        if self._role_rules(question):
            return DecisionReason.NOT_ENTITLED
        return DecisionReason.ROLE_MISSING

    def _role_rules(self, question: Question, explained: tuple[str, ...] = ()) -> list[Rule]:
        """List the allow rule (the explained one, if there is one) and the chains that lead to it
        and from it to the permission.

        Empty if nothing that the subject holds here has the permission.
        """
        allowing = [self._rules["p", explained]] if explained else self._allowing
        _, tenant, scope, permission = request(question)
        path_to_it = f"{tenant}/{scope}/"
        for rule in allowing:
            _, where, what, _ = rule.values
            is_link = self._enforcer.get_named_role_manager("g4").has_link
            if key_match(path_to_it, where) and is_link(what, permission):
                linked_rules = self._linked_rules(question, rule)
                if linked_rules:
                    return linked_rules
        return []

    def _linked_rules(self, question: Question, rule: Rule) -> list[Rule]:
        """List a p rule with its links; nothing if none leads from the subject to it."""
        subject, tenant, _, permission = request(question)
        who, _, what, _ = rule.values
        name = f"{subject}@{tenant}"
        chain = self._chain("g", name, who)
        if not chain and who not in (EVERYONE, name):
            return []
        return [rule, *chain, *self._chain("g4", what, permission)]

    def _entitlement_rules(self, question: Question) -> list[Rule]:
        tenant, permission = question.tenant, question.permission
        internal = self._chain("g2", INTERNAL, permission)
        replaced = self._chain("g3", tenant, REPLACE)
        if internal or not replaced:
            return internal or self._chain("g2", tenant, permission)
        return [*replaced, *self._chain("g3", tenant, permission)]

    def _chain(self, ptype: str, start: str, goal: str) -> list[Rule]:
        return [self._rules[ptype, link] for link in path(self._enforcer, ptype, start, goal)]

    def _limit_objection(self, tenant: str, usage: Usage) -> DecisionReason | None:
        values = [rule.values[2] for rule in self._limits(tenant, usage.limit)]
        if not values:
            return DecisionReason.LIMIT_UNKNOWN
        if UNLIMITED in values or usage.used + usage.quantity <= sum(map(int, values)):
            return None
        return DecisionReason.LIMIT_REACHED

    def _limits(self, tenant: str, name: str) -> list[Rule]:
        """List the p2 rules that set a limit: the tenant's own, else the nearest in the chain of
        each plan held.
        """
        own = self._setting(tenant, f"limit/{name}")
        if own is not None:
            return [own]
        plans = [to for to in self._linked(tenant) if to.startswith((TIER, ADD_ON))]
        nearest = (self._nearest(plan, f"limit/{name}") for plan in plans)
        return [rule for rule in nearest if rule is not None]

    def _nearest(self, plan: str, item: str) -> Rule | None:
        while plan:
            rule = self._setting(plan, item)
            if rule is not None:
                return rule
            plan = next((to for to in self._linked(plan) if to.startswith((TIER, ADD_ON))), "")
        return None

    def _setting(self, holder: str, item: str) -> Rule | None:
        for rule in self._rules.values():
            if rule.ptype == "p2" and rule.values[:2] == (holder, item):
                return rule
        return None

    def _linked(self, name: str) -> list[str]:
        return sorted(self._enforcer.get_named_role_manager("g2").get_roles(name))
