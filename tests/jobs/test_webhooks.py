"""Outgoing webhooks, delivered to a real endpoint."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from authz_service.app import setup
from authz_service.config import Settings
from authz_service.domain.job import JobState
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import job_pb2 as pb
from authz_service.gen.authz.v1 import webhook_pb2 as webhooks
from authz_service.store import jobs
from tests.jobs.receiver import Received, Receiver, receiver
from tests.jobs.world import DAY, World, world


@pytest.fixture
def told() -> Iterator[Receiver]:
    with receiver() as endpoint:
        yield endpoint


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.onboard("acme", "ada")
        made.onboard("globex", "gus")
        yield made


def verified(secret: str, got: Received) -> Any:
    return Webhook(secret).verify(got.body, dict(got.headers))


def invite(acme: World, tenant: str = "acme", name: str = "ivan") -> None:
    acme.invite(f"{name}@example.com", tenant)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_change_is_delivered_signed_and_names_what_can_be_fetched(
    told: Receiver, tmp_path: Path, dialect: str, request: pytest.FixtureRequest
) -> None:
    settings: dict[str, Any] = {}
    if dialect == "postgresql":
        settings["database_url"] = request.getfixturevalue("postgres_url")
        setup.migrate(Settings(**settings))
    with world(tmp_path, **settings) as acme:
        acme.onboard("acme", "ada")
        made = acme.endpoint(told.url, "acme", "invitation.*")
        revision = acme.invite("ivan@example.com").revision
        assert acme.attempt_all() == [JobState.DONE]
        (got,) = told.got
        said = verified(made.secret, got)
        assert said["type"] == "invitation.created"
        assert said["data"]["tenant"] == "acme"
        assert said["data"]["revision"] == revision
        assert got.headers["webhook-id"] == acme.jobs()[0].id
        assert "ivan" not in got.body.decode()


def test_endpoint_hears_of_its_kinds_and_its_tenant_alone(told: Receiver, acme: World) -> None:
    acme.endpoint(told.url, "acme", "member.*", "tenant.updated")
    invite(acme, "globex")
    invite(acme)
    assert acme.jobs() == []
    acme.endpoint(told.url)
    invite(acme, "globex", "vera")
    assert {job.tenant for job in acme.jobs()} == {"globex"}


def test_endpoint_for_all_hears_of_every_tenant(told: Receiver, acme: World) -> None:
    acme.endpoint(told.url, "", "invitation.created")
    invite(acme)
    invite(acme, "globex")
    assert acme.attempt_all() == [JobState.DONE] * 2
    assert {json.loads(got.body)["data"]["tenant"] for got in told.got} == {"acme", "globex"}


def test_nothing_is_enqueued_where_nobody_listens(acme: World) -> None:
    invite(acme)
    assert acme.jobs() == []


def test_refused_and_validated_changes_are_not_told(told: Receiver, acme: World) -> None:
    acme.endpoint(told.url)
    invite(acme)
    with pytest.raises(grpc.RpcError, match="reaches the same person"):
        invite(acme)
    assert [job.subject for job in acme.jobs()] == ["invitation.created"]


@pytest.mark.parametrize("status", [400, 404, 500, 503, 302])
def test_refused_delivery_is_tried_again_under_the_same_id(
    told: Receiver, tmp_path: Path, status: int
) -> None:
    with world(tmp_path, webhook_retry_seconds=(5.0, 300.0)) as acme:
        acme.onboard("acme", "ada")
        acme.endpoint(told.url, "acme", "invitation.*")
        told.status = status
        invite(acme)
        assert acme.attempt_all() == [JobState.PENDING]
        _, turn, delay = acme.queue.put_[0]
        assert turn == 2
        assert delay == pytest.approx(5, abs=0.5)
        assert str(status) in acme.jobs()[0].message
        told.status = 204
        assert acme.attempt_all() == [JobState.DONE]
        first, second = told.got
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body


def test_endpoint_that_is_gone_is_disabled_and_told_nothing_more(
    told: Receiver, acme: World
) -> None:
    made = acme.endpoint(told.url, "acme", "invitation.*")
    told.status = 410
    invite(acme)
    invite(acme, name="vera")
    assert acme.attempt_all() == [JobState.DEAD] * 2
    assert [job.reason for job in acme.jobs()] == [
        pb.JOB_REASON_ENDPOINT_DISABLED,
        pb.JOB_REASON_ENDPOINT_GONE,
    ]
    assert len(told.got) == 1
    now = found(acme, made.endpoint.id)
    assert (now.disabled, now.disabled_reason) == (True, "it answered 410 Gone")
    invite(acme, name="otto")
    assert len(acme.jobs()) == 2
    acme.server.refuses(
        webhooks.PingEndpointRequest(tenant="acme", id=made.endpoint.id),
        ErrorReason.ENDPOINT_DISABLED,
        at="id",
    )


def found(acme: World, endpoint: str) -> webhooks.Endpoint:
    request = webhooks.GetEndpointRequest(tenant="acme", id=endpoint)
    return acme.server.operator.webhooks.GetEndpoint(request).endpoint


def test_disabled_endpoint_is_enabled_again(told: Receiver, acme: World) -> None:
    made = acme.endpoint(told.url, "acme", "invitation.*").endpoint
    for disabled, enqueued in ((True, 0), (False, 1)):
        acme.server.operator.webhooks.UpdateEndpoint(
            webhooks.UpdateEndpointRequest(
                tenant="acme",
                endpoint=webhooks.Endpoint(id=made.id, disabled=disabled),
                update_mask=FieldMask(paths=["disabled"]),
            )
        )
        invite(acme, name=f"ivan{enqueued}")
        assert len(acme.jobs()) == enqueued


def test_deliveries_to_a_deleted_endpoint_are_given_up(told: Receiver, acme: World) -> None:
    made = acme.endpoint(told.url, "acme").endpoint
    invite(acme)
    acme.server.operator.webhooks.DeleteEndpoint(
        webhooks.DeleteEndpointRequest(tenant="acme", id=made.id)
    )
    assert acme.attempt_all() == [JobState.DEAD]
    assert told.got == []


def rotated(acme: World, endpoint: str, hours: int) -> str:
    request = webhooks.RotateEndpointSecretRequest(
        tenant="acme", id=endpoint, overlap=Duration(seconds=hours * 3600)
    )
    return acme.server.operator.webhooks.RotateEndpointSecret(request).secret


def test_two_secrets_are_live_until_the_overlap_is_over(told: Receiver, acme: World) -> None:
    made = acme.endpoint(told.url, "acme", "invitation.*")
    new = rotated(acme, made.endpoint.id, 24)
    invite(acme)
    acme.attempt_all()
    verified(made.secret, told.got[0])
    verified(new, told.got[0])
    newest = rotated(acme, made.endpoint.id, 24)
    invite(acme, name="vera")
    acme.attempt_all()
    verified(newest, told.got[1])
    verified(new, told.got[1])
    with pytest.raises(WebhookVerificationError):
        verified(made.secret, told.got[1])
    with acme.server.service.database.read() as connection:
        later = jobs.secrets(
            connection, acme.server.service.store.seals, made.endpoint.id, acme.now() + 2 * DAY
        )
    assert later == [newest]


def test_secret_is_shown_once_and_stands_in_no_log(told: Receiver, acme: World) -> None:
    request = webhooks.CreateEndpointRequest(
        tenant="acme", endpoint=webhooks.Endpoint(url=told.url), request_id="once"
    )
    made = acme.server.operator.webhooks.CreateEndpoint(request)
    again = acme.server.operator.webhooks.CreateEndpoint(request)
    assert made.secret.startswith("whsec_")
    assert (again.endpoint, again.secret) == (made.endpoint, "")
    tables = ("change_log", "audit_entry", "request", "job", "kept_fact")
    with acme.server.service.database.read() as connection:
        rows = [
            str(tuple(row))
            for table in tables
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}")
        ]
    assert any(made.endpoint.id in row for row in rows)
    assert not any(made.secret.removeprefix("whsec_") in row for row in rows)


def test_ping_arrives_whatever_the_endpoint_listens_to(told: Receiver, acme: World) -> None:
    made = acme.endpoint(told.url, "acme", "role.created")
    delivery = acme.server.operator.webhooks.PingEndpoint(
        webhooks.PingEndpointRequest(tenant="acme", id=made.endpoint.id)
    ).delivery
    assert acme.attempt(delivery.id) is JobState.DONE
    assert verified(made.secret, told.got[0])["type"] == "endpoint.ping"


def test_delivery_is_repeated_on_request_under_the_same_id(told: Receiver, acme: World) -> None:
    made = acme.endpoint(told.url, "acme", "invitation.*").endpoint
    invite(acme)
    acme.attempt_all()
    listed = acme.server.operator.webhooks.ListDeliveries(
        webhooks.ListDeliveriesRequest(tenant="acme", endpoint=made.id)
    ).deliveries
    request = webhooks.RedeliverDeliveryRequest(tenant="acme", endpoint=made.id, id=listed[0].id)
    acme.server.operator.webhooks.RedeliverDelivery(request)
    assert acme.attempt_all() == [JobState.DONE]
    assert len({got.headers["webhook-id"] for got in told.got}) == 1
    assert len(told.got) == 2


def test_private_endpoint_is_never_reached_unless_that_is_allowed(
    told: Receiver, tmp_path: Path
) -> None:
    with world(tmp_path) as allowed:
        allowed.onboard("acme", "ada")
        allowed.endpoint(told.url, "acme", "invitation.*")
    with world(tmp_path, webhook_allow_private=False) as acme:
        invite(acme)
        assert acme.attempt_all() == [JobState.PENDING]
        assert acme.jobs()[0].reason == pb.JOB_REASON_TARGET_NOT_ALLOWED
        assert told.got == []


@pytest.mark.parametrize(
    "url",
    [
        *("", "crm.example", "http://crm.example/", "ftp://crm.example/", "https://"),
        *("https://me:secret@crm.example/", "https://crm.example/#x", "https://crm.example/a b"),
        *("https://[::1/", "https://crm.example:x/", "https://crm.example/\n"),
    ],
)
def test_url_that_nothing_can_be_delivered_to_is_refused(tmp_path: Path, url: str) -> None:
    with world(tmp_path, webhook_allow_private=False) as acme:
        acme.onboard("acme", "ada")
        acme.server.refuses(
            webhooks.CreateEndpointRequest(tenant="acme", endpoint=webhooks.Endpoint(url=url)),
            ErrorReason.ENDPOINT_URL_REFUSED,
            at="endpoint.url",
        )


@pytest.mark.parametrize("kind", ["", "member", "*.added", "Member.added", "member.*.x"])
def test_kind_that_is_none_is_refused(acme: World, kind: str) -> None:
    endpoint = webhooks.Endpoint(url="https://crm.example/", kinds=[kind])
    acme.server.refuses(
        webhooks.CreateEndpointRequest(tenant="acme", endpoint=endpoint),
        ErrorReason.INVALID_FIELD,
        at="endpoint.kinds",
    )


def test_endpoint_of_another_tenant_is_not_found(told: Receiver, acme: World) -> None:
    made = acme.endpoint(told.url, "acme").endpoint
    for request in (
        webhooks.GetEndpointRequest(tenant="globex", id=made.id),
        webhooks.DeleteEndpointRequest(tenant="globex", id=made.id),
        webhooks.PingEndpointRequest(tenant="globex", id="end-nowhere"),
    ):
        acme.server.refuses(request, ErrorReason.ENDPOINT_NOT_FOUND, at="id")


def test_tenant_has_no_more_endpoints_than_it_may(told: Receiver, acme: World) -> None:
    for _ in range(20):
        acme.endpoint(told.url, "acme", "role.created")
    acme.server.refuses(
        webhooks.CreateEndpointRequest(tenant="acme", endpoint=webhooks.Endpoint(url=told.url)),
        ErrorReason.TOO_MANY_ENDPOINTS,
        at="endpoint",
    )
