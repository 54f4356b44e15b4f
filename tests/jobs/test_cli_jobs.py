"""`authz jobs`, `webhooks`, `mail-templates` and `events map`, served in this process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Authz, Ran, authz_command
from tests.jobs.world import World, world


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("cli")) as made:
        made.onboard("acme", "ada")
        yield made


@pytest.fixture
def authz(acme: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Authz:
    run = authz_command(monkeypatch, tmp_path)
    monkeypatch.setenv("AUTHZ_KEY", acme.server.operator_key)
    monkeypatch.setenv("AUTHZ_ADMIN_PORT", str(acme.server.service.admin_port.number))
    return run


def done(ran: Ran) -> Any:
    """Give the document that was printed, or else the text; the service's log goes before it."""
    assert ran.code == 0, ran.err
    _, opened, document = ran.out.partition("{\n")
    return json.loads(opened + document) if opened else ran.out


def created(authz: Authz, *arguments: str) -> Any:
    url = "https://crm.invalid/hooks"
    return done(authz("webhooks", "create", url, "--tenant", "acme", *arguments, "-o", "json"))


def test_endpoint_is_made_shown_changed_and_ended(authz: Authz) -> None:
    made = created(authz, "--kind", "member.*", "--description", "the CRM")
    endpoint = made["endpoint"]["id"]
    assert made["secret"].startswith("whsec_")
    shown = done(authz("webhooks", "show", endpoint, "--tenant", "acme"))
    assert "the CRM" in shown
    assert made["secret"] not in shown
    changed = ("--kind", "tenant.*", "--disable", "--tenant", "acme", "-o", "json")
    after = done(authz("webhooks", "update", endpoint, *changed))["endpoint"]
    assert (after["kinds"], after["disabled"]) == (["tenant.*"], True)
    listed = done(authz("webhooks", "list", "--tenant", "acme"))
    assert endpoint in listed
    assert authz("webhooks", "delete", endpoint, "--tenant", "acme").code == 0
    gone = authz("webhooks", "show", endpoint, "--tenant", "acme", "-o", "json")
    assert gone.failure["reason"] == "ENDPOINT_NOT_FOUND"


def test_endpoint_is_not_made_in_a_dry_run(authz: Authz) -> None:
    before = done(authz("webhooks", "list", "-o", "json"))
    assert created(authz, "--dry-run")["endpoint"]["url"].startswith("https://crm")
    assert done(authz("webhooks", "list", "-o", "json"))["endpoints"] == before["endpoints"]


def test_secret_is_rotated_and_shown_once(authz: Authz) -> None:
    made = created(authz)
    asked = ("webhooks", "rotate", made["endpoint"]["id"], "--overlap", "1h", "--tenant", "acme")
    rotated = done(authz(*asked, "-o", "json"))
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]


def test_delivery_is_listed_given_up_and_made_again(authz: Authz) -> None:
    endpoint = created(authz)["endpoint"]["id"]
    mine = ("--tenant", "acme")
    ping = done(authz("webhooks", "ping", endpoint, *mine, "-o", "json"))["delivery"]
    assert ping["id"] in done(authz("webhooks", "deliveries", endpoint, *mine))
    assert "pending" in done(authz("jobs", "show", ping["id"], *mine))
    waiting = ("jobs", "list", "--kind", "webhook", "--state", "pending", *mine, "-o", "json")
    assert ping["id"] in {job["id"] for job in done(authz(*waiting))["jobs"]}
    assert "cancelled" in done(authz("jobs", "cancel", ping["id"], *mine))
    again = authz("jobs", "cancel", ping["id"], *mine, "-o", "json")
    assert again.failure["reason"] == "JOB_STATE_CONFLICT"
    assert "pending" in done(authz("jobs", "retry", ping["id"], *mine))
    done(authz("jobs", "cancel", ping["id"], *mine))
    redelivered = authz("webhooks", "redeliver", endpoint, ping["id"], *mine, "-o", "json")
    assert done(redelivered)["delivery"]["id"] == ping["id"]


def test_date_of_an_account_is_a_job_of_its_own(authz: Authz) -> None:
    moved = authz("tenants", "set-tier", "acme", "free", "--at", "+30d")
    assert moved.code == 0, moved.err
    (job,) = done(authz("jobs", "list", "--kind", "downgrade", "-o", "json"))["jobs"]
    assert (job["tenant"], job["state"]) == ("acme", "JOB_STATE_PENDING")


def test_words_of_a_mail_are_written_shown_and_forgotten(authz: Authz, tmp_path: Path) -> None:
    text = tmp_path / "mail.txt"
    text.write_text("Come in: {{ link }}")
    words = ("--subject", "Join us", "--text", str(text), "--tenant", "acme")
    assert authz("mail-templates", "update", "invitation", *words).code == 0
    assert "Join us" in done(authz("mail-templates", "show", "invitation", "--tenant", "acme"))
    assert authz("mail-templates", "delete", "invitation", "--tenant", "acme").code == 0
    assert "Join us" not in done(authz("mail-templates", "show", "invitation", "--tenant", "acme"))


def test_subject_mapped_to_an_account_that_is_not_there_is_told(authz: Authz) -> None:
    early = authz("billing", "events", "map", "stripe", "cus_1", "acme-typo")
    assert early.code == 0
    assert "there is no account 'acme-typo' yet" in early.err
    assert "no account" not in authz("billing", "events", "map", "stripe", "cus_2", "acme").err
