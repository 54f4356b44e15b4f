"""BillingService and `POST /events/{source}`, as senders and operators meet them."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import httpx
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.app import setup
from authz_service.config import Settings
from authz_service.errors import ErrorReason, Unavailable
from authz_service.gen.authz.v1 import billing_pb2 as pb
from authz_service.gen.authz.v1 import billing_policy_pb2 as policy
from authz_service.gen.authz.v1 import (
    invitation_pb2,
    limit_pb2,
    member_pb2,
    subscription_pb2,
    tenant_pb2,
    tier_pb2,
)
from tests.postgres import fresh_database
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server, serving

STRIPE_OLD: Final = "whsec_old"
STRIPE_NEW: Final = "whsec_new"
HUBSPOT: Final = "hubspot-client-secret"
STANDARD: Final = "whsec_" + base64.b64encode(b"a secret of 24 bytes....").decode()
SECRETS: Final = {
    "stripe": [STRIPE_NEW, STRIPE_OLD],
    "hubspot": [HUBSPOT],
    "cloudevents": [STANDARD],
}
DAY: Final = 86_400


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def posted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Serve events over HTTP as well."""
    folder: Path = tmp_path_factory.mktemp("events")
    web: dict[str, Any] = {"web_port": 0, "event_secrets": SECRETS}
    if request.param == "sqlite":
        with serving(folder, **web) as started:
            yield started
        return
    with fresh_database(request.getfixturevalue("postgres_base_url")) as url:
        setup.migrate(Settings(database_url=url))
        with serving(folder, database_url=url, **web) as started:
            yield started


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    return fresh_name(request.node.name)


def now() -> int:
    return int(time.time())


def post(server: Server, source: str, body: bytes, **headers: str) -> httpx.Response:
    port = server.service.web_port
    assert port is not None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://127.0.0.1:{port.number}/events/{source}"
    return httpx.post(url, content=body, headers=named, trust_env=False)


