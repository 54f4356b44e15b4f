"""The main job through every layer, on both databases: change it, and the next check sees it."""

import pytest

from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import member_pb2, tenant_pb2
from tests.rpc.account import DENY, GRANT, REPLACE, Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server


@pytest.fixture
def acme(any_server: Server, request: pytest.FixtureRequest) -> Account:
    """Open a tenant on `professional` with an admin, an editor and a viewer."""
    account = Account(any_server, fresh_name(request.node.name))
    account.onboard("professional", ada=["admin"], edgar=["editor"], vera=["viewer"])
    return account


def test_onboarding_opens_an_account_with_members_that_may_act_at_once(
    any_server: Server, request: pytest.FixtureRequest
) -> None:
    account = Account(any_server, fresh_name(request.node.name))
    assert account.reason("ada", "team:manage") == "UNKNOWN_TENANT"
    opened = account.onboard("free", ada=["admin"], vera=["viewer"])
    assert (opened.tenant.id, opened.tenant.tier) == (account.id, "free")
    assert opened.tenant.state == tenant_pb2.TENANT_STATE_ACTIVE
    assert [(m.subject, list(m.roles)) for m in opened.members] == [
        ("user:ada", ["admin"]),
        ("user:vera", ["viewer"]),
    ]
    assert account.may("ada", "team:manage")
    assert not account.may("vera", "team:manage")


def test_tenant_on_trial_is_open(any_server: Server, request: pytest.FixtureRequest) -> None:
    account = Account(any_server, fresh_name(request.node.name))
    asked = tenant_pb2.OnboardTenantRequest(tenant=account.id, tier="free", trial=True)
    opened = account.operator.tenants.OnboardTenant(asked)
    assert opened.tenant.state == tenant_pb2.TENANT_STATE_TRIAL
    account.add("vera", "viewer")
    assert account.may("vera", "invoices:view")


def test_grant_opens_the_very_next_check_and_revoke_closes_it(acme: Account) -> None:
    assert acme.reason("vera", "invoices:create") == "ROLE_MISSING"
    acme.grant("vera", "editor")
    assert acme.reason("vera", "invoices:create") == "ALLOWED"
    acme.revoke("vera", "editor")
    assert acme.reason("vera", "invoices:create") == "ROLE_MISSING"
    assert acme.may("vera", "invoices:view")


def test_check_tells_the_revision_of_the_change_it_sees(acme: Account) -> None:
    changed = acme.add("nina", "viewer").revision
    assert acme.ask("nina", "invoices:view").revision == changed


def test_larger_tier_opens_a_feature_on_the_very_next_check(acme: Account) -> None:
    assert acme.reason("ada", "sso:configure") == "NOT_ENTITLED"
    acme.set_tier("enterprise")
    assert acme.may("ada", "sso:configure")
    acme.set_tier("free")
    assert acme.reason("ada", "invoices:export") == "NOT_ENTITLED"


def test_denial_has_the_class_that_a_product_acts_on(acme: Account) -> None:
    asked = acme.ask("ada", "sso:configure")
    assert asked.reason_class == checks.REASON_CLASS_NOT_ENTITLED
    assert acme.ask("vera", "invoices:void").reason_class == checks.REASON_CLASS_NOT_PERMITTED


def test_grant_exception_entitles_to_what_the_tier_lacks_but_gives_no_role(acme: Account) -> None:
    exception = acme.except_(GRANT, "sso:configure")
    assert acme.may("ada", "sso:configure")
    assert acme.reason("vera", "sso:configure") == "ROLE_MISSING"
    acme.delete_exception(exception.id)
    assert acme.reason("ada", "sso:configure") == "NOT_ENTITLED"


def test_deny_exception_closes_a_permission_for_everyone(acme: Account) -> None:
    exception = acme.except_(DENY, "invoices:view")
    assert acme.reason("ada", "invoices:view") == "DENIED_BY_EXCEPTION"
    assert acme.reason("vera", "invoices:view") == "DENIED_BY_EXCEPTION"
    acme.delete_exception(exception.id)
    assert acme.may("vera", "invoices:view")


def test_deny_exception_for_one_subject_leaves_the_others(acme: Account) -> None:
    acme.except_(DENY, "invoices:view", subject="user:vera")
    assert acme.reason("vera", "invoices:view") == "DENIED_BY_EXCEPTION"
    assert acme.may("edgar", "invoices:view")


def test_deny_exception_on_a_scope_closes_what_is_inside_it_alone(acme: Account) -> None:
    acme.except_(DENY, "projects:view", scope="project:42")
    assert not acme.may("ada", "projects:view", "project:42")
    assert not acme.may("ada", "projects:view", "project:42/document:7")
    assert acme.may("ada", "projects:view", "project:43")
    assert acme.may("ada", "projects:view")


def test_deny_on_the_whole_tenant_holds_in_every_scope_of_it(acme: Account) -> None:
    acme.except_(DENY, "projects:view")
    assert not acme.may("ada", "projects:view", "project:42/document:7")


