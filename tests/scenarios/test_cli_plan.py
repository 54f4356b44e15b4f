"""Policy as operations change it: export, edit, plan, apply."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from authz_service.cli.demo.throwaway_server import Trial
from tests.commands import Authz, run


@pytest.fixture(scope="module")
def authz(server: Trial) -> Authz:
    """Return a function that runs the CLI with the server's first operator key."""
    return lambda *arguments: run(server.environment, *arguments)


@pytest.fixture
def folder(authz: Authz, tmp_path: Path) -> Path:
    """Export the policy in force."""
    made = tmp_path / "policy"
    ran = authz("export", str(made))
    assert ran.code == 0, ran.err
    return made


def edit(file: Path, change: Any) -> None:
    """Change a policy file's content by a function of it."""
    document = yaml.safe_load(file.read_text())
    change(document)
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def test_plan_and_apply_of_an_export_change_nothing(authz: Authz, folder: Path) -> None:
    seen = authz("plan", str(folder), "--detailed-exitcode", "-o", "json")
    assert seen.code == 0, seen.err
    assert "preview" not in seen.document
    assert seen.document["not_in_the_files"] == []
    revision = authz("roles", "list", "-o", "json").document["revision"]
    assert seen.document["revision"] == revision != "0"
    ran = authz("apply", str(folder))
    assert ran.code == 0
    assert "No changes" in ran.out


def test_export_again_writes_the_same_bytes(authz: Authz, folder: Path, tmp_path: Path) -> None:
    assert authz("export", str(tmp_path / "again")).code == 0
    names = sorted(path.name for path in folder.iterdir())
    assert {"catalogue.yaml", "roles.yaml", "tiers.yaml"} <= set(names)
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_export_keeps_files_that_are_there(authz: Authz, folder: Path) -> None:
    (folder / "roles.yaml").write_text("# mine\n")
    refused = authz("export", str(folder), "-o", "json")
    assert (refused.code, refused.failure["reason"]) == (2, "FILE_EXISTS")
    assert (folder / "roles.yaml").read_text() == "# mine\n"
    assert authz("export", str(folder), "--force").code == 0
    assert (folder / "roles.yaml").read_text() != "# mine\n"


def test_plan_shows_the_three_parts_and_apply_does_it(
    authz: Authz, folder: Path, tmp_path: Path
) -> None:
    members = ("--member", "user:ada=admin", "--member", "user:vera=viewer")
    assert authz("tenants", "onboard", "planned", "--tier", "free", *members).code == 0
    edit(folder / "tiers.yaml", lambda d: d["tiers"]["free"]["permissions"].remove("team:view"))
    edit(
        folder / "tiers.yaml",
        lambda d: d["tiers"]["free"]["limits"].update(seats={"value": 1, "unit": "seat"}),
    )
    file = tmp_path / "plan.json"
    seen = authz("plan", str(folder), "--names", "--detailed-exitcode", "--out", str(file))
    assert seen.code == 6, seen.err
    assert "~ tier free" in seen.out
    assert "-team:view" in seen.out
    assert "planned user:vera" in seen.out
    assert "seats are fewer than are taken" in seen.out
    assert "2 of 1 seats taken" in seen.out
    assert "0 to create, 1 to update, 0 to delete" in seen.out
    asked = ("check", "planned", "user:vera", "team:view")
    assert authz(*asked).code == 0
    dry = authz("apply", "--plan", str(file), "--dry-run", "-o", "json")
    assert dry.document["updated"] == ["tier free"]
    assert authz(*asked).code == 0
    done = authz("apply", "--plan", str(file), "--reason", "new price list")
    assert done.code == 0, done.err
    assert authz(*asked).code == 1
    again = authz("apply", "--plan", str(file), "-o", "json")
    assert (again.code, again.failure["reason"]) == (3, "CHANGESET_OUTDATED")
    assert again.failure["details"]["object"] == "tier free"


def test_what_is_not_in_the_files_is_told_and_goes_only_when_pruned(
    authz: Authz, folder: Path
) -> None:
    assert authz("roles", "create", "night-shift", "--permission", "team:view").code == 0
    seen = authz("plan", str(folder), "-o", "json")
    assert seen.document["not_in_the_files"] == ["role night-shift"]
    assert "preview" not in seen.document
    said = authz("plan", str(folder)).out
    assert "left as they are (1)" in said
    assert re.search(r"^ +role +night-shift$", said, re.MULTILINE)
    pruned = authz("apply", str(folder), "--prune", "-o", "json")
    assert pruned.code == 0, pruned.err
    assert pruned.document["deleted"] == ["role night-shift"]
    assert "night-shift" not in authz("roles", "list").out


