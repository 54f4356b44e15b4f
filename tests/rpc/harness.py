"""A real server in this process, callers of it, and what a refusal looks like from outside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status
from sqlalchemy import (
    Connection,
    Dialect,
    String,
    func,
    inspect,
    literal_column,
    select,
    table,
    union_all,
)

from authz_service.app.service import Service
from authz_service.client.services import Services
from authz_service.config import Settings
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import key_pb2
from authz_service.gen.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from authz_service.store import schema
from tests.rpc.published import CODE_OF
from tests.services import RPCS

PATIENCE: Final = 20.0
"""Seconds after which a call that should be instant is given up."""

MOVED_BY_ITSELF: Final = frozenset({"head", "audit_entry", "key_use", "worker"})
"""Tables of which calls are no measure: the audit of refusals, uses of keys, what runs beside."""

M = TypeVar("M", bound=Message)


def made(kind: type[M], **fields: Any) -> M:
    """Make a message; dictionaries stand for the messages in it."""
    return kind(**fields)


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any = None
    wait_for_ready: bool | None = None
    compression: Any = None


class _Metadata(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = pairs

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        timeout = PATIENCE if details.timeout is None else details.timeout
        return continuation(_Details(details.method, timeout, self._pairs), request)


class Caller(Services):
    """The stubs of every service, called with one set of metadata."""

    def __init__(
        self, checks: grpc.Channel, admin: grpc.Channel, *metadata: tuple[str, str]
    ) -> None:
        self._checks = grpc.intercept_channel(checks, _Metadata(*metadata))
        self._admin = grpc.intercept_channel(admin, _Metadata(*metadata))

    @property
    def check_channel(self) -> grpc.Channel:
        return self._checks

    @property
    def admin_channel(self) -> grpc.Channel:
        return self._admin

    @property
    def checks(self) -> AuthorizationServiceStub:
        return self.authorization

    def call(self, request: Message, **how: Any) -> Any:
        """Call the RPC whose request this is."""
        method = RPCS[request.DESCRIPTOR.name.removesuffix("Request")]
        service = method.containing_service
        channel = self._checks if service.name == "AuthorizationService" else self._admin
        called = channel.unary_unary(
            f"/{service.full_name}/{method.name}",
            type(request).SerializeToString,
            GetMessageClass(method.output_type).FromString,
        )
        return called(request, **how)


@dataclass
class Server:
    """A service that runs, with its first operator as a caller."""

    service: Service
    settings: Settings
    operator_key: str
    operator: Caller = field(init=False)

    def __post_init__(self) -> None:
        self.checks = grpc.insecure_channel(self.address(self.service.check_port.number))
        self.admin = grpc.insecure_channel(self.address(self.service.admin_port.number))
        self.operator = self.caller(self.operator_key)

    def address(self, port: int) -> str:
        return f"{self.settings.host}:{port}"

    def caller(self, key: str) -> Caller:
        return self.caller_with(("authorization", f"Bearer {key}"))

    def caller_with(self, *metadata: tuple[str, str]) -> Caller:
        return Caller(self.checks, self.admin, *metadata)

    def new_key(self, *roles: str, tenants: tuple[str, ...] = ()) -> str:
        request = key_pb2.CreateKeyRequest(key=key_pb2.Key(roles=roles, tenants=tenants))
        return self.operator.keys.CreateKey(request).credential

    @property
    def revision(self) -> int:
        return self.service.replica.index.revision

    def footprint(self) -> dict[str, int]:
        """Count every row but the audit's, open and closed apart, what is queued, and read both
        revisions.
        """
        with self.service.database.read() as connection:
            found = connection.exec_driver_sql(_counting(connection.dialect)).all()
            queued = _queued(connection)
        counted = {row[0]: row[1] for row in found}
        return counted | {"queued": queued, "replica": self.revision}

    def refuses(
        self,
        request: Message,
        reason: ErrorReason,
        at: str = "",
        says: str = "",
        by: Caller | None = None,
    ) -> "Refusal":
        """Assert that the request is refused so, and that nothing was changed."""
        before = self.footprint()
        found = refusal(lambda: (by or self.operator).call(request))
        assert (found.reason, found.field) == (reason, at), found
        assert says in found.message
        assert self.footprint() == before
        return found

    def close(self) -> None:
        self.checks.close()
        self.admin.close()
        self.service.stop()


@cache
def _counting(dialect: Dialect) -> str:
    """Write the query once: to put it together takes longer than to run it."""
    counts = [
        select(literal_column("'head'", String), func.max(schema.head.c.revision)),
        *(
            select(literal_column(f"'{each.name}'", String), func.count()).select_from(each)
            for each in schema.metadata.sorted_tables
            if each.name not in MOVED_BY_ITSELF
        ),
        *(
            select(
                literal_column(f"'closed {each.name}'", String), func.count(each.c.closed_revision)
            )
            for each in schema.FACT_TABLES
        ),
    ]
    query = union_all(*counts).compile(dialect=dialect)
    return str(query)


def _queued(connection: Connection) -> int:
    """Count what DBOS holds. It makes its tables when the first thing is to be queued."""
    where = "dbos" if connection.dialect.name == "postgresql" else None
    if not inspect(connection).has_table("workflow_status", where):
        return 0
    held = table("workflow_status", schema=where)
    return int(connection.execute(select(func.count()).select_from(held)).scalar_one())


TIMELESS: Final = {"max_stale_seconds": 1e9, "max_stale_admin_seconds": 1e9}
"""Settings of a server whose clock a test moves on without the database being read meanwhile."""


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[Server]:
    """Serve on free ports with an own database and key in `folder`; serving again goes on."""
    chosen: dict[str, Any] = {
        "database_url": f"sqlite:///{folder}/authz.db",
        "key_file": folder / "operator.key",
        "check_port": 0,
        "admin_port": 0,
        "drain_seconds": 1.0,
        # On a busy machine a test's own few calls can stand in line.
        "max_queue_seconds": 30.0,
        "max_standing_seconds": 30.0,
        # Sweeps send costly calls one after the other, faster than anybody else would.
        "rate_changes_per_second": 0,
        "jobs": False,  # tests do them by hand, or in a process of their own
    }
    configured = Settings(**(chosen | settings))
    service = Service(configured)
    service.start()
    server = Server(service, configured, configured.key_file.read_text().strip())
    try:
        yield server
    finally:
        server.close()


class Refusal(NamedTuple):
    """What a program and a person are told, without the id that differs from call to call."""

    code: grpc.StatusCode
    reason: str
    field: str
    message: str
    metadata: dict[str, str]
    fields: tuple[str, ...] = ()
    """All that are at fault; `field` is the first."""


def refusal(call: Callable[[], object]) -> Refusal:
    """Make a call that must be refused as every refusal is: with our reason, domain and id."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    found = _read(raised.value)
    assert found.code.name == CODE_OF[found.reason]
    assert found.message.strip()
    assert found.metadata.pop("call_id")
    return found


def _read(error: Any) -> Refusal:
    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error.code()} {error.details()}"
    info, bad = ErrorInfo(), BadRequest()
    assert status.details[0].Unpack(info)
    assert info.domain == "authz.v1"
    blamed = ""
    if any(detail.Unpack(bad) for detail in status.details):
        violation = bad.field_violations[0]
        assert (violation.description, violation.reason) == (status.message, info.reason)
        blamed = violation.field
    fields = tuple(violation.field for violation in bad.field_violations)
    return Refusal(error.code(), info.reason, blamed, status.message, dict(info.metadata), fields)
