"""JMESPath expressions of a policy: compiled, and refused if they cannot do what they seem to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError

from authz_service.domain.billing_policy import Expression
from authz_service.policyfiles.conditions import require_satisfiable
from authz_service.policyfiles.expression_types import kinds, require_callable

Node: TypeAlias = dict[str, Any]

_MOST_NODES: Final = 200
_MOST_COPIES: Final = 32
"""How many times over an expression may repeat what it was given: `[@, @] | [@, @] | ...` doubles
it at every step.
"""

_TRUTHS: Final = frozenset({"not_expression", "comparator"})
"""Nodes that are true or false, so that nothing can be found inside of them."""

_SCALAR_FUNCTIONS: Final = frozenset(
    {"abs", "avg", "ceil", "contains", "ends_with", "floor", "join", "length", "starts_with",
     "sum", "to_number", "to_string", "type"}
)  # fmt: skip
_TYPE_NAMES: Final = frozenset({"array", "boolean", "null", "number", "object", "string"})
_INSIDE: Final = frozenset({"subexpression", "index_expression", "projection", "value_projection",
                            "filter_projection", "flatten"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Compiled:
    """An expression: two of one text are equal, whoever compiled them."""

    text: str
    parsed: Node = field(compare=False)
    _search: Callable[[Any], Any] = field(compare=False)

    def search(self, value: Any) -> Any:
        return self._search(value)


@lru_cache(4096)
def compiled(text: str) -> Expression:
    """Compile an expression. Raises: ValueError, which says what is wrong with it."""
    try:
        expression = jmespath.compile(text)
    except (JMESPathError, RecursionError) as error:
        raise ValueError(f"not JMESPath: {' '.join(str(error).split())[:200]}") from error
    root: Any = expression.parsed
    if _size(root) > _MOST_NODES:
        raise ValueError(f"it has more than {_MOST_NODES} parts: split the rule")
    if _copies(root) > _MOST_COPIES:
        raise ValueError(
            f"it repeats what it finds more than {_MOST_COPIES} times: its cost has no bound"
        )
    _require_possible(root)
    return _Compiled(text, root, expression.search)


def condition(text: str) -> Expression:
    """Compile a condition, as `compiled`. Raises: ValueError, also if it can never hold."""
    expression = compiled(text)
    require_satisfiable(getattr(expression, "parsed", {}))
    return expression


def reads_quantity(expression: Expression) -> bool:
    """Tell whether an expression for plans also reads how many are bought."""
    return _has_key(getattr(expression, "parsed", {}), "quantity")


def _children(node: Node) -> list[Node]:
    return [child for child in node.get("children", ()) if isinstance(child, dict)]


def _size(node: Node) -> int:
    return 1 + sum(map(_size, _children(node)))


def _copies(node: Node) -> int:
    """Bound how many times over the result may hold what the node was given."""
    copies = [_copies(child) for child in _children(node)]
    match node["type"]:
        case "multi_select_list" | "multi_select_dict":
            return max(1, sum(copies))
        case "pipe" | "subexpression" | "index_expression" | "projection" | "value_projection":
            total = 1
            for count in copies:
                total *= count
            return min(total, _MOST_COPIES + 1)
        case "filter_projection":
            return min(copies[0] * copies[1], _MOST_COPIES + 1)
        case "function_expression" if node["value"] in ("map", "merge"):
            return max(1, sum(copies))
        case "function_expression" if node["value"] == "to_string":
            # Each text within a text is escaped once more, which doubles it.
            return min(2 * max(copies, default=1), _MOST_COPIES + 1)
        case "function_expression" if node["value"] == "join":
            # What joins is repeated for each item.
            return max(copies) if _children(node)[0]["type"] == "literal" else _MOST_COPIES + 1
    return max(copies, default=1)


def _require_possible(node: Node) -> None:
    """Check that an expression can find something at all. Raises: ValueError."""
    children = _children(node)
    if node["type"] in _INSIDE and _is_scalar(children[0]):
        negated = children[0]["type"] == "not_expression"
        remedy = (
            "`!a.b` stands for `(!a).b`: write `!(a.b)`" if negated else "put brackets around it"
        )
        raise ValueError(f"it can never find anything: {remedy}")
    if node["type"] == "comparator":
        _require_comparable(node, children)
    if node["type"] == "function_expression":
        require_callable(node)
    for child in children:
        _require_possible(child)


def _require_comparable(node: Node, children: list[Node]) -> None:
    first, other = children
    if first["type"] == other["type"] == "literal":
        raise ValueError("it compares two literals, which is always the same")
    if node["value"] not in ("eq", "ne"):
        if not all("number" in kinds(child) for child in children):
            raise ValueError("it can never hold: JMESPath orders numbers only")
    elif not kinds(first) & kinds(other):
        negated = any(child["type"] == "not_expression" for child in children)
        remedy = ": `!a == b` stands for `(!a) == b`" if negated else ""
        always = "always holds" if node["value"] == "ne" else "can never hold"
        raise ValueError(f"it {always}: it compares what can never be equal{remedy}")
    for asked, literal in ((first, other), (other, first)):
        name, value = asked.get("value"), literal.get("value")
        if asked["type"] != "function_expression" or literal["type"] != "literal":
            continue
        if name == "type" and value not in _TYPE_NAMES:
            raise ValueError(f"it can never hold: `type` gives {', '.join(sorted(_TYPE_NAMES))}")


def _is_scalar(node: Node) -> bool:
    if node["type"] == "literal":
        return not isinstance(node["value"], dict | list)
    scalar = node["type"] == "function_expression" and node["value"] in _SCALAR_FUNCTIONS
    return scalar or node["type"] in _TRUTHS


def _has_key(node: Node, name: str) -> bool:
    if node.get("type") == "key_val_pair" and node.get("value") == name:
        return True
    return any(_has_key(child, name) for child in _children(node))
