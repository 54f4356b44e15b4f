"""Customers' accounts over the wire: what callers type, what they see, what they are refused."""

from typing import Any, Final

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import error_reason_pb2, limit_pb2, subscription_pb2, tenant_pb2
from tests.rpc.account import Account, member, timestamp, usage
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server
from tests.rpc.requests import NEW_CENTURY

SEATS_40: Final = limit_pb2.Limit(name="seats", value=40, unit="seat")


@pytest.fixture
def acme(any_server: Server, request: pytest.FixtureRequest) -> Account:
    """Open an account on each of the databases."""
    account = Account(any_server, fresh_name(request.node.name))
    account.onboard("professional", ada=["admin"], vera=["viewer"])
    return account


def test_own_limit_is_bought_checked_explained_and_counted(acme: Account) -> None:
    tenant = acme.limit(SEATS_40)
    assert list(tenant.limits) == [SEATS_40]
    bought = {each.limit.name: each for each in acme.entitlements().limits}
    assert (bought["seats"].limit, list(bought["seats"].sources)) == (
        SEATS_40,
        [checks.EntitlementSource(tenant=acme.id)],
    )
    asked = checks.CheckLimitRequest(tenant=acme.id, usage=usage("seats", 39))
    answer = acme.operator.checks.CheckLimit(asked)
    assert (answer.allowed, answer.remaining) == (True, 1)
    told = acme.explain("ada", "invoices:view", usage=usage("seats", 40))
    assert f"40 seat by tenant {acme.id}" in told.layers[-1].summary
    assert ["p2", acme.id, "limit/seats", "40", "seat"] in [
        [r.ptype, *r.values] for r in told.rules
    ]
    assert acme.now().seats == SEATS_40


def test_limit_without_an_amount_is_never_unlimited(acme: Account) -> None:
    wanted = [SEATS_40, limit_pb2.Limit(name="projects", unit="project")]
    request = subscription_pb2.SetLimitsRequest(tenant=acme.id, limits=wanted)
    acme.server.refuses(request, ErrorReason.INVALID_FIELD, at="limits[1]", says="said outright")


def test_unit_of_an_own_limit_is_that_of_the_plans(acme: Account) -> None:
    wanted = limit_pb2.Limit(name="seats", value=40, unit="user")
    request = subscription_pb2.SetLimitsRequest(tenant=acme.id, limits=[wanted])
    found = acme.server.refuses(request, ErrorReason.LIMIT_UNIT_MISMATCH, at="limits[0].unit")
    assert found.metadata == {"limit": "seats", "unit": "seat"}


def test_tenant_shows_its_dates_its_plans_and_when_it_was_opened(acme: Account) -> None:
    acme.add_on("audit", valid_until=timestamp(NEW_CENTURY))
    tenant = acme.trial(NEW_CENTURY, after_trial=tenant_pb2.TENANT_STATE_ACTIVE)
    assert [each.state for each in tenant.periods[-2:]] == [
        tenant_pb2.TENANT_STATE_TRIAL,
        tenant_pb2.TENANT_STATE_ACTIVE,
    ]
    assert tenant.periods[-1].valid_from == timestamp(NEW_CENTURY)
    assert [(h.tier, h.add_on) for h in tenant.subscription_items] == [
        ("professional", ""),
        ("", "audit"),
    ]
    assert tenant.subscription_items[1].valid_until == timestamp(NEW_CENTURY)
    assert tenant.HasField("create_time")
    assert tenant.revision == acme.server.revision
    assert acme.now().tenant == tenant
    assert acme.scheduled() == [
        "add-on-end:audit@2100-01-01T00:00:00Z",
        "state:active@2100-01-01T00:00:00Z",
    ]


def test_members_and_seats_are_counted(acme: Account) -> None:
    acme.invite("ivan@example.com", "viewer")
    found = acme.now()
    assert (found.members, found.seats_taken, found.seats.value) == (2, 3, 25)


def update(acme: Account, **more: Any) -> tenant_pb2.UpdateTenantRequest:
    tenant = tenant_pb2.Tenant(id=acme.id, display_name="Acme")
    return tenant_pb2.UpdateTenantRequest(tenant=tenant, **more)


def test_update_changes_what_the_mask_names_and_guards_the_revision(acme: Account) -> None:
    mask = FieldMask(paths=["display_name"])
    seen = acme.now().tenant.revision
    request = update(acme, update_mask=mask, expected_revision=seen)
    tenant = acme.operator.tenants.UpdateTenant(request).tenant
    assert (tenant.display_name, tenant.revision > seen) == ("Acme", True)
    request.tenant.display_name = "Other"
    found = acme.server.refuses(request, ErrorReason.REVISION_MISMATCH, at="expected_revision")
    metadata = {"revision": str(tenant.revision), "expected_revision": str(seen)}
    assert found.metadata == metadata


