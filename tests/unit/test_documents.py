"""Facts as the API's JSON has them: every kind parses into its message and comes back unchanged."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict

from authz_service.domain.change import KEPT, Blocker, Fact
from authz_service.domain.documents import Resource, document
from authz_service.domain.job import Job, JobKind, JobReason, JobState
from authz_service.domain.kept import Kept
from authz_service.domain.window import instant
from authz_service.gen.authz.v1 import audit_pb2 as pb
from tests.conformance import every_fact

JOB = Job(
    "job-1", JobKind.WEBHOOK, "acme", "k", "end-1", "member.added", state=JobState.DEAD,
    attempts=3, created_at=5, ended_at=9, reason=JobReason.ENDPOINT_REFUSED, message="answered 503",
)  # fmt: skip
WAITING = replace(JOB, state=JobState.PENDING, ended_at=0, next_at=7, reason=JobReason.NONE)
ADD_ON = replace(every_fact.TIER, id="addon/audit", extends="", suspended_free_seats=False)
OBJECTED = replace(every_fact.SCHEDULED, blocker=Blocker("STILL_IN_USE", "no", "acme"))
RESOURCES: tuple[Resource, ...] = (
    *every_fact.ALL,
    *(life.second for life in every_fact.LIVES.values()),
    ADD_ON,
    OBJECTED,
    JOB,
    WAITING,
)


@pytest.mark.parametrize(
    "resource",
    RESOURCES,
    ids=[f"{type(each).__name__}-{number}" for number, each in enumerate(RESOURCES)],
)
def test_document_of_a_resource_is_the_json_of_its_message(resource: Resource) -> None:
    written = document(resource, 8)
    message = ParseDict(dict(written), pb.Resource())
    assert MessageToDict(message, preserving_proto_field_name=True) == written


def test_every_kind_of_fact_and_every_field_of_the_message_is_among_them() -> None:
    assert {type(each) for each in RESOURCES} == {*get_args(Fact), *KEPT, Job} - {Kept}
    written = {name for each in RESOURCES for name in document(each, 8)}
    assert written == {field.name for field in pb.Resource.DESCRIPTOR.fields}


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000, "1970-01-01T00:00:01.500Z"),
        (1_000_001, "1970-01-01T00:00:01.000001Z"),
    ],
)
def test_instants_have_as_many_digits_as_they_take(at: int, text: str) -> None:
    message: Any = pb.AuditEntry()
    message.entry_time.FromMicroseconds(at)
    assert instant(at) == MessageToDict(message)["entryTime"] == text
