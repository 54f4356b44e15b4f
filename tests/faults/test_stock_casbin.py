"""Four faults of stock pycasbin 2.8 and sqlalchemy-adapter 1.9, and that ours has none of them.

Each test has one body. Ours must do what is right; the stock parts must fail in the way that is
described, so that an upstream that mended it is noticed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import casbin
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from sqlalchemy_adapter import Adapter, CasbinRule

from authz_service.store.casbin_adapter import ReadOnlyAdapter
from tests.conformance.store_world import opened
from tests.faults.keepers import Grant, ManagedBy, Ours, Stock

T = TypeVar("T")

ADMIN_A = Grant("acme", "user:alice", "admin")
VIEWER_A = Grant("acme", "user:alice", "viewer")
ADMIN_B = Grant("globex", "user:bob", "admin")
VIEWER_B = Grant("globex", "user:bob", "viewer")
CAROL = Grant("acme", "user:carol", "viewer")
KNOWN = frozenset({ADMIN_A, VIEWER_A, ADMIN_B, VIEWER_B, CAROL})

# Casbin's own example of roles in tenants.
RBAC_WITH_DOMAINS = """
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
"""


class Side(NamedTuple):
    """Whose parts a test is run over."""

    stock: bool
    keeper: ManagedBy

    def shows(self, found: T, *, right: T, stock: T) -> None:
        """Assert that ours gives what is right, and the stock parts what is described."""
        assert right != stock
        assert found == (stock if self.stock else right)


@pytest.fixture(params=["stock", "ours"])
def side(request: pytest.FixtureRequest, migrated_sqlite: Path, tmp_path: Path) -> Iterator[Side]:
    if request.param == "stock":
        yield Side(True, Stock(tmp_path))
        return
    file = tmp_path / "ours.db"
    file.write_bytes(migrated_sqlite.read_bytes())
    with opened(f"sqlite:///{file}") as world:
        yield Side(False, Ours(world, KNOWN))


def test_removing_two_grants_leaves_the_others(side: Side) -> None:
    """Fault a: the stock adapter deletes the cross product of the columns of what is removed."""
    side.keeper.add(ADMIN_A, VIEWER_A, ADMIN_B, VIEWER_B)
    side.keeper.remove(ADMIN_A, VIEWER_B)
    right = {VIEWER_A, ADMIN_B}
    assert side.keeper.in_memory() == right
    side.shows(side.keeper.stored(), right=right, stock=set())


@pytest.fixture
def restarted(tmp_path: Path) -> Engine:
    """Lend a database in which `mallory, admin, t2` was made a viewer of t1, before a restart."""
    engine = create_engine(f"sqlite:///{tmp_path / 'rules.db'}", poolclass=NullPool)
    before = casbin.Enforcer(casbin.Enforcer.new_model(text=RBAC_WITH_DOMAINS), Adapter(engine))
    before.add_policies([["admin", "t2", "data", "read"], ["viewer", "t1", "data", "read"]])
    before.add_grouping_policy("mallory, admin, t2", "viewer", "t1")
    assert before.enforce("mallory, admin, t2", "t1", "data", "read")
    assert not before.enforce("mallory", "t2", "data", "read")
    with Session(engine) as session:
        stored = session.query(CasbinRule).filter_by(ptype="g").one()
        assert (stored.v0, stored.v1, stored.v2) == ("mallory, admin, t2", "viewer", "t1")
    return engine


@pytest.mark.parametrize("adapter", [Adapter, ReadOnlyAdapter])
def test_reading_the_rules_again_gives_nobody_another_role(restarted: Engine, adapter: Any) -> None:
    """Fault b: the stock adapter reads a row as a line with commas, one name as three."""
    model = casbin.Enforcer.new_model(text=RBAC_WITH_DOMAINS)
    after = casbin.Enforcer(model, adapter(restarted))
    answers = (
        after.enforce("mallory, admin, t2", "t1", "data", "read"),
        after.enforce("mallory", "t2", "data", "read"),
    )
    assert answers == ((False, True) if adapter is Adapter else (True, False))


def test_adding_several_grants_adds_all_or_none(side: Side) -> None:
    """Fault c: the stock adapter commits rule by rule."""
    side.keeper.refuse("bob")
    with pytest.raises(Exception, match="refused"):
        side.keeper.add(ADMIN_A, VIEWER_B, CAROL)
    assert side.keeper.in_memory() == set()
    side.shows(side.keeper.stored(), right=set(), stock={ADMIN_A})


def test_a_removal_that_failed_is_not_remembered_as_done(side: Side) -> None:
    """Fault d: a stock enforcer changes its memory first."""
    side.keeper.add(ADMIN_A, VIEWER_B)
    side.keeper.refuse("alice")
    with pytest.raises(Exception, match="refused"):
        side.keeper.remove(ADMIN_A)
    assert side.keeper.stored() == {ADMIN_A, VIEWER_B}
    side.shows(side.keeper.in_memory(), right={ADMIN_A, VIEWER_B}, stock={VIEWER_B})


def test_an_update_that_failed_is_not_remembered_as_done(side: Side) -> None:
    """Fault d, by an update: here memory gives more than the database."""
    side.keeper.define("editor", "doc:read")
    side.keeper.refuse("write")
    with pytest.raises(Exception, match="refused"):
        side.keeper.redefine("editor", "doc:read", "doc:write")
    assert side.keeper.held_as_stored("editor") == {"doc:read"}
    side.shows(side.keeper.held_in_memory("editor"), right={"doc:read"}, stock={"doc:write"})
