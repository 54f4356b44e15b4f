"""Nobody gives what it does not hold: neither operators, nor customers' admins, nor products."""

import time
from typing import Any, Final

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.domain.audit import AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.grant import RoleGrant
from authz_service.domain.window import rfc3339
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import (
    exception_pb2,
    invitation_pb2,
    member_pb2,
    permission_pb2,
    role_grant_pb2,
    role_pb2,
    suspension_pb2,
    tenant_pb2,
    tier_pb2,
)
from authz_service.gen.authz.v1 import identity_pb2 as identities
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.usecases.bootstrap.declaring import SEEDER
from tests.changesets import applying, puts
from tests.rpc.account import Account, member, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Caller, Server, refusal
from tests.rpc.test_actors import acting
from tests.rpc.trail import entries
from tests.services import PUT

EXCEEDS = ErrorReason.GRANT_EXCEEDS_OWN_RIGHTS


def new_role(server: Server, *permissions: str) -> str:
    """Put a role of this service's callers."""
    role = fresh_name("role")
    made = role_pb2.Role(id=role, permissions=permissions)
    server.operator.roles.UpdateRole(role_pb2.UpdateRoleRequest(**PUT, role=made))
    return role


def narrow(server: Server, *permissions: str) -> Caller:
    """Make an operator that holds these rights and no others."""
    return server.caller(server.new_key(new_role(server, *permissions)))


def registration(*roles: str, **more: Any) -> identities.CreateIdentityRequest:
    kind = identities.IDENTITY_KIND_CERTIFICATE_COMMON_NAME
    identity = identities.Identity(kind=kind, name=fresh_name("name"), roles=roles, **more)
    return identities.CreateIdentityRequest(identity=identity)


