"""A limit of one name has one unit everywhere: what a tier and add-ons set of it is summed."""

from typing import Any, Final

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.domain.audit import AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.catalog import Limit, Plan
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import add_on_pb2, limit_pb2, tier_pb2
from authz_service.usecases.bootstrap.declaring import SEEDER
from tests.changesets import apply, previewing, puts
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server
from tests.services import PUT

MISMATCH: Final = ErrorReason.LIMIT_UNIT_MISMATCH


def limit(name: str, unit: str) -> limit_pb2.Limit:
    return limit_pb2.Limit(name=name, value=2, unit=unit)


def tier(name: str, *limits: limit_pb2.Limit) -> tier_pb2.Tier:
    return tier_pb2.Tier(id=name, limits=limits)


@pytest.fixture
def rooms(server: Server) -> str:
    """Sell a limit in a tier of the same name, counted in rooms."""
    name = fresh_name("rooms")
    server.operator.call(tier_pb2.UpdateTierRequest(**PUT, tier=tier(name, limit(name, "room"))))
    return name


def test_another_unit_is_refused_wherever_it_is_set(server: Server, rooms: str) -> None:
    other, plain = fresh_name("other"), fresh_name("plain")
    server.operator.call(add_on_pb2.UpdateAddOnRequest(**PUT, add_on=add_on_pb2.AddOn(id=plain)))
    halls = limit(rooms, "hall")
    limits = FieldMask(paths=["limits"])
    add_on, bigger = (
        add_on_pb2.AddOn(id=other, limits=[halls]),
        add_on_pb2.AddOn(id=plain, limits=[halls]),
    )
    requests: list[tuple[Any, str]] = [
        (tier_pb2.CreateTierRequest(tier=tier(other, halls)), f"tier.limits.{rooms}.unit"),
        (tier_pb2.UpdateTierRequest(**PUT, tier=tier(other, halls)), f"tier.limits.{rooms}.unit"),
        (add_on_pb2.UpdateAddOnRequest(**PUT, add_on=add_on), f"add_on.limits.{rooms}.unit"),
        (add_on_pb2.CreateAddOnRequest(add_on=add_on), f"add_on.limits.{rooms}.unit"),
        (
            add_on_pb2.UpdateAddOnRequest(add_on=bigger, update_mask=limits),
            f"add_on.limits.{rooms}.unit",
        ),
        (limit_pb2.UpdateLimitRequest(**PUT, add_on=plain, limit=halls), "limit.unit"),
        (
            previewing(puts(add_ons=[add_on])),
            f"changeset.commands[0].update_add_on.add_on.limits.{rooms}.unit",
        ),
    ]
    for request, at in requests:
        server.refuses(request, MISMATCH, at=at, says=f"tier '{rooms}' counts '{rooms}' in 'room'")
    server.operator.call(
        limit_pb2.UpdateLimitRequest(**PUT, add_on=plain, limit=limit(rooms, "room"))
    )


def test_unit_is_changed_where_one_alone_sets_it_and_otherwise_at_once(
    server: Server, rooms: str
) -> None:
    server.operator.call(tier_pb2.UpdateTierRequest(**PUT, tier=tier(rooms, limit(rooms, "hall"))))
    big = fresh_name("big")
    server.operator.call(tier_pb2.UpdateTierRequest(**PUT, tier=tier(big, limit(rooms, "hall"))))
    desks = [tier(name, limit(rooms, "desk")) for name in (rooms, big)]
    server.refuses(
        tier_pb2.UpdateTierRequest(**PUT, tier=desks[0]), MISMATCH, at=f"tier.limits.{rooms}.unit"
    )
    apply(server.operator.changesets, puts(tiers=desks))
    apart = [desks[0], tier(big, limit(rooms, "seat"))]
    at = f"changeset.commands[1].update_tier.tier.limits.{rooms}.unit"
    server.refuses(previewing(puts(tiers=apart)), MISMATCH, at=at)


def test_what_an_older_version_let_through_is_changed_and_mended_as_before(
    server: Server, rooms: str
) -> None:
    old = fresh_name("old")
    plan = Plan(f"addon/{old}", limits=(Limit(rooms, 1, "hall"),))
    with server.service.store.transaction(Call(SEEDER)) as tx:
        tx.change(None, plan)
        tx.record(AuditRecord("add_on.created", "system", (plan.id,), None, plan))
    described = add_on_pb2.AddOn(id=old, description="From before", limits=[limit(rooms, "hall")])
    server.operator.call(add_on_pb2.UpdateAddOnRequest(**PUT, add_on=described))
    third = limit(rooms, "desk")
    server.refuses(
        limit_pb2.UpdateLimitRequest(**PUT, add_on=old, limit=third),
        MISMATCH,
        at="limit.unit",
    )
    server.operator.call(
        limit_pb2.UpdateLimitRequest(**PUT, add_on=old, limit=limit(rooms, "room"))
    )
