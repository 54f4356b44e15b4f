"""The CLI as operations use it, against a server that is a process."""

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from authz_service.cli.demo.throwaway_server import Trial, command, trial_server
from tests.commands import Authz, run

MATRIX = Path("examples", "gitlab", "permissions.csv")


@pytest.fixture(scope="module")
def authz(server: Trial) -> Authz:
    """Return a function that runs the CLI with the server's first operator key."""
    return lambda *arguments: run(server.environment, *arguments)


@pytest.fixture
def tenant(authz: Authz, request: pytest.FixtureRequest) -> str:
    """Open a tenant on `free`, named after the test, with an admin and a viewer."""
    name: str = request.node.name.removeprefix("test_")[:60].strip("_")
    members = ("--member", "user:ada=admin", "--member", "user:vera=viewer")
    ran = authz("tenants", "onboard", name, "--tier", "free", "--name", "Acme GmbH", *members)
    assert ran.code == 0, ran.err
    return name


def test_a_grant_opens_the_next_check_and_a_revoke_closes_it(authz: Authz, tenant: str) -> None:
    asked = ("check", tenant, "user:vera", "invoices:create")
    denied = authz(*asked)
    assert denied.code == 1
    assert "ROLE_MISSING" in denied.out

    granted = authz("grant", tenant, "user:vera", "editor", "--reason", "promoted", "-o", "json")
    assert granted.code == 0, granted.err
    assert granted.document["role_grant"]["role"] == "editor"
    revision = granted.document["revision"]
    allowed = authz(*asked, "--min-revision", revision, "-o", "json")
    assert allowed.code == 0
    assert allowed.document["revision"] == revision

    assert "editor" in authz("grants", "list", tenant, "--subject", "user:vera").out
    revoked = authz("revoke", tenant, "user:vera", "editor")
    assert revoked.code == 0, revoked.err
    assert authz(*asked).code == 1


def test_a_grant_holds_in_its_scope_and_ends_by_itself(authz: Authz, tenant: str) -> None:
    grant = ("grant", tenant, "user:vera", "editor", "--scope")
    assert authz(*grant, "project:42", "--until", "+1d").code == 0
    assert authz(*grant, "project:43", "--until", "+2s").code == 0
    ends = time.monotonic() + 2
    asked = ("check", tenant, "user:vera", "projects:create", "--scope")
    assert authz(*asked, "project:42").code == 0
    assert "ROLE_MISSING" in authz(*asked, "project:7").out
    time.sleep(max(0.0, ends - time.monotonic()))
    over = authz(*asked, "project:43")
    assert over.code == 1
    assert "GRANT_EXPIRED" in over.out


def test_an_upgrade_opens_a_feature_on_the_next_check(authz: Authz, tenant: str) -> None:
    asked = ("check", tenant, "user:ada", "invoices:export")
    denied = authz(*asked)
    assert (denied.code, "NOT_ENTITLED" in denied.out) == (1, True)
    assert authz("tenants", "set-tier", tenant, "professional").code == 0
    assert authz(*asked).code == 0
    bought = authz("tenants", "entitlements", tenant)
    assert "professional" in bought.out
    assert "50 project" in bought.out


def test_an_explanation_ends_with_a_command_that_works(authz: Authz, tenant: str) -> None:
    asked = (tenant, "user:vera", "invoices:create")
    told = authz("explain", *asked)
    assert told.code == 1
    last = told.out.splitlines()[-1]
    assert last.startswith("to allow it: ")
    remedy = last[last.index("authz ") :].split()
    assert authz(*remedy[1:]).code == 0
    assert authz("check", *asked).code == 0
    assert authz("explain", *asked).code == 0


