"""Mails in a tenant's own words, or in the vendor's for all tenants."""

from dataclasses import dataclass

from authz_service.domain.audit import AuditRecord
from authz_service.domain.job import JobKind
from authz_service.domain.tenant import SYSTEM
from authz_service.errors import ErrorReason, NotFound
from authz_service.store import jobs as store
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.delivery import mail_rendering
from authz_service.usecases.delivery.mail_rendering import Words
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.execution import View, change, read


@dataclass(frozen=True, slots=True, kw_only=True)
class PutMailTemplate:
    tenant: str
    kind: JobKind
    words: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class OneMailTemplate:
    tenant: str
    kind: JobKind


@dataclass(frozen=True, slots=True)
class MailTemplate:
    """The words in use. `owner` is the tenant whose they are, "" for all's, or `shipped`."""

    tenant: str
    kind: JobKind
    words: Words
    owner: str


@change
def put_mail_template(tx: Transaction, command: PutMailTemplate) -> MailTemplate:
    if command.tenant:
        preconditions.customer(tx.index, command.tenant)
    words = mail_rendering.checked(command.words)
    kept = (words.subject, words.text, words.html)
    store.set_template(tx.connection, command.tenant, command.kind.value, kept)
    _record(tx, "mail_template.put", command.tenant, command.kind)
    return MailTemplate(command.tenant, command.kind, words, command.tenant)


@change
def delete_mail_template(tx: Transaction, command: OneMailTemplate) -> MailTemplate:
    """Go back to the words for all, or to those shipped. Raises: TEMPLATE_NOT_FOUND."""
    if command.tenant:
        preconditions.customer(tx.index, command.tenant)
    kept = store.template(tx.connection, {command.tenant}, command.kind.value)
    if command.tenant not in kept:
        raise NotFound(
            ErrorReason.TEMPLATE_NOT_FOUND,
            f"no template of {command.kind.value} was put there; there is nothing to delete",
            field="kind",
        )
    store.set_template(tx.connection, command.tenant, command.kind.value, None)
    _record(tx, "mail_template.deleted", command.tenant, command.kind)
    owner, words = mail_rendering.in_use(tx.connection, command.tenant, command.kind)
    return MailTemplate(command.tenant, command.kind, words, owner)


@read
def get_mail_template(view: View, query: OneMailTemplate) -> MailTemplate:
    """Read the words that a tenant's mails have, whoever put them."""
    if query.tenant:
        preconditions.customer(view.index, query.tenant)
    with view.database.read() as connection:
        owner, words = mail_rendering.in_use(connection, query.tenant, query.kind)
    return MailTemplate(query.tenant, query.kind, words, owner)


def _record(tx: Transaction, action: str, tenant: str, kind: JobKind) -> None:
    tx.record(AuditRecord(action, tenant or SYSTEM, (kind.value,), reason=tx.call.reason))
