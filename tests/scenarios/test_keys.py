"""Keys as operations handle them: rotated, found, changed, and recovered when all are lost."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from authz_service.cli.demo.throwaway_server import Trial, trial_server
from authz_service.domain.key import PATTERN
from tests.commands import Ran, run, run_process
from tests.conformance.outages import eventually

Authz: TypeAlias = Callable[..., Ran]


@pytest.fixture(scope="module")
def authz(server: Trial) -> Authz:
    """Return a function that runs the CLI with the server's first operator key."""
    return lambda *arguments: run(server.environment, *arguments)


def with_key(server: Trial, key: str, *arguments: str) -> Ran:
    return run({**server.environment, "AUTHZ_KEY": key}, *arguments)


def created(authz: Authz, name: str, *options: str) -> tuple[str, str]:
    """Create a key; return its id and what its user keeps."""
    ran = authz("keys", "create", name, *(options or ("--role", "authz.checker")), "-o", "json")
    assert ran.code == 0, ran.err
    return ran.document["key"]["id"], ran.document["credential"]


def test_rotated_key_is_shown_once_and_the_old_one_goes_on_until_it_is_revoked(
    authz: Authz, server: Trial
) -> None:
    name, old = created(authz, "backend")
    shown = authz("keys", "rotate", name, "--overlap", "2d", "--reason", "every quarter")
    assert shown.code == 0, shown.err
    (new,) = set(PATTERN.findall(shown.out))
    assert "OLD SECRET ENDS" in shown.out
    asked = ("check", "nowhere", "user:ada", "invoices:view")
    assert [with_key(server, key, *asked).code for key in (old, new)] == [1, 1]
    assert authz("keys", "revoke", name, "--previous").code == 0
    refused = with_key(server, old, *asked)
    assert (refused.code, "CREDENTIALS_INVALID" in refused.err) == (3, True)
    assert with_key(server, new, *asked).code == 1


def test_dry_run_of_a_rotation_shows_no_key(authz: Authz) -> None:
    name, _ = created(authz, "backend")
    ran = authz("keys", "rotate", name, "--dry-run")
    assert ran.code == 0, ran.err
    assert not PATTERN.search(ran.out)
    assert "nothing was changed" in ran.err


def test_overlap_that_is_no_length_of_time_is_wrong_usage(authz: Authz) -> None:
    for wrong in ("soon", "1", "+1d"):
        ran = authz("keys", "rotate", "key-1", "--overlap", wrong)
        assert ran.code == 2
        assert "24h, 30d" in ran.err


def test_keys_are_found_by_what_they_are_and_how_they_are_used(authz: Authz, server: Trial) -> None:
    idle, _ = created(authz, "idle", "--role", "authz.checker", "--until", "+30d")
    busy, key = created(authz, "busy", "--role", "authz.provisioner", "--kind", "scim")
    assert with_key(server, key, "tenants", "list").code == 0
    listed = authz("keys", "list", "--unused-since", "-1h")
    assert (idle in listed.out, busy in listed.out) == (True, False)
    assert busy in authz("keys", "list", "--kind", "scim", "--not-expired").out
    assert authz("keys", "list", "--expired", "-o", "json").document["keys"] == []
    got = authz("keys", "show", busy)
    assert re.search(r"last used +\d{4}-", got.out)
    assert re.search(r"kind +scim", got.out)


def test_key_is_renamed_and_given_other_rights(authz: Authz) -> None:
    name, _ = created(authz, "before")
    changed = authz(
        "keys", "update", name, "--name", "after", "--role", "authz.auditor", "-o", "json"
    )
    assert changed.code == 0, changed.err
    assert changed.document["key"]["display_name"] == "after"
    assert changed.document["key"]["roles"] == ["authz.auditor"]
    limited = authz("keys", "update", name, "--until", "+1d", "-o", "json")
    assert limited.document["key"]["expire_time"]
    endless = authz("keys", "update", name, "--forever", "-o", "json")
    assert "expire_time" not in endless.document["key"]
    assert endless.document["key"]["display_name"] == "after"


@pytest.mark.parametrize(
    "wrong", [(), ("--until", "+1d", "--forever"), ("--tenant", "acme", "--all-tenants")],
    ids=["nothing", "both-ends", "both-tenants"],
)  # fmt: skip
def test_update_that_says_nothing_or_both_is_wrong_usage(
    authz: Authz, wrong: tuple[str, ...]
) -> None:
    assert authz("keys", "update", "key-1", *wrong).code == 2


def test_the_last_operator_key_stays_and_the_refusal_names_the_way_back(
    authz: Authz, server: Trial
) -> None:
    ran = authz("keys", "revoke", server.key.split("_")[2])
    assert ran.code == 3
    assert "LAST_OPERATOR_KEY" in ran.err
    assert "authz recover" in ran.err


