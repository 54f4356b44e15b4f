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


def _texts(*names: str) -> list[Column[str]]:
    return [_text(name) for name in names]


def _numbers(*names: str) -> list[Column[int]]:
    return [_number(name) for name in names]


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


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
    *_texts("actor", "on_behalf_of", "action", "outcome"),
    *_numbers("changes", "revision"),
    Column("entry", _TEXT, nullable=False),
    Column("hash", _TEXT, nullable=False),
    Index(None, "at"),
    *(Index(None, column, "at") for column in ("tenant", "actor", "action")),
    sqlite_with_rowid=False,  # found by its key alone, so the key is the table
)
"""`on_behalf_of`, `outcome` and `changes` (how many) are there to be searched, as the rest of what
`entry` says. Most entries are of reads, so those that tell of changes have indexes of their own."""

_OF_A_CUSTOMER: Final = text("on_behalf_of <> ''")
Index(
    "ix_audit_entry_on_behalf_of",
    audit_entry.c.on_behalf_of,
    audit_entry.c.at,
    postgresql_where=_OF_A_CUSTOMER,
    sqlite_where=_OF_A_CUSTOMER,
)
_OF_CHANGES: Final = text("changes > 0")
for _name, _columns in (
    ("ix_audit_entry_changes", (audit_entry.c.revision,)),
    ("ix_audit_entry_tenant_changes", (audit_entry.c.tenant, audit_entry.c.revision)),
):
    Index(_name, *_columns, postgresql_where=_OF_CHANGES, sqlite_where=_OF_CHANGES)

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
    (
        *("v0", "v1", "v2", "v3", "ptype", "valid_from", "valid_until", "source", "exception_id"),
        "held_back",
    ),
    _text("ptype"),
    *(_text(f"v{i}") for i in range(6)),
    *_texts("tenant", "subject", "scope"),
    *_numbers("valid_from", "valid_until"),
    *_texts("source", "reason", "grant_id", "exception_id"),
    *_texts("origin", "substitute_for", "held_back"),
    history=("tenant", "subject"),
)
"""Casbin's rules. `subject` is set on role grants alone, `exception_id` on an exception's rules.

A role grant that is `held_back` is stored here too, and is no rule as long as it is.
"""

OF_NO_SUBJECT: Final = text("subject = ''")
"""Every rule but role grants, of which there are a thousand times as many."""

Index("ix_rule_v0", rule.c.v0, postgresql_where=OF_NO_SUBJECT, sqlite_where=OF_NO_SUBJECT)

tenant = _fact_table(
    "tenant",
    ("tenant",),
    *_texts("tenant", "display_name", "suspensions"),
    *_numbers("created_at", "ended_revision"),
)
tenant_period = _fact_table(
    "tenant_period",
    ("tenant", "valid_from"),
    *_texts("tenant", "state"),
    *_numbers("valid_from", "valid_until"),
)
member = _fact_table(
    "member",
    ("tenant", "subject"),
    *_texts("tenant", "subject", "lifecycle", "suspensions"),
    _flag("owner"),
    _text("managed_by"),
    history=("tenant", "subject"),
)
_OF_OWNERS: Final = text("closed_revision IS NULL AND owner")
Index(
    "ux_member_owner",
    member.c.tenant,
    unique=True,
    postgresql_where=_OF_OWNERS,
    sqlite_where=_OF_OWNERS,
)
"""INVARIANT: a tenant has one owner at most."""

invitation = _fact_table(
    "invitation",
    ("invitation",),
    *_texts(
        "invitation",
        "tenant",
        "email",
        "subject",
        "roles",
        "token_hash",
        "mailed_hash",
        "invited_by",
    ),
    *_numbers("sent_at", "expires_at"),
    history=("tenant",),
)
permission = _fact_table(
    "permission",
    ("permission",),
    _text("permission"),
    _flag("internal"),
    _text("description"),
    _flag("deprecated"),
    _text("replaced_by"),
)
role = _fact_table(
    "role", ("role",), _text("role"), _text("tenant"), _text("description"), _flag("admin")
)
plan = _fact_table(
    "plan",
    ("plan",),
    *_texts("plan", "description"),
    _number("version"),
)
exception = _fact_table(
    "exception",
    ("exception",),
    *_texts("exception", "tenant", "kind", "subject", "scope"),
    *_numbers("valid_from", "valid_until"),
    *_texts("reason", "approver"),
)
api_key = _fact_table(
    "api_key",
    ("key",),
    *_texts("key", "secret_hash", "display_name"),
    *_numbers("created_at", "expires_at"),
    *_texts("kind", "previous_hash"),
    _number("previous_expires_at"),
)

