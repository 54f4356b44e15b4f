"""The billing policy by RPC: checked as a file is, and what waited for it is released."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.config import shipped_policies
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import billing_pb2 as events
from authz_service.gen.authz.v1 import billing_policy_pb2 as pb
from authz_service.gen.authz.v1 import tier_pb2
from tests.rpc.harness import Server, serving
from tests.rpc.test_events import account, brought

ADMIN = {"subject": "user:ada"}


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, policies_dir=shipped_policies()) as started:
        yield started


def mapping(price: str, tier: str = "professional") -> pb.BillingPrice:
    return pb.BillingPrice(id=price, tier=tier, limits=[pb.SoldLimit(name="seats", each=1)])


def put(price: pb.BillingPrice, **fields: Any) -> pb.UpdateBillingPriceRequest:
    mask = FieldMask(paths=["*"])
    return pb.UpdateBillingPriceRequest(
        billing_price=price,
        update_mask=mask,
        allow_missing=True,
        **fields,
    )


def parked(server: Server, tenant: str, price: str, quantity: int) -> str:
    """Bring an event that names a price which nobody has mapped."""
    plans = [{"plan": price, "quantity": quantity}]
    request = brought(tenant, "onboard", id_=f"{tenant}-{price}", plans=plans, admin=ADMIN)
    answer = server.operator.billing.IngestBillingEvent(request)
    assert answer.event.reason == events.BILLING_EVENT_REASON_UNKNOWN_PLAN
    return answer.event.id


def test_mapping_a_price_releases_what_waited_for_it_and_the_preview_said_so(
    plain: Server,
) -> None:
    policy = plain.operator.billing_policy
    for tenant, seats in (("acme", 7), ("globex", 9)):
        parked(plain, tenant, "price_x", seats)
    (waiting,) = policy.ListUnmappedPrices(pb.ListUnmappedPricesRequest()).unmapped_prices
    assert (waiting.id, list(waiting.sources), waiting.event_count) == (
        "price_x", ["billing-job"], 2,
    )  # fmt: skip
    ahead = policy.UpdateBillingPrice(put(mapping("price_x"), validate_only=True))
    assert policy.ListUnmappedPrices(pb.ListUnmappedPricesRequest()).unmapped_prices
    done = policy.UpdateBillingPrice(put(mapping("price_x")))
    for answer in (ahead, done):
        assert [each.event.state for each in answer.released] == [
            events.BILLING_EVENT_STATE_APPLIED
        ] * 2
    assert {each.id for each in ahead.preview.objects if each.kind == "tenant"} == {
        "acme", "globex",
    }  # fmt: skip
    assert [list(each.effects) for each in ahead.released] == [
        list(each.effects) for each in done.released
    ]
    assert account(plain, "acme").tier == "professional"
    assert not policy.ListUnmappedPrices(pb.ListUnmappedPricesRequest()).unmapped_prices


@pytest.mark.parametrize(
    ("price", "field", "said"),
    [
        (mapping("p", tier="platinum"), "billing_price.tier", "there is no tier 'platinum'"),
        (
            pb.BillingPrice(id="p", tier="free"),
            "billing_price",
            "no limit takes its quantity",
        ),
        (
            pb.BillingPrice(id="p", limits=[pb.SoldLimit(name="moons", each=1)]),
            "billing_price.limits.moons",
            "there is no limit 'moons'",
        ),
        (pb.BillingPrice(id="p"), "billing_price", "expected a price's mapping"),
        (
            pb.BillingPrice(id="p", tier="free", limits=[pb.SoldLimit(name="seats")]),
            "billing_price.limits[0]",
            "it needs a value",
        ),
    ],
)
def test_price_that_a_file_could_not_have_is_refused_and_nothing_changes(
    server: Server, price: pb.BillingPrice, field: str, said: str
) -> None:
    policy = server.operator.billing_policy
    before = policy.GetBillingPolicy(pb.GetBillingPolicyRequest())
    server.refuses(put(price), ErrorReason.INVALID_FIELD, at=field, says=said)
    after = policy.GetBillingPolicy(pb.GetBillingPolicyRequest())
    assert list(after.billing_prices) == list(before.billing_prices)


@pytest.mark.parametrize(
    ("rule", "field", "said"),
    [
        ({"type": "x", "when": "!a.b", "do": []}, "events[0].when", "it can never find anything"),
        ({"type": "x", "do": ["trial"]}, "events[0].do", "trial takes the field `trial_until`"),
        ({"type": "x", "do": ["dance"]}, "events[0].do[0]", "expected"),
        (
            {"type": "x", "when": "[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]", "do": []},
            "events[0].when",
            "its cost has no bound",
        ),
    ],
)
def test_source_that_a_file_could_not_have_is_refused(
    server: Server, rule: dict[str, Any], field: str, said: str
) -> None:
    source = pb.BillingSource(id="crm")
    source.definition.update(
        {"scheme": "trusted-rpc", "times": {"unit": "seconds"}, "events": [rule]}
    )
    request = pb.CreateBillingSourceRequest(billing_source=source)
    at = f"billing_source.definition.{field}"
    server.refuses(request, ErrorReason.INVALID_FIELD, at=at, says=said)
    untimed = pb.BillingSource(id="crm")
    untimed.definition.update({"scheme": "trusted-rpc", "events": [{"type": "x", "do": []}]})
    server.refuses(
        pb.CreateBillingSourceRequest(billing_source=untimed),
        ErrorReason.INVALID_FIELD,
        at="billing_source.definition.times",
        says="it is missing",
    )


def test_what_is_there_is_not_made_again_and_what_is_not_is_not_found(server: Server) -> None:
    price = pb.CreateBillingPriceRequest(billing_price=mapping("price_twice"))
    server.operator.billing_policy.CreateBillingPrice(price)
    server.refuses(price, ErrorReason.BILLING_PRICE_EXISTS, at="billing_price.id")
    (source, *_) = server.operator.billing_policy.ListBillingSources(
        pb.ListBillingSourcesRequest()
    ).billing_sources
    again = pb.CreateBillingSourceRequest(billing_source=source)
    server.refuses(again, ErrorReason.BILLING_SOURCE_EXISTS, at="billing_source.id")
    unmapped = pb.DeleteBillingPriceRequest(id="price_nobody_mapped")
    server.refuses(unmapped, ErrorReason.BILLING_PRICE_NOT_FOUND, at="id")


def test_order_of_tiers_may_not_leave_out_what_a_price_sells(server: Server) -> None:
    settings = pb.BillingSettings(downgrade=pb.DowngradeRules(order=["free", "professional"]))
    request = pb.UpdateBillingSettingsRequest(
        billing_settings=settings, update_mask=FieldMask(paths=["downgrade"])
    )
    server.refuses(
        request,
        ErrorReason.INVALID_FIELD,
        at="billing_settings",
        says="tier 'enterprise' is not in downgrade.order",
    )


def test_tier_that_a_price_sells_is_deleted_with_a_replacement_alone(plain: Server) -> None:
    for name in ("old", "new"):
        tier = tier_pb2.Tier(id=name, extends="professional")
        plain.operator.tiers.CreateTier(tier_pb2.CreateTierRequest(tier=tier))
    settings = pb.BillingSettings(
        downgrade=pb.DowngradeRules(order=["free", "professional", "old", "new", "enterprise"])
    )
    plain.operator.billing_policy.UpdateBillingSettings(
        pb.UpdateBillingSettingsRequest(
            billing_settings=settings, update_mask=FieldMask(paths=["downgrade"])
        )
    )
    plain.operator.billing_policy.UpdateBillingPrice(put(mapping("price_old", tier="old")))
    deletion = tier_pb2.DeleteTierRequest(id="old")
    plain.refuses(deletion, ErrorReason.STILL_IN_USE, at="id", says="price_old")
    deletion.replacement = "new"
    plain.operator.tiers.DeleteTier(deletion)
    policy = plain.operator.billing_policy
    assert policy.GetBillingPrice(pb.GetBillingPriceRequest(id="price_old")).billing_price.tier == (
        "new"
    )
    order = policy.GetBillingSettings(pb.GetBillingSettingsRequest()).billing_settings.downgrade
    assert list(order.order) == ["free", "professional", "new", "enterprise"]


def test_versions_tell_who_changed_what_and_an_earlier_one_is_read_back(plain: Server) -> None:
    policy = plain.operator.billing_policy
    first = policy.UpdateBillingPrice(put(mapping("price_v"), reason="a new price"))
    second = policy.UpdateBillingPrice(put(mapping("price_v", tier="enterprise"), reason="dearer"))
    versions = policy.ListBillingPolicyVersions(pb.ListBillingPolicyVersionsRequest()).versions
    assert [(each.revision, each.reason) for each in versions[:2]] == [
        (second.revision, "dearer"),
        (first.revision, "a new price"),
    ]
    (change,) = versions[0].objects
    assert (change.kind, change.id) == ("billing-price", "price_v")
    assert [(f.field, f.before, f.after) for f in change.fields] == [
        ("tier", "professional", "enterprise")
    ]
    earlier = policy.GetBillingPolicy(pb.GetBillingPolicyRequest(at_revision=first.revision))
    (price,) = [each for each in earlier.billing_prices if each.id == "price_v"]
    assert (price.tier, price.revision) == ("professional", first.revision)


def test_file_seeds_and_is_not_read_again(tmp_path: Path) -> None:
    policies = shutil.copytree(shipped_policies(), tmp_path / "policies")
    with serving(tmp_path, policies_dir=policies) as server:
        (policies / "billing.yaml").write_text("sources: {}\nprices: {}\n")
        request = brought("acme", "onboard", plans="free", admin=ADMIN)
        answer = server.operator.billing.IngestBillingEvent(request)
        assert answer.event.state == events.BILLING_EVENT_STATE_APPLIED