def test_replace_exception_is_the_whole_entitlement(acme: Account) -> None:
    exception = acme.except_(REPLACE, "sso:configure", "team:view")
    assert acme.may("ada", "sso:configure")
    assert acme.may("ada", "team:view")
    assert acme.reason("ada", "invoices:view") == "NOT_ENTITLED"
    acme.delete_exception(exception.id)
    assert acme.may("ada", "invoices:view")
    assert not acme.may("ada", "sso:configure")


def test_replace_exception_with_nothing_in_it_closes_everything(acme: Account) -> None:
    acme.except_(REPLACE)
    assert acme.reason("ada", "invoices:view") == "NOT_ENTITLED"


def test_grant_exception_gives_nothing_beside_a_replacement(acme: Account) -> None:
    acme.except_(GRANT, "sso:configure")
    acme.except_(REPLACE, "team:view")
    assert acme.reason("ada", "sso:configure") == "NOT_ENTITLED"


def test_suspension_denies_everything_until_every_reason_is_lifted(acme: Account) -> None:
    acme.suspend("BILLING")
    suspended = acme.suspend("RISK")
    assert suspended.state == tenant_pb2.TENANT_STATE_SUSPENDED
    assert acme.reason("ada", "invoices:view") == "TENANT_SUSPENDED"
    acme.resume("BILLING")
    assert acme.reason("ada", "invoices:view") == "TENANT_SUSPENDED"
    resumed = acme.resume("RISK")
    assert resumed.state == tenant_pb2.TENANT_STATE_ACTIVE
    assert acme.may("ada", "invoices:view")


def test_trial_goes_on_after_a_suspension(
    any_server: Server, request: pytest.FixtureRequest
) -> None:
    account = Account(any_server, fresh_name(request.node.name))
    asked = tenant_pb2.OnboardTenantRequest(tenant=account.id, tier="free", trial=True)
    account.operator.tenants.OnboardTenant(asked)
    account.suspend("BILLING")
    assert account.resume("BILLING").state == tenant_pb2.TENANT_STATE_TRIAL


def test_offboarding_denies_everything_for_good(acme: Account) -> None:
    ended = acme.offboard()
    assert ended.tenant.state == tenant_pb2.TENANT_STATE_OFFBOARDED
    assert acme.reason("ada", "invoices:view") == "TENANT_OFFBOARDED"


def test_role_is_revoked_in_a_suspended_tenant(acme: Account) -> None:
    acme.suspend()
    assert len(acme.revoke("vera", "viewer")) == 1
    assert acme.remove("edgar").member.state == member_pb2.MEMBERSHIP_STATE_REMOVED


def test_member_is_removed_with_every_grant(acme: Account) -> None:
    acme.grant("vera", "editor", "project:42")
    acme.remove("vera")
    assert acme.reason("vera", "invoices:view") == "NOT_A_MEMBER"
    acme.add("vera")
    assert acme.reason("vera", "projects:create", "project:42") == "ROLE_MISSING"


def test_scoped_grant_covers_its_scope_and_what_is_inside(acme: Account) -> None:
    acme.grant("vera", "editor", "project:42")
    assert acme.may("vera", "projects:create", "project:42")
    assert acme.may("vera", "projects:create", "project:42/document:7")
    assert not acme.may("vera", "projects:create", "project:4")
    assert not acme.may("vera", "projects:create", "document:7")
    assert not acme.may("vera", "projects:create")


def test_grant_on_an_inner_scope_does_not_cover_the_outer_one(acme: Account) -> None:
    acme.grant("vera", "editor", "project:42/document:7")
    assert acme.may("vera", "projects:create", "project:42/document:7")
    assert not acme.may("vera", "projects:create", "project:42/document:8")
    assert not acme.may("vera", "projects:create", "project:42")


def test_ending_one_grant_never_ends_what_another_still_gives(acme: Account) -> None:
    acme.grant("vera", "editor")
    acme.grant("vera", "editor", "project:42")
    acme.revoke("vera", "editor")
    assert acme.may("vera", "projects:create", "project:42")
    assert not acme.may("vera", "projects:create")


def test_nothing_crosses_from_one_tenant_into_another(acme: Account) -> None:
    other = Account(acme.server, f"{acme.id}2")
    other.onboard("professional", ada=["viewer"])
    other.grant("ada", "editor", "project:42")
    assert acme.may("ada", "team:manage")
    assert not other.may("ada", "team:manage")
    assert other.reason("vera", "invoices:view") == "NOT_A_MEMBER"


def test_own_role_of_a_tenant_gives_what_it_lists_and_includes(acme: Account) -> None:
    acme.put_role("exporter", "invoices:export", includes=("viewer",))
    acme.add("emil", f"{acme.id}/exporter")
    assert acme.may("emil", "invoices:export")
    assert acme.may("emil", "reports:view")
    acme.put_role("exporter", "customers:view")
    assert not acme.may("emil", "invoices:export")
