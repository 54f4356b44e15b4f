"""Grants, exceptions and the audit as operations handle them with the CLI."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from authz_service.cli.demo.throwaway_server import Trial, command
from tests.commands import Authz, Ran, run

CSV = "tenant,subject,role,scope,valid_until\n"


@pytest.fixture(scope="module")
def authz(server: Trial) -> Authz:
    return lambda *arguments: run(server.environment, *arguments)


@pytest.fixture
def tenant(authz: Authz, request: pytest.FixtureRequest) -> str:
    name: str = request.node.name.removeprefix("test_")[:60].strip("_")
    members = ("--member", "user:ada=admin", "--member", "user:vera=viewer")
    ran = authz("tenants", "onboard", name, "--tier", "professional", *members)
    assert ran.code == 0, ran.err
    return name


def done(ran: Ran) -> Any:
    assert ran.code == 0, ran.err
    return ran.document if ran.out.startswith("{") else ran.out


def test_a_grant_is_shown_shortened_and_ended_by_its_id(authz: Authz, tenant: str) -> None:
    made = done(authz("grant", tenant, "user:vera", "editor", "-o", "json"))["role_grant"]
    assert made["id"] in done(authz("grants", "list", tenant, "--role", "editor"))
    update = ("grants", "update", tenant, made["id"], "--expected-revision", made["revision"])
    shorter = done(authz(*update, "--until", "+1d", "--grant-reason", "trial", "-o", "json"))
    assert shorter["role_grant"]["reason"] == "trial"
    stale = authz(*update, "--no-until", "-o", "json")
    assert (stale.code, stale.failure["reason"]) == (3, "REVISION_MISMATCH")
    shown = done(authz("grants", "show", tenant, made["id"]))
    assert shorter["revision"] in shown
    assert "until 20" in shown
    assert authz("check", tenant, "user:vera", "invoices:create").code == 0
    done(authz("grants", "delete", tenant, made["id"], "--reason", "over"))
    assert authz("check", tenant, "user:vera", "invoices:create").code == 1


def test_nothing_to_change_is_wrong_usage(authz: Authz, tenant: str) -> None:
    for kind in ("grants", "exceptions"):
        assert authz(kind, "update", tenant, "x").code == 2
        assert authz(kind, "update", tenant, "x", "--until", "+1d", "--no-until").code == 2


def test_grants_are_listed_by_scope_source_and_time(authz: Authz, tenant: str) -> None:
    done(authz("grant", tenant, "user:vera", "editor", "--scope", "project:1", "--source", "scim"))
    done(authz("grant", tenant, "user:vera", "editor", "--from", "+1d"))

    def found(*how: str) -> list[Any]:
        listed = done(authz("grants", "list", tenant, "--role", "editor", *how, "-o", "json"))
        return [each.get("scope", "") for each in listed["role_grants"]]

    assert found("--scope", "project:1") == found("--source", "scim") == ["project:1"]
    assert found("--scope", "") == [""]
    assert found("--live-at", "+0s") == ["project:1"]
    assert found("--live-at", "+2d") == ["project:1", ""]


def test_a_file_of_grants_is_granted_and_revoked_as_one(
    authz: Authz, tenant: str, tmp_path: Path
) -> None:
    file = tmp_path / "grants.csv"
    file.write_text(
        f"{CSV}{tenant},user:vera,editor,project:1,+1d\n{tenant}, user:vera, viewer, ,\n"
    )
    tried = authz("grants", "bulk-grant", str(file), "--dry-run")
    assert "nothing was changed" in tried.err
    granted = done(authz("grants", "bulk-grant", str(file), "--reason", "move"))
    assert [line.split()[-2] for line in granted.splitlines()[1:]] == ["granted", "already_held"]
    file.write_text(f"tenant,subject,role,scope\n{tenant},user:vera,editor,project:1\n")
    revoked = done(authz("grants", "bulk-revoke", str(file), "-o", "json"))
    assert revoked["results"][0]["outcome"] == "REVOKE_OUTCOME_REVOKED"
    again = done(authz("grants", "bulk-revoke", str(file)))
    assert "nothing_to_revoke" in again


def test_every_bad_line_of_a_file_is_named(authz: Authz, tenant: str, tmp_path: Path) -> None:
    file = tmp_path / "grants.csv"
    lines = f"{tenant},user:vera,editor,,\n{tenant},user:vera,ghost,,\n{tenant},user:no,viewer,,\n"
    file.write_text(CSV + lines)
    refused = authz("grants", "bulk-grant", str(file), "-o", "json")
    assert refused.code == 3
    assert refused.failure["reason"] == "ROLE_NOT_FOUND"
    details = refused.failure["details"]
    assert details["item-1"] == "ROLE_NOT_FOUND role_grants[1].role"
    assert details["item-2"] == "NOT_A_MEMBER role_grants[2].subject"
    assert "editor" not in authz("grants", "list", tenant).out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tenant,subject\n", "line 1"),
        ("tenant,subject,role,colour\n", "line 1"),
        (f"{CSV}acme,user:vera\n", "line 2"),
        (f"{CSV}acme,user:vera,viewer,,soon\n", "line 2"),
        ("tenant,subject,role,source\na,b,c,\na,b,c,rumour\n", "line 3"),
    ],
)
def test_file_that_cannot_be_read_names_the_line(
    authz: Authz, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "grants.csv"
    file.write_text(text)
    ran = authz("grants", "bulk-grant", str(file))
    assert ran.code == 2
    assert says in ran.err
    assert authz("grants", "bulk-grant", str(tmp_path / "none.csv")).code == 2


def test_an_exception_is_prolonged_and_widened(authz: Authz, tenant: str) -> None:
    why = ("--reason", "pilot", "--approver", "sales")
    grant = ("exceptions", "grant", tenant, "sso:configure", *why, "--until", "+1d", "-o", "json")
    made = done(authz(*grant))["exception"]
    update = ("exceptions", "update", tenant, made["id"], "--no-until", "--approver", "board")
    more = ("--permission", "sso:configure", "--permission", "invoices:void", "-o", "json")
    changed = done(authz(*update, *more))["exception"]
    assert "valid_until" not in changed
    assert (changed["approver"], changed["reason"]) == ("board", "pilot")
    assert changed["permissions"] == ["invoices:void", "sso:configure"]
    assert changed["revision"] in authz("exceptions", "show", tenant, made["id"]).err
    for how, number in ((("--kind", "deny"), 0), (("--permission", "invoices:void"), 1)):
        listed = done(authz("exceptions", "list", tenant, *how, "-o", "json"))
        assert int(listed.get("total_size", 0)) == number


def test_changes_tell_who_did_what_since_a_revision(authz: Authz, tenant: str) -> None:
    made = done(authz("grant", tenant, "user:vera", "editor", "--reason", "promoted", "-o", "json"))
    since = str(int(made["revision"]) - 1)
    after = ("--after-revision", since)
    shown = done(authz("changes", tenant, *after))
    for part in ("granted editor to user:vera", "promoted", "first operator"):
        assert part in shown
    done(authz("grants", "update", tenant, made["role_grant"]["id"], "--grant-reason", "new"))
    newest = authz("changes", tenant, *after).out.splitlines()[1]
    assert "grant of editor to user:vera: reason promoted → new" in newest
    assert "editor" not in authz("changes", tenant, "--until-revision", since).out
    assert "granted editor to user:vera" in authz("changes", "--since", "1h", *after).out
    assert "granted" not in authz("changes", tenant, "--action", "member.", *after).out
    document = done(authz("changes", tenant, "--action", "role.granted", "-o", "json"))
    grant = document["changes"][0]["change"]["after"]["role_grant"]
    assert (grant["role"], grant["subject"]) == ("editor", "user:vera")


def test_the_audit_is_listed_and_verified(authz: Authz, tenant: str) -> None:
    refused = authz("grant", tenant, "user:nobody", "editor")
    assert refused.code == 3
    listed = authz("audit", "list", "--tenant", tenant, "--outcome", "refused")
    assert "NOT_A_MEMBER" in listed.out
    assert "1 entry" in listed.err
    latest = ("audit", "list", "--tenant", tenant, "--limit", "1", "-o", "json")
    newest = done(authz(*latest))["entries"][0]
    assert (newest["action"], newest["outcome"]) == ("authz.audit:list", "AUDIT_OUTCOME_DONE")
    oldest = done(authz("audit", "list", "--tenant", tenant, "--oldest-first", "-o", "json"))
    assert [int(entry["seq"]) for entry in oldest["entries"]] == list(
        range(1, len(oldest["entries"]) + 1)
    )

    whole = done(authz("audit", "verify", tenant, "-o", "json"))
    assert whole["whole"]
    anchor = ("--after-seq", whole["last_seq"], "--after-hash")
    assert authz("audit", "verify", tenant, *anchor, whole["last_hash"]).code == 0
    broken = authz("audit", "verify", tenant, *anchor, "0" * 64)
    assert broken.code == 1
    assert f"broken at entry {whole['last_seq']}" in broken.out


def test_a_file_comes_from_standard_input_too(server: Trial, authz: Authz, tenant: str) -> None:
    ran = subprocess.run(
        command("grants", "bulk-grant", "-"),
        env=dict(server.environment),
        input=f"tenant,subject,role\n{tenant},user:vera,editor\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "editor" in authz("grants", "list", tenant, "--subject", "user:vera").out
