"""MailTemplateService: the subject and the text of mails."""

from typing import Any, Final

from authz_service.domain.job import JobKind
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import mail_template_pb2 as pb
from authz_service.rpc.messages import values
from authz_service.rpc.messages.callers import require_unset
from authz_service.rpc.methods import Service, Shown, change, read
from authz_service.usecases.delivery import mail_templates
from authz_service.usecases.delivery.mail_rendering import TemplateOrigin, Words
from authz_service.usecases.delivery.mail_templates import MailTemplate, OneMailTemplate

_KINDS: Final = {
    pb.MAIL_KIND_WELCOME: JobKind.WELCOME,
    pb.MAIL_KIND_INVITATION: JobKind.INVITATION,
    pb.MAIL_KIND_NOTICE: JobKind.NOTICE,
}
_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}
_ORIGINS: Final = {
    TemplateOrigin.TENANT: pb.TEMPLATE_ORIGIN_TENANT,
    TemplateOrigin.VENDOR: pb.TEMPLATE_ORIGIN_VENDOR,
    TemplateOrigin.BUILT_IN: pb.TEMPLATE_ORIGIN_BUILT_IN,
}


def _kind(number: Any, field: str) -> JobKind:
    kind = _KINDS.get(number)
    if kind is None:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, "kind must be WELCOME, INVITATION or NOTICE", field=field
        )
    return kind


def _message(value: MailTemplate) -> pb.MailTemplate:
    return pb.MailTemplate(
        kind=_NUMBERS[value.kind],
        subject=value.words.subject,
        text=value.words.text,
        html=value.words.html,
        origin=_ORIGINS[value.origin],
    )


def _one(request: Any) -> OneMailTemplate:
    return OneMailTemplate(tenant=request.tenant, kind=_kind(request.kind, "kind"))


def _listing(request: pb.ListMailTemplatesRequest) -> mail_templates.ListMailTemplates:
    return mail_templates.ListMailTemplates(tenant=request.tenant, page=values.page(request))


def _update(request: pb.UpdateMailTemplateRequest) -> mail_templates.UpdateMailTemplate:
    template = request.template
    require_unset(template, "template", "origin")
    return mail_templates.UpdateMailTemplate(
        tenant=request.tenant,
        kind=_kind(template.kind, "template.kind"),
        words=Words(template.subject, template.text, template.html),
        mask=tuple(request.update_mask.paths),
        allow_missing=request.allow_missing,
    )


TEMPLATE: Final = Shown("template", "templates", _message)

SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["MailTemplateService"],
    read(mail_templates.get_mail_template, _one, TEMPLATE.one),
    read(mail_templates.list_mail_templates, _listing, TEMPLATE.page),
    change(mail_templates.update_mail_template, _update, TEMPLATE.one),
    change(mail_templates.delete_mail_template, _one, TEMPLATE.one),
)
