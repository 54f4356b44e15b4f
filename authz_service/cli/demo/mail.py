"""A real mail server for the demo: it takes every mail and keeps it."""

import email
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller

from authz_service.cli.demo.throwaway_server import free_ports
from authz_service.client.failure import ExitCode, Failure

HOST: Final = "127.0.0.1"
PATIENCE: Final = 15.0
"""Seconds: far more than a mail takes on a busy machine."""


class Mailbox:
    """Where all mails arrive, whoever they are to."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._mails: queue.SimpleQueue[EmailMessage] = queue.SimpleQueue()
        self._read: dict[str, EmailMessage] = {}

    async def handle_DATA(  # noqa: N802 - as aiosmtpd calls it
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        mail = email.message_from_bytes(envelope.content, policy=default)
        if isinstance(mail, EmailMessage):
            self._mails.put(mail)
        return "250 OK"

    def mail_to(self, address: str) -> EmailMessage:
        """Wait for a mail to an address; earlier ones to others are kept. Raises: Failure."""
        while address not in self._read:
            try:
                mail = self._mails.get(timeout=PATIENCE)
            except queue.Empty:
                message = f"no mail to {address} arrived within {PATIENCE:g} s"
                raise Failure(ExitCode.UNREACHABLE, "NO_MAIL", message) from None
            self._read[str(mail["to"])] = mail
        return self._read[address]


def token_of(mail: EmailMessage) -> str:
    """Read the token in a mail's link, as the page does that the link opens."""
    part = mail.get_body(("plain",))
    words = part.get_content().split() if part is not None else []
    links = [urlsplit(word) for word in words if word.startswith("https://")]
    return parse_qs(links[0].query)["token"][0] if links else ""


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Receive mails on a free port until the block is left."""
    (port,) = free_ports(1)
    box = Mailbox(int(port))
    controller = Controller(box, hostname=HOST, port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
