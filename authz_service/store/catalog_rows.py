"""Permissions, roles and plans to rows and back, beside `rows.py`."""

from collections.abc import Iterable
from typing import Any, assert_never

from sqlalchemy import Table

from authz_service.domain.catalog import (
    Feature,
    FeatureKind,
    Limit,
    Period,
    Permission,
    Plan,
    Reset,
    Role,
)
from authz_service.domain.rules import UNLIMITED
from authz_service.store import schema


def row_of(fact: Permission | Role | Plan) -> tuple[Table, dict[str, Any]]:
    """Give the table and the values of a fact's own row; its rules are rows of their own."""
    match fact:
        case Permission():
            return schema.permission, {
                "permission": fact.id,
                "internal": fact.internal,
                "description": fact.description,
                "deprecated": fact.deprecated,
                "replaced_by": fact.replaced_by,
            }
        case Role():
            return schema.role, {
                "role": fact.id,
                "tenant": fact.tenant,
                "description": fact.description,
                "admin": fact.admin,
            }
        case Plan():
            return schema.plan, {
                "plan": fact.id,
                "description": fact.description,
                "version": fact.version,
                "suspended_free_seats": fact.suspended_free_seats,
            }
        case _:
            assert_never(fact)


def permission(row: Any) -> Permission:
    return Permission(
        row.permission,
        bool(row.internal),
        row.description,
        bool(row.deprecated),
        row.replaced_by,
        row.opened_revision,
    )


def role(row: Any, rules: Iterable[Any], closed: int = 0) -> Role:
    """Read a role from its row and its rules, those whose v0 is `role/<id>`.

    `closed` is the revision in which it last lost a rule.
    """
    listed, included = set(), set()
    revision = max(row.opened_revision, closed)
    for rule in rules:
        revision = max(revision, rule.opened_revision)
        match rule.ptype:
            case "g4" if rule.v1.startswith("role/"):
                included.add(rule.v1.removeprefix("role/"))
            case "g4":
                listed.add(rule.v1)
    return Role(
        row.role,
        frozenset(listed),
        frozenset(included),
        row.description,
        bool(row.admin),
        revision,
    )


def plan(row: Any, rules: Iterable[Any], closed: int = 0) -> Plan:
    """Read a plan from its row and its rules, those whose v0 is the plan's id.

    `closed` is the revision in which it last lost a rule.
    """
    parts: dict[str, Any] = {"permissions": set(), "roles": set(), "features": [], "limits": []}
    extends, revision = "", max(row.opened_revision, closed)
    for rule in rules:
        revision = max(revision, rule.opened_revision)
        kind, slash, name = rule.v1.partition("/")
        match rule.ptype, kind:
            case "g2", _ if slash:
                extends = rule.v1
            case "g2", _:
                parts["permissions"].add(rule.v1)
            case "p2", "feature":
                parts["features"].append(feature(rule))
            case "p2", "limit":
                parts["limits"].append(limit(rule))
            case "p2", "role":
                parts["roles"].add(name)
    return Plan(
        id=row.plan,
        extends=extends,
        permissions=frozenset(parts["permissions"]),
        features=tuple(sorted(parts["features"], key=lambda feature: feature.name)),
        limits=tuple(sorted(parts["limits"], key=lambda limit: limit.name)),
        assignable_roles=frozenset(parts["roles"]),
        description=row.description,
        suspended_free_seats=bool(row.suspended_free_seats),
        revision=revision,
        version=row.version,
    )


def limit(rule: Any) -> Limit:
    amount = None if rule.v2 == UNLIMITED else int(rule.v2)
    period, _, reset = rule.v4.partition("/")
    return Limit(rule.v1.partition("/")[2], amount, rule.v3, Period(period), Reset(reset))


def feature(rule: Any) -> Feature:
    return Feature(
        rule.v1.partition("/")[2], rule.v2, FeatureKind(rule.v3), int(rule.v4) if rule.v4 else 0
    )
