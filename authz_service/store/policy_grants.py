"""The grants that the downgrade policy gave or holds back."""

from collections import namedtuple
from typing import Final

from sqlalchemy import Connection, bindparam, or_, select

from authz_service.domain.grant import RoleGrant
from authz_service.store import rows, schema
from authz_service.store.statement import Statement

_Rule: Final = namedtuple("_Rule", schema.rule.c.keys())  # type: ignore[misc] # the table's
_OF_THE_POLICY: Final = Statement(
    select(schema.rule)
    .where(schema.rule.c.tenant == bindparam("of"), schema.rule.c.gives != "")
    .where(schema.rule.c.closed_revision.is_(None))
    .where(or_(schema.rule.c.origin != "", schema.rule.c.held_back != ""))
)
"""Compiled once: every event that changes a plan asks it."""


def policy_grants(connection: Connection, tenant: str) -> list[RoleGrant]:
    """List the tenant's grants that the downgrade policy gave or holds back, in no order."""
    return [rows.role_grant(_Rule(*row)) for row in _OF_THE_POLICY.all(connection, {"of": tenant})]