def hexed(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def stripe(server: Server, body: bytes, secret: str = STRIPE_NEW, at: int = 0) -> httpx.Response:
    at = at or now()
    signature = hexed(secret, f"{at}.".encode() + body)
    return post(server, "stripe", body, stripe_signature=f"t={at},v1={signature}")


def stripe_event(id_: str, type_: str, at: int, **content: Any) -> bytes:
    event = {"id": id_, "type": type_, "created": at, "data": {"object": content}}
    return json.dumps(event).encode()


def checkout(tenant: str) -> bytes:
    return stripe_event(
        f"evt-checkout-{tenant}",
        "checkout.session.completed",
        now() - 10,
        mode="subscription",
        customer=f"cus-{tenant}",
        metadata={"tenant": tenant, "admin": "user:ada"},
        customer_details={"name": "Acme GmbH", "email": "ada@example.com"},
    )


def subscription(tenant: str, number: int, price: str = "price_professional_monthly") -> bytes:
    kind = "created" if number == 0 else "updated"
    return stripe_event(
        f"evt-{number}-{tenant}",
        f"customer.subscription.{kind}",
        now() - 9 + number,
        id=f"sub-{tenant}",
        customer=f"cus-{tenant}",
        status="active",
        current_period_end=now() + 30 * DAY,
        cancel_at=None,
        pause_collection=None,
        items={"data": [{"price": {"id": price}, "quantity": 7}]},
    )


def account(server: Server, tenant: str) -> tenant_pb2.Tenant:
    request = tenant_pb2.GetTenantRequest(tenant=tenant)
    return server.operator.tenants.GetTenant(request).tenant


def test_signed_checkout_and_subscription_open_an_account(posted: Server, tenant: str) -> None:
    early = stripe(posted, subscription(tenant, 0))
    assert (early.status_code, early.json()["events"][0]["reason"]) == (200, "unknown_subject")
    answer = stripe(posted, checkout(tenant), STRIPE_OLD)
    assert answer.json()["events"][0]["state"] == "applied"
    opened = account(posted, tenant)
    assert (opened.tier, opened.display_name) == ("professional", "Acme GmbH")
    assert [(limit.name, limit.value) for limit in opened.limits] == [("seats", 7)]
    stripe(posted, subscription(tenant, 1, "price_enterprise"))
    assert account(posted, tenant).tier == "enterprise"


def test_repeated_delivery_is_answered_and_counted(posted: Server, tenant: str) -> None:
    stripe(posted, checkout(tenant))
    again = stripe(posted, checkout(tenant)).json()["events"][0]
    assert again["duplicate"]
    event = posted.operator.billing.GetBillingEvent(
        pb.GetBillingEventRequest(source="stripe", id=again["id"])
    )
    assert event.event.deliveries == 2
    assert [
        pb.BillingEventStage.Name(step.stage).removeprefix("BILLING_EVENT_STAGE_")
        for step in event.event.passage
    ] == [
        "RECEIVED",
        "VERIFIED",
        "PARKED",
        "DUPLICATE",
    ]


@pytest.mark.parametrize("case", ["unsigned", "wrong secret", "stale", "other body"])
def test_delivery_that_is_not_proved_is_refused_and_changes_nothing(
    posted: Server, tenant: str, case: str
) -> None:
    body = checkout(tenant)
    before = posted.footprint()
    match case:
        case "unsigned":
            answer = post(posted, "stripe", body)
        case "wrong secret":
            answer = stripe(posted, body, "whsec_guessed")
        case "stale":
            answer = stripe(posted, body, at=now() - 301)
        case _:
            signature = hexed(STRIPE_NEW, f"{now()}.".encode() + body)
            header = f"t={now()},v1={signature}"
            answer = post(posted, "stripe", body + b" ", stripe_signature=header)
    assert answer.status_code == 401
    assert posted.footprint() == before
    listed = posted.operator.billing.ListBillingEvents(pb.ListBillingEventsRequest(source="stripe"))
    assert f"evt-checkout-{tenant}" not in {event.id for event in listed.events}


def test_deal_won_in_the_crm_opens_an_account(posted: Server, tenant: str) -> None:
    deal = {
        "eventId": 4711,
        "subscriptionType": "deal.won",
        "occurredAt": now() * 1000,
        "objectId": f"deal-{tenant}",
        "properties": {
            "tenant": tenant,
            "plan": "professional",
            "company": "Globex",
            "contact_email": "hank@example.com",
        },
    }
    deal["eventId"] = f"deal-{tenant}"
    body, at = json.dumps([deal]).encode(), f"{now()}000"
    port = posted.service.web_port
    assert port is not None
    uri = f"POSThttp://127.0.0.1:{port.number}/events/hubspot"
    digest = hmac.digest(HUBSPOT.encode(), uri.encode() + body + at.encode(), "sha256")
    answer = post(
        posted,
        "hubspot",
        body,
        x_hubspot_signature_v3=base64.b64encode(digest).decode(),
        x_hubspot_request_timestamp=at,
    )
    assert answer.json()["events"][0]["state"] == "applied", answer.text
    assert account(posted, tenant).display_name == "Globex"
    invited = posted.operator.invitations.ListInvitations(
        invitation_pb2.ListInvitationsRequest(tenant=tenant)
    )
    assert [each.email for each in invited.invitations] == ["hank@example.com"]


def test_cloud_event_by_standard_webhooks_is_taken_in(posted: Server, tenant: str) -> None:
    event = {
        "specversion": "1.0",
        "id": f"ce-{tenant}",
        "source": "/crm",
        "type": "contract.signed",
        "time": "2026-01-01T00:00:00Z",
        "subject": f"customer-{tenant}",
        "data": {"tenant": tenant, "plans": "free", "admin": {"subject": "user:ada"}},
    }
    body, at = json.dumps(event), str(now())
    key = base64.b64decode(STANDARD.removeprefix("whsec_"))
    digest = hmac.digest(key, f"msg_1.{at}.{body}".encode(), "sha256")
    answer = post(
        posted,
        "cloudevents",
        body.encode(),
        webhook_id="msg_1",
        webhook_timestamp=at,
        webhook_signature="v1," + base64.b64encode(digest).decode(),
    )
    assert answer.json()["events"][0]["id"] == f"ce-{tenant}"
    assert account(posted, tenant).tier == "free"


def test_signed_body_that_is_no_event_is_parked_under_its_digest(
    posted: Server, tenant: str
) -> None:
    answer = stripe(posted, f"{{{tenant}".encode())
    told = answer.json()["events"][0]
    assert (answer.status_code, told["state"], told["reason"]) == (200, "parked", "malformed")
    assert told["id"].startswith("sha256:")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"[1, null]",
        b"null",
        b'{"id": {}, "type": [], "created": "x"}',
        b'{"id": "e", "type": "checkout.session.completed", "created": 1e300}',
        b'{"id": "\\u0000", "type": "\\ud800", "created": 1}',
        b'{"id": "deep", "created": 1, "type": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"id": "x\\u0000y", "created": 5, "type": "t", "data": {"object": {"id": "\\ud800"}}}',
    ],
)
def test_signed_nonsense_never_breaks_the_intake(posted: Server, body: bytes) -> None:
    answer = stripe(posted, body)
    assert answer.status_code == 200, answer.text
    assert all(each["state"] == "parked" or each["duplicate"] for each in answer.json()["events"])


