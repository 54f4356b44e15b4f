"""Tenants of a database from before they had a day of birth and limits of their own."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from authz_service.domain.tenant import Holding, StatePeriod, Tenant, TenantState
from authz_service.store import deltas, migrations
from authz_service.store.database import Database
from authz_service.store.migrate import migrate
from authz_service.store.snapshot import read_index

OLD = (
    "INSERT INTO change_log (revision, at, delta) VALUES (1, 77, '[]'), (2, 99, '[]')",
    "UPDATE head SET revision = 2",
    (
        "INSERT INTO tenant (tenant, display_name, suspensions, opened_revision, closed_revision)"
        " VALUES ('acme', 'Acme', '', 1, 2), ('acme', 'Acme AG', '', 2, NULL)"
    ),
    (
        "INSERT INTO tenant_period (tenant, state, valid_from, valid_until, opened_revision)"
        " VALUES ('acme', 'active', 0, 9223372036854775807, 1)"
    ),
    (
        "INSERT INTO rule (ptype, v0, v1, tenant, valid_from, valid_until, opened_revision)"
        " VALUES ('g2', 'acme', 'tier/pro', 'acme', 0, 9223372036854775807, 1)"
    ),
)


@pytest.fixture
def old_url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if dialect == "sqlite":
        return f"sqlite:///{tmp_path / 'old.db'}"
    return str(request.getfixturevalue("postgres_url"))


def test_tenant_of_an_old_database_learns_when_it_was_first_written(old_url: str) -> None:
    database = Database(old_url)
    config = Config()
    config.set_main_option("script_location", str(next(iter(migrations.__path__))))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for statement in OLD:
            connection.exec_driver_sql(statement)
    migrate(database)
    with database.read() as connection:
        found = read_index(connection).tenant("acme")
    database.close()
    assert found == Tenant("acme", "Acme AG", holdings=(Holding("tier/pro"),), created_at=77)
    assert found.revision == 2


def test_tenant_is_read_from_an_old_change_log() -> None:
    written = (
        '[["Tenant", null, {"id": "acme", "display_name": "", "periods": [{"state": "trial",'
        ' "window": {"valid_from": 0, "valid_until": 9}}], "suspensions": [], "holdings": []}]]'
    )
    (change,) = deltas.read(1, written, 5).changes
    assert isinstance(change.after, Tenant)
    (period,) = change.after.periods
    assert period == StatePeriod(TenantState.TRIAL, period.window)
    assert (change.after.limits, change.after.created_at) == ((), 0)
