"""What every command has in common."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from authz_service.cli.main import app
from tests.commands import Authz, authz_command
from tests.services import SERVICES

authz = pytest.fixture(authz_command)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that can be run, with the words that run it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(get_command(app)))
AT_HOME = {
    ("serve",),
    ("migrate",),
    ("demo",),
    ("policy", "check"),
    ("policy", "test"),
    ("recover",),
    ("begin-history",),
    ("keys", "generate"),
    ("webhooks", "reseal"),
    ("billing", "check"),
    ("keys", "generate"),
    ("webhooks", "reseal"),
}
CHANGES = {
    "ingest", "replay", "discard", "map", "reconcile", "pause",
    "add", "apply", "create", "deny", "grant", "matrix", "offboard", "onboard", "remove",
    "replace", "resume", "revoke", "set-tier", "suspend", "rotate", "update", "delete",
    "bulk-grant", "bulk-revoke", "accept", "resend",
    "cancel", "reactivate", "register", "import", "set",
    "apply-downgrade-policy", "customers",
    "pin", "rollback",
}  # fmt: skip


"""Commands that change something, but for those that say which RPC they run."""
REQUESTS = {rpc.name: rpc.input_type for service in SERVICES.values() for rpc in service.methods}


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_speaks_json_and_says_what_it_does(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert "--output" in options(command)
    assert command.help


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - AT_HOME), ids=" ".join)
def test_every_call_can_be_sent_elsewhere_and_given_up(path: tuple[str, ...]) -> None:
    assert {"--address", "--timeout"} <= options(COMMANDS[path])


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_changes_and_only_changes_can_be_tried_and_repeated(path: tuple[str, ...]) -> None:
    of_a_change = {"--dry-run", "--request-id"} & options(COMMANDS[path])
    # `authz migrate` is about the database, and is no call.
    changes = path[-1] in CHANGES or path == ("tiers", "migrate")
    if rpc := getattr(COMMANDS[path].callback, "rpc", ""):
        changes = "validate_only" in REQUESTS[rpc].fields_by_name
    assert bool(of_a_change) == changes
    assert len(of_a_change) in (0, 2)


def test_help_documents_the_exit_codes(authz: Authz) -> None:
    ran = authz("--help")
    assert ran.code == 0
    for code in ("0", "1", "2", "3", "4", "5", "70"):
        assert f"\n {code} " in ran.out


def test_every_command_of_the_issue_is_there() -> None:
    wanted = """serve, migrate, demo, apply, import matrix, check, explain, grant, revoke,
        keys create, keys list, keys revoke, tenants onboard, tenants list, tenants show,
        tenants set-tier, tenants suspend, tenants resume, tenants offboard, tenants entitlements,
        members add, members remove, members list, members show, exceptions grant, exceptions deny,
        exceptions replace, exceptions revoke, exceptions list, roles list, roles show,
        roles update, tiers list, tiers show, permissions list"""
    assert {tuple(each.split()) for each in wanted.split(",")} <= COMMANDS.keys()