def test_role_deleted_while_granted_blocks_until_a_replacement_is_named(
    authz: Authz, folder: Path
) -> None:
    onboard = ("tenants", "onboard", "shifts", "--tier", "professional")
    assert authz(*onboard, "--member", "user:a=admin").code == 0
    members = ("members", "add", "shifts", "user:eve", "--role", "editor")
    assert authz(*members).code == 0

    def without_editor(document: Any) -> None:
        editor = document["roles"].pop("editor")
        for role in document["roles"].values():
            if "editor" in role.get("includes", []):
                role["includes"].remove("editor")
                role["includes"] += [i for i in editor["includes"] if i not in role["includes"]]

    def unlisted(document: Any) -> None:
        for tier in document["tiers"].values():
            if "editor" in tier.get("assignable_roles", []):
                tier["assignable_roles"].remove("editor")

    edit(folder / "roles.yaml", without_editor)
    edit(folder / "tiers.yaml", unlisted)
    seen = authz("plan", str(folder), "--prune")
    assert seen.code == 0, seen.err
    assert "editor goes, and is granted" in seen.out
    assert "--replace role:editor=OTHER" in seen.out
    refused = authz("apply", str(folder), "--prune", "-o", "json")
    assert (refused.code, refused.failure["reason"]) == (3, "CHANGESET_BLOCKED")
    done = authz("apply", str(folder), "--prune", "--replace", "role:editor=viewer")
    assert done.code == 0, done.err
    assert "viewer" in authz("grants", "list", "shifts", "--subject", "user:eve").out


def test_plan_on_files_with_errors_shows_them_all(authz: Authz, folder: Path) -> None:
    edit(folder / "roles.yaml", lambda d: d["roles"]["viewer"]["permissions"].append("no:such"))
    edit(folder / "tiers.yaml", lambda d: d["tiers"]["free"].update(extends="nowhere"))
    refused = authz("plan", str(folder))
    assert refused.code == 3
    assert "roles.yaml:" in refused.err
    assert "tiers.yaml:" in refused.err
    assert "no:such" in refused.err
    assert "nowhere" in refused.err


@pytest.mark.parametrize("text", ["role:editor", "editor=viewer", "boss:a=b", "role:=x"])
def test_replacement_is_written_as_it_must_be(authz: Authz, folder: Path, text: str) -> None:
    assert authz("plan", str(folder), "--replace", text).code == 2


@pytest.mark.parametrize(
    "content", ["", "{}", '{"format": 9}', '{"format": 2, "changeset": {"x": 1}}']
)
def test_file_that_is_no_plan_is_refused(authz: Authz, tmp_path: Path, content: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content)
    refused = authz("apply", "--plan", str(file), "-o", "json")
    assert (refused.code, refused.failure["reason"]) == (2, "UNREADABLE_PLAN")


def test_kept_plan_is_json_with_changes_and_fingerprint(
    authz: Authz, folder: Path, tmp_path: Path
) -> None:
    edit(folder / "roles.yaml", lambda d: d["roles"]["viewer"].update(description="Looks"))
    file = tmp_path / "plan.json"
    assert authz("plan", str(folder), "--out", str(file)).code == 0
    kept = json.loads(file.read_text())
    assert kept["changeset"]["commands"][0]["update_role"]["role"]["id"] == "viewer"
    assert kept["previewed"]["fingerprint"]


def test_folder_applied_for_an_instant_is_scheduled_shown_and_cancelled(
    authz: Authz, folder: Path
) -> None:
    before = authz("roles", "show", "viewer", "-o", "json").document["role"]
    edit(folder / "roles.yaml", lambda d: d["roles"]["viewer"].update(description="Looks on"))
    ran = authz("apply", str(folder), "--at", "2100-01-01", "--reason", "later", "-o", "json")
    assert (ran.code, ran.document["apply_time"]) == (0, "2100-01-01T00:00:00Z")
    name = ran.document["scheduled"]
    listed = authz("schedule", "list")
    assert (listed.code, "1 scheduled changeset" in listed.err) == (0, True)
    assert re.search(rf"{name} +2100-01-01.* 1 .*later", listed.out)
    shown = authz("schedule", "show", name)
    assert "~ role viewer" in shown.out
    assert "Looks on" in shown.out
    assert authz("roles", "show", "viewer", "-o", "json").document["role"] == before
    tried = authz("schedule", "cancel", name, "--dry-run")
    assert (tried.code, "nothing was changed" in tried.err) == (0, True)
    cancelled = authz("schedule", "cancel", name, "--reason", "never")
    assert (cancelled.code, "cancelled" in cancelled.err) == (0, True)
    gone = authz("schedule", "show", name, "-o", "json")
    assert (gone.code, gone.failure["reason"]) == (3, "SCHEDULED_CHANGE_NOT_FOUND")


