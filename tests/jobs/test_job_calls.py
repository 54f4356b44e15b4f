"""What operators ask of jobs and of the words of mails, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import job_pb2 as pb
from authz_service.gen.authz.v1 import mail_template_pb2 as templates
from tests.jobs.world import World, world

INVITATION = templates.MAIL_KIND_INVITATION


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.onboard("acme", "ada")
        made.endpoint("https://crm.invalid/", "acme", "invitation.*")
        made.invite("ivan@example.com")
        yield made


def test_cancelled_job_is_not_attempted_until_it_is_retried(acme: World) -> None:
    (job,) = acme.jobs()
    acme.server.operator.jobs.CancelJob(pb.CancelJobRequest(id=job.id))
    assert acme.runner().attempt(job.id, 1) is None
    acme.server.refuses(pb.CancelJobRequest(id=job.id), ErrorReason.JOB_STATE_CONFLICT, at="id")
    acme.server.operator.jobs.RetryJob(pb.RetryJobRequest(id=job.id))
    assert acme.job(job.id).state == pb.JOB_STATE_PENDING


@pytest.mark.parametrize("asked", [{"id": "job-none"}, {"tenant": "globex"}])
def test_job_that_is_not_there_or_another_tenants_is_not_found(
    acme: World, asked: dict[str, str]
) -> None:
    request = pb.GetJobRequest(**{"id": acme.jobs()[0].id, **asked})
    acme.server.refuses(request, ErrorReason.JOB_NOT_FOUND, at="id")


def put(text: str, **how: Any) -> templates.UpdateMailTemplateRequest:
    template = templates.MailTemplate(kind=INVITATION, subject="Hi", text=text)
    how = {"allow_missing": True} | how
    return templates.UpdateMailTemplateRequest(tenant="acme", template=template, **how)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{{nobody}}",
        "{{#roles}}",
        "{{/roles}}",
        "{{link",
        "{{.}}",
        "{{link.__class__}}",
        "{{> /etc/passwd}}",
        "{{=<% %>=}}<%link%>",
        "{{#roles}}{{#roles}}{{.}}{{/roles}}{{/roles}}",
        "x" * 50_001,
    ],
)
def test_template_that_cannot_be_filled_in_is_refused(acme: World, text: str) -> None:
    acme.server.refuses(put(text), ErrorReason.TEMPLATE_INVALID, at="template.text")


def test_words_of_a_tenant_go_before_those_shipped_until_they_are_deleted(acme: World) -> None:
    service = acme.server.operator.mail_templates
    service.UpdateMailTemplate(put("Join: {{ link }}"))
    get = templates.GetMailTemplateRequest(tenant="acme", kind=INVITATION)
    assert service.GetMailTemplate(get).template.text == "Join: {{ link }}"
    delete = templates.DeleteMailTemplateRequest(tenant="acme", kind=INVITATION)
    origin = service.DeleteMailTemplate(delete).template.origin
    assert origin == templates.TEMPLATE_ORIGIN_BUILT_IN
    acme.server.refuses(delete, ErrorReason.TEMPLATE_NOT_FOUND, at="kind")


def test_template_is_created_only_if_that_is_allowed_and_changed_by_its_mask(acme: World) -> None:
    missing = put("Join: {{ link }}", allow_missing=False)
    acme.server.refuses(missing, ErrorReason.TEMPLATE_NOT_FOUND, at="template.kind")
    service = acme.server.operator.mail_templates
    service.UpdateMailTemplate(put("Join: {{ link }}"))
    changed = put("Come: {{ link }}", update_mask=FieldMask(paths=["text"]), allow_missing=False)
    changed.template.subject = "not this"
    template = service.UpdateMailTemplate(changed).template
    assert (template.subject, template.text) == ("Hi", "Come: {{ link }}")
    listed = service.ListMailTemplates(templates.ListMailTemplatesRequest(tenant="acme"))
    assert {each.kind: each.origin for each in listed.templates} == {
        templates.MAIL_KIND_INVITATION: templates.TEMPLATE_ORIGIN_TENANT,
        templates.MAIL_KIND_NOTICE: templates.TEMPLATE_ORIGIN_BUILT_IN,
        templates.MAIL_KIND_WELCOME: templates.TEMPLATE_ORIGIN_BUILT_IN,
    }
    assert listed.total_size == 3