class TestNarrowOperators:
    def test_operations_make_a_narrower_operator_that_works_within_its_rights(
        self, account: Account
    ) -> None:
        account.onboard("free", ada=["admin"])
        support = narrow(
            account.server, "authz.tenants:get", "authz.tenants:suspend", "authz.tenants:resume"
        )
        support.call(tenant_pb2.GetTenantRequest(tenant=account.id))
        reason = suspension_pb2.SUSPENSION_REASON_RISK
        asked: dict[str, Any] = {"tenant": account.id, "suspension_reason": reason}
        support.call(tenant_pb2.SuspendTenantRequest(**asked))
        support.call(tenant_pb2.ResumeTenantRequest(**asked))
        for request in (
            tenant_pb2.OffboardTenantRequest(tenant=account.id),
            keys.CreateKeyRequest(key=keys.Key(roles=["authz.operator"])),
            role_pb2.UpdateRoleRequest(**PUT, role=role_pb2.Role(id="viewer")),
        ):
            account.server.refuses(request, ErrorReason.PERMISSION_DENIED, by=support)

    def test_it_makes_callers_of_its_own_rights_and_none_of_others(self, server: Server) -> None:
        by = narrow(server, "authz.keys:create", "authz.identities:create", "authz.decisions:check")
        within = new_role(server, "authz.decisions:check")
        by.call(keys.CreateKeyRequest(key=keys.Key(roles=[within])))
        by.call(registration(within))
        for role in ("authz.checker", "authz.operator", "authz.provisioner"):
            for request in (keys.CreateKeyRequest(key=keys.Key(roles=[role])), registration(role)):
                server.refuses(request, EXCEEDS, by=by)

    def test_refusal_names_some_of_what_would_be_too_much(self, server: Server) -> None:
        by = narrow(server, "authz.keys:create", "authz.decisions:check")
        found = server.refuses(
            keys.CreateKeyRequest(key=keys.Key(roles=["authz.checker"])), EXCEEDS, by=by
        )
        assert found.metadata == {"permissions": "authz.decisions:explain"}
        assert "role 'authz.checker'" in found.message

    def test_it_puts_into_no_role_what_it_does_not_hold(self, server: Server) -> None:
        role = new_role(
            server,
            "authz.roles:create",
            "authz.roles:update",
            "authz.changesets:apply",
            "authz.permissions:create",
            "authz.permissions:update",
        )
        by = server.caller(server.new_key(role))
        wider = role_pb2.Role(
            id=role,
            permissions=[
                "authz.roles:create",
                "authz.roles:update",
                "authz.changesets:apply",
                "authz.keys:create",
            ],
        )
        including = role_pb2.Role(
            id=role,
            permissions=["authz.roles:create", "authz.roles:update"],
            includes=["authz.operator"],
        )
        other = role_pb2.Role(id=fresh_name("other"), permissions=["authz.audit:list"])
        for made in (wider, including, other):
            server.refuses(role_pb2.UpdateRoleRequest(**PUT, role=made), EXCEEDS, by=by)
            request = applying(server.operator.changesets, puts(roles=[made]))
            server.refuses(request, EXCEEDS, by=by)

    def test_it_writes_product_roles_and_takes_rights_out(self, server: Server) -> None:
        by = narrow(server, "authz.roles:create", "authz.roles:update")
        role = new_role(server, "authz.keys:create", "authz.audit:list")
        for permissions in (
            ["authz.audit:list", "invoices:view"],
            ["authz.audit:list"],
            ["invoices:view"],
        ):
            made = role_pb2.Role(id=role, permissions=permissions)
            by.call(role_pb2.UpdateRoleRequest(**PUT, role=made))

    def test_it_creates_by_no_update_what_it_may_not_create(self, server: Server) -> None:
        by = narrow(server, "authz.roles:update")
        role = role_pb2.Role(id=fresh_name("new"), permissions=["invoices:view"])
        request = role_pb2.UpdateRoleRequest(**PUT, role=role)
        found = server.refuses(request, ErrorReason.PERMISSION_DENIED, by=by)
        assert found.metadata == {"permission": "authz.roles:create"}
        server.operator.call(request)
        by.call(request)

    def test_it_makes_no_right_a_thing_that_tiers_sell(self, server: Server) -> None:
        by = narrow(
            server, "authz.permissions:create", "authz.permissions:update", "authz.changesets:apply"
        )
        sold = permission_pb2.Permission(id="authz.keys:create", internal=False)
        request = permission_pb2.UpdatePermissionRequest(**PUT, permission=sold)
        before = server.footprint()
        found = refusal(lambda: by.call(request))
        assert found.reason in (EXCEEDS, ErrorReason.NAME_RESERVED)
        assert server.footprint() == before

    def test_it_offers_customers_no_role_with_rights_it_lacks(self, server: Server) -> None:
        by = narrow(server, "authz.tiers:create", "authz.tiers:update")
        tier = tier_pb2.Tier(id=fresh_name("tier"), assignable_roles=["viewer", "authz.operator"])
        found = server.refuses(tier_pb2.UpdateTierRequest(**PUT, tier=tier), EXCEEDS, by=by)
        assert "'authz.operator'" in found.message
        by.call(
            tier_pb2.UpdateTierRequest(
                **PUT,
                tier=tier_pb2.Tier(id=fresh_name("tier"), assignable_roles=["viewer", "admin"]),
            )
        )

    def test_it_takes_over_no_wider_key_by_a_new_secret(self, server: Server) -> None:
        by = narrow(server, "authz.keys:rotate", "authz.keys:list", "authz.decisions:check")
        wide = server.operator.keys.CreateKey(
            keys.CreateKeyRequest(key=keys.Key(roles=["authz.operator"]))
        ).key
        like = new_role(server, "authz.decisions:check")
        own = server.operator.keys.CreateKey(keys.CreateKeyRequest(key=keys.Key(roles=[like]))).key
        server.refuses(keys.RotateKeyRequest(id=wide.id), EXCEEDS, by=by)
        by.call(keys.RotateKeyRequest(id=own.id))

    def test_right_for_one_customer_is_given_for_that_one_alone(self, account: Account) -> None:
        server = account.server
        account.onboard("free", ada=["admin"])
        role = new_role(server, "authz.keys:create", "authz.decisions:check")
        within = new_role(server, "authz.decisions:check")
        general = new_role(server, "authz.keys:create")
        made = server.operator.keys.CreateKey(keys.CreateKeyRequest(key=keys.Key(roles=[general])))
        _grant_in_system(server, made.key.id, role, f"tenant:{account.id}")
        by = server.caller(made.credential)
        by.call(keys.CreateKeyRequest(key=keys.Key(roles=[within], tenants=[account.id])))
        server.refuses(keys.CreateKeyRequest(key=keys.Key(roles=[within])), EXCEEDS, by=by)

    def test_provisioning_key_grants_customers_roles_that_it_does_not_hold(
        self, account: Account
    ) -> None:
        by = account.server.caller(account.server.new_key("authz.provisioner"))
        by.call(
            tenant_pb2.OnboardTenantRequest(
                tenant=account.id, tier="free", members=[member("nina", "admin")]
            )
        )
        assert account.may("nina", "team:manage")


