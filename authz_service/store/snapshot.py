"""The index of the head, read from one snapshot of the database: what a replica starts from."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from authz_service.domain.change import Fact, FactChange
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.window import BEGINNING, FOREVER, Window
from authz_service.engine.builder import Builder
from authz_service.engine.index import Index, Member, standing
from authz_service.store import rows, schema
from authz_service.store.facts import Facts, head

_BATCH: Final = 10_000
"""Rows taken from the driver at a time: no more of the database is held beside the index."""

_OF_PLAIN: Final = ("tenant", "subject", "lifecycle", "owner", "managed_by")
"""What a plain member's mask can say; every other field of it is as by default."""

_OF_OTHERS: Final = tuple(f.name for f in fields(Membership) if f.name not in _OF_PLAIN)
_NONE_OF_OTHERS: Final = tuple(rows.member_values(Membership("", ""))[n] for n in _OF_OTHERS)

_MEMBERS: Final = select(*(schema.member.c[name] for name in (*_OF_PLAIN, *_OF_OTHERS))).where(
    schema.member.c.closed_revision.is_(None)
)

_GRANTS: Final = select(
    schema.rule.c.tenant,
    schema.rule.c.subject,
    schema.rule.c.gives,
    schema.rule.c.scope,
    schema.rule.c.valid_from,
    schema.rule.c.valid_until,
).where(
    schema.rule.c.closed_revision.is_(None),
    schema.rule.c.gives != "",
    schema.rule.c.held_back == "",
)


def read_index(connection: Connection) -> Index:
    """Build the index of the head revision."""
    builder = Builder(Index.empty())
    facts = Facts(connection)
    roles = facts.roles()
    _add(builder, facts.permissions())
    _add(builder, (role for role in roles if not role.tenant))
    _add(builder, facts.plans())
    _add(builder, facts.tenants())
    _add(builder, (role for role in roles if role.tenant))
    _add(builder, facts.invitations())
    _add(builder, facts.exceptions())
    _add(builder, facts.kept())
    _add(builder, facts.scheduled())
    _load_members(builder, connection)
    return builder.finish(head(connection))


def _add(builder: Builder, facts: Iterable[Fact]) -> None:
    for fact in facts:
        builder.change(FactChange(None, fact))


def _load_members(builder: Builder, connection: Connection) -> None:
    """Fold plain members and plain grants into masks in two tight loops, a million rows in about
    two seconds; hand all others to the builder one by one.
    """
    by_tenant: dict[str, dict[str, Member]] = {}
    special = _plain_members(_stream(connection, _MEMBERS), by_tenant)
    rest = _plain_grants(_stream(connection, _GRANTS), by_tenant, builder.role_bits)
    for tenant, members in by_tenant.items():
        builder.load_members(tenant, members)
    _add(builder, special)
    _add(builder, rest)


def _plain_members(
    member_rows: Iterable[Any], by_tenant: dict[str, dict[str, Member]]
) -> list[Fact]:
    """Enter members that a mask can hold as their standing; return the others as facts."""
    special: list[Fact] = []
    for row in member_rows:
        tenant, subject, lifecycle, owner, managed_by, *others = row
        if lifecycle == "active" and tuple(others) == _NONE_OF_OTHERS:
            members = by_tenant.get(tenant)
            if members is None:
                members = by_tenant[tenant] = {}
            members[subject] = standing(owner=bool(owner), managed_by=managed_by)
        else:
            special.append(rows.membership(row))
    return special


def _plain_grants(
    grant_rows: Iterable[Any], by_tenant: dict[str, dict[str, Member]], bits: Mapping[str, int]
) -> list[Fact]:
    """Fold plain grants into their members' masks; return the others as facts."""
    rest: list[Fact] = []
    shared: dict[int, int] = {}
    nobody: dict[str, Member] = {}
    for tenant, subject, role, scope, start, end in grant_rows:
        members = by_tenant.get(tenant, nobody)
        mask = members.get(subject, 0)
        bit = bits.get(role, 0)
        plain = not scope and start == BEGINNING and end == FOREVER
        if plain and mask and bit and not mask & bit:  # type: ignore[operator]  # masks alone here
            mask |= bit  # type: ignore[operator]
            members[subject] = shared.setdefault(mask, mask)
        else:
            window = Window(start, end)
            rest.append(RoleGrant(tenant, subject, role, scope, window))
    return rest


def _stream(connection: Connection, query: Select[Any]) -> Iterable[Any]:
    return connection.execute(query, execution_options={"yield_per": _BATCH})
