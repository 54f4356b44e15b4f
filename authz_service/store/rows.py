"""Facts to rows and back. Both directions side by side, no decisions inside."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, NamedTuple, assert_never

from sqlalchemy import Table

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact, ScheduledChangeset
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import GrantOrigin, GrantSource, HeldBack, RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.membership import ManagedBy, Membership, MembershipState
from authz_service.domain.rules import Rule, grant_rule, rules_of
from authz_service.domain.tenant import (
    DatedLimit,
    StatePeriod,
    SubscriptionItem,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import ALWAYS, Window
from authz_service.store import catalog_rows, deltas, scheduled_rows, schema

_RULE_CONTEXT: Final = (
    *("tenant", "subject", "scope", "source", "reason", "grant_id", "exception_id"),
    *("gives", "origin", "substitute_for", "held_back"),
)
"""What a rule's row says beside the rule."""
_MEMBER_FIELDS: Final = tuple(field.name for field in fields(Membership))


class Row(NamedTuple):
    """A row without its id and revisions; equal rows are the same fact."""

    table: Table
    values: tuple[tuple[str, Any], ...]


def rows_of(fact: Fact) -> list[Row]:
    """List the rows a fact stands for, its Casbin rules last."""
    rows = [Row(table, tuple(values.items())) for table, values in _own_rows(fact)]
    # A grant that is held back is kept as the rule that it is going to be again.
    rules = [grant_rule(fact)] if isinstance(fact, RoleGrant) else rules_of(fact)
    if rules:
        context = _rule_context(fact)
        ordered = sorted(rules, key=lambda rule: (rule.ptype, rule.values))
        rows += (_rule_row(rule, context) for rule in ordered)
    return rows


def _own_rows(fact: Fact) -> Iterator[tuple[Table, dict[str, Any]]]:
    match fact:
        case Permission() | Role() | Plan():
            yield catalog_rows.row_of(fact)
        case Tenant():
            yield from _tenant_rows(fact)
        case Membership():
            yield schema.member, member_values(fact)
        case Invitation():
            yield schema.invitation, _invitation_values(fact)
        case TenantException():
            yield schema.exception, _exception_values(fact)
        case ScheduledChangeset():
            yield scheduled_rows.row_of(fact, deltas.items)
        case Kept():
            yield schema.kept_fact, _kept_values(fact)
        case RoleGrant():
            return  # it is a rule and nothing beside
        case _:
            assert_never(fact)


def _tenant_rows(fact: Tenant) -> Iterator[tuple[Table, dict[str, Any]]]:
    yield (
        schema.tenant,
        {
            "tenant": fact.id,
            "display_name": fact.display_name,
            "suspensions": _joined(fact.suspensions),
            "created_at": fact.created_at,
            "ended_revision": fact.ended_revision,
        },
    )
    for period in fact.periods:
        yield (
            schema.tenant_period,
            {"tenant": fact.id, "state": period.state.value, **_window_values(period.window)},
        )


def _invitation_values(fact: Invitation) -> dict[str, Any]:
    return {
        "invitation": fact.id,
        "tenant": fact.tenant,
        "email": fact.email,
        "subject": fact.subject,
        "roles": ",".join(fact.roles),
        "token_hash": fact.token_hash,
        "mailed_hash": fact.mailed_hash,
        "invited_by": fact.invited_by,
        "sent_at": fact.sent_at,
        "expires_at": fact.expires_at,
    }


def _kept_values(fact: Kept) -> dict[str, Any]:
    return {"kind": type(fact).__name__, "key": fact.id, "body": deltas.text_of(fact)}


def _exception_values(fact: TenantException) -> dict[str, Any]:
    return {
        "exception": fact.id,
        "tenant": fact.tenant,
        "kind": fact.kind.value,
        "subject": fact.subject,
        "scope": fact.scope,
        **_window_values(fact.window),
        "reason": fact.reason,
        "approver": fact.approver,
    }


def _rule_context(fact: Fact) -> dict[str, str]:
    context = dict.fromkeys(_RULE_CONTEXT, "")
    match fact:
        case Tenant():
            context["tenant"] = fact.id
        case Role():
            context["tenant"] = fact.tenant
        case RoleGrant():
            context |= {
                "tenant": fact.tenant,
                "subject": fact.subject,
                "scope": fact.scope,
                "source": fact.source.value,
                "reason": fact.reason,
                "grant_id": fact.id,
                "gives": fact.role,
                "origin": fact.origin.value,
                "substitute_for": fact.substitute_for,
                "held_back": fact.held_back.value,
            }
        case TenantException():
            context |= {"tenant": fact.tenant, "exception_id": fact.id}
        case Permission() | Plan() | Membership() | Invitation() | ScheduledChangeset() | Kept():
            pass
        case _:
            assert_never(fact)
    return context


