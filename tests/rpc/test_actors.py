"""On whose behalf: customers' users by their own token, and as actors of a product."""

from collections.abc import Iterator
from typing import Any

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import (
    member_pb2,
    role_grant_pb2,
    role_pb2,
    subscription_pb2,
    tenant_pb2,
)
from tests.changesets import applying, puts
from tests.rpc.account import Account, member
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Caller, Server, refusal, serving
from tests.rpc.issuer import AUDIENCE, Issuer, issuing
from tests.rpc.trail import added, mark
from tests.services import PUT

DENIED = ErrorReason.PERMISSION_DENIED


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as started:
        yield started


@pytest.fixture(scope="module")
def served(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("users")
    with serving(folder, user_jwt_issuer=issuer.name, user_jwt_audience=AUDIENCE) as server:
        yield server


@pytest.fixture
def acme(served: Server, request: pytest.FixtureRequest) -> Account:
    account = Account(served, fresh_name(request.node.name))
    account.onboard("professional", ada=["admin"], vera=["viewer"])
    return account


@pytest.fixture
def globex(served: Server, request: pytest.FixtureRequest) -> Account:
    account = Account(served, fresh_name(request.node.name))
    account.onboard("professional", gus=["admin"])
    return account


def adding(account: Account, who: str, *roles: str) -> member_pb2.AddMemberRequest:
    return member_pb2.AddMemberRequest(tenant=account.id, member=member(who, *roles))


def acting(server: Server, actor: str, *roles: str, tenants: tuple[str, ...] = ()) -> Caller:
    """Make a key with roles, a product's if none is named, that names an actor in each call."""
    key = server.new_key(*(roles or ("authz.product",)), tenants=tenants)
    return server.caller_with(("authorization", f"Bearer {key}"), ("x-authz-actor", actor))


class TestByTheirOwnToken:
    def test_admin_manages_the_roster_of_its_own_account(
        self, served: Server, issuer: Issuer, acme: Account
    ) -> None:
        ada = served.caller(issuer.token("ada"))
        ada.call(adding(acme, "nina", "viewer"))
        assert acme.may("nina", "invoices:view")
        listed = ada.call(member_pb2.ListMembersRequest(tenant=acme.id)).members
        assert {each.subject for each in listed} == {"user:ada", "user:vera", "user:nina"}

    def test_admin_has_no_right_in_another_account(
        self, served: Server, issuer: Issuer, acme: Account, globex: Account
    ) -> None:
        assert acme.id != globex.id
        ada = served.caller(issuer.token("ada"))
        served.refuses(adding(globex, "nina"), DENIED, by=ada)

    def test_member_without_the_right_is_refused(
        self, served: Server, issuer: Issuer, acme: Account
    ) -> None:
        vera = served.caller(issuer.token("vera"))
        served.refuses(adding(acme, "nina"), DENIED, by=vera)

    def test_user_of_no_account_is_refused_and_known(
        self, served: Server, issuer: Issuer, acme: Account
    ) -> None:
        found = refusal(lambda: served.caller(issuer.token("zoe")).call(adding(acme, "nina")))
        assert found.reason == DENIED
        assert "user:zoe" in found.message

    @pytest.mark.parametrize(
        "request_",
        [
            keys.ListKeysRequest(),
            tenant_pb2.ListTenantsRequest(),
            role_pb2.ListRolesRequest(),
            role_pb2.GetRoleRequest(id="viewer"),
            role_pb2.UpdateRoleRequest(**PUT, role=role_pb2.Role(id="viewer")),
            member_pb2.ListMembersRequest(tenant="system"),
            role_grant_pb2.ListRoleGrantsRequest(tenant="system"),
            member_pb2.AddMemberRequest(tenant="system", member=member("ada", "authz.operator")),
            role_pb2.UpdateRoleRequest(**PUT, role=role_pb2.Role(id="system/x")),
        ],
        ids=lambda request: f"{type(request).__name__}-{len(str(request))}",
    )
    def test_what_is_about_no_account_or_all_is_refused(
        self, served: Server, issuer: Issuer, acme: Account, request_: Any
    ) -> None:
        assert acme.may("ada", "team:manage")
        served.refuses(request_, DENIED, by=served.caller(issuer.token("ada")))

    def test_admin_puts_reads_and_lists_roles_of_its_own(
        self, served: Server, issuer: Issuer, acme: Account
    ) -> None:
        ada = served.caller(issuer.token("ada"))
        role = role_pb2.Role(
            id=f"{acme.id}/people", permissions=["authz.members:add", "invoices:view"]
        )
        ada.call(role_pb2.UpdateRoleRequest(**PUT, role=role))
        assert ada.call(role_pb2.GetRoleRequest(id=role.id)).role.id == role.id
        listed = ada.call(role_pb2.ListRolesRequest(tenant=acme.id)).roles
        assert [each.id for each in listed] == [role.id]
        acme.grant("vera", role.id)
        served.caller(issuer.token("vera")).call(adding(acme, "nina"))

    def test_role_that_includes_admin_can_be_put(self, acme: Account) -> None:
        acme.set_tier("enterprise")
        acme.put_role("boss", includes=("admin",))

    def test_role_of_its_own_never_holds_what_no_role_of_its_tier_does(
        self, served: Server, acme: Account
    ) -> None:
        for right in (
            "authz.exceptions:create",
            "authz.subscriptions:set_tier",
            "authz.keys:create",
        ):
            role = role_pb2.Role(id=f"{acme.id}/wide", permissions=[right])
            served.refuses(
                role_pb2.UpdateRoleRequest(**PUT, role=role),
                ErrorReason.ROLE_WIDER_THAN_TIER,
                at="role.permissions",
            )

    def test_subject_that_no_user_can_have_is_no_user(
        self, served: Server, issuer: Issuer, acme: Account
    ) -> None:
        assert acme.id
        for sub in ("x" * 256, "", "a\tb", "ad\u00e0", "ada\x7f"):
            caller = served.caller(issuer.token(sub))
            served.refuses(keys.ListKeysRequest(), ErrorReason.CREDENTIALS_INVALID, by=caller)

    def test_suspended_account_and_suspended_member_manage_nothing(
        self, served: Server, issuer: Issuer, acme: Account
    ) -> None:
        ada = served.caller(issuer.token("ada"))
        acme.suspend("BILLING")
        served.refuses(adding(acme, "nina"), DENIED, by=ada)
        acme.resume("BILLING")
        acme.add("bob", "admin")
        bob = served.caller(issuer.token("bob"))
        bob.call(member_pb2.ListMembersRequest(tenant=acme.id))
        acme.hold_back("bob")
        served.refuses(adding(acme, "nina"), DENIED, by=bob)

    def test_it_is_in_the_audit_by_name(
        self, served: Server, issuer: Issuer, acme: Account
    ) -> None:
        before = mark(served)
        served.caller(issuer.token("ada")).call(adding(acme, "nina"))
        (entry,) = added(served, before)
        assert (entry["actor"], entry["on_behalf_of"]) == ("user:ada", "")


class TestAsActors:
    def test_product_does_for_an_admin_what_both_may(self, served: Server, acme: Account) -> None:
        before = mark(served)
        product = acting(served, "user:ada")
        product.call(adding(acme, "nina", "viewer"))
        entries = [each for each in added(served, before) if each["tenant"] == acme.id]
        assert {each["on_behalf_of"] for each in entries} == {"user:ada"}
        assert all(each["actor"].startswith("service:key-") for each in entries)

    def test_actor_without_the_right_is_refused(self, served: Server, acme: Account) -> None:
        for actor in ("user:vera", "user:zoe"):
            found = served.refuses(adding(acme, "nina"), DENIED, by=acting(served, actor))
            assert actor in found.message

    def test_caller_without_the_right_is_refused_though_the_actor_has_it(
        self, served: Server, acme: Account
    ) -> None:
        role = fresh_name("names-actors")
        put = role_pb2.UpdateRoleRequest(
            **PUT, role=role_pb2.Role(id=role, permissions=["authz.actors:name"])
        )
        served.operator.call(put)
        found = served.refuses(adding(acme, "nina"), DENIED, by=acting(served, "user:ada", role))
        assert found.metadata == {"permission": "authz.members:add"}
        assert "service:key-" in found.message

    def test_caller_that_may_name_nobody_is_refused_before_anything_else(
        self, served: Server, acme: Account
    ) -> None:
        for actor in ("user:ada", "user:zoe", "nonsense", "", "service:x"):
            provisioner = acting(served, actor, "authz.provisioner")
            for request in (adding(acme, "nina"), member_pb2.AddMemberRequest()):
                found = served.refuses(request, DENIED, by=provisioner)
                assert found.metadata == {"permission": "authz.actors:name"}

    def test_key_bound_to_one_account_names_actors_there_alone(
        self, served: Server, acme: Account, globex: Account
    ) -> None:
        bound = acting(served, "user:gus", tenants=(acme.id,))
        found = served.refuses(adding(globex, "nina"), DENIED, by=bound)
        assert found.metadata == {"permission": "authz.actors:name"}

    @pytest.mark.parametrize(
        "actor", ["", "ada", "service:ada", "staff:ada", "user:", f"user:{'x' * 256}"]
    )
    def test_actor_that_is_no_user_is_refused(
        self, served: Server, acme: Account, actor: str
    ) -> None:
        served.refuses(
            adding(acme, "nina"),
            ErrorReason.INVALID_IDENTIFIER,
            at="x-authz-actor",
            by=acting(served, actor),
        )

    def test_product_writes_roles_of_an_account_and_none_of_all(
        self, served: Server, acme: Account
    ) -> None:
        acme.set_tier("enterprise")  # whose roles may include admin
        own = role_pb2.Role(
            id=f"{acme.id}/people", permissions=["authz.members:add"], includes=["admin"]
        )
        ada, vera = acting(served, "user:ada"), acting(served, "user:vera")
        ada.call(role_pb2.CreateRoleRequest(role=own))
        served.refuses(role_pb2.UpdateRoleRequest(**PUT, role=own), DENIED, by=vera)
        product = served.caller(served.new_key("authz.product"))
        own.description = "Sees to people"
        product.call(role_pb2.UpdateRoleRequest(**PUT, role=own))
        shared = role_pb2.Role(id=fresh_name("shared"), permissions=["invoices:view"])
        for request in (
            role_pb2.UpdateRoleRequest(**PUT, role=shared),
            role_pb2.DeleteRoleRequest(id="viewer"),
            applying(served.operator.changesets, puts(roles=[shared])),
        ):
            served.refuses(request, DENIED, by=product)
        reserved = role_pb2.Role(id="system/people", permissions=["authz.members:add"])
        found = refusal(lambda: product.call(role_pb2.UpdateRoleRequest(**PUT, role=reserved)))
        assert found.reason == ErrorReason.TENANT_RESERVED
        bound = served.caller(served.new_key("authz.product", tenants=(acme.id,)))
        elsewhere = role_pb2.Role(id="nowhere/people", permissions=["authz.members:add"])
        served.refuses(role_pb2.UpdateRoleRequest(**PUT, role=elsewhere), DENIED, by=bound)
        ada.call(role_pb2.DeleteRoleRequest(id=own.id))

    def test_two_actors_are_none(self, served: Server, acme: Account) -> None:
        key = served.new_key("authz.product")
        both = served.caller_with(
            ("authorization", f"Bearer {key}"),
            ("x-authz-actor", "user:ada"),
            ("x-authz-actor", "user:ada"),
        )
        served.refuses(
            adding(acme, "nina"), ErrorReason.INVALID_IDENTIFIER, at="x-authz-actor", by=both
        )

    def test_actor_is_asked_on_the_check_port_too(self, served: Server, acme: Account) -> None:
        question = checks.CheckRequest(
            tenant=acme.id, subject="user:vera", permission="invoices:view"
        )
        served.refuses(question, DENIED, by=acting(served, "user:ada"))
        batch = checks.BatchCheckRequest(
            questions=[
                checks.Question(tenant=acme.id, subject="user:vera", permission="invoices:view")
            ]
        )
        served.refuses(batch, DENIED, by=acting(served, "user:ada"))

    def test_operator_acting_for_a_user_is_no_more_than_the_user(
        self, served: Server, acme: Account
    ) -> None:
        acting_operator = acting(served, "user:ada", "authz.operator")
        tier = subscription_pb2.SetTierRequest(tenant=acme.id, tier="enterprise")
        served.refuses(tier, DENIED, by=acting_operator)
        served.refuses(
            keys.CreateKeyRequest(key=keys.Key(roles=["authz.checker"])), DENIED, by=acting_operator
        )

    def test_user_names_no_actor(self, served: Server, issuer: Issuer, acme: Account) -> None:
        token = issuer.token("ada")
        caller = served.caller_with(
            ("authorization", f"Bearer {token}"), ("x-authz-actor", "user:vera")
        )
        found = served.refuses(adding(acme, "nina"), DENIED, by=caller)
        assert found.metadata == {"permission": "authz.actors:name"}

    def test_request_id_of_one_actor_is_not_another_ones(
        self, served: Server, acme: Account
    ) -> None:
        acme.add("bob", "admin")
        key = served.new_key("authz.product")
        request = adding(acme, "nina")
        request.request_id = fresh_name("request")
        by = {
            who: served.caller_with(
                ("authorization", f"Bearer {key}"), ("x-authz-actor", f"user:{who}")
            )
            for who in ("ada", "bob")
        }
        first = by["ada"].call(request)
        assert by["ada"].call(request) == first
        served.refuses(request, ErrorReason.REQUEST_ID_REUSED, at="request_id", by=by["bob"])
