"""Conditions of a policy: whether any event at all can satisfy them.

A condition is brought into alternatives of atoms that are true or false together. One whose
alternatives all contradict themselves is refused; what is too large to tell is let through.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import ge, gt, le, lt
from typing import Any, Final, TypeAlias

from authz_service.policyfiles.expression_types import Node, children, kind_of

Alternative: TypeAlias = tuple[tuple[bool, Node], ...]

_MOST: Final = 64
"""Alternatives that are looked at."""

_NEGATED: Final = {"eq": "ne", "ne": "eq"}
_ORDERS: Final = {"lt": lt, "lte": le, "gt": gt, "gte": ge}
_MIRRORED: Final = {"lt": "gt", "gt": "lt", "lte": "gte", "gte": "lte"}
_READS: Final = frozenset({"field", "current", "identity", "value_projection"})
_INTO: Final = frozenset({"subexpression", "index_expression", "projection", "filter_projection",
                          "value_projection", "flatten"})  # fmt: skip
_FALSE: Final[tuple[Any, ...]] = (None, False, "", [], {})
_COUNTS: Final = frozenset({"abs", "length"})
"""Functions whose results are never below zero."""


def require_satisfiable(root: Node) -> None:
    """Check that a condition depends on the event and can hold. Raises: ValueError."""
    if not _reads(root):
        raise ValueError("it looks at nothing of the event: it is the same for every one")
    alternatives = _alternatives(root, holds=True)
    if alternatives is not None and all(map(_contradicts, alternatives)):
        raise ValueError("it can never hold: its parts contradict each other")


def _reads(node: Node) -> bool:
    return node["type"] in _READS or any(map(_reads, children(node)))


def _alternatives(node: Node, *, holds: bool) -> list[Alternative] | None:
    """List what may be so if a node holds, or does not; None for too many."""
    parts = children(node)
    match node["type"]:
        case "not_expression":
            return _alternatives(parts[0], holds=not holds)
        case "and_expression" | "or_expression" as name:
            first, other = (_alternatives(part, holds=holds) for part in parts)
            if first is None or other is None:
                return None
            if (name == "or_expression") == holds:
                both = [*first, *other]
            else:
                both = [(*one, *two) for one in first for two in other]
            return both if len(both) <= _MOST else None
    return [((holds, node),)]


@dataclass(slots=True)
class _Facts:
    """What an alternative asks of one expression: its truth, and how it compares with literals."""

    node: Node
    truths: set[bool] = field(default_factory=set)
    compared: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def true(self) -> bool:
        """Tell whether it has to be a value that is true."""
        bounded = any(how not in _NEGATED for how, _ in self.compared)
        return True in self.truths or bounded or any(not _is_false(v) for v in self.equal)

    @property
    def false(self) -> bool:
        return False in self.truths or any(map(_is_false, self.equal))

    @property
    def equal(self) -> list[Any]:
        return [value for how, value in self.compared if how == "eq"]

    @property
    def possible(self) -> bool:
        """Tell whether any value satisfies all of it."""
        if self.true and self.false:
            return False
        candidates = self.equal[:1] or _candidates(self.compared)
        if self.node["type"] == "function_expression" and self.node["value"] in _COUNTS:
            candidates = [v for v in candidates if kind_of(v) != "number" or v >= 0]
        return any(all(_holds(v, how, other) for how, other in self.compared) for v in candidates)


def _contradicts(alternative: Alternative) -> bool:
    facts: dict[str, _Facts] = {}
    for holds, node in alternative:
        if node["type"] == "literal" and holds == _is_false(node["value"]):
            return True
        compared = _compared(node, holds=holds)
        about = node if compared is None else compared[0]
        fact = facts.setdefault(repr(about), _Facts(about))
        if compared is None:
            fact.truths.add(holds)
        else:
            fact.compared.append(compared[1:])
    absent = {name for name, fact in facts.items() if fact.false}
    return any(
        not fact.possible or (fact.true and _within(fact.node, absent)) for fact in facts.values()
    )


def _within(node: Node, absent: set[str]) -> bool:
    """Tell whether a part lies within one that is absent, or false: then it is nothing."""
    if node["type"] not in _INTO:
        return False
    first = children(node)[0]
    return repr(first) in absent or _within(first, absent)


def _compared(node: Node, *, holds: bool) -> tuple[Node, str, Any] | None:
    """Write a comparison with a literal as what is compared, how, and the literal."""
    if node["type"] != "comparator" or (not holds and node["value"] not in _NEGATED):
        return None
    parts, how = children(node), node["value"]
    how = how if holds else _NEGATED[how]
    if parts[0]["type"] == "literal":
        parts, how = parts[::-1], _MIRRORED.get(how, how)
    return (parts[0], how, parts[1]["value"]) if parts[1]["type"] == "literal" else None


def _candidates(compared: Sequence[tuple[str, Any]]) -> list[Any]:
    """List values of which one satisfies all comparisons, if any value does: by the bounds."""
    bounds = sorted(value for how, value in compared if how not in _NEGATED)
    if not bounds:
        return [object()]
    between = [(one + other) / 2 for one, other in pairwise(bounds)]
    return [bounds[0] - 1, *bounds, *between, bounds[-1] + 1, bounds[-1] + 2.5]


def _holds(value: Any, how: str, other: Any) -> bool:
    match how:
        case "eq":
            return _same(value, other)
        case "ne":
            return not _same(value, other)
    if kind_of(value) != "number":
        return False
    return bool(_ORDERS[how](value, other))


def _same(one: Any, other: Any) -> bool:
    return kind_of(one) == kind_of(other) and one == other


def _is_false(value: Any) -> bool:
    return any(_same(value, false) for false in _FALSE)
