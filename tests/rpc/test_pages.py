"""Every list is complete, without repetition, in one order, whatever the size of its pages."""

import base64
import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import (
    add_on_pb2,
    billing_pb2,
    changeset_pb2,
    identity_pb2,
    member_pb2,
    role_grant_pb2,
    role_pb2,
    tenant_pb2,
)
from authz_service.gen.authz.v1.feature_pb2 import PlanFeature
from authz_service.gen.authz.v1.limit_pb2 import PlanLimit
from authz_service.gen.authz.v1.mail_template_pb2 import MailKind, MailTemplate
from tests.changesets import puts
from tests.rpc.account import DENY, Account, timestamp
from tests.rpc.harness import Server, made, refusal, serving
from tests.rpc.requests import (
    CHANGES,
    NEW_CENTURY,
    READS,
    WITH_PAGES,
    Ready,
    made_ready,
    scheduled,
)
from tests.rpc.test_events import brought
from tests.services import PUT

ITEMS: Final = {
    "ListSubjectPermissions": "permissions",
    "ListSubjects": "subjects",
    "ListPermissions": "permissions",
    "ListRoles": "roles",
    "ListTiers": "tiers",
    "ListAddOns": "add_ons",
    "ListFeatures": "plan_features",
    "ListLimits": "plan_limits",
    "ListRoleGrants": "role_grants",
    "ListChanges": "changes",
    "ListAuditEntries": "entries",
    "ListExceptions": "exceptions",
    "ListTenants": "tenants",
    "ListScheduledChanges": "changes",
    "ListMembers": "members",
    "ListInvitations": "invitations",
    "ListKeys": "keys",
    "ListIdentities": "identities",
    "ListBillingEvents": "events",
    "ListJobs": "jobs",
    "ListEndpoints": "endpoints",
    "ListDeliveries": "deliveries",
    "ListMailTemplates": "templates",
    "ListChangesetEffects": "effects",
    "ListScheduledChangesets": "scheduled",
    "ExportRules": "rules",
    "ListBillingPrices": "billing_prices",
    "ListBillingSources": "billing_sources",
    "ListUnmappedPrices": "unmapped_prices",
    "ListBillingPolicyVersions": "versions",
}

KINDS_OF_MAIL: Final = 3
"""There are as many templates in use, whatever is customized."""

