"""Casbin rules as they are stored, read in pages."""

from typing import NamedTuple

from sqlalchemy import Connection

from authz_service.domain.change import Revision
from authz_service.domain.window import Instant
from authz_service.store import views


class StoredRule(NamedTuple):
    """One rule; `id` grows in the order in which rules were made."""

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
    asked = {
        "revision": revision,
        "at": at,
        "tenant": tenant,
        "after": after,
        "at_most": at_most,
    }
    found = connection.execute(views.rules_in_force(), asked)
    return [StoredRule(row[0], row[1], _trimmed(tuple(row[2:]))) for row in found]


def _trimmed(values: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out the empty values at the end."""
    used = next((place for place in range(len(values), 0, -1) if values[place - 1]), 0)
    return values[:used]
