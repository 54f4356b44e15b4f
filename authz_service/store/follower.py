"""The replica of this process, as what writes needs it."""

from typing import Protocol

from sqlalchemy import Connection

from authz_service.domain.change import Delta, Revision
from authz_service.engine.index import Index
from authz_service.store.histories import Head


class Follower(Protocol):
    """The replica of this process, as the unit of work needs it."""

    @property
    def index(self) -> Index:
        """The newest revision that has arrived here."""

    @property
    def known(self) -> tuple[str, Revision]:
        """The history that it is in, and the newest revision that has arrived here."""

    def at(self, head: Head, connection: Connection) -> Index:
        """Return the index of exactly the locked head, reading what is missing."""

    def advance(self, delta: Delta) -> None:
        """Apply a committed delta; nothing happens if it was applied already."""

    def await_replicas(self, revision: Revision) -> None:
        """Wait, within bounds, until all that belongs to this process answers from a revision."""
