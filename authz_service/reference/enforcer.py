"""A stock Casbin enforcer over given rules, and the links it found."""

import threading
from collections.abc import Iterable
from typing import Final

import casbin

from authz_service.domain.decision import Question
from authz_service.domain.rules import Rule, encoded

_PARSER: Final = threading.Lock()
"""Casbin parses its matcher anew for each question, and `ast.parse` in two threads at once now and
then ends in a SystemError: CPython 3.11 keeps its recursion depth for all of them in one place."""


def enforcer(model: str, rules: Iterable[Rule]) -> casbin.Enforcer:
    """Load a model's text and rules, value by value.

    Never through a comma-joined line, where one value could become two, and never through
    `add_policy`, which compares each rule with all before it.

    Raises:
        KeyError: the model does not define a rule's type.
    """
    loaded = casbin.Enforcer.new_model(text=model)
    for rule in rules:
        loaded[rule.ptype[0]][rule.ptype].policy.append(list(rule.values))
    enforcer = casbin.Enforcer(
        loaded
    )  # also silences casbin's loggers: it logs each denied request
    enforcer.build_role_links()
    return enforcer


def enforced(by: casbin.Enforcer, question: Question) -> tuple[bool, list[str]]:
    """Decide, and name the rule that decided; one question at a time in this process."""
    values = request(question)
    with _PARSER:
        allowed, explained = by.enforce_ex(*values)
    return bool(allowed), list(explained)


def request(question: Question) -> tuple[str, str, str, str]:
    """Write a question as the model's `sub, ten, scope, perm`; no scope is the whole tenant."""
    tenant, subject, permission, scopes, _ = question
    return encoded(subject), tenant, scopes[-1] if scopes else "", permission


def path(by: casbin.Enforcer, ptype: str, start: str, goal: str) -> list[tuple[str, str]]:
    """List the shortest chain of links from one name to another; empty if Casbin sees none."""
    manager = by.get_named_role_manager(ptype)
    if start == goal or not manager.has_link(start, goal):
        return []
    reached_from = {start: ""}
    waiting = [start]
    for name in waiting:
        for following in sorted(manager.get_roles(name)):
            if following not in reached_from:
                reached_from[following] = name
                waiting.append(following)
    links = [(reached_from[goal], goal)]
    while links[-1][0] != start:
        links.append((reached_from[links[-1][0]], links[-1][0]))
    return links[::-1]