def test_all_that_is_missing_stands_in_the_last_line(authz: Authz, tenant: str) -> None:
    told = authz("explain", tenant, "user:vera", "invoices:export")
    assert told.code == 1
    last = told.out.splitlines()[-1]
    remedy = [shlex.split(line)[1:] for line in last[last.index("authz ") :].split(" && ")]
    assert [words[0] for words in remedy] == ["grant", "exceptions"]
    for words in remedy:
        done = authz(*words)
        assert done.code == 0, done.err
    assert authz("check", tenant, "user:vera", "invoices:export").code == 0
    assert f"authz tenants set-tier {tenant} professional" in told.out


def test_exceptions_come_and_go(authz: Authz, tenant: str) -> None:
    asked = ("check", tenant, "user:ada", "invoices:export")
    why = ("--reason", "pilot", "--approver", "head of sales")
    made = authz("exceptions", "grant", tenant, "invoices:export", *why, "-o", "json")
    assert made.code == 0, made.err
    assert authz(*asked).code == 0
    assert "head of sales" in authz("exceptions", "list", tenant).out

    deny = ("--subject", "user:ada", *why, "--until", "+1d", "-o", "json")
    assert authz("exceptions", "deny", tenant, "invoices:export", *deny).code == 0
    assert "DENIED_BY_EXCEPTION" in authz(*asked).out

    ended = authz("exceptions", "revoke", tenant, made.document["exception"]["id"])
    assert ended.code == 0, ended.err


def test_replacing_leaves_what_is_named(authz: Authz, tenant: str) -> None:
    why = ("--reason", "wind-down", "--approver", "legal")
    assert authz("exceptions", "replace", tenant, "invoices:view", *why).code == 0
    assert authz("check", tenant, "user:ada", "invoices:view").code == 0
    assert authz("check", tenant, "user:ada", "invoices:create").code == 1


def test_a_suspension_closes_everything_until_it_is_lifted(authz: Authz, tenant: str) -> None:
    asked = ("check", tenant, "user:ada", "invoices:view")
    closed = authz("tenants", "suspend", tenant, "--for", "billing")
    assert closed.code == 0, closed.err
    assert "billing" in closed.out
    assert "TENANT_SUSPENDED" in authz(*asked).out
    other = authz("tenants", "resume", tenant, "--for", "risk")
    assert (other.code, "suspended for" in other.out) == (0, True)
    assert authz("tenants", "resume", tenant, "--for", "billing").code == 0
    assert authz(*asked).code == 0


def test_offboarding_is_for_good(authz: Authz, tenant: str) -> None:
    assert authz("tenants", "offboard", tenant).code == 0
    assert "TENANT_OFFBOARDED" in authz("check", tenant, "user:ada", "invoices:view").out
    again = authz("tenants", "onboard", tenant, "--tier", "free", "-o", "json")
    assert (again.code, again.failure["reason"]) == (3, "TENANT_EXISTS")


def test_members_come_and_go(authz: Authz, tenant: str) -> None:
    added = authz("members", "add", tenant, "user:eve", "--role", "viewer", "-o", "json")
    assert added.code == 0, added.err
    assert added.document["member"]["roles"] == ["viewer"]
    listed = authz("members", "list", tenant, "--output", "json").document["members"]
    assert [each["subject"] for each in listed] == ["user:ada", "user:eve", "user:vera"]
    assert authz("members", "show", tenant, "user:eve").code == 0
    assert authz("members", "remove", tenant, "user:eve").code == 0
    assert "NOT_A_MEMBER" in authz("check", tenant, "user:eve", "invoices:view").out


def test_a_member_is_held_back_re_roled_and_found(authz: Authz, tenant: str) -> None:
    vera = (tenant, "user:vera")
    held = authz("members", "suspend", *vera, "--for", "risk")
    assert held.code == 0, held.err
    assert "risk" in held.out
    assert "MEMBERSHIP_SUSPENDED" in authz("check", *vera, "invoices:view").out
    found = authz("members", "list", tenant, "--state", "suspended", "--prefix", "user:v")
    assert "user:vera" in found.out
    assert "user:ada" not in found.out
    assert authz("members", "resume", *vera, "--for", "risk").code == 0
    assert authz("check", *vera, "invoices:view").code == 0

    roles = authz("members", "set-roles", *vera, "editor", "-o", "json")
    assert roles.document["member"]["roles"] == ["editor"]
    assert "user:vera" in authz("members", "list", tenant, "--role", "editor").out


