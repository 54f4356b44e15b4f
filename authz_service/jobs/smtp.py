"""The mail server: SMTP, with TLS unless it is switched off."""

import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Final, Literal

from authz_service.domain.job import JobReason
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.usecases.delivery.mail import Mail, MailFailed

_LONGEST: Final = 300
"""How many characters of a mail server's answer are kept."""


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    host: str
    port: int
    tls: Literal["starttls", "tls", "none"]
    sender: str
    seconds: float
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None


class Smtp:
    """A mailer that connects anew for each mail: one that failed leaves nothing behind."""

    def __init__(self, settings: SmtpSettings) -> None:
        """Make ready to connect.

        Raises:
            InvalidArgument: the sender is no address, or a password would go over in plain text.
        """
        self._settings = settings
        if "@" not in parseaddr(settings.sender)[1]:
            raise _wrong("AUTHZ_MAIL_FROM", "must be an address: Acme <access@acme.example>")
        local = settings.host in ("localhost", "127.0.0.1", "::1")
        if settings.tls == "none" and settings.user and not local:
            raise _wrong("AUTHZ_SMTP_TLS", "must not be `none` where a password is sent")

    def send(self, mail: Mail) -> None:
        message = self._message(mail)
        try:
            with self._session() as session:
                session.send_message(message)
        except (smtplib.SMTPServerDisconnected, TimeoutError) as error:
            raise MailFailed(JobReason.MAIL_DROPPED, _problem(error)) from error
        except smtplib.SMTPException as error:
            raise MailFailed(JobReason.MAIL_SERVER_REFUSED, _problem(error)) from error
        except OSError as error:
            raise MailFailed(JobReason.MAIL_SERVER_UNREACHABLE, _problem(error)) from error

    def probe(self) -> None:
        """Connect and sign in, and send nothing. Raises: smtplib.SMTPException, OSError."""
        with self._session() as session:
            session.noop()

    def _session(self) -> smtplib.SMTP:
        """Connect; with TLS, to nobody but the server of that name."""
        chosen = self._settings
        if chosen.tls == "tls":
            session: smtplib.SMTP = smtplib.SMTP_SSL(
                chosen.host, chosen.port, timeout=chosen.seconds, context=self._trusted()
            )
        else:
            session = smtplib.SMTP(chosen.host, chosen.port, timeout=chosen.seconds)
        try:
            if chosen.tls == "starttls":
                session.starttls(context=self._trusted())
            if chosen.user:
                session.login(chosen.user, chosen.password)
        except BaseException:
            session.close()
            raise
        return session

    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._settings.ca)

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        name, address = parseaddr(self._settings.sender)
        message["From"] = Address(name, addr_spec=address)
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(datetime.fromtimestamp(mail.at / 1_000_000, UTC))
        message["Message-ID"] = f"<{mail.id}@{address.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
        return message


def _problem(error: Exception) -> str:
    """Describe the failure in the words of the server, if it gave any, without the addresses."""
    match error:
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            answers = {f"{code} {_text(answer)}" for code, answer in refused.values()}
            return f"the recipient was refused: {'; '.join(sorted(answers))}"[:_LONGEST]
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=answer):
            return f"the mail server answered {code} {_text(answer)}"[:_LONGEST]
        case TimeoutError():
            return "the mail server did not answer in time"
        case ssl.SSLError():
            return f"TLS with the mail server failed: {error.reason or error}"[:_LONGEST]
    return f"the mail server: {error}"[:_LONGEST]


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, f"{field} {message}", field=field)