identity = _fact_table(
    "identity",
    ("kind", "issuer", "name"),
    *_texts("identity", "kind", "issuer", "name", "display_name"),
    *_numbers("created_at", "expires_at"),
)

endpoint = _fact_table(
    "endpoint",
    ("endpoint",),
    *_texts("endpoint", "tenant", "url", "kinds", "description", "disabled"),
    _number("created_at"),
)

scheduled_changeset = _fact_table(
    "scheduled_changeset",
    ("scheduled",),
    _text("scheduled"),
    _number("at"),
    *_texts("actor", "on_behalf_of", "reason"),
    _number("created_at"),
    *_texts("commands", "changes", "records", "blocker"),
)
"""The last four are JSON: what was asked for, and what that comes to."""

endpoint_secret = Table(
    "endpoint_secret",
    metadata,
    Column("endpoint", _TEXT, primary_key=True),
    Column("made_at", BigInteger, primary_key=True, autoincrement=False),
    _text("secret"),
    _number("expires_at"),
    sqlite_with_rowid=False,
)
"""What deliveries are signed with: two at most are live. No fact, so that no log ever holds it."""

job = Table(
    "job",
    metadata,
    Column("number", _ID, primary_key=True, autoincrement=True),
    *_texts("job", "kind", "tenant", "key", "target", "subject", "data"),
    _number("created_at"),
    _text("state"),
    *_numbers("turn", "attempts", "next_at", "ended_at"),
    *_texts("reason", "message"),
    Index("ux_job_job", "job", unique=True),
    Index("ux_job_key", "key", unique=True),
    Index(None, "kind", "state"),
    Index(None, "tenant"),
    Index(None, "target"),
)
"""Work after the commit. The queue itself is DBOS's; this says what it is for and how it went."""

worker = Table(
    "worker",
    metadata,
    Column("worker", _TEXT, primary_key=True),
    _number("seen_at"),
    sqlite_with_rowid=False,
)
"""The processes that do jobs, and when each last said that it lives."""

mail_template = Table(
    "mail_template",
    metadata,
    Column("tenant", _TEXT, primary_key=True),
    Column("kind", _TEXT, primary_key=True),
    *_texts("subject", "text", "html"),
    sqlite_with_rowid=False,
)
"""Mails in a tenant's own words, or in the vendor's for all (tenant "")."""

key_use = Table(
    "key_use",
    metadata,
    Column("key", _TEXT, primary_key=True),
    _number("at"),
    sqlite_with_rowid=False,
)
"""When a key was last used, to the minute. No fact: nothing is decided by it, no revision made."""

event = Table(
    "event",
    metadata,
    Column("number", _ID, primary_key=True, autoincrement=True),
    *_texts("source", "event_id", "type"),
    _number("time"),
    *_texts("subject", "data"),
    _number("received_at"),
    *_texts("state", "reason", "message", "tenant", "meaning"),
    *_numbers("revision", "closing_at", "deliveries"),
    _text("passage"),
    Index("ux_event_source_event_id", "source", "event_id", unique=True),
    Index(None, "tenant", "state"),
    Index(None, "state", "reason", "number"),
    Index(None, "source", "subject"),
    Index(None, "closing_at"),
)
"""What other systems told us. `closing_at` is when it closed its tenant; 0 if it did not."""

event_subject = Table(
    "event_subject",
    metadata,
    Column("source", _TEXT, primary_key=True),
    Column("subject", _TEXT, primary_key=True),
    _text("tenant"),
    _number("at"),
    sqlite_with_rowid=False,
)
"""Which tenant a source means by a subject."""

running_contract = Table(
    "running_contract",
    metadata,
    Column("tenant", _TEXT, primary_key=True),
    _text("body"),
    _flag("waiting"),
    sqlite_with_rowid=False,
)
"""What is kept of a tenant's events to add one more. Without a row all are read once again."""

intake = Table(
    "intake",
    metadata,
    Column("id", Integer, primary_key=True),
    _flag("paused"),
    _text("reason"),
    *_numbers("breaker_opened_at", "counted_from"),
    CheckConstraint("id = 1", name="one_intake"),
)
"""Whether events are taken in: one row, or none as long as nobody and nothing stopped them."""

FACT_TABLES: Final = (
    permission,
    role,
    plan,
    tenant,
    tenant_period,
    member,
    invitation,
    exception,
    api_key,
    identity,
    endpoint,
    scheduled_changeset,
    rule,
)