@pytest.mark.parametrize("paths", [[], ["tier"], ["display_name", "id"]])
def test_mask_that_names_nothing_or_what_cannot_be_changed_is_refused(
    acme: Account, paths: list[str]
) -> None:
    request = update(acme, update_mask=FieldMask(paths=paths))
    acme.server.refuses(request, ErrorReason.INVALID_FIELD, at="update_mask", says="display_name")


LATER: Final = timestamp(NEW_CENTURY)
PAST: Final = timestamp(1_000_000_000)
WRONG: Final[dict[str, tuple[Any, ErrorReason, str]]] = {
    "trial without an end": (
        tenant_pb2.StartTrialRequest(),
        ErrorReason.INVALID_FIELD,
        "trial_end_time",
    ),
    "grace without an end": (
        tenant_pb2.StartGraceRequest(),
        ErrorReason.INVALID_FIELD,
        "grace_end_time",
    ),
    "trial in the past": (
        tenant_pb2.StartTrialRequest(trial_end_time=PAST),
        ErrorReason.SCHEDULE_IN_PAST,
        "trial_end_time",
    ),
    "grace in the past": (
        tenant_pb2.StartGraceRequest(grace_end_time=PAST),
        ErrorReason.SCHEDULE_IN_PAST,
        "grace_end_time",
    ),
    "trial before grace": (
        tenant_pb2.StartTrialRequest(
            trial_end_time=LATER, after_trial=tenant_pb2.TENANT_STATE_GRACE
        ),
        ErrorReason.INVALID_FIELD,
        "after_trial",
    ),
    "tier in the past": (
        subscription_pb2.SetTierRequest(tier="free", effective_time=PAST),
        ErrorReason.SCHEDULE_IN_PAST,
        "effective_time",
    ),
    "end in the past": (
        tenant_pb2.OffboardTenantRequest(end_time=PAST),
        ErrorReason.SCHEDULE_IN_PAST,
        "end_time",
    ),
    "unknown tier at an instant": (
        subscription_pb2.SetTierRequest(tier="platinum", effective_time=LATER),
        ErrorReason.TIER_NOT_FOUND,
        "tier",
    ),
    "unknown add-on": (
        subscription_pb2.AddAddOnRequest(add_on="teleport"),
        ErrorReason.ADD_ON_NOT_FOUND,
        "add_on",
    ),
    "add-on of the past": (
        subscription_pb2.AddAddOnRequest(add_on="audit", valid_until=PAST),
        ErrorReason.SCHEDULE_IN_PAST,
        "valid_until",
    ),
    "add-on backwards": (
        subscription_pb2.AddAddOnRequest(add_on="audit", valid_from=LATER, valid_until=PAST),
        ErrorReason.INVALID_WINDOW,
        "valid_until",
    ),
    "add-on that is not held": (
        subscription_pb2.RemoveAddOnRequest(add_on="audit"),
        ErrorReason.ADD_ON_NOT_HELD,
        "add_on",
    ),
    "limit that is not set": (
        subscription_pb2.SetLimitsRequest(removed=["seats"]),
        ErrorReason.LIMIT_NOT_SET,
        "removed",
    ),
    "no limit at all": (subscription_pb2.SetLimitsRequest(), ErrorReason.INVALID_FIELD, "limits"),
    "change that is not scheduled": (
        subscription_pb2.CancelScheduledChangeRequest(id="tier:free@2100-01-01T00:00:00Z"),
        ErrorReason.SCHEDULED_CHANGE_NOT_FOUND,
        "id",
    ),
    "active account": (
        tenant_pb2.ActivateTenantRequest(),
        ErrorReason.TENANT_STATE_CONFLICT,
        "tenant",
    ),
    "account that runs": (
        tenant_pb2.ReactivateTenantRequest(),
        ErrorReason.TENANT_STATE_CONFLICT,
        "tenant",
    ),
}