def _rule_row(rule: Rule, context: Mapping[str, str]) -> Row:
    padded = (*rule.values, *("",) * (6 - len(rule.values)))
    values: dict[str, Any] = {"ptype": rule.ptype}
    values |= {f"v{i}": value for i, value in enumerate(padded)}
    values |= context
    values |= _window_values(rule.window)
    return Row(schema.rule, tuple(values.items()))


def _window_values(window: Window) -> dict[str, int]:
    return {"valid_from": window.valid_from, "valid_until": window.valid_until}


def _joined(suspensions: Iterable[SuspensionReason]) -> str:
    return ",".join(sorted(reason.value for reason in suspensions))


def suspensions(joined: str) -> frozenset[SuspensionReason]:
    return frozenset(SuspensionReason(word) for word in joined.split(",") if word)


def window(row: Any) -> Window:
    return Window(row.valid_from, row.valid_until)


def tenant(row: Any, periods: Iterable[Any], rules: Iterable[Any], closed: int = 0) -> Tenant:
    """Read a tenant from its row, its periods and its rules, those whose v0 is its id.

    `closed` is the revision in which it last lost a rule.
    """
    opened = [row, *(lines := list(periods)), *(lines_of_rules := list(rules))]
    limits = [
        (catalog_rows.limit(rule), window(rule)) for rule in lines_of_rules if rule.ptype == "p2"
    ]
    return Tenant(
        id=row.tenant,
        display_name=row.display_name,
        periods=tuple(StatePeriod(TenantState(p.state), window(p)) for p in lines),
        suspensions=suspensions(row.suspensions),
        subscription_items=tuple(
            SubscriptionItem(r.v1, window(r)) for r in lines_of_rules if r.ptype == "g2"
        ),
        limits=tuple(limit for limit, when in limits if when == ALWAYS),
        dated_limits=tuple(DatedLimit(limit, when) for limit, when in limits if when != ALWAYS),
        created_at=row.created_at,
        ended_revision=row.ended_revision,
        revision=max(closed, *(line.opened_revision for line in opened)),
    )


def member_values(fact: Membership) -> dict[str, Any]:
    """Write every field under its own name."""
    return {name: getattr(fact, name) for name in _MEMBER_FIELDS} | {
        "lifecycle": fact.lifecycle.value,
        "suspensions": _joined(fact.suspensions),
        "managed_by": fact.managed_by.value,
    }


def membership(row: Any) -> Membership:
    values = {name: getattr(row, name) for name in _MEMBER_FIELDS} | {
        "lifecycle": MembershipState(row.lifecycle),
        "suspensions": suspensions(row.suspensions),
        "owner": bool(row.owner),
        "managed_by": ManagedBy(row.managed_by),
    }
    return Membership(**values)


def invitation(row: Any) -> Invitation:
    return Invitation(
        id=row.invitation,
        tenant=row.tenant,
        email=row.email,
        subject=row.subject,
        roles=tuple(role for role in row.roles.split(",") if role),
        token_hash=row.token_hash,
        mailed_hash=row.mailed_hash,
        invited_by=row.invited_by,
        sent_at=row.sent_at,
        expires_at=row.expires_at,
    )


def role_grant(row: Any) -> RoleGrant:
    """Read a grant from what its rule's row says beside the rule."""
    return RoleGrant(
        tenant=row.tenant,
        subject=row.subject,
        role=row.gives,
        scope=row.scope,
        window=window(row),
        source=GrantSource(row.source),
        reason=row.reason,
        id=row.grant_id,
        origin=GrantOrigin(row.origin),
        substitute_for=row.substitute_for,
        held_back=HeldBack(row.held_back),
        revision=row.opened_revision,
    )


def exception(row: Any, rules: Iterable[Any], closed: int = 0) -> TenantException:
    """Read an exception from its row and its rules; `closed` is when it last lost a rule."""
    kind = ExceptionKind(row.kind)
    position = "v2" if kind is ExceptionKind.DENY else "v1"
    lines = list(rules)
    names = {getattr(rule, position) for rule in lines if rule.ptype != "p2"}
    return TenantException(
        id=row.exception,
        tenant=row.tenant,
        kind=kind,
        permissions=frozenset(name for name in names if ":" in name),
        feature=next((catalog_rows.feature(r) for r in lines if r.ptype == "p2"), None),
        subject=row.subject,
        scope=row.scope,
        window=window(row),
        reason=row.reason,
        approver=row.approver,
        revision=max(row.opened_revision, closed, *(rule.opened_revision for rule in lines)),
    )
