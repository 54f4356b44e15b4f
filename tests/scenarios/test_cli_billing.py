"""The billing policy as operations change it while everything runs: by a command, or by files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from authz_service.cli.demo.throwaway_server import Trial
from tests.commands import Authz, Ran, run


@pytest.fixture(scope="module")
def authz(server: Trial) -> Authz:
    return lambda *arguments: run(server.environment, *arguments)


@pytest.fixture
def folder(authz: Authz, tmp_path: Path) -> Path:
    """Export the policy in force."""
    made = tmp_path / "policy"
    ran = authz("export", str(made))
    assert ran.code == 0, ran.err
    return made


def done(ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran.err
    document: dict[str, Any] = ran.document
    return document


def edited(folder: Path, change: Callable[[Any], None]) -> None:
    file = folder / "billing.yaml"
    document = yaml.safe_load(file.read_text())
    change(document)
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def sold(authz: Authz, folder: Path, tenant: str, price: str) -> dict[str, Any]:
    """Let a sender of CloudEvents tell that a customer has bought a price."""
    data = {"tenant": tenant, "plans": [{"plan": price, "quantity": 3}]}
    event = {
        "id": f"{tenant}-sold",
        "type": "contract.signed",
        "time": "2026-05-01T00:00:00Z",
        "subject": tenant,
        "data": {**data, "admin": {"subject": f"user:{tenant}"}},
    }
    file = folder / f"{tenant}.json"
    file.write_text(json.dumps(event))
    answer = done(
        authz("billing", "events", "ingest", str(file), "--source", "cloudevents", "-o", "json")
    )
    sent: dict[str, Any] = answer["event"]
    return sent


def test_new_price_is_mapped_and_what_waited_for_it_is_released(authz: Authz, folder: Path) -> None:
    assert sold(authz, folder, "novel", "price_novel")["state"] == "BILLING_EVENT_STATE_PARKED"
    assert "price_novel" in authz("billing", "unmapped").out
    mapping = ("billing", "map", "price_novel", "--to", "tier/professional", "--each", "seats")
    ahead = authz(*mapping, "--dry-run")
    assert ahead.code == 0, ahead.err
    assert "tier: none -> professional" in ahead.out
    assert "novel" in ahead.out
    assert "price_novel" in authz("billing", "unmapped").out
    answer = done(authz(*mapping, "--reason", "the new price list", "-o", "json"))
    (released,) = answer["released"]
    assert released["event"]["state"] == "BILLING_EVENT_STATE_APPLIED"
    account = done(authz("tenants", "show", "novel", "-o", "json"))["tenant"]
    assert account["tier"] == "professional"
    listed = authz("billing", "prices", "list")
    assert "seats 1 each" in listed.out
    versions = done(authz("billing", "versions", "--limit", "1", "-o", "json"))["versions"]
    assert versions[0]["reason"] == "the new price list"
    assert authz("billing", "prices", "delete", "price_novel").code == 0


def test_price_that_nothing_could_sell_is_refused(authz: Authz) -> None:
    ran = authz("billing", "map", "p", "--to", "tier/platinum", "--each", "seats", "-o", "json")
    assert (ran.code, ran.failure["field"]) == (3, "billing_price.tier")
    assert authz("billing", "map", "p", "--to", "platinum").code == 2


def test_plan_shows_and_apply_makes_what_the_file_says(authz: Authz, folder: Path) -> None:
    def change(document: Any) -> None:
        document["prices"]["price_planned"] = {"tier": "free", "quantity": "ignored"}
        document["past_due"]["grace"] = "21d"

    edited(folder, change)
    event = sold(authz, folder, "planned", "price_planned")
    assert event["state"] == "BILLING_EVENT_STATE_PARKED"
    plan = authz("plan", str(folder))
    assert plan.code == 0, plan.err
    assert "price_planned" in plan.out
    assert "planned" in plan.out
    ran = authz("apply", str(folder), "-o", "json")
    assert ran.code == 0, ran.err
    assert "billing-price price_planned" in ran.document["created"]
    assert "billing-settings settings" in ran.document["updated"]
    assert done(authz("tenants", "show", "planned", "-o", "json"))["tenant"]["tier"] == "free"
    again = authz("plan", str(folder), "--detailed-exitcode", "-o", "json")
    assert again.code == 0, again.err
    assert authz("billing", "prices", "delete", "price_planned").code == 0
    assert "14 days" in authz("billing", "settings", "update", "--grace", "14d").out


def test_plan_refuses_what_the_file_may_not_say_with_its_line(authz: Authz, folder: Path) -> None:
    edited(folder, lambda document: document["prices"]["free"].update(tier="platinum"))
    ran = authz("plan", str(folder), "-o", "json")
    assert ran.code != 0
    assert "prices.free.tier: there is no tier 'platinum'" in ran.failure["message"]


def test_source_is_shown_with_what_it_does_and_put_from_a_file(
    authz: Authz, tmp_path: Path
) -> None:
    shown = authz("billing", "sources", "show", "stripe")
    assert "data.object.status is unpaid" in shown.out
    assert "suspended" in shown.out
    file = tmp_path / "ledger.yaml"
    file.write_text(
        "scheme: trusted-rpc\ntimes: {unit: seconds}\ntenant: tenant\n"
        "fields: {agreement: agreement || 'contract'}\nevents:\n  - {type: paid, do: [paid]}\n"
    )
    put = ("billing", "sources", "update", "ledger", str(file))
    assert authz(*put).code != 0
    assert authz(*put, "--allow-missing").code == 0
    assert "ledger" in authz("billing", "sources", "list").out
    file.write_text("scheme: trusted-rpc\nevents: []\n")
    refused = authz(*put, "-o", "json")
    assert refused.failure["field"] == "billing_source.definition.times"
    assert authz("billing", "sources", "delete", "ledger").code == 0