def test_an_owner_hands_over_before_leaving(authz: Authz, tenant: str) -> None:
    assert "user:ada" in authz("members", "list", tenant, "--owner").out
    refused = authz("members", "remove", tenant, "user:ada")
    assert (refused.code, "MEMBER_IS_OWNER" in refused.err) == (3, True)
    assert "authz members transfer-ownership" in refused.err
    handed = authz("members", "transfer-ownership", tenant, "user:vera")
    assert handed.code == 0, handed.err
    assert authz("members", "remove", tenant, "user:ada").code == 0
    alone = authz("members", "suspend", tenant, "user:vera", "--for", "risk", "-o", "json")
    assert alone.failure["reason"] == "LAST_ADMIN"


def test_an_invitation_is_sent_again_accepted_and_gone(authz: Authz, tenant: str) -> None:
    asked = ("invitations", "create", tenant, "--email", "eve@example.com", "--role", "viewer")
    sent = authz(*asked, "--open-for", "3d", "-o", "json")
    assert sent.code == 0, sent.err
    invitation, first = sent.document["invitation"]["id"], sent.document["token"]
    listed = authz("invitations", "list", tenant)
    assert "eve@example.com" in listed.out
    assert invitation in authz("invitations", "show", tenant, invitation).out

    again = authz("invitations", "resend", tenant, invitation)
    assert "shown this once" in again.err
    token = again.out.split()[-1]
    dead = authz("invitations", "accept", tenant, "user:eve", "--token", first, "-o", "json")
    assert dead.failure["reason"] == "INVITATION_TOKEN_REFUSED"
    accepted = authz("invitations", "accept", tenant, "user:eve", "--token", token)
    assert accepted.code == 0, accepted.err
    assert authz("check", tenant, "user:eve", "invoices:view").code == 0
    assert "eve@example.com" not in authz("invitations", "list", tenant).out


def test_an_invitation_is_revoked(authz: Authz, tenant: str) -> None:
    sent = authz("invitations", "create", tenant, "--subject", "user:eve", "-o", "json")
    assert authz("members", "list", tenant, "--state", "invited").out.count("user:eve") == 1
    revoked = authz("invitations", "revoke", tenant, sent.document["invitation"]["id"])
    assert revoked.code == 0, revoked.err
    assert "user:eve" not in authz("members", "list", tenant).out


def test_a_refusal_names_reason_field_and_what_to_do(authz: Authz, tenant: str) -> None:
    refused = authz("grant", tenant, "user:nobody", "editor")
    assert refused.code == 3
    assert "NOT_A_MEMBER" in refused.err
    assert "authz members add" in refused.err
    unknown = authz("grant", tenant, "user:ada", "emperor", "-o", "json").failure
    assert unknown["reason"] == "ROLE_NOT_FOUND"
    assert unknown["field"]


def test_a_dry_run_changes_nothing(authz: Authz, tenant: str) -> None:
    tried = authz("tenants", "set-tier", tenant, "professional", "--dry-run")
    assert tried.code == 0, tried.err
    assert "professional" in tried.out
    assert "professional" not in authz("tenants", "show", tenant).out


def test_a_request_repeated_under_its_id_changes_nothing_more(authz: Authz, tenant: str) -> None:
    change = ("members", "add", tenant, "user:eve", "--request-id", f"{tenant}-1", "-o", "json")
    first, second = authz(*change), authz(*change)
    assert (first.code, second.code) == (0, 0), second.err
    assert first.document == second.document
    other = ("members", "add", tenant, "user:mallory", "--request-id", f"{tenant}-1", "-o", "json")
    assert authz(*other).failure["reason"] == "REQUEST_ID_REUSED"


