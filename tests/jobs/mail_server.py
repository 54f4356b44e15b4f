"""A mail server on a real socket, which can be told to misbehave."""

import asyncio
import email
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


@dataclass
class Inbox:
    """What arrived. `refusal` is answered in place of taking a mail, `hang_up` and `slow` are done
    amid one.
    """

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refusal: str = ""
    refuse_recipient: str = ""
    hang_up: bool = False
    slow: float = 0.0
    tries: int = 0

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.refuse_recipient:
            self.tries += 1
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.tries += 1
        if self.hang_up:
            server.transport.abort()
            return ""
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.refusal:
            return self.refusal
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.recipients += envelope.rcpt_tos
        self.mails.append(message)
        return "250 taken"


@dataclass
class MailServer:
    inbox: Inbox
    port: int


class _Controller(Controller):
    def __init__(self, inbox: Inbox, port: int, **how: Any) -> None:
        self._how = how
        super().__init__(inbox, hostname="127.0.0.1", port=port)

    def factory(self) -> SMTP:
        return SMTP(self.handler, **self._how)


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None = None,
    *,
    login: tuple[str, str] | None = None,
    port: int = 0,
) -> Iterator[MailServer]:
    """Receive, on a free port if none is named; with `tls`, after
    STARTTLS only; with `login`, from that user.
    """
    inbox = Inbox()
    how: dict[str, Any] = {"enable_SMTPUTF8": False}
    if tls is not None:
        how |= {"tls_context": tls, "require_starttls": True}
    if login is not None:
        expected = tuple(each.encode() for each in login)

        def let_in(*arguments: Any) -> AuthResult:
            given = arguments[-1]
            sound = isinstance(given, LoginPassword) and tuple(given) == expected
            return AuthResult(success=sound)

        how |= {"authenticator": let_in, "auth_required": True}
    port = port or _free_port()
    controller = _Controller(inbox, port, **how)
    controller.start()
    try:
        yield MailServer(inbox, port)
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
