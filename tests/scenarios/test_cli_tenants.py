"""Accounts on the CLI: what was bought, what is dated, the end and the way back."""

import json
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from authz_service.cli.demo.throwaway_server import Trial
from tests.commands import Ran, run

Authz: TypeAlias = Callable[..., Ran]


@pytest.fixture(scope="module")
def authz(server: Trial) -> Authz:
    return lambda *arguments: run(server.environment, *arguments)


@pytest.fixture
def tenant(authz: Authz, request: pytest.FixtureRequest) -> str:
    """Open a tenant on `free`, named after the test, with an admin and a viewer."""
    name: str = request.node.name.removeprefix("test_")[:60].strip("_")
    members = ("--member", "user:ada=admin", "--member", "user:vera=viewer")
    ran = authz("tenants", "onboard", name, "--tier", "free", "--name", "Acme GmbH", *members)
    assert ran.code == 0, ran.err
    return name


def done(ran: Ran) -> Any:
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_an_add_on_opens_what_the_tier_lacks_and_is_taken_away(authz: Authz, tenant: str) -> None:
    asked = ("check", tenant, "user:ada", "invoices:export")
    assert authz(*asked).code == 1
    added = authz("tenants", "add-ons", "add", tenant, "audit", "--until", "+30d")
    assert added.code == 0, added.err
    assert "audit until" in added.out
    assert authz(*asked).code == 0
    assert tenant in authz("tenants", "list", "--add-on", "audit").out
    assert authz("tenants", "add-ons", "remove", tenant, "audit").code == 0
    assert authz(*asked).code == 1


def test_own_limits_are_set_shown_and_removed(authz: Authz, tenant: str) -> None:
    limits = ("tenants", "limits", "set", tenant)
    calls = "api-calls=unlimited:call:month:calendar"
    made = done(authz(*limits, "seats=40:seat", calls, "-o", "json"))
    assert {each["name"]: each.get("value") for each in made["tenant"]["limits"]} == {
        "api-calls": None,
        "seats": "40",
    }
    assert "2 of 40 taken" in authz("tenants", "show", tenant).out
    bought = authz("tenants", "entitlements", tenant)
    assert "40 seat" in bought.out
    assert "unlimited call per month, by calendar" in bought.out
    assert authz(*limits, "--remove", "seats").code == 0
    assert "2 of 3 taken" in authz("tenants", "show", tenant).out


def test_feature_is_set_for_one_account_and_revoked(authz: Authz, tenant: str) -> None:
    why = ("--reason", "a pilot", "--approver", "boss")
    made = authz("features", "set", tenant, "sso", "on", "--until", "+14d", *why)
    assert made.code == 0, made.err
    assert "sso: on" in made.out
    listed = authz("exceptions", "list", tenant, "--kind", "feature", "-o", "json").out
    (exception,) = json.loads(listed)["exceptions"]
    shown = authz("tenants", "entitlements", tenant).out
    assert f"exception {exception['id']}" in shown
    changed = authz("exceptions", "update", tenant, exception["id"], "--feature", "sso=off")
    assert "sso: off" in changed.out
    assert authz("exceptions", "revoke", tenant, exception["id"]).code == 0
    assert "exception" not in authz("tenants", "entitlements", tenant).out


def test_add_on_of_support_outranks_the_tier(authz: Authz, tenant: str) -> None:
    assert authz("tenants", "add-ons", "add", tenant, "priority-support").code == 0
    shown = authz("tenants", "entitlements", tenant).out
    assert "phone" in shown
    assert "add-on priority-support" in shown


@pytest.mark.parametrize("text", ["seats", "seats=forty:seat", "seats=40", "=1:seat", "a=-1:b"])
def test_a_limit_that_cannot_be_read_is_wrong_usage(authz: Authz, text: str) -> None:
    ran = authz("tenants", "limits", "set", "acme", "--", text)
    assert ran.code == 2
    assert "NAME=VALUE:UNIT" in ran.err