def test_limits_are_part_of_a_check_when_they_are_asked_about(authz: Authz, tenant: str) -> None:
    asked = ("check", tenant, "user:ada", "projects:create", "--limit", "projects", "--used")
    assert authz(*asked, "1").code == 0
    full = authz(*asked, "2")
    assert (full.code, "LIMIT_REACHED" in full.out) == (1, True)


def test_roles_and_permissions_can_be_made_on_the_spot(authz: Authz, tenant: str) -> None:
    assert authz("permissions", "create", "invoices:audit", "--internal").code == 0
    assert "invoices:audit" in authz("permissions", "list").out
    role = f"{tenant}/clerk"
    made = authz("roles", "create", role, "--permission", "invoices:view", "--description", "Clerk")
    assert made.code == 0, made.err
    assert role in authz("roles", "list", "--tenant", tenant).out
    assert "invoices:view" in authz("roles", "show", role).out
    assert authz("grant", tenant, "user:vera", role).code == 0


def test_the_catalogue_of_the_house_is_listed(authz: Authz) -> None:
    tiers = authz("tiers", "list", "--output", "json").document["tiers"]
    assert {"free", "professional", "enterprise"} <= {each["id"] for each in tiers}
    assert "25 seat" in authz("tiers", "show", "professional").out
    assert "editor" in authz("roles", "list").out


def test_a_key_holds_what_it_was_given_until_it_is_revoked(
    authz: Authz, server: Trial, tenant: str
) -> None:
    made = authz(
        "keys", "create", "billing", "--role", "authz.checker", "--until", "+90d", "-o", "json"
    )
    assert made.code == 0, made.err
    environment = {**server.environment, "AUTHZ_KEY": made.document["credential"]}
    assert run(environment, "check", tenant, "user:ada", "invoices:view").code == 0
    refused = run(environment, "tenants", "list", "-o", "json")
    assert (refused.code, refused.failure["reason"]) == (3, "PERMISSION_DENIED")

    key = made.document["key"]["id"]
    assert key in authz("keys", "list").out
    assert authz("keys", "revoke", key).code == 0
    gone = run(environment, "check", tenant, "user:ada", "invoices:view", "-o", "json")
    assert (gone.code, gone.failure["reason"]) == (3, "CREDENTIALS_INVALID")


def test_an_identity_is_registered_shown_and_removed(authz: Authz, tenant: str) -> None:
    asked = ["spiffe://example.com/x", "--role", "authz.checker", "--tenant", tenant, "-o", "json"]
    made = authz("identities", "create", *asked)
    assert made.code == 0, made.err
    identity = made.document["identity"]
    assert (identity["kind"], identity["tenants"]) == ("IDENTITY_KIND_CERTIFICATE_URI", [tenant])
    again = authz("identities", "create", *asked)
    assert (again.code, again.failure["reason"]) == (3, "IDENTITY_EXISTS")
    assert "spiffe://example.com/x" in authz("identities", "show", identity["id"]).out
    assert identity["id"] in authz("identities", "list").out
    changing = ("identities", "update", identity["id"], "-o", "json")
    named = authz(*changing, "--name", "mesh", "--role", "authz.auditor", "--all-tenants").document
    assert (named["identity"]["display_name"], named["identity"]["roles"]) == (
        "mesh",
        ["authz.auditor"],
    )
    assert named["identity"]["tenants"] == []
    late = authz(*changing, "--until", "+1d", "--expected-revision", "1")
    assert (late.code, late.failure["reason"]) == (3, "REVISION_MISMATCH")
    assert authz(*changing).code == 2
    assert authz("identities", "delete", identity["id"]).code == 0
    gone = authz("identities", "show", identity["id"], "-o", "json")
    assert (gone.code, gone.failure["reason"]) == (3, "IDENTITY_NOT_FOUND")