def test_unknown_source_too_large_body_and_other_methods_are_refused(posted: Server) -> None:
    assert post(posted, "nobody", b"{}").status_code == 404
    assert stripe(posted, b" " * (1024 * 1024 + 1)).status_code == 413
    port = posted.service.web_port
    assert port is not None
    url = f"http://127.0.0.1:{port.number}/events/stripe"
    assert httpx.get(url, trust_env=False).status_code == 405


def test_database_that_does_not_answer_makes_the_sender_try_again(
    posted: Server, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(**_: object) -> NoReturn:
        raise Unavailable(ErrorReason.DATABASE_UNAVAILABLE, "the database does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(posted.service.store.database, "write", gone)
        answer = stripe(posted, checkout(tenant))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    again = stripe(posted, checkout(tenant)).json()["events"][0]
    assert not again["duplicate"]


def brought(
    tenant: str, type_: str, at: int = 0, id_: str = "", **data: Any
) -> pb.IngestBillingEventRequest:
    return pb.IngestBillingEventRequest(
        source="billing-job",
        id=id_ or f"{tenant}-{type_}-{at}",
        type=type_,
        time=Timestamp(seconds=at or now() - 100),
        data=json.dumps({"tenant": tenant, **data}).encode(),
    )


def previewed(request: pb.IngestBillingEventRequest) -> pb.PreviewBillingEventRequest:
    return pb.PreviewBillingEventRequest(
        source=request.source,
        id=request.id,
        type=request.type,
        time=request.time,
        subject=request.subject,
        data=request.data,
    )


def opened(server: Server, tenant: str) -> None:
    admin = {"subject": "user:ada"}
    answer = server.operator.billing.IngestBillingEvent(
        brought(tenant, "onboard", now() - DAY, plans="professional", admin=admin)
    )
    assert answer.event.state == pb.BILLING_EVENT_STATE_APPLIED


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("change_plan", {"plans": "enterprise"}),
        ("change_plan", {"plans": "free", "term_end": 4_000_000_000}),
        ("past_due", {}),
        ("paused", {}),
        ("churned", {}),
        ("change_plan", {"plans": "gold"}),
        ("unheard", {}),
    ],
)
def test_preview_says_exactly_what_the_event_then_does(
    posted: Server, tenant: str, type_: str, data: dict[str, Any]
) -> None:
    opened(posted, tenant)
    request = brought(tenant, type_, **data)
    before = posted.footprint()
    told = posted.operator.billing.PreviewBillingEvent(previewed(request))
    assert posted.footprint() == before
    done = posted.operator.billing.IngestBillingEvent(request)
    assert (told.effects, told.event.state, told.event.reason) == (
        done.effects,
        done.event.state,
        done.event.reason,
    )


