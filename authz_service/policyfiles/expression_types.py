"""Which kinds of values the parts of a JMESPath expression can have, whatever the event says."""

from typing import Any, Final, TypeAlias

from jmespath.functions import Functions

Node: TypeAlias = dict[str, Any]
Kinds: TypeAlias = frozenset[str]

ANY: Final = frozenset({"null", "bool", "number", "text", "list", "object"})
_PYTHON: Final = (
    (bool, "bool"), (int, "number"), (float, "number"), (str, "text"), (list, "list"),
    (dict, "object"),
)  # fmt: skip
_ARGUMENTS: Final = {"string": "text", "boolean": "bool", "array": "list"}
_RESULTS: Final[dict[str, Kinds]] = {
    **dict.fromkeys(("contains", "ends_with", "starts_with"), frozenset({"bool"})),
    **dict.fromkeys(("abs", "ceil", "floor", "length", "sum"), frozenset({"number"})),
    **dict.fromkeys(("avg", "to_number"), frozenset({"number", "null"})),
    **dict.fromkeys(("join", "to_string", "type"), frozenset({"text"})),
    **dict.fromkeys(("keys", "map", "sort", "sort_by", "to_array", "values"), frozenset({"list"})),
    "merge": frozenset({"object"}),
    "reverse": frozenset({"list", "text"}),
}
_LISTS: Final = ("projection", "value_projection", "filter_projection", "flatten")
_FIXED: Final[dict[str, Kinds]] = {
    **dict.fromkeys((*_LISTS, "multi_select_list"), frozenset({"list", "null"})),
    "multi_select_dict": frozenset({"object", "null"}),
    "not_expression": frozenset({"bool"}),
    "comparator": frozenset({"bool", "null"}),
}


def children(node: Node) -> list[Node]:
    return [child for child in node.get("children", ()) if isinstance(child, dict)]


def kind_of(value: Any) -> str:
    return next((kind for type_, kind in _PYTHON if isinstance(value, type_)), "null")


def kinds(node: Node) -> Kinds:
    """Tell which kinds of values a part can have."""
    of_parts = [kinds(child) for child in children(node)]
    match node["type"]:
        case "literal":
            return frozenset({kind_of(node["value"])})
        case "or_expression":
            return of_parts[0] | of_parts[1]
        case "and_expression":
            return of_parts[0] - {"number"} | of_parts[1]  # no number is false
        case "function_expression":
            return _RESULTS.get(node["value"], ANY)
        case "subexpression" | "index_expression" | "pipe":
            return of_parts[-1]
        case "comparator" if node["value"] in ("eq", "ne"):
            return frozenset({"bool"})
    return _FIXED.get(node["type"], ANY)


def require_callable(node: Node) -> None:
    """Check a function's name and arguments. Raises: ValueError, if no event satisfies it."""
    function = Functions.FUNCTION_TABLE.get(node["value"])
    if function is None:
        raise ValueError(f"there is no function {node['value']}")
    signature, arguments = function["signature"], children(node)
    variadic = any(parameter.get("variadic") for parameter in signature)
    if len(arguments) != len(signature) and not (variadic and arguments):
        raise ValueError(f"{node['value']} takes {len(signature)} arguments, not {len(arguments)}")
    for parameter, argument in zip(signature, arguments, strict=False):
        names = {name.partition("-")[0] for name in parameter["types"]}
        if "expref" in names or not names:
            continue
        if not kinds(argument) & {_ARGUMENTS.get(name, name) for name in names}:
            expected = " or ".join(sorted(_ARGUMENTS.get(name, name) for name in names))
            raise ValueError(f"{node['value']} takes a {expected}, which its argument never is")