def test_a_token_is_registered_by_its_issuer(authz: Authz) -> None:
    asked = [
        "jobs",
        "--role",
        "authz.checker",
        "--issuer",
        "https://idp.example.com/",
        "-o",
        "json",
    ]
    made = authz("identities", "create", *asked)
    assert made.document["identity"]["issuer"] == "https://idp.example.com/"
    assert made.document["identity"]["kind"] == "IDENTITY_KIND_TOKEN"


def test_policy_of_the_house_is_in_force_already(authz: Authz) -> None:
    tried = authz("apply", "--dry-run", "-o", "json")
    assert tried.code == 0, tried.err
    assert tried.document["created"] == []


def test_a_broken_policy_changes_nothing_and_names_file_line_and_field(
    authz: Authz, tmp_path: Path
) -> None:
    (tmp_path / "catalogue.yaml").write_text("permissions:\n  invoices:fly: {}\n")
    (tmp_path / "roles.yaml").write_text(
        "roles:\n  pilot:\n    permissions:\n      - invoices:soar\n"
    )
    (tmp_path / "tiers.yaml").write_text("tiers: {}\n")
    refused = authz("apply", str(tmp_path))
    assert refused.code == 3
    assert "roles.yaml:4" in refused.err
    assert "invoices:soar" in refused.err
    assert "invoices:fly" not in authz("permissions", "list").out


def test_serving_again_goes_on_with_what_was_there(tmp_path: Path) -> None:
    with trial_server(tmp_path) as first:
        key = first.key
        onboard = ("tenants", "onboard", "acme", "--tier", "free", "--member", "user:ada=admin")
        assert run(first.environment, *onboard).code == 0
        assert key not in first.log
    assert first.process.returncode == 0, first.log
    with trial_server(tmp_path) as second:
        assert second.key == key
        assert key not in second.log
        asked = ("check", "acme", "user:ada", "invoices:view")
        assert run(second.environment, *asked).code == 0


def test_an_imported_matrix_answers_at_once(tmp_path: Path) -> None:
    with trial_server(tmp_path) as server:
        environment = dict(server.environment)
        matrix = str(Path(__file__).parents[2] / "policies" / MATRIX)
        imported = run(environment, "import", "matrix", matrix, "--tiers", "free,premium,ultimate")
        assert imported.code == 0, imported.err
        assert "permission project.dora_metrics:view" in imported.out
        table = tmp_path / "table.csv"
        table.write_bytes(
            "sep=;\r\nTasks;;\r\nPermission;Team Lead;Notes\r\n".encode("utf-8-sig")
            + "docs:print;✓;soon\r\ndocs:shred;;\r\n".encode()
        )
        read = run(environment, "import", "matrix", str(table), "--dry-run", "-o", "json").document
        assert read["columns"][1] == {
            "name": "Team Lead",
            "read_as": "role",
            "id": "Team-Lead",
            "cells": {"yes": ["✓"], "no": [""]},
            "remark": "",
        }
        assert read["columns"][2]["read_as"] == "left out"
        assert "role Team-Lead" in read["created"]
        members = ("--member", "user:dan=developer")
        assert (
            run(environment, "tenants", "onboard", "lab", "--tier", "ultimate", *members).code == 0
        )
        asked = ("check", "lab", "user:dan", "project.dora_metrics:view")
        assert run(environment, *asked).code == 0


def test_migrating_a_new_database_names_what_was_applied(tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")},
        "AUTHZ_DATABASE_URL": f"sqlite:///{tmp_path / 'new.db'}",
        "AUTHZ_KEY_FILE": str(tmp_path / "operator.key"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    first = run(environment, "migrate", "--output", "json")
    assert first.code == 0, first.err
    assert first.document["applied"]
    assert run(environment, "migrate", "--output", "json").document == {
        "applied": [],
        "declared": [],
    }


def test_the_demo_goes_as_it_must_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AUTHZ_")},
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TMPDIR": str(tmp_path),
    }
    shown = subprocess.run(
        command("demo"), env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.splitlines()[-1].endswith("as expected")
    assert list(tmp_path.iterdir()) == []
