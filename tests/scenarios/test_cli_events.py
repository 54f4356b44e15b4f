"""`authz billing events` and `authz billing`, as operations use them."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from authz_service.cli.demo.throwaway_server import Trial
from tests.commands import Authz, Ran, run


@pytest.fixture(scope="module")
def authz(server: Trial) -> Authz:
    """Return a function that runs the CLI with the server's first operator key."""
    return lambda *arguments: run(server.environment, *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def stripe_event(folder: Path, number: int, type_: str, **content: Any) -> str:
    """Write a Stripe-shaped event to a file and name it."""
    event = {
        "id": f"evt_{folder.name}_{number}",
        "type": type_,
        "created": int(time.time()) - 100 + number,
        "data": {"object": {"customer": f"cus_{folder.name}", **content}},
    }
    file = folder / f"{number}.json"
    file.write_text(json.dumps(event))
    return str(file)


def story(folder: Path) -> list[str]:
    tenant = folder.name.replace("_", "-")
    items = {"data": [{"price": {"id": "price_professional_monthly"}, "quantity": 5}]}
    return [
        stripe_event(
            folder,
            1,
            "checkout.session.completed",
            mode="subscription",
            metadata={"tenant": tenant, "admin": "user:ada"},
            customer_details={"name": "Acme"},
        ),
        stripe_event(
            folder, 2, "customer.subscription.created", id="sub_1", status="active", items=items
        ),
    ]


def done(ran: Ran) -> Any:
    assert ran.code == 0, ran.err
    return ran.document


def test_events_are_brought_looked_up_and_replayed(authz: Authz, folder: Path) -> None:
    first, second = story(folder)
    parked = done(authz("billing", "events", "ingest", first, "--source", "stripe", "-o", "json"))
    assert parked["event"]["reason"] == "BILLING_EVENT_REASON_NOT_ONBOARDED"
    opened = done(authz("billing", "events", "ingest", second, "--source", "stripe", "-o", "json"))
    assert "tier: none -> professional" in opened["effects"]
    shown = authz("billing", "events", "show", "stripe", opened["event"]["id"])
    assert "verified" in shown.out
    assert "applied" in shown.out
    tenant = opened["event"]["tenant"]
    listed = done(authz("billing", "events", "list", "--tenant", tenant, "-o", "json"))
    assert [each["state"] for each in listed["events"]] == ["BILLING_EVENT_STATE_APPLIED"] * 2
    replayed = authz("billing", "events", "replay", "stripe", opened["event"]["id"], "--dry-run")
    assert replayed.code == 0, replayed.err
    assert "dry run" in replayed.err


def test_event_is_tried_without_a_server_and_with_one(authz: Authz, folder: Path) -> None:
    files = [json.loads(Path(each).read_text()) for each in story(folder)]
    both = folder / "both.json"
    both.write_text(json.dumps(files))
    ran = authz("billing", "test", str(both), "--source", "stripe", "-o", "json")
    assert ran.code == 1  # one of them would be parked
    tried = ran.document
    assert [each["reason"] for each in tried["events"]] == ["NOT_ONBOARDED", "NONE"]
    assert "tier: none -> professional" in tried["events"][1]["effects"]
    asked = authz("billing", "test", str(folder / "1.json"), "--source", "stripe", "--server")
    assert asked.code == 0, asked.err
    assert "not_onboarded" in asked.out


def test_billing_file_is_checked(authz: Authz) -> None:
    assert done(authz("billing", "check", "-o", "json"))["ok"]


def test_wrong_billing_file_is_told_with_its_line(authz: Authz, folder: Path) -> None:
    for name in ("catalogue.yaml", "roles.yaml", "tiers.yaml"):
        section = {"catalogue.yaml": "permissions", "roles.yaml": "roles", "tiers.yaml": "tiers"}
        (folder / name).write_text(f"{section[name]}: {{}}\n")
    (folder / "billing.yaml").write_text("sources: {}\nprices:\n  gold: {tier: gold}\n")
    ran = authz("billing", "check", "--policies", str(folder), "-o", "json")
    assert ran.code == 2
    assert "billing.yaml:3: prices.gold.tier: there is no tier 'gold'" in ran.failure["message"]


def test_intake_is_paused_and_resumed(authz: Authz) -> None:
    paused = done(authz("billing", "events", "pause", "--reason", "a flood", "-o", "json"))
    assert paused["intake"]["paused"]
    assert "a flood" in authz("billing", "events", "intake").out
    assert authz("billing", "events", "resume").code == 0
    assert "open" in authz("billing", "events", "intake").out
    assert done(authz("billing", "events", "reconcile", "-o", "json"))["compared"] >= 0


def test_unknown_source_is_a_wrong_usage(authz: Authz, folder: Path) -> None:
    file = story(folder)[0]
    ran = authz("billing", "test", file, "--source", "nobody", "-o", "json")
    assert (ran.code, ran.failure["reason"]) == (2, "UNKNOWN_SOURCE")
    ran = authz("billing", "events", "ingest", file, "--source", "nobody", "-o", "json")
    assert (ran.code, ran.failure["reason"]) == (3, "EVENT_SOURCE_NOT_FOUND")
