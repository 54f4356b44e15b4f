"""Mails: what each says, and to whom. The link in a mail holds a token that is made as it is sent,
so no secret lies in the queue; the last mail of an invitation is the one whose link works.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol
from urllib.parse import quote

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.invitation import Invitation, digest, write
from authz_service.domain.job import Again, Done, Job, JobKind, JobReason, Never, Outcome
from authz_service.domain.window import Instant, rfc3339
from authz_service.store.unit_of_work import Store
from authz_service.usecases.delivery import mail_rendering

WORKER: Final = Actor("service:jobs")
"""The actor of jobs in the audit."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail ready to go. `id` is the same in every attempt, so that a receiver can tell."""

    id: str
    to: str
    subject: str
    text: str
    html: str
    at: Instant


class MailFailed(Exception):
    """The mail server did not accept a mail. `reason` and the message say why."""

    def __init__(self, reason: JobReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Mailer(Protocol):
    def send(self, mail: Mail) -> None:
        """Hand a mail to the mail server; on return the server has accepted it.

        Raises:
            MailFailed: it has not, or nobody knows; the mail may arrive all the same.
        """


class MailDelivery:
    def __init__(
        self,
        store: Store,
        mailer: Mailer | None,
        new_secret: Callable[[], str],
        clock: Callable[[], Instant],
        public_url: str,
        notice_to: str,
    ) -> None:
        self._store = store
        self._mailer = mailer
        self._new_secret = new_secret
        self._clock = clock
        self._public_url = public_url
        self._notice_to = notice_to

    def attempt(self, job: Job) -> Outcome:
        if self._mailer is None:
            return Again(JobReason.MAIL_OFF, "this process has no mail server; set AUTHZ_SMTP_HOST")
        try:
            mail = self._notice(job) if job.kind is JobKind.NOTICE else self._invitation(job)
        except mail_rendering.TemplateFailed as error:
            return Again(JobReason.TEMPLATE_FAILED, f"the template cannot be filled in: {error}")
        if mail is None:
            return Never(
                JobReason.INVITATION_ENDED,
                "the invitation was accepted, revoked, sent anew or is over",
            )
        try:
            self._mailer.send(mail)
        except MailFailed as failed:
            return Again(failed.reason, failed.message)
        return Done("taken by the mail server")

    def _invitation(self, job: Job) -> Mail | None:
        """Make the mail, with a link of its own; None if there is nothing to invite to any more."""
        token = write(self._new_secret())
        with self._store.transaction(Call(WORKER)) as tx:
            entry = tx.index.tenants.get(job.tenant)
            invitation = entry.invitations.get(job.target) if entry else None
            if entry is None or invitation is None or not _current(invitation, job, tx.now):
                return None
            _, words = mail_rendering.in_use(tx.connection, job.tenant, job.kind)
            values = {
                "tenant": job.tenant,
                "display_name": entry.fact.display_name or job.tenant,
                "roles": list(invitation.roles),
                "role_names": ", ".join(invitation.roles),
                "link": self._link(job.tenant, token),
                "expires": _shown(invitation.expires_at),
            }
            linked = replace(invitation, mailed_hash=digest(token))
            tx.change(invitation, linked)
            tx.record(
                AuditRecord(
                    "invitation.link_made", job.tenant, (invitation.id,), invitation, linked
                )
            )
        filled = mail_rendering.rendered(words, values)
        return Mail(job.id, invitation.email, filled.subject, filled.text, filled.html, tx.now)

    def _notice(self, job: Job) -> Mail:
        with self._store.database.read() as connection:
            _, words = mail_rendering.in_use(connection, job.tenant, job.kind)
        values = {**job.data, "tenant": job.tenant, "date": str(job.data["when"])[:10]}
        filled = mail_rendering.rendered(words, values)
        to = self._notice_to
        return Mail(job.id, to, filled.subject, filled.text, filled.html, self._clock())

    def _link(self, tenant: str, token: str) -> str:
        joint = "&" if "?" in self._public_url else "?"
        return f"{self._public_url}{joint}tenant={quote(tenant)}&token={quote(token)}"


def _current(invitation: Invitation, job: Job, at: Instant) -> bool:
    """Tell whether the mail is about the invitation as it was last sent, and that is open."""
    return invitation.live(at) and invitation.sent_at == job.data.get("sent_at")


def _shown(at: Instant) -> str:
    return rfc3339(at - at % 1_000_000).replace(".000000Z", "Z")
