"""The queue: DBOS on the service's own database, written to in the service's transactions.

DBOS keeps its tables beside ours: in the schema `dbos` on PostgreSQL, in the same file on SQLite.
"""

import json
import threading
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from authz_service.domain.job import Job, JobKind
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.database import NO_SUCH_TABLE, Connection, DatabaseUrl, translated

if TYPE_CHECKING:
    from dbos import DBOSClient

APP: Final = "authz-service"
VERSION: Final = "1"
"""Version of what an attempt is asked to do: workers of another version leave it alone."""

ATTEMPT: Final = "attempt"
"""The name under which workers know what to do."""

MAIL: Final = "authz-mail"
WEBHOOK: Final = "authz-webhook"
"""Two queues, so that slow endpoints hold up no mail."""

_WAITING: Final = frozenset({"ENQUEUED", "DELAYED"})


def database_url(url: DatabaseUrl) -> str:
    """Write the URL as DBOS reads it."""
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


class DbosQueue:
    """Attempts that wait. DBOS is imported when first needed: many processes never do."""

    def __init__(self, url: DatabaseUrl) -> None:
        self.url = database_url(url)
        self._one = threading.Lock()

    def migrate(self) -> None:
        """Make the queue's tables, or bring them up to date."""
        from dbos import DBOS  # noqa: PLC0415 - half a second

        with self._one:
            DBOS.migrate(self.url)

    def prepare(self) -> None:
        """Make sure that attempts can be enqueued: on SQLite, make the tables.

        Raises:
            FailedPrecondition: DATABASE_BEHIND: on PostgreSQL, `authz migrate` makes them.
            Unavailable: the database does not answer.
        """
        if self.url.startswith("sqlite"):
            self.migrate()
            return
        with translated():
            try:
                self._client.list_workflows(limit=1, load_input=False, load_output=False)
            except NO_SUCH_TABLE as error:
                raise FailedPrecondition(
                    ErrorReason.DATABASE_BEHIND,
                    "the database lacks the tables of the queue; run `authz migrate` first",
                ) from error

    def put(self, connection: Connection, job: Job, delay: float) -> None:
        options: Any = {
            "workflow_name": ATTEMPT,
            "queue_name": WEBHOOK if job.kind is JobKind.WEBHOOK else MAIL,
            "workflow_id": job.attempt_id,
            "app_version": VERSION,
        }
        if delay > 0:
            options["delay_seconds"] = delay
        self._client.enqueue_in_transaction(connection, options, job.id, job.turn)

    def lost(self, attempts: Collection[str], dead: Collection[str]) -> set[str]:
        """Tell which attempts nobody will make: ended, unknown, or with a worker that is dead."""
        workflows = self._client.list_workflows(
            workflow_ids=list(attempts), load_input=False, load_output=False
        )
        executors = {
            workflow.workflow_id
            for workflow in workflows
            if workflow.status in _WAITING
            or (workflow.status == "PENDING" and workflow.executor_id not in dead)
        }
        return set(attempts) - executors

    def begun_by(self, worker: str) -> list[str]:
        """Name the attempts that a worker has begun and not ended."""
        workflows = self._client.list_workflows(
            executor_id=worker, status="PENDING", load_input=False, load_output=False
        )
        return [workflow.workflow_id for workflow in workflows]

    def drop(self, attempts: Collection[str]) -> None:
        """Cancel these attempts."""
        self._client.cancel_workflows(list(attempts))

    def forget(self, ended_before_ms: int) -> None:
        """Delete what the queue keeps of attempts that ended long ago."""
        from datetime import UTC, datetime  # noqa: PLC0415

        before = datetime.fromtimestamp(ended_before_ms / 1000, UTC).isoformat()
        old = self._client.list_workflows(
            end_time=before,
            status=["SUCCESS", "ERROR", "CANCELLED"],
            limit=10_000,
            load_input=False,
            load_output=False,
        )
        if old:
            self._client.delete_workflows([workflow.workflow_id for workflow in old])

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.destroy()

    @cached_property
    def _client(self) -> "DBOSClient":
        from dbos import DBOSClient  # noqa: PLC0415 - half a second

        return DBOSClient(
            system_database_url=self.url,
            serializer=serializer(),
            application_name=APP,
            lazy=True,
            retry_connection_errors=False,
            system_database_pool_size=2,
        )


def serializer() -> Any:
    """Write what attempts are asked in JSON: DBOS would pickle it, and run what it reads back."""
    from dbos import Serializer  # noqa: PLC0415

    class Json(Serializer):
        def serialize(self, data: Any) -> str:
            return json.dumps(data, default=repr)

        def deserialize(self, serialized_data: str) -> Any:
            return json.loads(serialized_data)

        def name(self) -> str:
            return "authz_json"

    return Json()