def test_lost_operator_key_is_recovered_while_the_server_runs(tmp_path: Path) -> None:
    with trial_server(tmp_path, {"AUTHZ_POLL_SECONDS": "0.05"}) as server:
        lost = dict(server.environment)
        (tmp_path / "operator.key").unlink()
        assert run(lost, "keys", "list").code == 5
        ran = run(lost, "recover", "--reason", "the vault burnt down")
        assert ran.code == 0, ran.err
        (key,) = PATTERN.findall(ran.out)
        assert key.startswith("authz_op_")
        eventually(
            lambda: with_key(server, key, "keys", "list").code == 0, "the server knows the key"
        )
        assert with_key(server, key, "keys", "create", "next", "--role", "authz.operator").code == 0
    with sqlite3.connect(tmp_path / "authz.db") as database:
        entries = "SELECT actor, entry FROM audit_entry WHERE action = 'key.created'"
        told = [entry for actor, entry in database.execute(entries) if actor == "service:authz"]
    database.close()
    assert "the vault burnt down" in told[-1]


def test_damaged_policy_is_mended_by_the_recovery(tmp_path: Path) -> None:
    with trial_server(tmp_path) as server:
        environment = dict(server.environment)
    broken = (
        "DELETE FROM rule WHERE v0 = 'role/authz.operator'",
        "DELETE FROM rule WHERE v0 = 'role/authz.checker'",
    )
    with sqlite3.connect(tmp_path / "authz.db") as database:
        for statement in broken:
            assert database.execute(statement).rowcount
    database.close()
    looked = run(environment, "recover", "--reason", "look", "--check", "-o", "json")
    assert looked.code == 0, looked.err
    assert looked.document["credential"] == ""
    assert {"authz.operator", "authz.checker"} <= set(looked.document["mended"])
    ran = run(environment, "recover", "--reason", "damaged")
    assert ran.code == 0, ran.err
    assert "mended: authz.checker" in ran.out
    (key,) = PATTERN.findall(ran.out)
    with trial_server(tmp_path) as server:
        assert with_key(server, key, "keys", "list").code == 0
        assert with_key(server, key, "roles", "list").code == 0


def test_recovery_of_what_was_never_served_makes_no_file(tmp_path: Path) -> None:
    environment = {"PATH": "", "AUTHZ_DATABASE_URL": f"sqlite:///{tmp_path / 'wrong.db'}"}
    ran = run(environment, "recover", "--reason", "lost", "-o", "json")
    assert ran.code == 3
    assert ran.failure["reason"] == "DATABASE_BEHIND"
    assert "another database" in ran.failure["message"]
    assert list(tmp_path.iterdir()) == []


def completed(environment: dict[str, str], line: str, shell: str = "bash") -> list[str]:
    """Complete a line as the shell's script does."""
    asked = {
        "bash": {"COMP_WORDS": line.replace(" ", "\n"), "COMP_CWORD": str(line.count(" "))},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    ran = run_process({**environment, **asked, "_AUTHZ_COMPLETE": f"complete_{shell}"})
    assert ran.err == ""
    return [each for each in ran.out.splitlines() if each]


@pytest.mark.sweep
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown_for_every_shell(authz: Authz, server: Trial, shell: str) -> None:
    environment = {**server.environment, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    ran = run_process(environment, "--show-completion", shell)
    assert ran.code == 0, ran.err
    assert f"_AUTHZ_COMPLETE=complete_{shell}" in ran.out
    assert any("keys" in each for each in completed(environment, "authz ke", shell))


def test_names_are_completed_by_asking_the_server(authz: Authz, server: Trial) -> None:
    assert authz("tenants", "onboard", "globex", "--tier", "free").code == 0
    name, _ = created(authz, "completed")
    environment = dict(server.environment)
    assert completed(environment, "authz tenants show glo") == ["globex"]
    assert completed(environment, "authz tenants set-tier globex prof") == ["professional"]
    assert completed(environment, "authz check globex user:ada invoices:v") == [
        "invoices:view",
        "invoices:void",
    ]
    assert "editor" in completed(environment, "authz grant globex user:ada ed")
    assert completed(environment, f"authz keys show {name[:-2]}") == [name]


@pytest.mark.parametrize(
    ("words", "replies"),
    [
        ("authz check initech user : gr", ["grace"]),
        ("authz check initech us", ["user:grace"]),
        ("authz check initech user:grace invoices : vo", ["void"]),
    ],
)
def test_words_with_colons_are_completed_in_bash(
    authz: Authz, server: Trial, words: str, replies: list[str]
) -> None:
    authz("tenants", "onboard", "initech", "--tier", "free", "--member", "user:grace=admin")
    script = f"""
        eval "$(authz --show-completion bash)"
        COMP_WORDS=({words}); COMP_CWORD={words.count(" ")}
        _authz_completion authz
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **server.environment, "PATH": path}
    environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    ran = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == replies, ran.stderr


@pytest.mark.sweep
@pytest.mark.parametrize(
    "broken",
    [{"AUTHZ_ADMIN_PORT": "1"}, {"AUTHZ_KEY": "authz_no_key"}, {"AUTHZ_ADMIN_PORT": "x"}],
    ids=["no-server", "no-right", "bad-setting"],
)
def test_nothing_is_completed_and_nothing_printed_where_nobody_answers(
    server: Trial, broken: dict[str, str]
) -> None:
    assert completed({**server.environment, **broken}, "authz tenants show ") == []
