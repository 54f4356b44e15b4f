"""A database of an older version gets the rights of this one, and nothing else is touched."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import yaml
from sqlalchemy import delete

from authz_service.config import shipped_policies
from authz_service.domain.audit import AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.catalog import Permission, Role
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import policy_pb2 as policy
from authz_service.store import schema
from authz_service.usecases.bootstrap.seeding import SEEDER
from authz_service.usecases.kernel.rights import RIGHTS
from tests.commands import Authz, authz_command
from tests.rpc.harness import Server, serving
from tests.rpc.trail import entries

authz = pytest.fixture(authz_command)

NEW: Final = ("actors:name", "identities:register")
TAKEN_FROM_OPERATORS: Final = "exceptions:create"


def made_older(server: Server) -> None:
    """Take rights away as if no version had known them, and one from the operator on purpose."""
    index = server.service.replica.index
    with server.service.store.transaction(Call(SEEDER)) as tx:
        for entry in index.roles.values():
            fewer = entry.fact.permissions - set(NEW)
            if entry.fact.id == "operator":
                fewer -= {TAKEN_FROM_OPERATORS}
            tx.change(entry.fact, replace(entry.fact, permissions=fewer))
        for name in NEW:
            tx.change(index.permissions[name].fact, None)
        tx.record(AuditRecord("made.older", "system", ()))


def closure(server: Server, role: str) -> frozenset[str]:
    return server.service.replica.index.role_permissions(role)


def test_operator_gets_the_rights_that_are_new_and_no_others(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        made_older(server)
        before = {role: closure(server, role) for role in ("product", "auditor", "operator")}
        revision = server.revision
    with serving(tmp_path) as server:
        assert server.revision == revision + 1
        assert closure(server, "operator") == before["operator"] | set(NEW)
        assert TAKEN_FROM_OPERATORS not in closure(server, "operator")
        assert closure(server, "product") == before["product"]
        assert closure(server, "auditor") == before["auditor"]
        (entry,) = entries(server, revision + 1)
        assert (entry["action"], entry["actor"]) == ("rights.added", "service:authz")
        assert entry["targets"] == sorted(NEW)
        assert set(entry["after"]["permissions"]) - set(entry["before"]["permissions"]) == set(NEW)
        # What it could not have given itself, it can now give.
        role = policy.Role(id="names", permissions=["actors:name"])
        server.operator.policy.PutRole(policy.PutRoleRequest(role=role))
        revision = server.revision
    with serving(tmp_path) as server:
        assert server.revision == revision


def test_database_without_the_role_operator_gets_the_rights_declared(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        made_older(server)
        operator = server.service.replica.index.roles["operator"].fact
        with server.service.store.transaction(Call(SEEDER)) as tx:
            tx.change(operator, None)
            tx.change(None, Role("boss", operator.permissions, operator.includes))
            tx.record(AuditRecord("operator.renamed", "system", ()))
    with serving(tmp_path) as server:
        index = server.service.replica.index
        assert set(NEW) <= index.permissions.keys()
        assert "operator" not in index.roles
        assert not set(NEW) & index.role_permissions("boss")


def test_right_that_a_customer_declared_first_is_left_as_it_is(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        made_older(server)
        own = Permission("actors:name", description="ours")
        with server.service.store.transaction(Call(SEEDER)) as tx:
            tx.change(None, own)
            tx.record(AuditRecord("permission.put", "system", ()))
    with serving(tmp_path) as server:
        assert server.service.replica.index.permissions["actors:name"].fact == own
        assert "identities:register" in closure(server, "operator")


def test_first_start_adds_nothing_to_the_shipped_policy(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert "rights.added" not in {each["action"] for each in entries(server)}
        server.operator.keys.ListKeys(keys.ListKeysRequest())


def test_every_internal_permission_that_is_shipped_is_a_right_that_is_guarded() -> None:
    catalogue = yaml.safe_load((shipped_policies() / "catalogue.yaml").read_text())["permissions"]
    internal = {name for name, said in catalogue.items() if said.get("internal")}
    assert internal == set(RIGHTS)


def forgotten(server: Server) -> None:
    """Forget that the first start declared what is new: an older version had not known it."""
    with server.service.database.write() as connection:
        connection.execute(delete(schema.permission).where(schema.permission.c.permission.in_(NEW)))


def test_commands_give_the_shipped_roles_what_is_new_and_not_what_was_taken(
    tmp_path: Path, authz: Authz, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path) as server:
        made_older(server)
        monkeypatch.setenv("AUTHZ_DATABASE_URL", server.settings.database_url)
        product = server.service.replica.index.roles["product"].fact
        server.operator.policy.PutRole(policy.PutRoleRequest(role=policy.Role(
            id="product", permissions=product.permissions - {"members:remove"}, includes=["checker"]
        )))  # fmt: skip
        forgotten(server)
    asked = "authz roles update product --add actors:name"
    assert authz("migrate").out.splitlines() == [asked]
    with serving(tmp_path) as server:
        assert authz("migrate", "-o", "json").document["rights_to_give"] == {
            "product": ["actors:name"]
        }
        monkeypatch.setenv("AUTHZ_KEY", server.operator_key)
        monkeypatch.setenv("AUTHZ_ADMIN_PORT", str(server.service.admin_port.number))
        told = authz("doctor", "-o", "json").document["findings"]
        (found,) = (each for each in told if each["name"] == "rights")
        assert (found["state"], asked in found["advice"]) == ("warning", True)
        assert "members:remove" not in found["message"]
        before = closure(server, "product")
        assert authz(*asked.split()[1:]).code == 0
        assert closure(server, "product") == before | {"actors:name"}
        assert authz("migrate", "-o", "json").document["rights_to_give"] == {}
        wrong = authz("roles", "update", "product", "--add", "x:y", "--permission", "x:y")
        assert wrong.code == 2
