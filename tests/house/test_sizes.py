"""Modules and functions stay small enough to be read at one sitting."""

import ast
import math
from statistics import median

from tests.house.tree import modules, name, parsed

LONGEST_MODULE = 350
MEDIAN_MODULE = 110
# At the 90th percentile; a docstring is not counted against a function.
LONG_FUNCTION = 20


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines from `def` to the end, without the docstring."""
    whole = (function.end_lineno or function.lineno) - function.lineno + 1
    match function.body[0]:
        case ast.Expr(value=ast.Constant(value=str())) as docstring:
            return whole - ((docstring.end_lineno or 0) - docstring.lineno + 1)
        case _:
            return whole


def test_no_module_is_longer_than_350_lines() -> None:
    assert [module for module, lines in lengths().items() if lines > LONGEST_MODULE] == []


def test_half_of_the_modules_are_short() -> None:
    assert median(lines for lines in lengths().values() if lines) <= MEDIAN_MODULE


def lengths() -> dict[str, int]:
    return {name(module): len(module.read_text().splitlines()) for module in modules()}


def test_nine_functions_in_ten_have_at_most_20_lines() -> None:
    functions = sorted(
        (lines_of(node), f"{name(module)}:{node.lineno} {node.name}")
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    ninetieth = math.ceil(len(functions) * 0.9) - 1
    assert functions[ninetieth][0] <= LONG_FUNCTION, functions[ninetieth:]


def test_init_files_are_empty() -> None:
    inits = [module for module in modules() if module.name == "__init__.py"]
    assert [name(init) for init in inits if init.read_text().strip()] == []
