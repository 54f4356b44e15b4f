"""A name says what the value is (`grant`, `member`), not how it came about (`found`, `held`)."""

import ast
from collections.abc import Iterator

from tests.house.tree import modules, parsed

PARTICIPLES = {
    *("found", "held", "told", "made", "wanted", "given", "taken", "asked", "kept", "had", "left"),
    *("gone", "said", "seen", "met", "laid", "lifted", "led", "fit", "done", "known", "named"),
    *("stands", "standing"),
}
NAMES_OF_NOTHING = {"each", "going", "ours", "mine", "whole"}

# Of a hundred bound names.
MOST_PERCENT = 1


def bound_names(tree: ast.AST) -> Iterator[str]:
    """Yield every name that is bound: what is assigned to, loop variables, parameters."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=bound, ctx=ast.Store()) | ast.arg(arg=bound):
                yield bound.strip("_")


def test_names_say_what_a_value_is() -> None:
    written = (path for path in modules() if "versions" not in path.parts)
    names = [bound for module in written for bound in bound_names(parsed(module))]
    said = sum(bound in PARTICIPLES | NAMES_OF_NOTHING for bound in names)
    assert 100 * said / len(names) <= MOST_PERCENT


def test_every_way_to_bind_a_name_is_counted() -> None:
    code = "found = [held for held in asked(told)]\ndef f(made, *, kept): (given := 1)"
    assert sorted(bound_names(ast.parse(code))) == ["found", "given", "held", "kept", "made"]
