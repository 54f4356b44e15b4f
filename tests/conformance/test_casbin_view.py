"""Stock Casbin on the live database answers as this service does, now."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import casbin
import pytest
from sqlalchemy_adapter import Adapter
from sqlalchemy_adapter.adapter import Filter

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.decision import Question
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import enclosing
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.tenant import (
    StatePeriod,
    SubscriptionItem,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import ALWAYS, Window
from authz_service.engine.decide import decide
from authz_service.reference.enforcer import request
from authz_service.store.casbin_adapter import ReadOnlyAdapter
from tests.conformance.around_now import HOUR, around, now
from tests.conformance.store_world import StoreWorld

MODEL = str(Path(__file__).parents[2] / "policies" / "model.conf")
SCOPES = ("", "doc:1", "doc:1/page:1")
SEEDS = (7_100, 7_103, 7_105, 7_112)


@pytest.fixture(params=["stock", "ours"])
def adapter(request: pytest.FixtureRequest, store_world: StoreWorld) -> Any:
    """Give an adapter of each make for the same live database."""
    engine = store_world.database.engine
    return (
        Adapter(engine, create_table=False) if request.param == "stock" else ReadOnlyAdapter(engine)
    )


def questions(world: StoreWorld, subjects: Iterable[str]) -> list[Question]:
    """Ask everything that is declared, of everyone, everywhere, in three places."""
    tenants = (*(name for name, _ in world.index.tenants.items()), "nowhere")
    asked = product(tenants, (*subjects, "user:nobody"), sorted(world.index.permissions), SCOPES)
    return [Question(t, s, p, enclosing(scope)) for t, s, p, scope in asked]


def assert_same_answers(world: StoreWorld, adapter: Any, subjects: Iterable[str]) -> list[bool]:
    """Ask the engine and Casbin the same; return the answers."""
    enforcer = casbin.Enforcer(MODEL, adapter)
    at = now()
    asked = questions(world, subjects)
    ours = [decide(world.index, question, at).allowed for question in asked]
    casbins = [bool(enforcer.enforce(*request(question))) for question in asked]
    differing = [q for q, mine, his in zip(asked, ours, casbins, strict=True) if mine != his]
    assert differing == []
    return ours


@pytest.mark.parametrize("seed", SEEDS)
def test_casbin_on_the_live_database_answers_as_the_engine_does(
    store_world: StoreWorld, adapter: Any, seed: int
) -> None:
    """For every question about a random world with windows that are over and not yet begun."""
    drawn = around(seed, now())
    for delta in drawn.deltas:
        store_world.commit(*delta.changes)
    answers = assert_same_answers(store_world, adapter, drawn.subjects)
    assert answers.count(True) >= 10


OPEN = Tenant("acme", subscription_items=(SubscriptionItem("tier/pro"),))
MEMBER = Membership("acme", "user:alice")
GRANT = RoleGrant("acme", "user:alice", "viewer")
CATALOGUE: tuple[Fact, ...] = (
    Permission("doc:read"),
    Permission("doc:write"),
    Permission("admin:all", internal=True),
    Role("viewer", frozenset({"doc:read", "doc:write", "admin:all"})),
    Plan("tier/pro", permissions=frozenset({"doc:read"})),
    Plan("tier/free"),
)
PAST, FUTURE = Window(0, now() - HOUR), Window(now() + HOUR)


class Case(NamedTuple):
    """Facts beside the catalogue, and what alice may do then in the whole tenant."""

    facts: tuple[Fact, ...]
    may: frozenset[str]


def case(may: str, *facts: Fact) -> Case:
    return Case(facts, frozenset(may.split()))


def a_tenant(state: TenantState, window: Window = ALWAYS) -> Tenant:
    return replace(OPEN, periods=(StatePeriod(state, window),))


def an_exception(kind: ExceptionKind, permission: str, **others: Any) -> TenantException:
    return TenantException("x1", "acme", kind, frozenset({permission}), **others)


GRANTING, DENYING, REPLACING, _ = ExceptionKind
NOTHING, USUAL = "", "doc:read admin:all"

CASES = {
    "nothing unusual": case(USUAL, OPEN, MEMBER, GRANT),
    "tenant on trial": case(USUAL, a_tenant(TenantState.TRIAL), MEMBER, GRANT),
    "tenant in grace": case(USUAL, a_tenant(TenantState.GRACE), MEMBER, GRANT),
    "tenant suspended": case(NOTHING, a_tenant(TenantState.SUSPENDED), MEMBER, GRANT),
    "tenant offboarded": case(NOTHING, a_tenant(TenantState.OFFBOARDED), MEMBER, GRANT),
    "tenant suspended for billing": case(
        NOTHING, replace(OPEN, suspensions=frozenset({SuspensionReason.BILLING})), MEMBER, GRANT
    ),
    "trial over": case(NOTHING, a_tenant(TenantState.TRIAL, PAST), MEMBER, GRANT),
    "tenant not begun": case(NOTHING, a_tenant(TenantState.ACTIVE, FUTURE), MEMBER, GRANT),
    "no member": case(NOTHING, OPEN, GRANT),
    "member invited": case(
        NOTHING, OPEN, replace(MEMBER, lifecycle=MembershipState.INVITED), GRANT
    ),
    "member suspended": case(
        NOTHING, OPEN, replace(MEMBER, suspensions=frozenset({SuspensionReason.RISK})), GRANT
    ),
    "grant over": case(NOTHING, OPEN, MEMBER, replace(GRANT, window=PAST)),
    "grant not begun": case(NOTHING, OPEN, MEMBER, replace(GRANT, window=FUTURE)),
    "grant over, another in force": case(
        USUAL, OPEN, MEMBER, replace(GRANT, window=PAST), replace(GRANT, id="g2")
    ),
    "grant on a scope": case(NOTHING, OPEN, MEMBER, replace(GRANT, scope="doc:1")),
    "tier over": case(
        "admin:all",
        replace(OPEN, subscription_items=(SubscriptionItem("tier/pro", PAST),)),
        MEMBER,
        GRANT,
    ),
    "tier not begun": case(
        "admin:all",
        replace(
            OPEN,
            subscription_items=(
                SubscriptionItem("tier/pro", FUTURE),
                SubscriptionItem("tier/free"),
            ),
        ),
        MEMBER,
        GRANT,
    ),
    "exception grants": case(
        "doc:read doc:write admin:all", OPEN, MEMBER, GRANT, an_exception(GRANTING, "doc:write")
    ),
    "exception to grant is over": case(
        USUAL, OPEN, MEMBER, GRANT, an_exception(GRANTING, "doc:write", window=PAST)
    ),
    "exception denies": case("admin:all", OPEN, MEMBER, GRANT, an_exception(DENYING, "doc:read")),
    "exception denies someone else": case(
        USUAL, OPEN, MEMBER, GRANT, an_exception(DENYING, "doc:read", subject="user:bob")
    ),
    "exception denies in one scope": case(
        USUAL, OPEN, MEMBER, GRANT, an_exception(DENYING, "doc:read", scope="doc:1")
    ),
    "exception to deny is not begun": case(
        USUAL, OPEN, MEMBER, GRANT, an_exception(DENYING, "doc:read", window=FUTURE)
    ),
    "exception replaces": case(
        "doc:write admin:all", OPEN, MEMBER, GRANT, an_exception(REPLACING, "doc:write")
    ),
    "exception to replace is over": case(
        USUAL, OPEN, MEMBER, GRANT, an_exception(REPLACING, "doc:write", window=PAST)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_casbin_on_the_live_database_knows(
    store_world: StoreWorld, adapter: Any, name: str
) -> None:
    store_world.put(*CATALOGUE, *CASES[name].facts)
    assert_same_answers(store_world, adapter, ["user:alice", "user:bob"])
    may = {
        permission
        for permission in store_world.index.permissions
        if decide(store_world.index, Question("acme", "user:alice", permission), now()).allowed
    }
    assert may == CASES[name].may


def test_casbin_sees_a_change_as_soon_as_it_is_committed(
    store_world: StoreWorld, adapter: Any
) -> None:
    enforcer = casbin.Enforcer(MODEL, adapter)
    asked = request(Question("acme", "user:alice", "doc:read"))
    answers = []
    store_world.put(*CATALOGUE, OPEN, MEMBER)
    for change in (store_world.put, store_world.end):
        change(GRANT)
        enforcer.load_policy()
        answers.append(enforcer.enforce(*asked))
    assert answers == [True, False]


def test_filtered_loading_finds_the_rules_of_one_tenant(
    store_world: StoreWorld, adapter: Any
) -> None:
    store_world.put(*CATALOGUE, OPEN, MEMBER, GRANT)
    wanted = Filter()
    wanted.ptype, wanted.v0 = ["g"], ["user:alice@acme"]
    enforcer = casbin.Enforcer(MODEL, adapter)
    enforcer.load_filtered_policy(wanted)
    assert enforcer.get_grouping_policy() == [["user:alice@acme", "role/viewer"]]
    assert enforcer.get_policy() == []
    assert adapter.is_filtered()


WRITES = {
    "save_policy": ("model",),
    "add_policy": ("g", "g", ["a", "b"]),
    "add_policies": ("g", "g", [["a", "b"]]),
    "remove_policy": ("g", "g", ["a", "b"]),
    "remove_policies": ("g", "g", [["a", "b"]]),
    "remove_filtered_policy": ("g", "g", 0, "a"),
    "update_policy": ("g", "g", ["a", "b"], ["a", "c"]),
    "update_policies": ("g", "g", [["a", "b"]], [["a", "c"]]),
    "update_filtered_policies": ("g", "g", [["a", "c"]], 0, "a"),
}


@pytest.mark.parametrize("method", WRITES)
def test_our_adapter_never_writes(store_world: StoreWorld, method: str) -> None:
    adapter = ReadOnlyAdapter(store_world.database.engine)
    with pytest.raises(NotImplementedError, match="unit of work"):
        getattr(adapter, method)(*WRITES[method])


def test_our_adapter_refuses_every_write_that_the_stock_one_has() -> None:
    known = {name for name in vars(Adapter) if not name.startswith("_")}
    reading = {"load_policy", "load_filtered_policy", "is_filtered", "filter_query"}
    assert known - reading == set(WRITES)