def _grant_in_system(server: Server, key: str, role: str, scope: str) -> None:
    """Grant what no RPC grants: a key that holds some rights everywhere and others in one place."""
    with server.service.store.transaction(Call(SEEDER)) as tx:
        grant = RoleGrant("system", f"service:{key}", role, scope, id=tx.new_id())
        tx.change(None, grant)
        tx.record(AuditRecord("role.granted", "system", (grant.subject,), None, grant))


class TestCustomersAdmins:
    @pytest.fixture
    def acme(self, account: Account) -> Account:
        """Make an account with an admin, and one who may only see to people."""
        account.onboard("professional", ada=["admin"], vera=["viewer"], hugo=["viewer"])
        account.put_role(
            "people",
            *(
                "authz.members:add",
                "authz.role_grants:create",
                "authz.roles:create",
                "authz.roles:update",
                "authz.roles:get",
            ),
            *("authz.invitations:create", "authz.invitations:resend"),
        )
        account.grant("hugo", f"{account.id}/people")
        return account

    def by(self, account: Account, who: str) -> Caller:
        return acting(account.server, f"user:{who}", "authz.operator")

    def granting(
        self, account: Account, role: str, scope: str = ""
    ) -> role_grant_pb2.GrantRoleRequest:
        grant = role_grant_pb2.RoleGrant(
            tenant=account.id, subject="user:vera", role=role, scope=scope
        )
        return role_grant_pb2.GrantRoleRequest(role_grant=grant)

    def test_admin_grants_every_role_below_its_own(self, acme: Account) -> None:
        ada = self.by(acme, "ada")
        for role in ("editor", "billing-admin", "admin", f"{acme.id}/people"):
            ada.call(self.granting(acme, role))

    def test_admin_grants_what_the_tier_does_not_carry_but_its_role_does(
        self, acme: Account
    ) -> None:
        assert acme.reason("ada", "sso:configure") == "NOT_ENTITLED"
        self.by(acme, "ada").call(self.granting(acme, "admin"))

    def test_lesser_admin_grants_no_role_with_more_than_its_own(self, acme: Account) -> None:
        hugo = self.by(acme, "hugo")
        hugo.call(self.granting(acme, f"{acme.id}/people"))
        for role in ("editor", "admin"):
            found = acme.server.refuses(self.granting(acme, role), EXCEEDS, by=hugo)
            assert found.message.startswith("user:hugo ")

    def test_lesser_admin_gives_no_such_role_with_a_membership_or_an_invitation(
        self, acme: Account
    ) -> None:
        hugo = self.by(acme, "hugo")
        for request in self.welcoming(acme, "viewer"):
            hugo.call(request)
        for request in self.welcoming(acme, "admin"):
            acme.server.refuses(request, EXCEEDS, by=hugo)

    def welcoming(self, account: Account, role: str) -> list[Any]:
        """Make the requests that let somebody new have a role."""
        name = fresh_name("new")
        return [
            member_pb2.AddMemberRequest(tenant=account.id, member=member(name, role)),
            invitation_pb2.InviteMemberRequest(
                tenant=account.id, email=f"{name}@example.com", roles=[role]
            ),
        ]

    def test_lesser_admin_gets_no_token_of_a_wider_invitation(self, acme: Account) -> None:
        wide = acme.invite("boss@example.com", "admin").invitation
        request = invitation_pb2.ResendInvitationRequest(tenant=acme.id, id=wide.id)
        acme.server.refuses(request, EXCEEDS, by=self.by(acme, "hugo"))
        self.by(acme, "ada").call(request)

    def test_invitation_is_taken_up_by_one_who_holds_nothing_yet(self, acme: Account) -> None:
        made = self.by(acme, "ada").call(
            invitation_pb2.InviteMemberRequest(
                tenant=acme.id, email="nina@example.com", roles=["admin"]
            )
        )
        product = acme.server.caller(acme.server.new_key("authz.product"))
        product.call(
            invitation_pb2.AcceptInvitationRequest(
                tenant=acme.id, token=made.token, subject="user:nina"
            )
        )
        assert acme.may("nina", "team:manage")

    def test_member_takes_up_an_invitation_to_more_than_it_holds(self, acme: Account) -> None:
        role, tier = fresh_name("accepts"), fresh_name("tier")
        operator = acme.operator
        operator.roles.UpdateRole(
            role_pb2.UpdateRoleRequest(
                **PUT, role=role_pb2.Role(id=role, permissions=["authz.invitations:accept"])
            )
        )
        offered = tier_pb2.Tier(id=tier, extends="professional", assignable_roles=[role])
        operator.tiers.UpdateTier(tier_pb2.UpdateTierRequest(**PUT, tier=offered))
        acme.set_tier(tier)
        acme.grant("vera", role)
        token = acme.invite("vera@example.com", "billing-admin").token
        accepting = invitation_pb2.AcceptInvitationRequest(
            tenant=acme.id, token=token, subject="user:vera"
        )
        self.by(acme, "vera").call(accepting)
        assert acme.may("vera", "invoices:void")

    def test_lesser_admin_puts_no_permission_into_a_role_that_it_does_not_hold(
        self, acme: Account
    ) -> None:
        hugo = self.by(acme, "hugo")
        people = f"{acme.id}/people"
        held = [
            "authz.members:add",
            "authz.role_grants:create",
            "authz.roles:create",
            "authz.roles:update",
            "authz.roles:get",
        ]
        wider = role_pb2.Role(id=people, permissions=[*held, "invoices:void"])
        including = role_pb2.Role(id=f"{acme.id}/x", includes=["billing-admin"])
        for role in (wider, including):
            acme.server.refuses(role_pb2.UpdateRoleRequest(**PUT, role=role), EXCEEDS, by=hugo)
        hugo.call(
            role_pb2.UpdateRoleRequest(**PUT, role=role_pb2.Role(id=people, permissions=held))
        )

    def test_role_that_held_more_before_can_be_changed_by_one_who_holds_less(
        self, acme: Account
    ) -> None:
        acme.put_role("void", "invoices:void")
        role = role_pb2.Role(id=f"{acme.id}/void", permissions=["invoices:void", "invoices:view"])
        self.by(acme, "hugo").call(role_pb2.UpdateRoleRequest(**PUT, role=role))

    def test_what_is_held_in_a_scope_is_given_in_that_scope(self, acme: Account) -> None:
        acme.grant("hugo", "editor", "project:42")
        hugo = self.by(acme, "hugo")
        hugo.call(self.granting(acme, "editor", "project:42"))
        hugo.call(self.granting(acme, "editor", "project:42/document:7"))
        for scope in ("project:43", ""):
            acme.server.refuses(self.granting(acme, "editor", scope), EXCEEDS, by=hugo)

    def test_what_is_denied_to_the_giver_is_not_its_to_give(self, acme: Account) -> None:
        acme.except_(exception_pb2.EXCEPTION_KIND_DENY, "invoices:void", subject="user:ada")
        ada = self.by(acme, "ada")
        found = acme.server.refuses(self.granting(acme, "billing-admin"), EXCEEDS, by=ada)
        assert found.metadata == {"permissions": "invoices:void"}
        ada.call(self.granting(acme, "editor"))

    def test_refused_gift_stands_in_the_audit_of_the_account(self, acme: Account) -> None:
        hugo = self.by(acme, "hugo")
        acme.server.refuses(self.granting(acme, "admin"), EXCEEDS, by=hugo)
        said = [each for each in entries(acme.server) if each["tenant"] == acme.id][-1]
        assert (said["outcome"], said["on_behalf_of"]) == (EXCEEDS, "user:hugo")


