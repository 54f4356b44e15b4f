"""What Prometheus is told: the right numbers, at little cost, and nothing about anybody."""

import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from authz_service.app.service import Service
from authz_service.config import Settings
from authz_service.domain.decision import DecisionReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.serving.call_stats import BOUNDS, Observation
from tests.rpc.account import Account, usage
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Caller, Server, refusal, serving

NOBODY = "alice-of-acme"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("watched"), metrics_port=0) as started:
        yield started


@pytest.fixture
def acme(watched: Server, request: pytest.FixtureRequest) -> Account:
    account = Account(watched, fresh_name(request.node.name))
    account.onboard("professional", **{NOBODY: ["admin"]})
    return account


def scraped(server: Server) -> str:
    metrics = server.service.metrics_port
    assert metrics is not None
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics.number}/metrics") as answer:
        return str(answer.read().decode())


def values(server: Server, name: str) -> dict[tuple[str, ...], float]:
    """Read a metric: its labels' values in the order of their names, to its value."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(scraped(server))
        for sample in family.samples
        if sample.name == name
    }


def grown(server: Server, name: str, before: dict[tuple[str, ...], float]) -> dict[Any, float]:
    """Tell by how much each value has grown; what has not is left out."""
    now = values(server, name)
    found = {labels: value - before.get(labels, 0) for labels, value in now.items()}
    return {labels: growth for labels, growth in found.items() if growth}


def test_each_answer_is_counted_by_its_reason(watched: Server, acme: Account) -> None:
    before = values(watched, "authz_decisions_total")
    assert set(before) == {(reason.name,) for reason in DecisionReason} | {("DENIED",)}
    asked = checks.Question(tenant=acme.id, subject=f"user:{NOBODY}", permission="invoices:view")
    unknown = checks.Question(tenant="none", subject="user:x", permission="invoices:view")
    assert acme.may(NOBODY, "invoices:view")
    batch = checks.BatchCheckRequest(questions=[asked, unknown, asked])
    acme.operator.checks.BatchCheck(batch)
    listed = checks.CheckPermissionsRequest(
        tenant=acme.id, subject=f"user:{NOBODY}", permissions=["invoices:view", "sso:configure"]
    )
    acme.operator.checks.CheckPermissions(listed)
    limit = checks.CheckLimitRequest(tenant=acme.id, usage=usage("seats", 10**9))
    acme.operator.checks.CheckLimit(limit)
    assert grown(watched, "authz_decisions_total", before) == {
        ("ALLOWED",): 4,
        ("UNKNOWN_TENANT",): 1,
        ("DENIED",): 1,
        ("LIMIT_REACHED",): 1,
    }


def test_calls_are_timed_by_method_and_code(watched: Server, acme: Account) -> None:
    before = values(watched, "authz_rpc_seconds_count")
    acme.may(NOBODY, "invoices:view")
    acme.suspend()
    nobody = Caller(watched.checks, watched.admin)
    request = checks.CheckRequest(tenant=acme.id, subject="user:x", permission="invoices:view")
    assert refusal(lambda: nobody.checks.Check(request)).reason == "CREDENTIALS_MISSING"
    assert grown(watched, "authz_rpc_seconds_count", before) == {
        ("OK", "Check", "AuthorizationService"): 1,
        ("UNAUTHENTICATED", "Check", "AuthorizationService"): 1,
        ("OK", "SuspendTenant", "TenantService"): 1,
    }
    seconds = values(watched, "authz_rpc_seconds_sum")
    assert 0 < seconds["OK", "SuspendTenant", "TenantService"] < 60


def test_changes_are_counted_once_they_are_committed(watched: Server, acme: Account) -> None:
    changes, entries = values(watched, "authz_changes_total"), "authz_audit_entries_total"
    audited = values(watched, entries)
    acme.grant(NOBODY, "viewer")
    assert grown(watched, "authz_changes_total", changes) == {("role.granted",): 1}
    assert grown(watched, entries, audited) == {("done",): 1}
    assert refusal(lambda: acme.grant(NOBODY, "no-such-role")).reason == "ROLE_NOT_FOUND"
    assert grown(watched, "authz_changes_total", changes) == {("role.granted",): 1}
    assert grown(watched, entries, audited) == {("done",): 1, ("refused",): 1}


def test_state_of_the_process_is_shown(watched: Server, acme: Account) -> None:
    acme.grant(NOBODY, "viewer")
    assert values(watched, "authz_revision") == {(): watched.revision}
    assert values(watched, "authz_database_up") == {(): 1}
    assert values(watched, "authz_head_age_seconds")[()] < 60
    assert values(watched, "authz_database_connections_in_use")[()] >= 0
    both = {("checks",): 0.0, ("administration",): 0.0}
    assert values(watched, "authz_calls_running") == both
    assert values(watched, "authz_calls_waiting") == both
    assert values(watched, "process_open_fds")[()] > 0


def test_shadow_checks_and_disagreements_are_counted(watched: Server, acme: Account) -> None:
    acme.explain(NOBODY, "invoices:view")
    assert values(watched, "authz_shadow_disagreements_total") == {(): 0}
    assert values(watched, "authz_shadow_checks_total")[()] >= 0


def test_no_label_holds_a_key_a_customer_or_a_person(watched: Server, acme: Account) -> None:
    acme.may(NOBODY, "invoices:view")
    acme.grant(NOBODY, "viewer")
    asked = checks.CheckRequest(tenant=acme.id, subject="user:x\n", permission="invoices:view")
    refusal(lambda: watched.caller("authz_a_b").checks.Check(asked))
    told = scraped(watched)
    key_id, secret = watched.operator_key.split("_")[2:]
    for private in (secret, key_id, acme.id, NOBODY, "user:", "invoices"):
        assert private not in told


def test_metrics_are_at_one_path_only(watched: Server) -> None:
    metrics = watched.service.metrics_port
    assert metrics is not None
    with pytest.raises(HTTPError, match="404") as raised:
        urllib.request.urlopen(f"http://127.0.0.1:{metrics.number}/")
    raised.value.close()


def test_metrics_are_off_unless_a_port_is_set(server: Server) -> None:
    assert server.service.metrics_port is None


def test_metrics_port_that_is_taken_stops_the_start_and_leaves_no_trace(
    watched: Server, tmp_path: Path
) -> None:
    metrics = watched.service.metrics_port
    assert metrics is not None
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/authz.db",
        key_file=tmp_path / "operator.key",
        check_port=0,
        admin_port=0,
        metrics_port=metrics.number,
    )
    with pytest.raises(OSError, match="for metrics"):
        Service(settings)
    assert list(tmp_path.iterdir()) == []


def test_what_threads_count_for_themselves_adds_up() -> None:
    observed = Observation("checks")

    def count() -> None:
        for _ in range(1000):
            tally = observed.mine
            tally.decide(DecisionReason.ALLOWED)
            tally.end(("AuthorizationService.Check", "OK"), 0.00002)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert observed.decisions()["ALLOWED"] == 8000
    buckets, seconds = observed.times()["AuthorizationService.Check", "OK"]
    assert buckets[1] == sum(buckets) == 8000
    assert seconds == pytest.approx(8000 * 0.00002)


@pytest.mark.parametrize("bound", BOUNDS)
def test_time_at_a_bucket_s_bound_is_in_it(bound: float) -> None:
    observed = Observation("checks")
    observed.mine.end(("A.B", "OK"), bound)
    observed.mine.end(("A.B", "OK"), bound * 1.001)
    buckets, _ = observed.times()["A.B", "OK"]
    assert buckets[BOUNDS.index(bound)] == buckets[BOUNDS.index(bound) + 1] == 1


def test_http_port_serves_metrics_and_health_only_if_set_to(tmp_path: Path) -> None:
    for name, exposed, status in (("shut", False, 404), ("open", True, 200)):
        with serving(tmp_path / name, web_port=0, web_metrics=exposed) as server:
            web = server.service.web_port
            assert web is not None
            for path in ("metrics", "health"):
                answer = httpx.get(f"http://127.0.0.1:{web.number}/{path}", trust_env=False)
                assert answer.status_code == status
