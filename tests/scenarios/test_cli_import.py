"""Customers from a file, and moves between tiers, as operations do it with the CLI."""

import json
from pathlib import Path
from typing import Any

import pytest

from authz_service.cli.demo.throwaway_server import Trial
from tests.commands import Authz, Ran, run

HEADER = "tenant,tier,display_name,subject,roles,owner\n"


@pytest.fixture(scope="module")
def authz(server: Trial) -> Authz:
    return lambda *arguments: run(server.environment, *arguments)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Give a name that no other test has."""
    made: str = request.node.name.removeprefix("test_")[:40].strip("_")
    return made


def done(ran: Ran) -> Any:
    assert ran.code == 0, ran.err
    return ran.document if ran.out.startswith("{") else ran.out


def counts(ran: Ran) -> tuple[int, ...]:
    found = ran.document
    return tuple(found[each] for each in ("created", "unchanged", "different", "refused"))


def results(file: Path) -> list[Any]:
    kept = file.with_name(f"{file.name}.results.jsonl")
    return [json.loads(line) for line in kept.read_text().splitlines() if line]


def written(folder: Path, name: str, *rows: str) -> Path:
    file = folder / f"{name}.csv"
    file.write_text(HEADER + "".join(f"{name}-{row}\n" for row in rows))
    return file


def test_customers_and_members_are_imported_and_may_act_at_once(
    authz: Authz, name: str, tmp_path: Path
) -> None:
    file = written(
        tmp_path,
        name,
        "one,professional,One Ltd,user:ada,admin,yes",
        "one,,,user:bob,viewer,",
        "two,free,,user:cy,admin,",
    )
    told = done(authz("import", "customers", str(file)))
    assert "created" in told
    assert [(each["line"], each["outcome"]) for each in results(file)] == [
        (2, "created"),
        (4, "created"),
    ]
    assert authz("check", f"{name}-one", "user:bob", "invoices:view").code == 0
    assert authz("check", f"{name}-one", "user:bob", "invoices:create").code == 1


def test_dry_run_tells_what_would_be_and_opens_nothing(
    authz: Authz, name: str, tmp_path: Path
) -> None:
    file = written(tmp_path, name, "one,free,,user:ada,admin,", "two,gold,,user:ada,admin,")
    ran = authz("import", "customers", str(file), "--dry-run", "-o", "json")
    assert ran.code == 3
    assert counts(ran) == (1, 0, 0, 1)
    assert ran.document["dry_run"]
    assert authz("tenants", "show", f"{name}-one").code == 3
    assert not file.with_name(f"{file.name}.results.jsonl").exists()


def test_refused_customers_are_named_with_reason_and_field_and_the_others_imported(
    authz: Authz, name: str, tmp_path: Path
) -> None:
    file = written(
        tmp_path,
        name,
        "one,free,,user:ada,admin,",
        "bad,free,,user:ada,no-such-role,",
        "worse,free,,user:ada",
        "two,free,,user:ada,admin,",
    )
    ran = authz("import", "customers", str(file))
    assert ran.code == 3
    assert "2 customers of 4 cannot be imported so" in ran.err
    assert "ROLE_NOT_FOUND members[0].roles" in ran.out
    _, bad, worse, last = results(file)
    assert (bad["reason"], bad["field"]) == ("ROLE_NOT_FOUND", "members[0].roles")
    assert (worse["line"], worse["reason"]) == (4, "UNREADABLE")
    assert last["outcome"] == "created"


def test_import_that_broke_off_is_resumed_where_it_was(
    authz: Authz, name: str, tmp_path: Path
) -> None:
    file = written(tmp_path, name, "one,free,,user:ada,admin,", "two,gold,,user:ada,admin,")
    assert authz("import", "customers", str(file)).code == 3
    again = authz("import", "customers", str(file))
    assert (again.code, "--resume" in again.err) == (2, True)
    kept = file.with_name(f"{file.name}.results.jsonl")
    kept.write_text(kept.read_text() + '{"line": 3, "tenant": "cut o')
    file.write_text(file.read_text().replace("gold", "free"))
    ran = authz("import", "customers", str(file), "--resume", "-o", "json")
    assert ran.code == 0, ran.err
    assert (counts(ran), ran.document["skipped"]) == ((1, 0, 0, 0), 1)


def test_file_imported_again_changes_nothing_and_tells_what_differs(
    authz: Authz, name: str, tmp_path: Path
) -> None:
    file = written(tmp_path, name, "one,free,One,user:ada,admin,", "two,free,,user:ada,admin,")
    other = ("--results", str(tmp_path / "second.jsonl"), "-o", "json")
    assert authz("import", "customers", str(file)).code == 0
    assert counts(authz("import", "customers", str(file), *other)) == (0, 2, 0, 0)
    file.write_text(file.read_text().replace("One", "Other"))
    third = ("--results", str(tmp_path / "third.jsonl"))
    ran = authz("import", "customers", str(file), *third)
    assert ran.code == 3
    assert "display_name" in ran.out


def test_many_customers_of_json_lines_are_sent_in_several_calls(
    authz: Authz, name: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{name}.jsonl"
    rows = [
        {
            "tenant": f"{name}-{number}",
            "tier": "professional",
            "members": [{"subject": f"user:u{n}", "roles": ["viewer"]} for n in range(20)],
        }
        for number in range(120)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = authz("import", "customers", str(file), "--request-id", name, "-o", "json")
    assert ran.code == 0, ran.err
    assert counts(ran) == (120, 0, 0, 0)
    assert len({each["tenant"] for each in results(file)}) == 120


def test_customer_with_more_members_than_a_call_carries_is_refused_here(
    authz: Authz, name: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{name}.jsonl"
    people = [{"subject": f"user:u{n}"} for n in range(1001)]
    file.write_text(json.dumps({"tenant": name, "tier": "enterprise", "members": people}) + "\n")
    ran = authz("import", "customers", str(file))
    assert ran.code == 3
    assert "authz members add" in ran.out


def test_import_without_a_server_says_how_to_go_on(tmp_path: Path, server: Trial) -> None:
    file = written(tmp_path, "none", "one,free,,user:ada,admin,")
    ran = run(
        dict(server.environment), "import", "customers", str(file), "--address", "127.0.0.1:1"
    )
    assert ran.code == 4
    assert "--resume" in ran.err


def test_tier_is_previewed_then_set_and_what_does_not_fit_is_seen_to(
    authz: Authz, name: str
) -> None:
    people = ("ada=admin", "bob=billing-admin", "cy=viewer", "di=viewer")
    members = [part for each in people for part in ("--member", f"user:{each}")]
    assert authz("tenants", "onboard", name, "--tier", "professional", *members).code == 0
    told = done(authz("tenants", "preview-tier", name, "free", "--use", "projects=12"))
    assert "invoices:export" in told
    assert "25 seat -> 3 seat" in told
    assert "role_ended" in told
    assert "2 project" in told
    assert authz("check", name, "user:bob", "invoices:export").code == 0
    asked = ("tenants", "preview-tier", name, "free", "--apply-downgrade-policy", "-o", "json")
    seen = done(authz(*asked))
    moved = done(authz("tenants", "set-tier", name, "free", *asked[-3:]))
    assert moved["downgrade_steps"] == seen["downgrade_steps"] != []
    (held,) = (line for line in authz("grants", "list", name).out.splitlines() if "bob" in line)
    assert "held back, not offered" in held
    assert authz("check", name, "user:bob", "invoices:view").code == 1
    again = authz("tenants", "apply-downgrade-policy", name)
    assert (again.code, "all fits" in again.err) == (0, True)
    wrong = authz("tenants", "preview-tier", name, "free", "--use", "projects")
    assert (wrong.code, "LIMIT=N" in wrong.err) == (2, True)
