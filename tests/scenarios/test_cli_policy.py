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
    role = authz("roles", "get", "reader", "-o", "json").document["role"]
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
        "roles", "put", "scribe", "--expected-revision", made["revision"], "-o", "json"
    ).failure
    assert stale["reason"] == "REVISION_MISMATCH"
    assert authz("roles", "delete", "scribe").code == 0
    assert authz("roles", "get", "scribe").code == 3


def test_tier_and_add_on_are_made_with_features_and_limits(authz: Authz) -> None:
    for group in ("tiers", "add-ons"):
        made = authz(
            group, "create", "starter", "--permission", "invoices:view", "--feature", "sso=true",
            "--feature", "support=email", "--limit", "seats=5:seat",
            "--limit", "projects=unlimited:project", "--assignable-role", "viewer",
        )  # fmt: skip
        assert made.code == 0, made.err
        for part in ("sso: on", "support: email", "seats: 5 seat", "projects: unlimited project"):
            assert part in made.out
        updated = authz(group, "update", "starter", "--limit", "seats=9:seat", "-o", "json")
        (plan,) = (v for k, v in updated.document.items() if k in ("tier", "add_on"))
        assert [(each["name"], each["value"]) for each in plan["limits"]] == [("seats", "9")]
        assert len(plan["features"]) == 2
        listed = authz(group, "list", "--feature", "support", "--permission", "invoices:view")
        assert "starter" in listed.out
        assert authz(group, "delete", "starter").code == 0


def test_feature_and_limit_are_set_one_at_a_time(authz: Authz) -> None:
    assert authz("add-ons", "put", "single").code == 0
    plan = "addon/single"
    assert "on" in authz("features", "put", plan, "sso", "true").out
    assert "email" in authz("features", "put", plan, "support", "email").out
    assert "1,000 call" in authz("limits", "put", plan, "calls", "1000", "--unit", "call").out
    found = authz("limits", "list", "--name", "calls", "-o", "json").document["plan_limits"]
    assert [each["plan"] for each in found] == [plan]
    assert authz("features", "list", "--plan", plan).out.count(plan) == 2
    assert authz("features", "get", plan, "support").code == 0
    assert authz("features", "delete", plan, "support").code == 0
    assert authz("limits", "delete", plan, "calls").code == 0
    assert (
        authz("limits", "get", plan, "calls", "-o", "json").failure["reason"] == "LIMIT_NOT_FOUND"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tiers", "put", "x", "--limit", "seats=5"), "NAME=VALUE:UNIT"),
        (("tiers", "put", "x", "--limit", "seats=many:seat"), "whole number"),
        (("add-ons", "put", "x", "--feature", "sso"), "NAME=VALUE"),
        (("limits", "put", "tier/free", "seats", "-1", "--unit", "seat"), "such option"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(
    authz: Authz, arguments: tuple[str, ...], says: str
) -> None:
    ran = authz(*arguments)
    assert ran.code == 2
    assert says.lower() in ran.err.lower()


def test_lockout_is_refused_with_what_to_do(authz: Authz) -> None:
    ran = authz("roles", "put", "authz.operator", "-o", "json")
    assert ran.code == 3
    assert ran.failure["reason"] == "OPERATORS_LOCKED_OUT"
    assert ran.failure["advice"]