@pytest.mark.parametrize(("asked", "reason", "field"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_and_changes_nothing(
    account: Account, asked: Any, reason: ErrorReason, field: str
) -> None:
    account.onboard("professional")
    request = type(asked)()
    request.CopyFrom(asked)
    request.tenant = account.id
    account.server.refuses(request, reason, at=field)


ONBOARDING: Final[dict[str, tuple[dict[str, Any], ErrorReason, str]]] = {
    "trial in the past": ({"trial_end_time": PAST}, ErrorReason.SCHEDULE_IN_PAST, "trial_end_time"),
    "what follows no trial": (
        {"after_trial": tenant_pb2.TENANT_STATE_ACTIVE},
        ErrorReason.INVALID_FIELD,
        "after_trial",
    ),
    "unknown add-on": ({"add_ons": ["teleport"]}, ErrorReason.ADD_ON_NOT_FOUND, "add_ons"),
    "add-on twice": ({"add_ons": ["audit", "audit"]}, ErrorReason.INVALID_FIELD, "add_ons"),
    "limit in another unit": (
        {"limits": [limit_pb2.Limit(name="seats", value=1, unit="x")]},
        ErrorReason.LIMIT_UNIT_MISMATCH,
        "limits[0].unit",
    ),
    "more members than own seats": (
        {
            "limits": [limit_pb2.Limit(name="seats", value=1, unit="seat")],
            "members": [member("a"), member("b")],
        },
        ErrorReason.SEATS_EXHAUSTED,
        "",
    ),
}


@pytest.mark.parametrize(("more", "reason", "field"), ONBOARDING.values(), ids=ONBOARDING)
def test_account_that_cannot_be_is_not_opened(
    account: Account, more: dict[str, Any], reason: ErrorReason, field: str
) -> None:
    request = tenant_pb2.OnboardTenantRequest(tenant=account.id, tier="free", **more)
    account.server.refuses(request, reason, at=field)


def test_more_seats_of_its_own_or_by_an_add_on_let_more_members_start(account: Account) -> None:
    request = tenant_pb2.OnboardTenantRequest(
        tenant=account.id,
        tier="free",
        add_ons=["extra-seats"],
        members=[member(f"u{number}") for number in range(13)],
    )
    answer = account.operator.tenants.OnboardTenant(request)
    assert len(answer.members) == 13
    assert list(answer.tenant.add_ons) == ["extra-seats"]


@pytest.fixture
def family(account: Account) -> str:
    """Open three accounts with a common beginning of their ids."""
    prefix = f"{account.id}-"
    for name, tier, add_ons in (
        ("one", "free", ["audit"]),
        ("two", "professional", []),
        ("six", "free", []),
    ):
        account.operator.tenants.OnboardTenant(
            tenant_pb2.OnboardTenantRequest(
                tenant=prefix + name, tier=tier, add_ons=add_ons, display_name=f"Family {name} ÄG"
            )
        )
    return prefix


FILTERS: Final[dict[str, tuple[dict[str, Any], set[str]]]] = {
    "all": ({}, {"one", "two", "six"}),
    "tier": ({"tier": "free"}, {"one", "six"}),
    "add-on": ({"add_on": "audit"}, {"one"}),
    "text": ({"text": "FAMILY T"}, {"two"}),
    "text of another case": ({"text": "äg"}, {"one", "two", "six"}),
    "both": ({"tier": "free", "text": "six"}, {"six"}),
    "none": ({"add_on": "audit", "tier": "professional"}, set()),
    "state": ({"state": tenant_pb2.TENANT_STATE_SUSPENDED}, set()),
}


@pytest.mark.parametrize(("how", "expected"), FILTERS.values(), ids=FILTERS)
def test_list_finds_by_every_filter_and_says_how_many(
    server: Server, family: str, how: dict[str, Any], expected: set[str]
) -> None:
    request = tenant_pb2.ListTenantsRequest(id_prefix=family, page_size=1, **how)
    found: list[str] = []
    while True:
        page = server.operator.tenants.ListTenants(request)
        assert page.total_size == len(expected)
        found += [tenant.id.removeprefix(family) for tenant in page.tenants]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == sorted(expected)


def test_offboarded_account_comes_back_with_what_fits_its_new_tier(acme: Account) -> None:
    acme.grant("vera", "billing-admin")
    key = acme.server.new_key("authz.checker", tenants=(acme.id,))
    ended = acme.offboard().ended
    assert (ended.members, ended.role_grants, ended.keys) == (2, 3, 1)
    asked = checks.CheckRequest(tenant=acme.id, subject="user:ada", permission="invoices:view")
    acme.server.refuses(asked, ErrorReason.CREDENTIALS_INVALID, by=acme.server.caller(key))
    back = acme.reactivate("free")
    assert (back.restored.members, back.restored.role_grants) == (2, 2)
    (left_out,) = back.left_out
    assert (left_out.role, left_out.role_grants) == ("billing-admin", 1)
    assert left_out.error_reason == error_reason_pb2.ERROR_REASON_ROLE_NOT_ASSIGNABLE
    assert acme.may("vera", "invoices:view")
