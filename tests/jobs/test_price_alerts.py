"""A price that nobody has mapped is told of once, however many events name it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.app import door
from authz_service.gen.authz.v1 import billing_pb2, billing_policy_pb2
from authz_service.usecases.delivery.notices import price_alerts
from authz_service.usecases.delivery.outbox import enqueue
from tests.jobs.world import World, world


@pytest.fixture
def told(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.endpoint("https://ops.invalid/", "", "notice.*")
        yield made


def buy(world: World, tenant: str, price: str) -> None:
    data = {"tenant": tenant, "plans": [{"plan": price, "quantity": 1}]}
    request = billing_pb2.IngestBillingEventRequest(
        source="billing-job",
        id=f"{tenant}-{price}-{world.queue.put_}"[:60],
        type="onboard",
        time=Timestamp(seconds=1_777_000_000),
        data=json.dumps({**data, "admin": {"subject": "user:ada"}}).encode(),
    )
    world.server.operator.billing.IngestBillingEvent(request)


def alerts(world: World) -> list[str]:
    """Look once, as a worker does at each beat; name what is enqueued."""
    service, now = world.server.service, door.now()
    with service.database.read() as connection:
        due = list(price_alerts(connection, service.replica.index, now, door.new_id))
    with service.database.write() as connection:
        new = [job for job in due if enqueue(connection, world.queue, job, now)]
    return [str(job.data["data"]["targets"][0]) for job in new]  # type: ignore[index]


def test_unknown_price_alerts_once_and_again_after_it_was_mapped_and_removed(told: World) -> None:
    for tenant in ("acme", "globex", "initech"):
        buy(told, tenant, "price_x")
    assert alerts(told) == ["price:price_x"]
    buy(told, "umbrella", "price_x")
    buy(told, "umbrella-two", "price_y")
    assert alerts(told) == ["price:price_y"]
    policy = told.server.operator.billing_policy
    seats = billing_policy_pb2.SoldLimit(name="seats", each=1)
    for price in ("price_x", "price_y"):
        mapping = billing_policy_pb2.BillingPrice(id=price, tier="free", limits=[seats])
        policy.UpdateBillingPrice(
            billing_policy_pb2.UpdateBillingPriceRequest(
                billing_price=mapping, update_mask=FieldMask(paths=["*"]), allow_missing=True
            )
        )
    assert alerts(told) == []
    policy.DeleteBillingPrice(billing_policy_pb2.DeleteBillingPriceRequest(id="price_x"))
    buy(told, "hooli", "price_x")
    assert alerts(told) == ["price:price_x"]
    assert alerts(told) == []
