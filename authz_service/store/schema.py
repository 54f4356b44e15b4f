"""The tables. Facts are rows that a revision opened and a later one closed; none is overwritten.

`closed_revision` is NULL while a row holds. Windows are microseconds since the epoch, UTC,
half-open; FOREVER stands for no end. Text compares byte for byte on every database.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

metadata: Final = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
_ID: Final = BigInteger().with_variant(Integer, "sqlite")
_OPEN: Final = text("closed_revision IS NULL")


def _text(name: str) -> Column[str]:
    return Column(name, _TEXT, nullable=False, server_default="")


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _fact_table(
    name: str, key: tuple[str, ...], *columns: Column[Any], history: tuple[str, ...] = ()
) -> Table:
    """A table of facts; at most one open row may have the same `key`, rows of any age are found
    by `history`.
    """
    return Table(
        name,
        metadata,
        Column("id", _ID, primary_key=True, autoincrement=True),
        *columns,
        _number("opened_revision"),
        Column("closed_revision", BigInteger),
        Index(f"ux_{name}_open", *key, unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN),
        *([Index(None, *history)] if history else []),
        info={"key": key},
    )


head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True),
    _number("revision"),
    CheckConstraint("id = 1", name="one_head"),
)
"""One row: the last committed revision. Locking it orders all writers."""

change_log = Table(
    "change_log",
    metadata,
    Column("revision", _ID, primary_key=True, autoincrement=False),
    _number("at"),
    Column("delta", _TEXT, nullable=False),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("tenant", _TEXT, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _number("at"),
    _text("actor"),
    _text("action"),
    _number("revision"),
    Column("entry", _TEXT, nullable=False),
    Column("hash", _TEXT, nullable=False),
    sqlite_with_rowid=False,  # found by its key alone, so the key is the table
)

request = Table(
    "request",
    metadata,
    Column("caller", _TEXT, primary_key=True),
    Column("request_id", _TEXT, primary_key=True),
    _number("at"),
    Column("fingerprint", _TEXT, nullable=False),
    _number("revision"),
    Column("answer", _TEXT, nullable=False),
    sqlite_with_rowid=False,
)
"""First answers, by caller and request id."""

rule = _fact_table(
    "rule",
    ("v0", "v1", "v2", "v3", "ptype", "valid_from", "valid_until", "source", "exception_id"),
    _text("ptype"),
    *(_text(f"v{i}") for i in range(6)),
    _text("tenant"),
    _text("subject"),
    _text("scope"),
    _number("valid_from"),
    _number("valid_until"),
    _text("source"),
    _text("reason"),
    _text("grant_id"),
    _text("exception_id"),
    history=("tenant", "subject"),
)
"""Casbin's rules. `subject` is set on role grants alone, `exception_id` on an exception's rules."""

tenant = _fact_table(
    "tenant",
    ("tenant",),
    _text("tenant"),
    _text("display_name"),
    _text("suspensions"),
)
tenant_period = _fact_table(
    "tenant_period",
    ("tenant", "valid_from"),
    _text("tenant"),
    _text("state"),
    _number("valid_from"),
    _number("valid_until"),
)
member = _fact_table(
    "member",
    ("tenant", "subject"),
    _text("tenant"),
    _text("subject"),
    _text("lifecycle"),
    _text("suspensions"),
    history=("tenant", "subject"),
)
permission = _fact_table(
    "permission",
    ("permission",),
    _text("permission"),
    Column("internal", Boolean, nullable=False),
    _text("description"),
)
role = _fact_table("role", ("role",), _text("role"), _text("tenant"), _text("description"))
plan = _fact_table("plan", ("plan",), _text("plan"), _text("description"))
exception = _fact_table(
    "exception",
    ("exception",),
    _text("exception"),
    _text("tenant"),
    _text("kind"),
    _text("subject"),
    _text("scope"),
    _number("valid_from"),
    _number("valid_until"),
    _text("reason"),
    _text("approver"),
)
api_key = _fact_table(
    "api_key",
    ("key",),
    _text("key"),
    _text("secret_hash"),
    _text("display_name"),
    _number("created_at"),
    _number("expires_at"),
)

FACT_TABLES: Final = (
    permission,
    role,
    plan,
    tenant,
    tenant_period,
    member,
    exception,
    api_key,
    rule,
)
