"""A retry under the same request id gives the first answer and changes nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest

from authz_service.domain.grant import RoleGrant
from authz_service.errors import AlreadyExists, AuthzError, ErrorReason
from authz_service.usecases.grants.role_grants import RevokeRole, revoke_role
from authz_service.usecases.kernel.execution import Answer
from authz_service.usecases.members.members import AddMember, NewMember, add_member
from tests.conformance import ledger
from tests.conformance.callers import (
    CRM,
    GUEST,
    calling,
    granted,
    grants_of_alice,
    seed,
)
from tests.conformance.store_world import StoreWorld

T = TypeVar("T")


@pytest.fixture
def seeded(store_world: StoreWorld) -> StoreWorld:
    seed(store_world)
    return store_world


def refusal(body: Callable[[], object]) -> ErrorReason:
    """Name the reason for which a call is refused."""
    with pytest.raises(AuthzError) as refused:
        body()
    return refused.value.reason


def at_once(bodies: list[Callable[[], T]]) -> list[T]:
    """Run all in threads of their own; raise what any of them raised."""
    with ThreadPoolExecutor(len(bodies)) as pool:
        return [each.result() for each in [pool.submit(body) for body in bodies]]


def test_the_same_request_id_gives_the_first_answer(seeded: StoreWorld) -> None:
    first = granted(seeded, calling("r1"))
    seeded.clock.now += 1_000_000
    before = ledger.contents(seeded.database)
    again = granted(seeded, calling("r1"))
    assert (again.value, again.revision, again.repeated) == (first.value, first.revision, True)
    assert ledger.contents(seeded.database) == before


def test_the_first_answer_is_given_even_when_the_world_has_moved_on(seeded: StoreWorld) -> None:
    first = granted(seeded, calling("r1"))
    revoked = RevokeRole(tenant="acme", subject="user:alice", role="viewer")
    seeded.executor.change(calling("r2"), revoke_role, revoked)
    assert granted(seeded, calling("r1")) == replace(first, repeated=True)
    assert grants_of_alice(seeded) == []


def test_the_first_answer_is_known_to_every_process_and_after_a_restart(
    seeded: StoreWorld,
) -> None:
    first = granted(seeded, calling("r1"))
    assert granted(seeded.another(), calling("r1")) == replace(first, repeated=True)


def test_the_same_request_id_with_other_content_is_refused(seeded: StoreWorld) -> None:
    granted(seeded, calling("r1"))
    held = grants_of_alice(seeded)
    reason = refusal(lambda: granted(seeded, calling("r1", content="other"), "project:1"))
    assert reason is ErrorReason.REQUEST_ID_REUSED
    assert grants_of_alice(seeded) == held


def test_request_ids_are_each_callers_own(seeded: StoreWorld) -> None:
    first = granted(seeded, calling("r1"))
    other = granted(seeded, calling("r1", actor=CRM, content="other"), "project:1")
    assert not other.repeated
    assert {grant.id for grant in grants_of_alice(seeded)} == {first.value.id, other.value.id}


def test_request_ids_compare_byte_for_byte(seeded: StoreWorld) -> None:
    answers = [
        granted(seeded, calling(request_id, content=request_id), f"project:{at}")
        for at, request_id in enumerate(("r1", "R1", "r_1", "r-1", "r1."))
    ]
    assert not any(answer.repeated for answer in answers)


def test_a_caller_that_lost_the_right_is_not_given_the_first_answer(seeded: StoreWorld) -> None:
    granted(seeded, calling("r1", actor=CRM))
    seeded.end(RoleGrant("system", CRM.subject, "authz.operator", id=CRM.subject))
    reason = refusal(lambda: granted(seeded, calling("r1", actor=CRM)))
    assert reason is ErrorReason.PERMISSION_DENIED


def test_a_refused_request_can_be_sent_again_when_the_reason_is_gone(seeded: StoreWorld) -> None:
    newcomer = AddMember(tenant="acme", member=NewMember.of("user:alice"))
    call = calling("r1")
    reason = refusal(lambda: seeded.executor.change(call, add_member, newcomer))
    assert reason is ErrorReason.MEMBER_EXISTS
    seeded.end(seeded.index.member("acme", "user:alice") or pytest.fail("no member"))
    assert not seeded.executor.change(call, add_member, newcomer).repeated


def test_without_a_request_id_nothing_is_remembered(seeded: StoreWorld) -> None:
    granted(seeded, calling(""))
    assert refusal(lambda: granted(seeded, calling(""))) is ErrorReason.ROLE_GRANT_EXISTS
    assert ledger.contents(seeded.database)["request"] == []


def test_an_empty_answer_is_remembered_too(seeded: StoreWorld) -> None:
    """Nothing is changed by putting what is there already, and a retry still is one."""
    call = replace(calling("r1"), validate_only=False)
    with seeded.store.transaction(call) as tx:
        tx.answer = "[]"
    with seeded.store.transaction(call) as tx:
        assert tx.first_answer() == (tx.revision, "[]")


def test_duplicates_at_once_have_one_effect(seeded: StoreWorld) -> None:
    """From four threads each of two processes' worth."""
    worlds = [seeded, seeded.another()] * 4
    answers = at_once([partial(granted, world, calling("r1")) for world in worlds])
    assert [answer.repeated for answer in answers].count(False) == 1
    assert {(answer.value, answer.revision) for answer in answers} == {
        (grants_of_alice(seeded)[0], ledger.head(seeded.database))
    }
    ledger.assert_whole(seeded.database)


def test_different_contents_at_once_under_one_request_id_have_one_effect(
    seeded: StoreWorld,
) -> None:
    worlds = [seeded, seeded.another()] * 4

    def attempt(at: int) -> Answer[RoleGrant] | None:
        try:
            return granted(worlds[at], calling("r1", content=str(at)), f"project:{at}")
        except AlreadyExists:
            return None

    answers = at_once([partial(attempt, at) for at in range(len(worlds))])
    given = [answer.value for answer in answers if answer is not None]
    assert given == grants_of_alice(seeded)
    assert len(given) == 1


def test_the_same_grant_at_once_under_different_request_ids_is_given_once(
    seeded: StoreWorld,
) -> None:
    worlds = [seeded, seeded.another()] * 4

    def attempt(at: int) -> ErrorReason | None:
        try:
            granted(worlds[at], calling(f"r{at}"))
        except AuthzError as refused:
            return refused.reason
        return None

    outcomes = at_once([partial(attempt, at) for at in range(len(worlds))])
    assert sorted(outcomes, key=str) == [None, *[ErrorReason.ROLE_GRANT_EXISTS] * 7]
    assert len(grants_of_alice(seeded)) == 1


def test_a_stranger_is_refused_whether_or_not_the_request_is_known(seeded: StoreWorld) -> None:
    granted(seeded, calling("r1"))
    for request_id in ("r1", "r2"):
        reason = refusal(partial(granted, seeded, calling(request_id, actor=GUEST)))
        assert reason is ErrorReason.PERMISSION_DENIED
