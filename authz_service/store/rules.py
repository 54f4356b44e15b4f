"""Casbin rules as they are stored, read in pages."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from authz_service.domain.change import Delta, Revision
from authz_service.domain.membership import MembershipState
from authz_service.domain.tenant import OPEN_STATES
from authz_service.domain.window import Instant, Window
from authz_service.store import schema, views, writing
from authz_service.store.facts import Facts

_AHEAD: Final = 2**62
"""From here on an id is that of a rule which is not stored yet: something scheduled makes it."""


class StoredRule(NamedTuple):
    """One rule; `id` grows in the order in which rules were made, or will be."""

    id: int
    ptype: str
    values: tuple[str, ...]


def rules_in_force(
    connection: Connection,
    revision: Revision,
    at: Instant,
    tenant: str = "",
    after: int = 0,
    at_most: int = 1000,
) -> list[StoredRule]:
    """List the rules in force at an instant as known at a revision, by id, after one.

    Those of the catalogue and of one tenant, or of all tenants if it is "". Left out are role
    grants of whoever is no active member of an open tenant.
    """
    facts = Facts(connection, revision)
    closed, opening = _difference(connection, facts, at)
    parameters = {"revision": revision, "at": at, "tenant": tenant, "at_most": at_most}
    stored: list[StoredRule] = []
    while after < _AHEAD and len(stored) < at_most:
        rows = connection.execute(views.rules_in_force(), parameters | {"after": after}).all()
        stored += (_rule(row[0], row[1:]) for row in rows if row[0] not in closed)
        after = rows[-1][0] if len(rows) == at_most else _AHEAD
    for number, row in enumerate(opening, _AHEAD + 1):
        asked_for = number > after and row["tenant"] in ("", tenant or row["tenant"])
        if asked_for and _stands(facts, row, at):
            stored.append(_rule(number, [row["ptype"], *(row[f"v{i}"] for i in range(6))]))
    return stored[:at_most]


def _difference(
    connection: Connection, facts: Facts, at: Instant
) -> tuple[frozenset[int], list[dict[str, Any]]]:
    """Tell which stored rules are gone at the instant, by what is scheduled, and which are made."""
    due = sorted(
        (scheduled for scheduled in facts.scheduled() if scheduled.at <= at), key=lambda e: e.place
    )
    if not due:
        return frozenset(), []
    changes = tuple(change for scheduled in due for change in scheduled.changes)
    closing, opening = (
        [dict(row.values) for row in rows if row.table is schema.rule]
        for rows in writing.difference(Delta(0, changes))
    )
    closed = (name for row in closing for name in _ids(connection, facts, row))
    return frozenset(closed), opening


def _ids(connection: Connection, facts: Facts, row: dict[str, Any]) -> Iterator[int]:
    key = (schema.rule.c[name] == row[name] for name in schema.rule.info["key"])
    query = select(schema.rule.c.id).where(facts.in_force(schema.rule), *key)
    yield from connection.execute(query).scalars()


def _stands(facts: Facts, row: dict[str, Any], at: Instant) -> bool:
    """Tell whether a rule's window covers the instant, and it is no role grant, or one to an active
    member of an open tenant that is not held back.
    """
    covered = not row["held_back"] and Window(row["valid_from"], row["valid_until"]).covers(at)
    if not covered or not row["subject"]:
        return covered
    members = facts.memberships(row["tenant"], row["subject"])
    return any(member.state is MembershipState.ACTIVE for member in members) and any(
        tenant.state_at(at) in OPEN_STATES for tenant in facts.tenants(row["tenant"])
    )


def _rule(number: int, columns: Any) -> StoredRule:
    """Make a rule of its type and values; empty ones at the end are left out."""
    ptype, *values = columns
    used = next((place for place in range(len(values), 0, -1) if values[place - 1]), 0)
    return StoredRule(number, ptype, tuple(values[:used]))