def test_preview_names_who_loses_what_and_what_the_downgrade_policy_does(
    posted: Server, tenant: str
) -> None:
    opened(posted, tenant)
    new = member_pb2.NewMember(subject="user:bill", roles=["viewer", "billing-admin"])
    posted.operator.members.AddMember(member_pb2.AddMemberRequest(tenant=tenant, member=new))
    request = previewed(brought(tenant, "change_plan", plans="free"))
    told = posted.operator.billing.PreviewBillingEvent(request)
    assert "invoices:export" in told.lost
    assert [(each.name, each.before, each.after) for each in told.limits if each.name == "seats"]
    (step,) = told.downgrade_steps
    assert (step.kind, step.subject, step.role) == (
        subscription_pb2.DOWNGRADE_STEP_KIND_ROLE_ENDED,
        "user:bill",
        "billing-admin",
    )
    assert "user:bill" in {subject for each in told.members for subject in each.subjects}
    assert f"downgrade: billing-admin of {step.subject} held back" in told.effects


def test_preview_of_an_event_that_came_says_so(posted: Server, tenant: str) -> None:
    request = brought(tenant, "onboard", plans="free", admin={"subject": "user:ada"})
    posted.operator.billing.IngestBillingEvent(request)
    told = posted.operator.billing.PreviewBillingEvent(previewed(request))
    assert told.duplicate
    assert not told.effects


def test_preview_that_asks_for_too_many_names_is_refused(posted: Server, tenant: str) -> None:
    request = previewed(brought(tenant, "churned"))
    request.sample_size = 1001
    posted.refuses(request, ErrorReason.INVALID_FIELD, at="sample_size")


def test_validated_event_leaves_no_trace(posted: Server, tenant: str) -> None:
    opened(posted, tenant)
    request = brought(tenant, "churned")
    request.validate_only = True
    told = posted.operator.billing.IngestBillingEvent(request)
    assert told.event.state == pb.BILLING_EVENT_STATE_APPLIED
    posted.refuses(
        pb.GetBillingEventRequest(source="billing-job", id=request.id),
        ErrorReason.EVENT_NOT_FOUND,
        at="id",
    )


@pytest.mark.parametrize("kind", ["Get", "Replay", "Discard"])
@pytest.mark.parametrize("field", ["source", "id"])
def test_what_no_event_can_be_called_is_refused(posted: Server, kind: str, field: str) -> None:
    for wrong in ("a\x00b", "x" * 201):
        names = {"source": "billing-job", "id": "evt-1"} | {field: wrong}
        request = getattr(pb, f"{kind}BillingEventRequest")(**names)
        posted.refuses(request, ErrorReason.INVALID_FIELD, at=field)


def test_parked_event_is_replayed_or_given_up(posted: Server, tenant: str) -> None:
    opened(posted, tenant)
    request = brought(tenant, "unheard")
    posted.operator.billing.IngestBillingEvent(request)
    again = posted.operator.billing.ReplayBillingEvent(
        pb.ReplayBillingEventRequest(source="billing-job", id=request.id)
    )
    assert again.event.reason == pb.BILLING_EVENT_REASON_UNKNOWN_TYPE
    dead = pb.DiscardBillingEventRequest(
        source="billing-job", id=request.id, reason="a test of theirs"
    )
    assert (
        posted.operator.billing.DiscardBillingEvent(dead).event.state == pb.BILLING_EVENT_STATE_DEAD
    )
    posted.refuses(dead, ErrorReason.EVENT_STATE_CONFLICT, at="id")


