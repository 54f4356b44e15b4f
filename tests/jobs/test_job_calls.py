"""What operators ask of jobs and of the words of mails, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import job_pb2 as pb
from tests.jobs.world import World, world


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
    assert acme.working().attempt(job.id, 1) is None
    acme.server.refuses(pb.CancelJobRequest(id=job.id), ErrorReason.JOB_STATE_CONFLICT, at="id")
    acme.server.operator.jobs.RetryJob(pb.RetryJobRequest(id=job.id))
    assert acme.job(job.id).state == pb.JOB_STATE_WAITING


@pytest.mark.parametrize("asked", [{"id": "job-none"}, {"tenant": "globex"}])
def test_job_that_is_not_there_or_another_tenants_is_not_found(
    acme: World, asked: dict[str, str]
) -> None:
    request = pb.GetJobRequest(**{"id": acme.jobs()[0].id, **asked})
    acme.server.refuses(request, ErrorReason.JOB_NOT_FOUND, at="id")


def put(text: str) -> pb.PutMailTemplateRequest:
    words = pb.MailTemplate(kind=pb.JOB_KIND_INVITATION, subject="Hi", text=text)
    return pb.PutMailTemplateRequest(tenant="acme", template=words)


@pytest.mark.parametrize(
    "text", ["", "{{ nobody }}", "{% if", "{{ ''.__class__.__mro__ }}", "{{ 1 / 0 }}"]
)
def test_template_that_cannot_be_filled_in_is_refused(acme: World, text: str) -> None:
    acme.server.refuses(put(text), ErrorReason.TEMPLATE_INVALID, at="template.text")


def test_words_of_a_tenant_go_before_those_shipped_until_they_are_deleted(acme: World) -> None:
    acme.server.operator.jobs.PutMailTemplate(put("Join: {{ link }}"))
    asked = pb.GetMailTemplateRequest(tenant="acme", kind=pb.JOB_KIND_INVITATION)
    assert acme.server.operator.jobs.GetMailTemplate(asked).template.text == "Join: {{ link }}"
    delete = pb.DeleteMailTemplateRequest(tenant="acme", kind=pb.JOB_KIND_INVITATION)
    assert acme.server.operator.jobs.DeleteMailTemplate(delete).template.owner == "shipped"
    acme.server.refuses(delete, ErrorReason.TEMPLATE_NOT_FOUND, at="kind")
