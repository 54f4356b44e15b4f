"""Webhooks: post a delivery, signed as Standard Webhooks specifies, and interpret the answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

from standardwebhooks.webhooks import Webhook

from authz_service.domain.audit import AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.endpoint import Endpoint
from authz_service.domain.job import Again, Done, Job, JobReason, Never, Outcome
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import FailedPrecondition
from authz_service.store import jobs
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases.delivery.mail import WORKER

GONE = "it answered 410 Gone"
"""Why an endpoint was disabled that asked for it itself."""


class PostFailed(Exception):
    """There was no answer. `reason` and the message say why."""

    def __init__(self, reason: JobReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Post(Protocol):
    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Post, follow no redirect, and return the status. Raises: PostFailed."""


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    store: Store
    index: Callable[[], Index]
    post: Post
    clock: Callable[[], Instant]

    def attempt(self, job: Job) -> Outcome:
        endpoint = self.index().endpoints.get(job.target)
        if endpoint is None:
            return Never(JobReason.ENDPOINT_GONE, "the endpoint was deleted")
        if endpoint.disabled:
            return Never(
                JobReason.ENDPOINT_DISABLED, f"the endpoint is disabled: {endpoint.disabled}"
            )
        now = self.clock()
        with self.store.database.read() as connection:
            try:
                secrets = jobs.secrets(connection, self.store.seals, endpoint.id, now)
            except FailedPrecondition as sealed:
                return Again(JobReason.SECRET_SEALED, sealed.message)
        body = json.dumps(dict(job.data), separators=(",", ":"))
        try:
            status = self.post(endpoint.url, signed(job.id, body, secrets, now), body.encode())
        except PostFailed as failed:
            return Again(failed.reason, failed.message)
        return self._answered(job, status)

    def _answered(self, job: Job, status: int) -> Outcome:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Done(f"answered {status}")
        if status == HTTPStatus.GONE:
            with self.store.transaction(Call(WORKER, reason=GONE)) as tx:
                endpoint = tx.index.endpoints.get(job.target)
                if endpoint is not None and not endpoint.disabled:
                    disable(tx, endpoint, GONE)
            return Never(JobReason.ENDPOINT_GONE, f"{GONE}: the endpoint is disabled")
        redirects = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
        advice = "; redirects are not followed: update the URL" if redirects else ""
        return Again(JobReason.ENDPOINT_REFUSED, f"answered {status}{advice}")


def disable(tx: Transaction, endpoint: Endpoint, why: str) -> Endpoint:
    after = replace(endpoint, disabled=why)
    tx.change(endpoint, after)
    chain = endpoint.tenant or SYSTEM
    tx.record(
        AuditRecord("endpoint.disabled", chain, (endpoint.id,), endpoint, after, tx.call.reason)
    )
    return after


def signed(message_id: str, body: str, secrets: list[str], at: Instant) -> dict[str, str]:
    """Make the headers of a delivery: a signature by each live secret, the newest first."""
    moment = datetime.fromtimestamp(at // 1_000_000, UTC)
    signatures = [Webhook(secret).sign(message_id, moment, body) for secret in secrets]
    return {
        "content-type": "application/json",
        "user-agent": "authz-service",
        "webhook-id": message_id,
        "webhook-timestamp": str(at // 1_000_000),
        "webhook-signature": " ".join(signatures),
    }
