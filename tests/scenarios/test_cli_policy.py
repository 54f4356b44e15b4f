"""Operations change the policy object by object, from the command line."""

import pytest

from authz_service.cli.demo.throwaway_server import Trial
from tests.commands import Authz, run


@pytest.fixture(scope="module")
def authz(server: Trial) -> Authz:
    """Return a function that runs the CLI with the server's first operator key."""
    return lambda *arguments: run(server.environment, *arguments)


def test_permission_is_deprecated_and_replaced(authz: Authz) -> None:
    for name in ("books:read", "books:open"):
        assert authz("permissions", "create", name, "--description", "Books").code == 0
    made = authz("roles", "create", "reader", "--permission", "books:open", "-o", "json").document
    deprecated = authz(
        "permissions", "update", "books:open", "--deprecated", "--replaced-by", "books:read"
    )
    assert "use books:read" in deprecated.out
    listed = authz("permissions", "list", "--resource-type", "books", "--deprecated", "-o", "json")
    assert [each["id"] for each in listed.document["permissions"]] == ["books:open"]
    refused = authz("permissions", "delete", "books:open", "-o", "json")
    assert (refused.code, refused.failure["reason"]) == (3, "STILL_IN_USE")
    tried = authz("permissions", "delete", "books:open", "--replacement", "books:read", "--dry-run")
    assert ("reader" in tried.out, "dry run" in tried.err) == (True, True)
    done = authz("permissions", "delete", "books:open", "--replacement", "books:read")
    assert "moved to the replacement" in done.out
    role = authz("roles", "show", "reader", "-o", "json").document["role"]
    assert role["permissions"] == ["books:read"]
    assert int(role["revision"]) > int(made["role"]["revision"])


def test_role_is_changed_in_parts_and_guarded(authz: Authz) -> None:
    made = authz(
        "roles", "create", "scribe", "--permission", "invoices:view", "--include", "viewer",
        "--admin", "-o", "json",
    ).document["role"]  # fmt: skip
    changed = authz("roles", "update", "scribe", "--no-admin", "--clear", "includes", "-o", "json")
    role = changed.document["role"]
    assert (role["admin"], role["includes"], role["permissions"]) == (False, [], ["invoices:view"])
    stale = authz(
        "roles",
        "update",
        "scribe",
        "--admin",
        "--expected-revision",
        made["revision"],
        "-o",
        "json",
    ).failure
    assert stale["reason"] == "REVISION_MISMATCH"
    assert authz("roles", "delete", "scribe").code == 0
    assert authz("roles", "show", "scribe").code == 3


def test_tier_and_add_on_are_made_with_features_and_limits(authz: Authz) -> None:
    for group in ("tiers", "add-ons"):
        made = authz(
            group, "create", "starter", "--permission", "invoices:view", "--feature", "sso=true",
            "--feature", "support=email:2", "--limit", "seats=5:seat",
            "--limit", "projects=unlimited:project", "--assignable-role", "viewer",
        )  # fmt: skip
        assert made.code == 0, made.err
        for part in (
            "sso: on",
            "support: email (rank 2)",
            "seats: 5 seat",
            "projects: unlimited project",
        ):
            assert part in made.out
        updated = authz(group, "update", "starter", "--limit", "seats=9:seat", "-o", "json")
        (plan,) = (v for k, v in updated.document.items() if k in ("tier", "add_on"))
        assert [(each["name"], each["value"]) for each in plan["limits"]] == [("seats", "9")]
        assert len(plan["features"]) == 2
        listed = authz(group, "list", "--feature", "support", "--permission", "invoices:view")
        assert "starter" in listed.out
        assert authz(group, "delete", "starter").code == 0


def test_feature_and_limit_are_set_one_at_a_time(authz: Authz) -> None:
    assert authz("add-ons", "create", "single").code == 0
    plan = ("--add-on", "single")
    assert "on" in authz("features", "create", "sso", "true", *plan).out
    support = ("features", "create", "support", "email", *plan)
    assert authz(*support, "-o", "json").failure["reason"] == "FEATURE_RANK_CONFLICT"
    assert "email (rank 2)" in authz(*support, "--rank", "2").out
    assert "1,000 call" in authz("limits", "create", "calls", "1000", "--unit", "call", *plan).out
    assert "unlimited call" in authz("limits", "update", "calls", "unlimited", *plan).out
    listed = authz("limits", "list", "--name", "calls", "-o", "json").document["plan_limits"]
    assert [each["add_on"] for each in listed] == ["single"]
    assert authz("features", "list", *plan).out.count("add-on single") == 2
    assert "email" in authz("features", "show", "support", *plan).out
    twice = authz("features", "create", "support", "phone", *plan, "-o", "json")
    assert twice.failure["reason"] == "FEATURE_EXISTS"
    assert "phone" in authz("features", "update", "support", "phone", "--rank", "3", *plan).out
    assert authz("features", "delete", "support", *plan).code == 0
    assert authz("limits", "delete", "calls", *plan).code == 0
    for missing in (("show", "calls"), ("update", "calls", "7")):
        ran = authz("limits", *missing, *plan, "-o", "json")
        assert ran.failure["reason"] == "LIMIT_NOT_FOUND"
    made = authz("limits", "update", "calls", "7", "--unit", "call", "--allow-missing", *plan)
    assert "7 call" in made.out


def test_a_tier_is_named_as_people_know_it(authz: Authz) -> None:
    listed = authz("limits", "list", "--tier", "professional")
    assert "tier professional" in listed.out
    assert "tier/" not in listed.out


def test_update_creates_what_is_missing_if_asked_to(authz: Authz) -> None:
    update = ("roles", "update", "fresh", "--permission", "invoices:view")
    assert authz(*update, "-o", "json").failure["reason"] == "ROLE_NOT_FOUND"
    assert "invoices:view" in authz(*update, "--allow-missing").out
    assert "team:view" in authz("roles", "update", "fresh", "--add", "team:view").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tiers", "create", "x", "--limit", "seats=5"), "NAME=VALUE:UNIT"),
        (("tiers", "create", "x", "--limit", "seats=many:seat"), "whole number"),
        (("add-ons", "create", "x", "--feature", "sso"), "NAME=VALUE"),
        (("limits", "create", "seats", "-1", "--tier", "free"), "such option"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(
    authz: Authz, arguments: tuple[str, ...], says: str
) -> None:
    ran = authz(*arguments)
    assert ran.code == 2
    assert says.lower() in ran.err.lower()


def test_role_of_the_service_itself_stays_as_it_is(authz: Authz) -> None:
    ran = authz("roles", "update", "authz.operator", "--clear", "permissions", "-o", "json")
    assert ran.code == 3
    assert ran.failure["reason"] == "NAME_RESERVED"
    assert ran.failure["advice"]


def test_misspelt_permission_is_told_with_the_one_that_may_be_meant(authz: Authz) -> None:
    assert authz("tenants", "onboard", "speller", "--tier", "free").code == 0
    meant = "did you mean 'invoices:view'?"
    assert meant in authz("permissions", "show", "invoices:veiw").err
    assert meant in authz("roles", "create", "misspelt", "--permission", "invoices:veiw").err
    checked = authz("check", "speller", "user:ada", "invoices:veiw")
    assert (checked.code, "did you mean invoices:view?" in checked.err) == (1, True)
