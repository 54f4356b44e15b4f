"""The replicas of one `serve`: the administration's own, and those of its check workers."""

from authz_service.domain.change import Delta, Revision
from authz_service.engine.index import Index
from authz_service.replication.hub import Hub
from authz_service.replication.replica import Replica
from authz_service.store.database import Connection
from authz_service.store.histories import Head


class Family:
    """What the unit of work leads: a change is answered once all of them answer from it."""

    def __init__(self, replica: Replica, hub: Hub) -> None:
        self._replica = replica
        self._hub = hub

    @property
    def index(self) -> Index:
        return self._replica.index

    @property
    def known(self) -> tuple[str, Revision]:
        return self._replica.known

    def at(self, head: Head, connection: Connection) -> Index:
        """Return the index of exactly the locked head. Raises: Internal."""
        return self._replica.at(head, connection)

    def advance(self, delta: Delta) -> None:
        """Apply a committed delta here, and push it to the workers."""
        self._hub.push(delta)
        self._replica.advance(delta)

    def await_replicas(self, revision: Revision) -> None:
        """Wait, within bounds, for the workers."""
        self._hub.await_replicas(revision)