def test_kept_plan_keeps_its_instant(authz: Authz, folder: Path, tmp_path: Path) -> None:
    edit(folder / "roles.yaml", lambda d: d["roles"]["viewer"].update(description="Looks in"))
    file = str(tmp_path / "plan.json")
    seen = authz("plan", str(folder), "--at", "2100-01-01", "--names", "--out", file)
    assert (seen.code, "for 2100-01-01" in seen.err) == (0, True)
    ran = authz("apply", "--plan", file, "--at", "+1d", "-o", "json")
    assert (ran.code, ran.failure["reason"]) == (2, "USAGE")
    ran = authz("apply", "--plan", file)
    found = re.search(r"scheduled for 2100-01-01.* as (sch-\w+)", ran.err)
    assert found is not None, ran.err
    assert authz("schedule", "cancel", found[1]).code == 0


def test_instant_that_is_over_is_refused_and_schedules_nothing(authz: Authz, folder: Path) -> None:
    edit(folder / "roles.yaml", lambda d: d["roles"]["viewer"].update(description="Looks away"))
    ran = authz("apply", str(folder), "--at", "-1d", "-o", "json")
    assert (ran.code, ran.failure["reason"]) == (3, "SCHEDULE_IN_PAST")
    assert authz("schedule", "list", "-o", "json").document["scheduled"] == []


def test_without_a_terminal_what_needs_consent_is_accepted_by_name(
    authz: Authz, folder: Path
) -> None:
    members = ("--member", "user:ada=admin", "--member", "user:vera=viewer")
    assert authz("tenants", "onboard", "crowded", "--tier", "professional", *members).code == 0
    edit(
        folder / "tiers.yaml",
        lambda d: d["tiers"]["professional"]["limits"].update(seats={"value": 1, "unit": "seat"}),
    )
    refused = authz("apply", str(folder), "-o", "json")
    assert (refused.code, refused.failure["reason"]) == (3, "CONSENT_NEEDED")
    assert "--accept seats-below-taken:seats" in refused.failure["advice"]
    assert authz("apply", str(folder), "--dry-run").code == 0
    accepted = authz("apply", str(folder), "--accept", "seats-below-taken:seats")
    assert (accepted.code, "applied" in accepted.err) == (0, True), accepted.err


def test_what_the_service_refuses_is_told_at_once_by_file_and_line(
    authz: Authz, folder: Path
) -> None:
    declared = yaml.safe_load((folder / "catalogue.yaml").read_text())["permissions"]
    names = [name for name, fact in declared.items() if not (fact or {}).get("internal")][:2]
    sold = [part for name in names for part in ("--permission", name)]
    assert authz("add-ons", "create", "spare", *sold).code == 0
    for name in ("tiers.yaml", "addons.yaml"):
        if (folder / name).exists():
            edit(folder / name, _without(*names))

    def withhold(document: Any) -> None:
        for name in names:
            document["permissions"][name] = {"internal": True}

    edit(folder / "catalogue.yaml", withhold)
    refused = authz("plan", str(folder), "-o", "json")
    assert (refused.code, refused.failure["reason"]) == (3, "INVALID_FIELD")
    assert refused.failure["message"].startswith("2 problems"), refused.failure
    lines = re.findall(r"catalogue.yaml:(\d+): permissions", refused.failure["message"])
    texts = (folder / "catalogue.yaml").read_text().splitlines()
    assert len(lines) == 2
    assert all("internal" in texts[int(line) - 1] for line in lines)
    assert authz("add-ons", "delete", "spare").code == 0


def _without(*names: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for section in document.values():
            for plan in section.values():
                listed = plan.get("permissions", [])
                plan["permissions"] = [name for name in listed if name not in names]

    return change


def test_folder_without_cases_is_checked(authz: Authz, folder: Path) -> None:
    checked = authz("policy", "check", str(folder))
    assert (checked.code, "permissions" in checked.out) == (0, True), checked.err
    edit(folder / "roles.yaml", lambda d: d["roles"]["viewer"].update(includes=["nobody"]))
    wrong = authz("policy", "check", str(folder), "-o", "json")
    assert (wrong.code, "roles.yaml" in wrong.failure["message"]) == (2, True)