def test_subject_is_mapped_by_hand_and_not_taken_away_by_accident(
    posted: Server, tenant: str
) -> None:
    opened(posted, tenant)
    request = brought("", "change_plan", id_=f"{tenant}-up", plans="enterprise")
    request.subject = f"cus-{tenant}"
    waiting = posted.operator.billing.IngestBillingEvent(request)
    assert waiting.event.reason == pb.BILLING_EVENT_REASON_UNKNOWN_SUBJECT
    mapping = pb.MapSubjectRequest(
        source="billing-job", subject=f"cus-{tenant}", tenant=tenant, reason="asked them"
    )
    released = posted.operator.billing.MapSubject(mapping).released
    assert [each.state for each in released] == [pb.BILLING_EVENT_STATE_APPLIED]
    assert account(posted, tenant).tier == "enterprise"
    mapping.tenant = f"{tenant}-other"
    posted.refuses(mapping, ErrorReason.EVENT_SUBJECT_MAPPED, at="subject")
    mapping.replace = True
    posted.operator.billing.MapSubject(mapping)


def test_undeclared_source_is_refused(posted: Server) -> None:
    request = pb.IngestBillingEventRequest(source="nobody", data=b"{}")
    posted.refuses(request, ErrorReason.EVENT_SOURCE_NOT_FOUND, at="source", says="stripe")


def test_paused_intake_keeps_events_and_does_them_when_it_is_resumed(
    posted: Server, tenant: str
) -> None:
    opened(posted, tenant)
    events = posted.operator.billing
    paused = events.PauseIntake(pb.PauseIntakeRequest(reason="a flood"))
    assert (paused.intake.paused, paused.intake.reason) == (True, "a flood")
    held = events.IngestBillingEvent(brought(tenant, "change_plan", plans="enterprise"))
    assert held.event.reason == pb.BILLING_EVENT_REASON_INTAKE_PAUSED
    assert account(posted, tenant).tier == "professional"
    resumed = events.ResumeIntake(pb.ResumeIntakeRequest(reason="looked"))
    assert resumed.released >= 1
    assert (resumed.intake.paused, resumed.intake.held_up) == (False, 0)
    assert account(posted, tenant).tier == "enterprise"


def test_breaker_asks_a_person_and_resuming_lets_the_rest_through(posted: Server) -> None:
    events = posted.operator.billing
    names = [fresh_name(f"avalanche-{number}") for number in range(40)]
    for name in names:
        opened(posted, name)
    ended = [events.IngestBillingEvent(brought(name, "churned")).event for name in names]
    held = [each for each in ended if each.reason == pb.BILLING_EVENT_REASON_BREAKER_OPEN]
    intake = events.GetIntake(pb.GetIntakeRequest()).intake
    assert intake.HasField("breaker_open_time")
    assert 0 < len(ended) - len(held) <= intake.allowed
    assert intake.held_up == len(held)
    resumed = events.ResumeIntake(pb.ResumeIntakeRequest(reason="they did close shop"))
    assert resumed.released == len(held)
    assert not resumed.intake.HasField("breaker_open_time")
    states = {account(posted, name).state for name in names}
    assert states == {tenant_pb2.TENANT_STATE_OFFBOARDED}


def test_drift_is_reported_and_repaired_on_request(posted: Server, tenant: str) -> None:
    opened(posted, tenant)
    by_hand = subscription_pb2.SetTierRequest(tenant=tenant, tier="free")
    posted.operator.subscriptions.SetTier(by_hand)
    events = posted.operator.billing
    found = events.Reconcile(pb.ReconcileRequest(tenant=tenant))
    (drift,) = found.drifts
    assert (list(drift.differences), drift.repaired) == (["tier: free -> professional"], False)
    assert account(posted, tenant).tier == "free"
    repaired = events.Reconcile(pb.ReconcileRequest(tenant=tenant, repair=True))
    assert repaired.drifts[0].repaired
    assert account(posted, tenant).tier == "professional"
    assert not events.Reconcile(pb.ReconcileRequest(tenant=tenant)).drifts