def test_a_move_is_scheduled_listed_and_cancelled(authz: Authz, tenant: str) -> None:
    when = ("--at", "2100-01-01")
    moved = authz("tenants", "set-tier", tenant, "professional", *when)
    assert moved.code == 0, moved.err
    listed = authz("tenants", "scheduled", tenant)
    assert "tier:professional@2100-01-01T00:00:00Z" in listed.out
    assert "1 scheduled change" in listed.err
    assert tenant in authz("tenants", "scheduled").out
    change = done(authz("tenants", "scheduled", tenant, "-o", "json"))["changes"][0]
    cancelled = authz("tenants", "cancel", tenant, change["id"])
    assert (cancelled.code, change["id"] in cancelled.out) == (0, True)
    assert done(authz("tenants", "scheduled", tenant, "-o", "json"))["changes"] == []


def test_a_move_happens_by_itself(authz: Authz, tenant: str) -> None:
    asked = ("check", tenant, "user:ada", "invoices:export")
    moved = authz("tenants", "set-tier", tenant, "professional", "--at", "+2s", "-o", "json")
    ends = time.monotonic() + 2
    assert done(moved)["tenant"]["tier"] == "free"
    time.sleep(max(0.0, ends - time.monotonic()))
    assert authz(*asked).code == 0


def test_a_trial_that_is_over_is_explained_and_activated(authz: Authz, tenant: str) -> None:
    assert authz("tenants", "trial", tenant, "--until", "+1s").code == 0
    ends = time.monotonic() + 1
    time.sleep(max(0.0, ends - time.monotonic()))
    told = authz("explain", tenant, "user:vera", "invoices:view")
    assert told.code == 1
    last = told.out.splitlines()[-1]
    assert last.endswith(f"authz tenants activate {tenant}")
    assert authz(*last[last.index("authz ") :].split()[1:]).code == 0
    assert authz("check", tenant, "user:vera", "invoices:view").code == 0


def test_grace_needs_an_end(authz: Authz, tenant: str) -> None:
    assert (ran := authz("tenants", "grace", tenant)).code == 2
    assert "--until" in ran.err
    kept = authz("tenants", "grace", tenant, "--until", "+14d")
    assert (kept.code, "grace" in kept.out) == (0, True)


def test_a_name_is_changed_unless_somebody_was_faster(authz: Authz, tenant: str) -> None:
    revision = done(authz("tenants", "show", tenant, "-o", "json"))["tenant"]["revision"]
    rename = ("tenants", "update", tenant, "--expected-revision", revision, "--name")
    assert "Acme AG" in authz(*rename, "Acme AG").out
    late = authz(*rename, "Acme SE", "-o", "json")
    assert (late.code, late.failure["reason"]) == (3, "REVISION_MISMATCH")


def test_an_account_ends_and_comes_back(authz: Authz, tenant: str) -> None:
    told = authz("tenants", "offboard", tenant, "--dry-run")
    assert "2 members, 2 role grants" in told.out
    assert authz("check", tenant, "user:vera", "invoices:view").code == 0
    assert "2 members, 2 role grants" in authz("tenants", "offboard", tenant).out
    assert authz("check", tenant, "user:vera", "invoices:view").code == 1
    assert tenant in authz("tenants", "list", "--state", "offboarded", "--text", "acme g").out
    back = authz("tenants", "reactivate", tenant, "--tier", "professional")
    assert (back.code, "2 members, 2 role grants" in back.out) == (0, True)
    assert authz("check", tenant, "user:vera", "invoices:view").code == 0


def test_an_account_starts_with_all_that_was_sold(authz: Authz, tenant: str) -> None:
    sold = ("--add-on", "audit", "--limit", "seats=40:seat", "--trial-until", "+30d")
    made = done(
        authz(
            "tenants", "onboard", f"{tenant}-2", "--tier", "free", *sold, "--then", "active",
            "-o", "json",
        )
    )["tenant"]  # fmt: skip
    assert (made["state"], made["add_ons"]) == ("TENANT_STATE_TRIAL", ["audit"])
    assert [each["state"] for each in made["periods"]][-1] == "TENANT_STATE_ACTIVE"
    assert made["limits"][0]["value"] == "40"