NARROWER: Final = role_pb2.Role(id="viewer", permissions=["invoices:view"])
ASKED: Final = READS | {
    "ListBillingEvents": lambda _: billing_pb2.ListBillingEventsRequest(),
    "ListChangesetEffects": lambda _: changeset_pb2.ListChangesetEffectsRequest(
        changeset=puts(roles=[NARROWER])
    ),
}
"""What is asked of each list so that there is something in it."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """Serve an account with a few of everything, and a few more accounts."""
    with serving(tmp_path_factory.mktemp("pages")) as server:
        account = Account(server, "acme")
        ready = made_ready(account).whole()
        account.resume("BILLING")
        account.move("enterprise", NEW_CENTURY)
        account.add_on("extra-seats", valid_from=timestamp(NEW_CENTURY))
        for number in range(5):
            account.add(f"u{number}", "viewer")
            account.invite(f"u{number}@example.com")
            account.grant(f"u{number}", "editor", f"project:{number}")
            account.except_(DENY, "invoices:send", subject=f"user:u{number}")
            account.put_role(f"own-{number}", "invoices:view")
            account.server.new_key("authz.checker")
            account.operator.add_ons.UpdateAddOn(
                add_on_pb2.UpdateAddOnRequest(**PUT, add_on=add_on_pb2.AddOn(id=f"add-{number}"))
            )
            Account(server, f"acme-{number}").onboard("free")
            _hear_and_know(account, f"more-{number}")
            account.operator.call(CHANGES["CreateEndpoint"](ready))
            account.operator.call(CHANGES["PingEndpoint"](ready))
            scheduled(ready)
            _sell(account, str(number))
        yield ready


def _hear_and_know(account: Account, name: str) -> None:
    """Bring an event that is parked, and register a certificate."""
    heard = billing_pb2.IngestBillingEventRequest(
        source="billing-job", id=name, type="unheard-of", time=timestamp(1), data=b"{}"
    )
    account.operator.billing.IngestBillingEvent(heard)
    known = identity_pb2.Identity(
        kind=identity_pb2.IDENTITY_KIND_CERTIFICATE_COMMON_NAME, name=name, roles=["authz.checker"]
    )
    account.operator.identities.CreateIdentity(identity_pb2.CreateIdentityRequest(identity=known))


def _sell(account: Account, name: str) -> None:
    """Map a price, declare a source, and bring an event about a price that nobody maps."""
    sold = Ready(Account(account.server, f"sold{name}"))
    account.operator.call(CHANGES["CreateBillingPrice"](sold))
    account.operator.call(CHANGES["CreateBillingSource"](sold))
    plans = [{"plan": f"unmapped-{name}", "quantity": 1}]
    request = brought(sold.id, "onboard", id_=sold.id, plans=plans, admin={"subject": "user:ada"})
    account.operator.billing.IngestBillingEvent(request)


def page(ready: Ready, name: str, size: int, token: str = "") -> Any:
    request: Any = ASKED[name](ready)
    request.page_size, request.page_token = size, token
    answer = ready.account.operator.call(request)
    for key in getattr(answer, "keys", ()):
        key.ClearField("last_use_time")  # asking is a use of the key that asks
    return answer


def walk(ready: Ready, name: str, size: int) -> list[list[Any]]:
    """Collect the pages of a list, to its end."""
    pages: list[list[Any]] = []
    token = ""
    while not pages or token:
        answer = page(ready, name, size, token)
        pages.append(list(getattr(answer, ITEMS[name])))
        token = answer.next_page_token
    return pages


GROWING: Final = "ListAuditEntries"
"""Looking at it adds to it: what holds of it is tested in conformance/test_auditing.py."""
STANDING: Final = [name for name in ITEMS if name != GROWING]
OF_HAPPENINGS: Final = (
    *("ListChanges", "ListScheduledChanges", "ListBillingEvents"),
    *("ListChangesetEffects", "ExportRules", "ListJobs", "ListDeliveries"),
    "ListBillingPolicyVersions",
)
OF_THINGS: Final = [name for name in STANDING if name not in OF_HAPPENINGS]
"""Lists of what exists, each thing once; the others tell what happened to it, or will."""


def key_of(item: Any) -> str:
    match item:
        case str():
            return item
        case MailTemplate():
            return MailKind.Name(item.kind)
        case PlanFeature() | PlanLimit():
            plan = f"tier/{item.tier}" if item.tier else f"addon/{item.add_on}"
            return f"{plan} {(item.feature if isinstance(item, PlanFeature) else item.limit).name}"
    return str(getattr(item, "id", "") or item.subject)


def test_every_list_is_known() -> None:
    # A page of Reconcile holds the accounts to compare, not those that it answers with; the
    # versions of one tier have its one id: their pages are tested in conformance.
    assert {*ITEMS, "Reconcile", "ListTierVersions"} == set(WITH_PAGES)


@pytest.mark.sweep
@pytest.mark.parametrize("name", STANDING)
def test_list_is_the_same_in_pages_of_any_size(filled: Ready, name: str) -> None:
    (whole,) = walk(filled, name, 1000)
    assert len(whole) >= 4 or (name, len(whole)) == ("ListMailTemplates", KINDS_OF_MAIL)
    for size in (1, 2, len(whole) - 1, len(whole)):
        pages = walk(filled, name, size)
        assert [item for each in pages for item in each] == whole
        assert [len(each) for each in pages[:-1]] == [size] * (len(pages) - 1)
        assert pages[-1]


@pytest.mark.parametrize("name", OF_THINGS)
def test_list_names_nothing_twice_and_is_in_byte_order(filled: Ready, name: str) -> None:
    (whole,) = walk(filled, name, 1000)
    keys = [key_of(item) for item in whole]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("name", STANDING)
def test_page_of_no_size_has_a_hundred(filled: Ready, name: str) -> None:
    none, hundred = (getattr(page(filled, name, size), ITEMS[name]) for size in (0, 100))
    assert none == hundred


def test_list_of_more_than_a_hundred_is_never_silently_cut(server: Server) -> None:
    account = Account(server, "many-members")
    account.onboard("enterprise", **{f"u{number}": ["viewer"] for number in range(250)})
    request = member_pb2.ListMembersRequest(tenant=account.id)
    lengths = []
    for _ in range(3):
        answer = account.operator.members.ListMembers(request)
        lengths.append(len(answer.members))
        request.page_token = answer.next_page_token
    assert (lengths, request.page_token) == ([100, 100, 50], "")


@pytest.mark.parametrize("name", ITEMS)
@pytest.mark.parametrize("size", [-1, 1001, 2**31 - 1])
def test_page_size_out_of_range_is_refused(filled: Ready, name: str, size: int) -> None:
    request: Any = ASKED[name](filled)
    request.page_size = size
    filled.account.server.refuses(
        request, ErrorReason.INVALID_FIELD, at="page_size", says="outside 0 to 1000"
    )


def damaged(token: str) -> dict[str, str]:
    return {
        "text": "not a token",
        "unicode": "é",
        "cut": token[: len(token) // 2],
        "digest-changed": ("A" if token[4] != "A" else "B") + token[1:],
        "json-number": base64.urlsafe_b64encode(b"7").decode(),
        "json-object": base64.urlsafe_b64encode(b'{"a": 1}').decode(),
        "json-wrong-key": base64.urlsafe_b64encode(json.dumps(["x", 7]).encode()).decode(),
        "deep": base64.urlsafe_b64encode(b"[" * 200_000).decode(),
        "bytes": base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    }


@pytest.mark.sweep
@pytest.mark.parametrize("kind", damaged("x" * 8))
@pytest.mark.parametrize("name", ITEMS)
def test_damaged_page_token_is_refused(filled: Ready, name: str, kind: str) -> None:
    request: Any = ASKED[name](filled)
    request.page_token = damaged(page(filled, name, 1).next_page_token)[kind]
    filled.account.server.refuses(
        request, ErrorReason.INVALID_PAGE_TOKEN, at="page_token", says="start from the first page"
    )


@pytest.mark.sweep
@pytest.mark.parametrize("name", ITEMS)
def test_page_token_of_every_other_list_is_refused(filled: Ready, name: str) -> None:
    for other in ITEMS:
        if other != name:
            request: Any = ASKED[name](filled)
            request.page_token = page(filled, other, 1).next_page_token
            found = refusal(partial(filled.account.operator.call, request))
            assert found.reason == ErrorReason.INVALID_PAGE_TOKEN


OTHER_QUERIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "permissions-subject": ("ListSubjectPermissions", {"subject": "user:u1"}),
    "permissions-scope": ("ListSubjectPermissions", {"scope": "project:1"}),
    "subjects-permission": ("ListSubjects", {"permission": "team:view"}),
    "subjects-scope": ("ListSubjects", {"scope": "project:1"}),
    "roles-tenant": ("ListRoles", {"tenant": ""}),
    "grants-subject": ("ListRoleGrants", {"subject": "user:u1"}),
    "grants-role": ("ListRoleGrants", {"role": "editor"}),
    "members-tenant": ("ListMembers", {"tenant": "acme-1"}),
    "members-state": ("ListMembers", {"state": member_pb2.MEMBERSHIP_STATE_ACTIVE}),
    "members-role": ("ListMembers", {"role": "viewer"}),
    "members-prefix": ("ListMembers", {"subject_prefix": "user:"}),
    "members-owner": ("ListMembers", {"owner": True}),
    "invitations-tenant": ("ListInvitations", {"tenant": "acme-1"}),
    "grants-scope": ("ListRoleGrants", {"scope": ""}),
    "grants-source": ("ListRoleGrants", {"source": role_grant_pb2.GRANT_SOURCE_SCIM}),
    "exceptions-kind": ("ListExceptions", {"kind": DENY}),
    "exceptions-subject": ("ListExceptions", {"subject": ""}),
    "exceptions-permission": ("ListExceptions", {"permission": "invoices:send"}),
    "changes-after": ("ListChanges", {"after_revision": 1}),
    "changes-until": ("ListChanges", {"until_revision": 9}),
    "entries-tenant": ("ListAuditEntries", {"tenant": ""}),
    "entries-action": ("ListAuditEntries", {"action_prefix": "role.granted"}),
    "entries-outcome": ("ListAuditEntries", {"outcome": 1}),
    "entries-order": ("ListAuditEntries", {"oldest_first": True}),
    "entries-on-behalf": ("ListAuditEntries", {"on_behalf_of": "user:ada"}),
    "changes-action": ("ListChanges", {"action_prefix": "role."}),
    "changes-order": ("ListChanges", {"oldest_first": True}),
    "exceptions-tenant": ("ListExceptions", {"tenant": "acme-1"}),
    "tenants-tier": ("ListTenants", {"tier": "free"}),
    "tenants-add-on": ("ListTenants", {"add_on": "audit"}),
    "tenants-prefix": ("ListTenants", {"id_prefix": "acme-"}),
    "tenants-text": ("ListTenants", {"text": "a"}),
    "scheduled-tenant": ("ListScheduledChanges", {"tenant": ""}),
    "tenants-state": ("ListTenants", {"state": tenant_pb2.TENANT_STATE_ACTIVE}),
}


@pytest.mark.parametrize(("name", "changed"), OTHER_QUERIES.values(), ids=OTHER_QUERIES)
def test_page_token_of_another_query_of_the_same_list_is_refused(
    filled: Ready, name: str, changed: dict[str, Any]
) -> None:
    request: Any = ASKED[name](filled)
    request.page_token = page(filled, name, 1).next_page_token
    for field, value in changed.items():
        setattr(request, field, value)
    filled.account.server.refuses(request, ErrorReason.INVALID_PAGE_TOKEN, at="page_token")


def test_size_may_change_from_page_to_page(filled: Ready) -> None:
    (whole,) = walk(filled, "ListMembers", 1000)
    first = page(filled, "ListMembers", 1)
    rest = page(filled, "ListMembers", 1000, first.next_page_token)
    assert [*first.members, *rest.members] == whole


def test_change_between_pages_neither_repeats_nor_loses_what_stays(account: Account) -> None:
    account.onboard("enterprise", b=[], d=[], f=[])
    request = member_pb2.ListMembersRequest(tenant=account.id, page_size=2)
    first = account.operator.members.ListMembers(request)
    account.add("a")
    account.add("e")
    account.remove("d")
    request.page_token = first.next_page_token
    second = account.operator.members.ListMembers(request)
    seen = [each.subject for each in (*first.members, *second.members)]
    assert seen == ["user:b", "user:d", "user:e", "user:f"]


def test_grants_are_filtered_by_subject_and_by_role(filled: Ready) -> None:
    def found(**how: str) -> list[tuple[str, str]]:
        request = made(role_grant_pb2.ListRoleGrantsRequest, tenant=filled.id, **how)
        listed = filled.account.operator.role_grants.ListRoleGrants(request).role_grants
        return [(each.subject, each.role) for each in listed]

    assert found(subject="user:u1") == [("user:u1", "viewer"), ("user:u1", "editor")]
    assert found(subject="user:u1", role="editor") == [("user:u1", "editor")]
    assert {role for _, role in found(role="editor")} == {"editor"}


def test_grants_are_listed_oldest_first(account: Account) -> None:
    account.onboard("enterprise", ada=[], vera=[])
    made = [account.grant(who, "viewer").id for who in ("vera", "ada")]
    request = role_grant_pb2.ListRoleGrantsRequest(tenant=account.id)
    listed = account.operator.role_grants.ListRoleGrants(request).role_grants
    assert [each.id for each in listed] == made


def test_tenants_are_filtered_by_state_and_by_tier(filled: Ready) -> None:
    def found(**how: Any) -> list[str]:
        request = tenant_pb2.ListTenantsRequest(**how)
        return [t.id for t in filled.account.operator.tenants.ListTenants(request).tenants]

    filled.account.suspend("RISK")
    suspended = tenant_pb2.TENANT_STATE_SUSPENDED
    assert found(state=suspended) == ["acme", "acme-suspended"]
    assert found(state=suspended, tier="free") == ["acme-suspended"]
    free = [tenant for tenant in found(tier="free") if tenant[-1].isdigit()]
    assert free == [f"acme-{number}" for number in range(5)]
    filled.account.resume("RISK")