class TestForHowLong:
    """Who holds a role until an instant gives nothing beyond it."""

    SOON: Final = time.time() + 3600
    LATER: Final = SOON + 3600

    @pytest.fixture
    def acme(self, account: Account) -> Account:
        """Make an account in which tina stands in as admin for an hour."""
        account.onboard("professional", ada=["admin"], tina=["viewer"], vera=[])
        account.grant("tina", "admin", valid_until=timestamp(self.SOON))
        return account

    @pytest.fixture
    def tina(self, acme: Account) -> Caller:
        return acting(acme.server, "user:tina", "authz.operator")

    def granting(
        self, account: Account, role: str, **window: float
    ) -> role_grant_pb2.GrantRoleRequest:
        ends: dict[str, Any] = {name: timestamp(at) for name, at in window.items()}
        grant = role_grant_pb2.RoleGrant(tenant=account.id, subject="user:vera", role=role, **ends)
        return role_grant_pb2.GrantRoleRequest(role_grant=grant)

    def test_grant_ends_by_when_the_givers_does(self, acme: Account, tina: Caller) -> None:
        for window in ({}, {"valid_until": self.LATER}, {"valid_from": self.SOON}):
            found = acme.server.refuses(self.granting(acme, "admin", **window), EXCEEDS, by=tina)
            assert found.metadata["held_until"] == rfc3339(round(self.SOON * 1e6))
            assert "authz.members:add" in found.metadata["permissions"]
            assert found.metadata["held_until"] in found.message
        tina.call(self.granting(acme, "admin", valid_until=self.SOON))
        assert acme.may("vera", "team:manage")

    def test_what_the_giver_holds_for_longer_by_another_grant_is_given_for_longer(
        self, acme: Account, tina: Caller
    ) -> None:
        tina.call(self.granting(acme, "viewer"))
        then = timestamp(self.SOON), timestamp(self.LATER)
        acme.grant("tina", "admin", valid_from=then[0], valid_until=then[1])
        tina.call(self.granting(acme, "admin", valid_until=self.LATER))
        beyond = self.granting(acme, "admin", valid_until=self.LATER + 1)
        found = acme.server.refuses(beyond, EXCEEDS, by=tina)
        assert found.metadata["held_until"] == rfc3339(round(self.LATER * 1e6))

    def test_gap_between_the_givers_grants_is_a_gap_in_what_it_gives(
        self, acme: Account, tina: Caller
    ) -> None:
        acme.grant("tina", "admin", valid_from=timestamp(self.LATER))
        acme.server.refuses(self.granting(acme, "admin"), EXCEEDS, by=tina)
        tina.call(self.granting(acme, "admin", valid_from=self.LATER))

    def test_nothing_that_does_not_end_is_given_by_other_ways_either(
        self, acme: Account, tina: Caller
    ) -> None:
        inviting = invitation_pb2.InviteMemberRequest
        setting = member_pb2.SetMemberRolesRequest
        adding = member_pb2.AddMemberRequest
        wide = role_pb2.Role(id=f"{acme.id}/books", permissions=["invoices:void"])
        for request in (
            adding(tenant=acme.id, member=member("nina", "editor")),
            inviting(tenant=acme.id, email="nina@example.com", roles=["editor"]),
            setting(tenant=acme.id, subject="user:tina", roles=["viewer", "admin"]),
            role_pb2.UpdateRoleRequest(**PUT, role=wide),
            role_grant_pb2.BatchGrantRolesRequest(
                role_grants=[self.granting(acme, "editor").role_grant]
            ),
        ):
            acme.server.refuses(request, EXCEEDS, by=tina)
        tina.call(adding(tenant=acme.id, member=member("nina", "viewer")))

    def test_lasting_grant_is_shortened_and_explained_but_not_made_longer(
        self, acme: Account
    ) -> None:
        role, tier = fresh_name("amends"), fresh_name("tier")
        amends = role_pb2.Role(id=role, permissions=["authz.role_grants:update"])
        acme.operator.call(role_pb2.UpdateRoleRequest(**PUT, role=amends))
        offered = tier_pb2.Tier(id=tier, extends="professional", assignable_roles=[role])
        acme.operator.call(tier_pb2.UpdateTierRequest(**PUT, tier=offered))
        acme.set_tier(tier)
        acme.grant("tina", role)
        tina = acting(acme.server, "user:tina", "authz.operator")
        held = acme.grant("vera", "admin")
        held.reason = "while Ada is away"
        tina.call(amending(held, "reason"))
        held.valid_until.CopyFrom(timestamp(self.LATER))
        tina.call(amending(held, "valid_until"))
        held.ClearField("valid_until")
        acme.server.refuses(amending(held, "valid_until"), EXCEEDS, by=tina)

    def test_key_that_ends_gives_members_and_keys_what_lasts(self, account: Account) -> None:
        ends = timestamp(self.SOON)
        made = account.operator.call(
            keys.CreateKeyRequest(key=keys.Key(roles=["authz.operator"], expire_time=ends))
        )
        by = account.server.caller(made.credential)
        new = [member("nina", "admin")]
        by.call(tenant_pb2.OnboardTenantRequest(tenant=account.id, tier="free", members=new))
        by.call(role_grant_pb2.GrantRoleRequest(role_grant=role_grant_pb2.RoleGrant(
            tenant=account.id, subject="user:nina", role="editor"
        )))  # fmt: skip
        lasting = by.call(keys.CreateKeyRequest(key=keys.Key(roles=["authz.operator"]))).key
        assert not lasting.HasField("expire_time")


def amending(grant: role_grant_pb2.RoleGrant, field: str) -> role_grant_pb2.UpdateRoleGrantRequest:
    wanted = role_grant_pb2.RoleGrant()
    wanted.CopyFrom(grant)
    return role_grant_pb2.UpdateRoleGrantRequest(
        role_grant=wanted, update_mask=FieldMask(paths=[field])
    )
