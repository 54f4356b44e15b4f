"""Casbin is asked by several threads at once: those of Explain, and the one that verifies."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SubscriptionItem, Tenant
from authz_service.reference.decision import Reference

MODEL: Final = (Path(__file__).parents[2] / "policies" / "model.conf").read_text()
FACTS: Final = (
    Permission("doc:read"),
    Role("reader", frozenset({"doc:read"})),
    Plan("tier/pro", permissions=frozenset({"doc:read"})),
    Tenant("acme", subscription_items=(SubscriptionItem("tier/pro"),)),
    Membership("acme", "user:ada"),
    RoleGrant("acme", "user:ada", "reader", id="g"),
)


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless_threads")
def test_many_threads_are_answered_as_one_is() -> None:
    def decided(_: int) -> DecisionReason:
        return Reference(MODEL, FACTS, 0).decide(Question("acme", "user:ada", "doc:read"))

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(decided, range(1500))) == {DecisionReason.ALLOWED}