def test_full_list_read_from_the_billing_system_is_compared(posted: Server, tenant: str) -> None:
    opened(posted, tenant)
    fresh = f"{tenant}-new"
    desired = [
        pb.DesiredContract(tenant=tenant, plans=[pb.SoldPlan(plan="enterprise")]),
        pb.DesiredContract(tenant=fresh, plans=[pb.SoldPlan(plan="free")], display_name="New"),
        pb.DesiredContract(tenant=f"{tenant}-bad", plans=[pb.SoldPlan(plan="gold")]),
    ]
    request = pb.ReconcileRequest(source="billing-job", desired=desired, repair=True)
    answer = posted.operator.billing.Reconcile(request)
    problems = [each.problem for each in answer.drifts]
    assert [bool(problem) for problem in problems] == [False, False, True]
    assert "'gold'" in problems[2]
    assert account(posted, tenant).tier == "enterprise"
    assert account(posted, fresh).display_name == "New"


def test_limit_that_a_price_sells_is_not_taken_from_the_last_tier_that_has_it(
    posted: Server, tenant: str
) -> None:
    server, name = posted, f"moons-{tenant}"
    moons = limit_pb2.Limit(name=name, value=1, unit="moon")
    for tier in ("free", "professional"):
        server.operator.limits.CreateLimit(limit_pb2.CreateLimitRequest(tier=tier, limit=moons))
    sold = policy.SoldLimit(name=name, each=1)
    price = policy.BillingPrice(id=f"price_{tenant}", tier="free", limits=[sold])
    mapping = policy.CreateBillingPriceRequest(billing_price=price)
    server.operator.billing_policy.CreateBillingPrice(mapping)
    first, last = (
        limit_pb2.DeleteLimitRequest(tier=tier, name=name) for tier in ("free", "professional")
    )
    server.operator.limits.DeleteLimit(first)
    server.refuses(last, ErrorReason.INVALID_BILLING_POLICY, says=price.id)
    emptied = tier_pb2.UpdateTierRequest(
        tier=tier_pb2.Tier(id="professional"), update_mask=FieldMask(paths=["limits"])
    )
    server.refuses(emptied, ErrorReason.INVALID_BILLING_POLICY)
    server.operator.billing_policy.DeleteBillingPrice(policy.DeleteBillingPriceRequest(id=price.id))
    server.operator.limits.DeleteLimit(last)


def test_list_pages_in_the_order_in_which_events_came(posted: Server, tenant: str) -> None:
    opened(posted, tenant)
    for number in range(5):
        posted.operator.billing.IngestBillingEvent(
            brought(tenant, "paid", id_=f"{tenant}-{number}")
        )
    request, found = pb.ListBillingEventsRequest(tenant=tenant, page_size=2), []
    while True:
        page = posted.operator.billing.ListBillingEvents(request)
        found += [event.id for event in page.events]
        assert all(not event.data for event in page.events)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert found[1:] == [f"{tenant}-{number}" for number in range(5)]


def test_key_of_one_tenant_compares_no_other(posted: Server, tenant: str) -> None:
    opened(posted, tenant)
    bound = posted.caller(posted.new_key("authz.provisioner", tenants=(tenant,)))
    other = pb.DesiredContract(tenant=f"{tenant}-other", plans=[pb.SoldPlan(plan="free")])
    request = pb.ReconcileRequest(tenant=tenant, source="billing-job", desired=[other], repair=True)
    posted.refuses(request, ErrorReason.INVALID_FIELD, at="desired[0].tenant", by=bound)
    mapping = pb.MapSubjectRequest(source="billing-job", subject="cus-1", tenant=tenant)
    posted.refuses(mapping, ErrorReason.PERMISSION_DENIED, by=bound)
