"""Every RPC can be reached from the command line, and every command is described."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

import pytest
from typer.main import get_command

from authz_service.cli import commands
from authz_service.cli.main import app
from authz_service.cli.resource import Resource
from tests.docs.pages import ROOT

PROTOS: Final = sorted((ROOT / "proto").rglob("*.proto"))
RPCS: Final = {
    name
    for proto in PROTOS
    for name in re.findall(r"^  rpc (\w+)\(", proto.read_text(), re.MULTILINE)
}

NOT_COMMANDS: Final = {
    "completion.py",
    "demo/access_chapters.py",
    "demo/customer_chapters.py",
    "demo/opening_chapters.py",
}
"""Modules that call for another purpose than a command's."""

INSTEAD: Final = {
    "BatchCheck": "authz check asks one question; a batch is for programs",
    "CheckPermissions": "authz what-may lists all of them",
    "CheckLimit": "authz check --limit asks it together with the permission",
    "CreateBillingPrice": "authz billing map adds a price that is not there yet",
    "CreateBillingSource": "authz billing sources update --allow-missing adds one",
}
"""What has no command of its own, and what a person types in its place."""


@cache
def called() -> frozenset[str]:
    """Collect what the CLI's modules name: `session.roles.GetRole`, or `"GetJob"` of a family."""
    cli = ROOT / "authz_service" / "cli"
    apart = {cli / module for module in NOT_COMMANDS}
    trees = [ast.parse(module.read_text()) for module in cli.rglob("*.py") if module not in apart]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    attributes = frozenset(node.attr for node in nodes if isinstance(node, ast.Attribute))
    texts = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    return attributes | (RPCS & texts) | described()


def described() -> frozenset[str]:
    """Collect the RPCs of commands that come from a `Resource`, by the commands' names."""
    verbs = {"list": "List", "show": "Get", "create": "Create", "update": "Update"}
    verbs["delete"] = "Delete"
    rpcs = set()
    for info in iter_modules(commands.__path__):
        module = vars(import_module(f"{commands.__name__}.{info.name}"))
        for resource in [value for value in module.values() if isinstance(value, Resource)]:
            kind = resource.rpc or resource.kind.DESCRIPTOR.name
            named = [c for c in module["app"].registered_commands if c.name in verbs]
            for command in named:
                rpcs.add(f"{verbs[command.name]}{kind}{'s' * (command.name == 'list')}")
    return frozenset(rpcs)


@pytest.mark.parametrize("name", sorted(RPCS))
def test_every_rpc_has_a_command_or_a_reason_to_have_none(name: str) -> None:
    assert (name in called()) != (name in INSTEAD)


def test_every_module_of_commands_can_be_reached() -> None:
    assert all((ROOT / "authz_service" / "cli" / module).is_file() for module in NOT_COMMANDS)
    assert INSTEAD.keys() <= RPCS


def groups(command: Any, path: str = "authz") -> Iterator[tuple[str, Any]]:
    """Yield every command and group with the words that run it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from groups(below, f"{path} {name}")


COMMANDS: Final = dict(groups(get_command(app)))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_group_says_in_one_sentence_what_it_is(path: str) -> None:
    first = (COMMANDS[path].help or "").strip().partition("\n\n")[0]
    assert first.endswith(".")
    assert len(first) <= 110
    assert first[0].isupper()
