"""The tables. Facts are rows that a revision opened and a later one closed; none is overwritten.

`closed_revision` is NULL while a row holds. Windows are microseconds since the epoch, UTC,
half-open; FOREVER stands for no end. Text compares byte for byte on every database.
"""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table, text

from authz_service.store import columns
from authz_service.store.columns import (
    ID,
    TEXT,
    fact_table,
    flag,
    number,
    numbers,
    texts,
)
from authz_service.store.columns import text as text_column

metadata: Final = columns.metadata

head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True),
    number("revision"),
    *texts("history", "copy"),
    CheckConstraint("id = 1", name="one_head"),
)
"""One row: the last committed revision, the history that it is of, and the copy of the database
that was written last. Locking it orders all writers."""

history = Table(
    "history",
    metadata,
    Column("id", TEXT, primary_key=True),
    *numbers("last_shared", "first", "at"),
    sqlite_with_rowid=False,
)
"""Histories that began when another copy of the database was taken in its place."""

billing_head = Table(
    "billing_head",
    metadata,
    Column("id", Integer, primary_key=True),
    number("revision"),
    CheckConstraint("id = 1", name="one_billing_head"),
)
"""One row: the last revision that changed the billing policy."""

change_log = Table(
    "change_log",
    metadata,
    Column("revision", ID, primary_key=True, autoincrement=False),
    number("at"),
    Column("delta", TEXT, nullable=False),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("tenant", TEXT, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    number("at"),
    *texts("actor", "on_behalf_of", "action", "outcome"),
    *numbers("changes", "revision"),
    Column("entry", TEXT, nullable=False),
    Column("hash", TEXT, nullable=False),
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
    Column("caller", TEXT, primary_key=True),
    Column("request_id", TEXT, primary_key=True),
    number("at"),
    Column("fingerprint", TEXT, nullable=False),
    number("revision"),
    Column("answer", TEXT, nullable=False),
    sqlite_with_rowid=False,
)
"""First answers, by caller and request id."""

rule = fact_table(
    "rule",
    (
        *("v0", "v1", "v2", "v3", "ptype", "valid_from", "valid_until", "source", "exception_id"),
        "held_back",
    ),
    text_column("ptype"),
    *(text_column(f"v{i}") for i in range(6)),
    *texts("tenant", "subject", "scope"),
    *numbers("valid_from", "valid_until"),
    *texts("source", "reason", "grant_id", "exception_id"),
    *texts("gives", "origin", "substitute_for", "held_back"),
    history=("tenant", "subject"),
)
"""Casbin's rules. `subject` and `gives` are set on role grants alone, `exception_id` on an
exception's rules. The values v0 to v5 are for Casbin: they are written, and hardly ever parsed.

A role grant that is `held_back` is stored here too, and is no rule as long as it is.
"""

OF_NO_SUBJECT: Final = text("subject = ''")
"""Every rule but role grants, of which there are a thousand times as many."""

Index("ix_rule_v0", rule.c.v0, postgresql_where=OF_NO_SUBJECT, sqlite_where=OF_NO_SUBJECT)

tenant = fact_table(
    "tenant",
    ("tenant",),
    *texts("tenant", "display_name", "suspensions"),
    *numbers("created_at", "ended_revision"),
)
tenant_period = fact_table(
    "tenant_period",
    ("tenant", "valid_from"),
    *texts("tenant", "state"),
    *numbers("valid_from", "valid_until"),
)
member = fact_table(
    "member",
    ("tenant", "subject"),
    *texts("tenant", "subject", "lifecycle", "suspensions"),
    flag("owner"),
    text_column("managed_by"),
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

invitation = fact_table(
    "invitation",
    ("invitation",),
    *texts(
        "invitation",
        "tenant",
        "email",
        "subject",
        "roles",
        "token_hash",
        "mailed_hash",
        "invited_by",
    ),
    *numbers("sent_at", "expires_at"),
    history=("tenant",),
)
permission = fact_table(
    "permission",
    ("permission",),
    text_column("permission"),
    flag("internal"),
    text_column("description"),
    flag("deprecated"),
    text_column("replaced_by"),
)
role = fact_table("role", ("role",), *texts("role", "tenant", "description"), flag("admin"))
plan = fact_table(
    "plan",
    ("plan",),
    *texts("plan", "description"),
    number("version"),
    flag("suspended_free_seats"),
)
exception = fact_table(
    "exception",
    ("exception",),
    *texts("exception", "tenant", "kind", "subject", "scope"),
    *numbers("valid_from", "valid_until"),
    *texts("reason", "approver"),
)
kept_fact = fact_table("kept_fact", ("kind", "key"), *texts("kind", "key", "body"))
"""Facts that are only kept and found (`domain.kept`): `key` is the id, `body` all of it as JSON."""

scheduled_changeset = fact_table(
    "scheduled_changeset",
    ("scheduled",),
    text_column("scheduled"),
    number("at"),
    *texts("actor", "on_behalf_of", "reason"),
    number("created_at"),
    *texts("commands", "changes", "records", "blocker"),
)
"""The last four are JSON: what was requested, and the outcome."""

endpoint_secret = Table(
    "endpoint_secret",
    metadata,
    Column("endpoint", TEXT, primary_key=True),
    Column("made_at", BigInteger, primary_key=True, autoincrement=False),
    text_column("secret"),
    number("expires_at"),
    sqlite_with_rowid=False,
)
"""What deliveries are signed with: two at most are live. No fact, so that no log ever holds it."""

job = Table(
    "job",
    metadata,
    Column("number", ID, primary_key=True, autoincrement=True),
    *texts("job", "kind", "tenant", "key", "target", "subject", "data"),
    number("created_at"),
    text_column("state"),
    *numbers("turn", "attempts", "next_at", "ended_at"),
    *texts("reason", "message"),
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
    Column("worker", TEXT, primary_key=True),
    number("seen_at"),
    sqlite_with_rowid=False,
)
"""The processes that do jobs, and when each last said that it lives."""

mail_template = Table(
    "mail_template",
    metadata,
    Column("tenant", TEXT, primary_key=True),
    Column("kind", TEXT, primary_key=True),
    *texts("subject", "text", "html"),
    sqlite_with_rowid=False,
)
"""Mails in a tenant's own words, or in the vendor's for all (tenant "")."""

key_use = Table(
    "key_use",
    metadata,
    Column("key", TEXT, primary_key=True),
    number("at"),
    sqlite_with_rowid=False,
)
"""When a key was last used, to the minute. No fact: nothing is decided by it, no revision made."""

event = Table(
    "event",
    metadata,
    Column("number", ID, primary_key=True, autoincrement=True),
    *texts("source", "event_id", "type"),
    number("time"),
    *texts("subject", "data"),
    number("received_at"),
    *texts("state", "reason", "message", "tenant", "meaning", "waits_for"),
    *numbers("revision", "closing_at", "deliveries"),
    text_column("passage"),
    Index("ux_event_source_event_id", "source", "event_id", unique=True),
    Index(None, "tenant", "state"),
    Index(None, "state", "reason", "number"),
    Index(None, "source", "subject"),
    Index(None, "closing_at"),
)
"""What other systems told us. `closing_at` is when it closed its tenant; 0 if it did not.
`waits_for` is the price that the billing policy does not have, if that is why it is parked."""

_WAITING: Final = text("waits_for <> ''")
Index(
    "ix_event_waits_for",
    event.c.waits_for,
    postgresql_where=_WAITING,
    sqlite_where=_WAITING,
)

event_subject = Table(
    "event_subject",
    metadata,
    Column("source", TEXT, primary_key=True),
    Column("subject", TEXT, primary_key=True),
    text_column("tenant"),
    number("at"),
    sqlite_with_rowid=False,
)
"""Which tenant a source means by a subject."""

running_contract = Table(
    "running_contract",
    metadata,
    Column("tenant", TEXT, primary_key=True),
    text_column("body"),
    flag("waiting"),
    sqlite_with_rowid=False,
)
"""What is kept of a tenant's events to add one more. Without a row all are read once again."""

intake = Table(
    "intake",
    metadata,
    Column("id", Integer, primary_key=True),
    flag("paused"),
    text_column("reason"),
    *numbers("breaker_opened_at", "counted_from"),
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
    kept_fact,
    scheduled_changeset,
    rule,
)
