"""A change repeated under its request id has one effect and one answer: sent again, sent by many
at once, sent to a server that was started anew, on both databases.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from authz_service.app import setup
from authz_service.config import Settings
from authz_service.errors import ErrorReason
from tests.postgres import fresh_database
from tests.rpc.account import Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server, refusal, serving
from tests.rpc.requests import BESIDE_FACTS, CHANGES, made_ready
from tests.rpc.test_changes import SECRETS, with_id, without_secret
from tests.rpc.trail import added, mark
from tests.services import RPCS
from tests.sweeps import share_of

AT_ONCE: Final = 6

WITH_SECRETS: Final = [
    name for name in CHANGES if set(SECRETS).intersection(RPCS[name].output_type.fields_by_name)
]


def secrets_of(answer: Any) -> list[str]:
    known = answer.DESCRIPTOR.fields_by_name
    return [getattr(answer, name) for name in SECRETS if name in known and getattr(answer, name)]


def bare(answer: Any) -> Any:
    """Copy an answer without what is shown once."""
    seen = type(answer)()
    seen.CopyFrom(answer)
    return without_secret(seen)


def other_content(request: Any) -> Any:
    """Let the request ask for something else: any of its own texts is another."""
    found = type(request)()
    found.CopyFrom(request)
    if "reason" in RPCS[request.DESCRIPTOR.name.removesuffix("Request")].input_type.fields_by_name:
        found.reason = "another"
        return found
    _alter(found)
    return found


def _alter(message: Any) -> bool:
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is not None and not field.is_repeated:
            if message.HasField(field.name) and _alter(value):
                return True
        elif field.name in ("reason", "subject", "display_name", "description"):
            setattr(message, field.name, "user:another")
            return True
    return False


def at_once(server: Server, request: Any) -> list[Any]:
    """Send a request from many threads, each over a call of its own."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(server.operator.call, [request] * AT_ONCE))


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_change_sent_by_many_at_once_is_made_once_and_answered_alike(
    any_server: Server, name: str
) -> None:
    request = with_id(name, made_ready(Account(any_server, fresh_name(name))))
    start, told = any_server.footprint(), mark(any_server)
    answers = at_once(any_server, request)
    effect = grown(start, any_server.footprint())
    assert effect["request"] == 1
    # What one revision has of facts was written once, as no other has been made.
    assert effect.get("head", 0) == effect.get("change_log", 0) == (name not in BESIDE_FACTS)
    entries = added(any_server, told)
    assert {each["revision"] for each in entries} == {answers[0].revision}
    if name in BESIDE_FACTS:
        assert actions(entries) == actions(once(any_server, name))
    assert [bare(each) for each in answers] == [bare(answers[0])] * AT_ONCE
    # A secret is shown to whoever was first, and to nobody else.
    shown = [text for each in answers for text in secrets_of(each)]
    assert len(shown) == (name in WITH_SECRETS)

    after = any_server.footprint()
    found = refusal(lambda: any_server.operator.call(other_content(request)))
    assert (found.reason, found.field) == (ErrorReason.REQUEST_ID_REUSED, "request_id")
    assert any_server.footprint() == after


def once(server: Server, name: str) -> list[dict[str, Any]]:
    """Make a change once, in another account; give what the audit tells of it."""
    request = with_id(name, made_ready(Account(server, fresh_name(name))))
    told = mark(server)
    server.operator.call(request)
    return added(server, told)


def actions(entries: list[dict[str, Any]]) -> Counter[str]:
    return Counter(each["action"] for each in entries)


@pytest.fixture(params=["sqlite", "postgresql"])
def restarting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Give the settings of a database that is served twice."""
    if request.param == "sqlite":
        yield {}
        return
    with fresh_database(request.getfixturevalue("postgres_base_url")) as url:
        setup.migrate(Settings(database_url=url))
        yield {"database_url": url}


def test_change_sent_by_many_at_once_after_a_restart_gets_the_first_answer(
    restarting: dict[str, Any], tmp_path: Path
) -> None:
    requests, first = {}, {}
    with serving(tmp_path, **restarting) as server:
        for name in share_of(CHANGES):
            ready = made_ready(Account(server, f"acme-{name.lower()}"))
            requests[name] = with_id(name, ready)
            first[name] = bare(server.operator.call(requests[name]))
    with serving(tmp_path, **restarting) as server:
        before, told = server.footprint(), mark(server)
        for name, request in requests.items():
            assert at_once(server, request) == [first[name]] * AT_ONCE, name
            found = refusal(lambda r=request: server.operator.call(other_content(r)))  # type: ignore[misc]
            assert found.reason == ErrorReason.REQUEST_ID_REUSED, name
        assert server.footprint() == before
        refused = {each["outcome"] for each in added(server, told)}
        assert refused == {ErrorReason.REQUEST_ID_REUSED}
