"""Time, identity, chance and the environment come in through the door."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.tree import PACKAGE, modules, name, parsed

AT_THE_DOOR = (PACKAGE / "app", PACKAGE / "cli", PACKAGE / "client")
# `time.monotonic` measures a wait and decides nothing, so it may be read anywhere.
BANNED_NAMES = re.compile(
    r"(.*\.)?(datetime\.(now|utcnow|today)|date\.today)"
    r"|time\.(time|time_ns|localtime|gmtime|ctime)"
    r"|uuid\.uuid[1467]"
    r"|os\.(environb?|getenvb?|putenv|urandom)"
    r"|(.*\.)?(SystemRandom)"
)
BANNED_MODULES = {"random", "secrets"}


def banned_uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name for each use of what only the door may use."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute():
                names = [ast.unparse(node)]
            case ast.ImportFrom(module=str(module)) if module in BANNED_MODULES:
                names = [module]
            case ast.ImportFrom(module=str(module), names=imported):
                names = [f"{module}.{alias.name}" for alias in imported]
            case ast.Import(names=imported):
                names = [alias.name for alias in imported]
            case _:
                continue
        for used in names:
            if used in BANNED_MODULES or BANNED_NAMES.fullmatch(used):
                yield node.lineno, used


def test_time_identity_chance_and_environment_are_read_only_at_the_door() -> None:
    elsewhere = [
        f"{name(module)}:{line}: {used}"
        for module in modules()
        if not any(module == door or door in module.parents for door in AT_THE_DOOR)
        for line, used in banned_uses(parsed(module))
    ]
    assert elsewhere == []


@pytest.mark.parametrize(
    "code",
    [
        "import random",
        "from secrets import token_hex",
        "from os import environ",
        "from uuid import uuid4",
        "from time import time",
        "made = field(default_factory=datetime.now)",
        "made = dt.datetime.now(UTC)",
        "made = time.time()",
        "made = uuid.uuid4()",
        "home = os.environ['HOME']",
        "home = os.getenv('HOME')",
    ],
)
def test_every_way_in_is_known(code: str) -> None:
    assert len(list(banned_uses(ast.parse(code)))) == 1


def test_monotonic_time_and_given_instants_are_no_way_in() -> None:
    tree = ast.parse("time.monotonic() + clock.now() + datetime.fromtimestamp(0, UTC) + func.now()")
    assert list(banned_uses(tree)) == []
