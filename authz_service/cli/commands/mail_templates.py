"""`authz mail-templates`: the subject and the text of mails."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.commands.jobs import OfTenant
from authz_service.cli.display import tables
from authz_service.cli.display.words import word
from authz_service.cli.options import Limit, Reason
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import mail_template_pb2 as pb

app = typer.Typer(help="Subject and text of mails: vendor-wide, or of one account.")


class Kind(StrEnum):
    WELCOME = "welcome"
    INVITATION = "invitation"
    NOTICE = "notice"


Mail = Annotated[Kind, typer.Argument(metavar="MAIL", help="welcome, invitation or notice.")]


@reads(app, "show")
def show_template(session: Session, mail: Mail, tenant: OfTenant = "") -> None:
    """Show the template that a mail uses."""
    request = pb.GetMailTemplateRequest(tenant=tenant, kind=_number(mail))
    answer = session.mail_templates.GetMailTemplate(request)
    session.show(answer, *_texts(answer.template))


@reads(app, "list")
def list_templates(session: Session, tenant: OfTenant = "", limit: Limit = None) -> None:
    """List the templates that mails use, and who wrote each."""
    request = pb.ListMailTemplatesRequest(tenant=tenant)
    call = session.mail_templates.ListMailTemplates
    answer = every(call, request, lambda page: page.templates, limit)
    note = total(len(answer.templates), "template", answer)
    session.show(answer, _table(answer.templates), note=note)


@changes(app, "update")
def update_template(
    session: Session,
    mail: Mail,
    *,
    subject: Annotated[
        str | None, typer.Option("--subject", help="A template of one line.")
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--text", metavar="FILE", help="The template of the text.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="The template of the HTML.")
    ] = None,
    tenant: OfTenant = "",
    reason: Reason = "",
) -> None:
    """Change or create a custom template; what is not given stays. --dry-run only renders it."""
    parts = {
        "subject": subject,
        "text": text and text.read_text(encoding="utf-8"),
        "html": html and html.read_text(encoding="utf-8"),
    }
    mask = [field for field, template in parts.items() if template is not None]
    if not mask:
        raise typer.BadParameter("nothing to change; give --subject, --text or --html")
    request = pb.UpdateMailTemplateRequest(
        tenant=tenant,
        template=pb.MailTemplate(
            kind=_number(mail),
            subject=parts["subject"] or "",
            text=parts["text"] or "",
            html=parts["html"] or "",
        ),
        allow_missing=True,
        reason=reason,
    )
    request.update_mask.paths.extend(mask)
    answer = session.mail_templates.UpdateMailTemplate(request)
    session.show(answer, *_texts(answer.template))


@changes(app, "delete")
def delete_template(
    session: Session, mail: Mail, tenant: OfTenant = "", reason: Reason = ""
) -> None:
    """Fall back to the vendor-wide template, then to the built-in one."""
    request = pb.DeleteMailTemplateRequest(tenant=tenant, kind=_number(mail), reason=reason)
    answer = session.mail_templates.DeleteMailTemplate(request)
    session.show(answer, *_texts(answer.template))


def _number(kind: Kind) -> pb.MailKind.ValueType:
    return pb.MailKind.Value(f"MAIL_KIND_{kind.name}")


def _table(templates: Iterable[pb.MailTemplate]) -> RenderableType:
    rows = [
        (word(pb.MailKind, template.kind), _origin(template), template.subject)
        for template in templates
    ]
    return tables.table(("MAIL", "WRITTEN BY", "SUBJECT"), rows)


def _texts(template: pb.MailTemplate) -> list[Text]:
    parts = [f"written by: {_origin(template)}", f"subject: {template.subject}", "", template.text]
    if template.html:
        parts += ["", template.html]
    return [tables.shown(part, lines=True) for part in parts]


def _origin(template: pb.MailTemplate) -> str:
    return word(pb.TemplateOrigin, template.origin).replace("_", "-")
