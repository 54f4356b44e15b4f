"""Looking back, and versions of tiers, on the CLI."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from authz_service.cli.demo.throwaway_server import Trial
from tests.commands import Ran, run
from tests.scenarios.test_cli_tenants import done

Authz: TypeAlias = Callable[..., Ran]


@pytest.fixture(scope="module")
def authz(server: Trial) -> Authz:
    return lambda *arguments: run(server.environment, *arguments)


def test_what_was_answered_then_is_answered_again(authz: Authz) -> None:
    members = ("--member", "user:ada=admin", "--member", "user:vera=viewer")
    assert authz("tenants", "onboard", "then", "--tier", "professional", *members).code == 0
    asked = ("check", "then", "user:vera", "invoices:create")
    told = authz("explain", *asked[1:], "-o", "json")
    revision, at = told.document["revision"], told.document["at_time"]
    assert authz("grant", "then", "user:vera", "editor", "--until", "+1d").code == 0
    assert authz(*asked).code == 0
    for known in (revision, at):
        back = authz(*asked, "--as-known-at", known)
        assert (back.code, "ROLE_MISSING" in back.out) == (1, True), back.err
        assert f"revision {revision}" in back.err
    later = authz(*asked, "--at", "+2d")
    assert (later.code, "GRANT_EXPIRED" in later.out) == (1, True)
    explained = authz("explain", *asked[1:], "--as-known-at", revision)
    assert (explained.code, "to allow it" in explained.out) == (1, False)
    now, then = (
        authz("who-may", "then", "invoices:create", *more).out
        for more in ((), ("--as-known-at", revision))
    )
    assert ("user:vera" in now, "user:vera" in then, "user:ada" in then) == (True, False, True)
    listed = authz("what-may", "then", "user:vera", "--as-known-at", revision, "-o", "json")
    assert "invoices:create" not in done(listed)["permissions"]
    bought = authz("tenants", "entitlements", "then", "--as-known-at", revision)
    assert "professional" in bought.out


def test_a_moment_that_is_not_there_is_refused(authz: Authz) -> None:
    asked = ("check", "then", "user:vera", "invoices:create", "--as-known-at")
    assert authz(*asked, "999999").code == 3
    wrong = authz(*asked, "yesterday")
    assert (wrong.code, "not an instant" in wrong.err) == (2, True)


def test_a_tier_is_rolled_back_and_an_account_pinned_and_migrated(authz: Authz) -> None:
    update = ("tiers", "update", "plus", "--allow-missing", "--permission")
    assert authz(*update, "invoices:view").code == 0
    assert authz("tenants", "onboard", "loyal", "--tier", "plus").code == 0
    assert authz(*update, "reports:schedule").code == 0
    listed = authz("tiers", "versions", "plus", "-o", "json")
    assert [each["version"] for each in done(listed)["tier_versions"]] == [2, 1]
    assert "invoices:view" in authz("tiers", "versions", "plus", "1").out
    pinned = authz("tiers", "pin", "loyal", "1", "--reason", "as agreed")
    assert (pinned.code, "plus, version 1" in pinned.out) == (0, True), pinned.err
    assert "plus, version 1" in authz("tenants", "show", "loyal").out
    tried = authz("tiers", "migrate", "plus", "latest", "--from", "1", "--dry-run")
    assert (tried.code, "loyal" in tried.out, "reports:schedule" in tried.out) == (0, True, True)
    moved = authz("tiers", "migrate", "plus", "latest", "--from", "1", "-o", "json")
    assert done(moved)["tenants"] == ["loyal"]
    back = authz("tiers", "rollback", "plus", "1", "-o", "json")
    assert done(back)["tier_version"]["version"] == 3
    bought = done(authz("tenants", "entitlements", "loyal", "-o", "json"))
    assert [each["permission"] for each in bought["permissions"]] == ["invoices:view"]
    missing = authz("tiers", "pin", "loyal", "9")
    assert (missing.code, "authz tiers versions TIER" in missing.err) == (3, True)
