"""Mail templates: custom ones of a tenant, vendor-wide ones, and those built in."""

from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.job import MAILS, JobKind
from authz_service.domain.tenant import SYSTEM
from authz_service.errors import ErrorReason, NotFound
from authz_service.store import jobs as store
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.delivery import mail_rendering
from authz_service.usecases.delivery.mail_rendering import TemplateOrigin, Words
from authz_service.usecases.kernel import field_masks, paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest

UPDATABLE: Final = frozenset({"subject", "text", "html"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateMailTemplate:
    """`tenant` "" is the vendor-wide template; an empty `mask` names all of `UPDATABLE`."""

    tenant: str
    kind: JobKind
    words: Words
    mask: tuple[str, ...] = ()
    allow_missing: bool = False

    def __post_init__(self) -> None:
        """Check what was written before any transaction begins. Raises: TEMPLATE_INVALID."""
        mail_rendering.check(self.words, self.fields)

    @property
    def fields(self) -> tuple[str, ...]:
        return field_masks.checked(self.mask or (field_masks.WHOLE,), UPDATABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneMailTemplate:
    tenant: str
    kind: JobKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMailTemplates:
    page: PageRequest
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class MailTemplate:
    """The template in use."""

    kind: JobKind
    words: Words
    origin: TemplateOrigin


@change
def update_mail_template(tx: Transaction, command: UpdateMailTemplate) -> MailTemplate:
    """Change a custom template, or create it. Raises: TEMPLATE_NOT_FOUND."""
    if command.tenant:
        preconditions.customer(tx.index, command.tenant)
    before = store.template(tx.connection, {command.tenant}, command.kind.value)
    if command.tenant not in before and not command.allow_missing:
        raise _missing(command.kind, "template.kind")
    # What the mask leaves out of a template that is created comes from the one used until now.
    _, words = mail_rendering.in_use(tx.connection, command.tenant, command.kind)
    words = replace(words, **{field: getattr(command.words, field) for field in command.fields})
    texts = (words.subject, words.text, words.html)
    store.set_template(tx.connection, command.tenant, command.kind.value, texts)
    _record(tx, "mail_template.updated", command.tenant, command.kind)
    origin = TemplateOrigin.TENANT if command.tenant else TemplateOrigin.VENDOR
    return MailTemplate(command.kind, words, origin)


@change
def delete_mail_template(tx: Transaction, command: OneMailTemplate) -> MailTemplate:
    """Fall back to the vendor-wide or the built-in template. Raises: TEMPLATE_NOT_FOUND."""
    if command.tenant:
        preconditions.customer(tx.index, command.tenant)
    before = store.template(tx.connection, {command.tenant}, command.kind.value)
    if command.tenant not in before:
        raise _missing(command.kind, "kind")
    store.set_template(tx.connection, command.tenant, command.kind.value, None)
    _record(tx, "mail_template.deleted", command.tenant, command.kind)
    origin, words = mail_rendering.in_use(tx.connection, command.tenant, command.kind)
    return MailTemplate(command.kind, words, origin)


@read
def get_mail_template(view: View, query: OneMailTemplate) -> MailTemplate:
    """Get the template that mails of a tenant use, whoever wrote it."""
    if query.tenant:
        preconditions.customer(view.index, query.tenant)
    with view.database.read() as connection:
        origin, words = mail_rendering.in_use(connection, query.tenant, query.kind)
    return MailTemplate(query.kind, words, origin)


@read
def list_mail_templates(view: View, query: ListMailTemplates) -> Page[MailTemplate]:
    if query.tenant:
        preconditions.customer(view.index, query.tenant)
    templates = []
    with view.database.read() as connection:
        for kind in sorted(MAILS):
            origin, words = mail_rendering.in_use(connection, query.tenant, kind)
            templates.append(MailTemplate(kind, words, origin))
    fingerprint = ["mail_templates", query.tenant]
    return paging.page(templates, lambda template: template.kind.value, query.page, fingerprint)


def _missing(kind: JobKind, field: str) -> NotFound:
    return NotFound(
        ErrorReason.TEMPLATE_NOT_FOUND,
        f"there is no custom template for {kind.value} here; allow_missing creates it",
        field=field,
    )


def _record(tx: Transaction, action: str, tenant: str, kind: JobKind) -> None:
    tx.record(AuditRecord(action, tenant or SYSTEM, (kind.value,), reason=tx.call.reason))
