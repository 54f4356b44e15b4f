"""Two ways of keeping roles and who has them: stock Casbin with the stock adapter, and ours."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import casbin
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from sqlalchemy_adapter import Adapter

from authz_service.domain.catalog import Permission, Role
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.store.casbin_adapter import ReadOnlyAdapter
from tests.conformance.store_world import StoreWorld

MODEL: Final = str(Path(__file__).parents[2] / "policies" / "model.conf")


class Grant(NamedTuple):
    tenant: str
    subject: str
    role: str

    @property
    def rule(self) -> list[str]:
        return [f"{self.subject}@{self.tenant}", f"role/{self.role}"]


class ManagedBy(Protocol):
    """Keeps grants in memory, for checks, and in a database. Whatever fails raises."""

    def add(self, *grants: Grant) -> None:
        """Add all in one call."""

    def remove(self, *grants: Grant) -> None:
        """Remove all in one call."""

    def define(self, role: str, permission: str) -> None:
        """Make a role of one permission."""

    def redefine(self, role: str, before: str, after: str) -> None:
        """Let another permission take its place."""

    def in_memory(self) -> set[Grant]:
        """List the grants that checks go by."""

    def stored(self) -> set[Grant]:
        """List the grants that checks would go by after a restart."""

    def held_in_memory(self, role: str) -> set[str]:
        """Name the permissions of a role that checks go by."""

    def held_as_stored(self, role: str) -> set[str]:
        """Name the permissions of a role that checks would go by after a restart."""

    def refuse(self, word: str) -> None:
        """Let the database refuse every later write of a rule that holds `word`."""


class Stock:
    """An `Enforcer` with the adapter that writes through, as their manuals show it."""

    def __init__(self, folder: Path) -> None:
        # Without a pool there is nothing to close.
        self._engine = create_engine(f"sqlite:///{folder / 'stock.db'}", poolclass=NullPool)
        self._enforcer = self._loaded()

    def add(self, *grants: Grant) -> None:
        self._enforcer.add_grouping_policies([grant.rule for grant in grants])

    def remove(self, *grants: Grant) -> None:
        self._enforcer.remove_grouping_policies([grant.rule for grant in grants])

    def define(self, role: str, permission: str) -> None:
        self._enforcer.add_policy(*_rule(role, permission))

    def redefine(self, role: str, before: str, after: str) -> None:
        self._enforcer.update_policy(_rule(role, before), _rule(role, after))

    def in_memory(self) -> set[Grant]:
        return _grants(self._enforcer)

    def stored(self) -> set[Grant]:
        return _grants(self._loaded())

    def held_in_memory(self, role: str) -> set[str]:
        return _permissions(self._enforcer, role)

    def held_as_stored(self, role: str) -> set[str]:
        return _permissions(self._loaded(), role)

    def refuse(self, word: str) -> None:
        with self._engine.begin() as connection:
            for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                connection.execute(text(_trigger(event, "casbin_rule", row, word)))

    def _loaded(self) -> casbin.Enforcer:
        return casbin.Enforcer(MODEL, Adapter(self._engine))


class Ours:
    """The unit of work and the replica; Casbin reads what they wrote."""

    def __init__(self, world: StoreWorld, known: Collection[Grant]) -> None:
        """Make the tenants, members and roles of the grants that will be given."""
        self._world = world
        self._known = known
        members = {(grant.tenant, grant.subject) for grant in known}
        world.put(
            *(Role(role) for role in sorted({grant.role for grant in known})),
            *(Tenant(tenant) for tenant in sorted({grant.tenant for grant in known})),
            *(Membership(tenant, subject) for tenant, subject in sorted(members)),
        )

    def add(self, *grants: Grant) -> None:
        self._world.put(*(_fact(grant) for grant in grants))

    def remove(self, *grants: Grant) -> None:
        self._world.end(*(_fact(grant) for grant in grants))

    def define(self, role: str, permission: str) -> None:
        self._world.put(Permission("doc:read"), Permission("doc:write"), _role(role, permission))

    def redefine(self, role: str, before: str, after: str) -> None:
        self._world.replace(_role(role, before), _role(role, after))

    def in_memory(self) -> set[Grant]:
        index = self._world.index
        return {
            Grant(tenant, subject, grant.role)
            for tenant, subject in {(known.tenant, known.subject) for known in self._known}
            for grant in index.grants(tenant, subject)
        }

    def stored(self) -> set[Grant]:
        return _grants(self._loaded())

    def held_in_memory(self, role: str) -> set[str]:
        return set(self._world.index.role_permissions(role))

    def held_as_stored(self, role: str) -> set[str]:
        held = self._loaded().get_named_grouping_policy("g4")
        return {permission for holder, permission in held if holder == f"role/{role}"}

    def refuse(self, word: str) -> None:
        with self._world.database.engine.begin() as connection:
            for event in ("INSERT", "UPDATE"):
                connection.execute(text(_trigger(event, "rule", "NEW", word)))

    def _loaded(self) -> casbin.Enforcer:
        return casbin.Enforcer(MODEL, ReadOnlyAdapter(self._world.database.engine))


def _fact(grant: Grant) -> RoleGrant:
    return RoleGrant(grant.tenant, grant.subject, grant.role)


def _role(role: str, permission: str) -> Role:
    return Role(role, frozenset({permission}))


def _rule(role: str, permission: str) -> list[str]:
    return [f"role/{role}", "*", permission, "allow"]


def _permissions(enforcer: Any, role: str) -> set[str]:
    return {rule[2] for rule in enforcer.get_filtered_policy(0, f"role/{role}")}


def _grants(enforcer: Any) -> set[Grant]:
    """List the grants that an enforcer's role manager links."""
    found = set()
    for who, role in enforcer.get_grouping_policy():
        subject, _, tenant = who.rpartition("@")
        found.add(Grant(tenant, subject, role.removeprefix("role/")))
    return found


def _trigger(event: str, table: str, row: str, word: str) -> str:
    refusal = "BEGIN SELECT RAISE(ABORT, 'refused'); END"
    condition = f"{row}.v0 || {row}.v1 || ifnull({row}.v2, '') LIKE '%{word}%'"
    return f"CREATE TRIGGER no_{event} BEFORE {event} ON {table} WHEN {condition} {refusal}"
