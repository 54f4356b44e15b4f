"""Exceptions as a table."""

from collections.abc import Iterable

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import window, word
from authz_service.gen.authz.v1 import exception_pb2 as pb


def exception_table(exceptions: Iterable[pb.TenantException]) -> tables.Rows:
    """Lay out exceptions."""
    rows = [
        (
            exception.id,
            word(pb.ExceptionKind, exception.kind),
            out.listed(exception.permissions),
            exception.subject,
            exception.scope,
            window(exception),
            exception.approver,
            exception.reason,
        )
        for exception in exceptions
    ]
    columns = ("ID", "KIND", "PERMISSIONS", "SUBJECT", "SCOPE", "IN FORCE", "APPROVER", "REASON")
    return tables.table(columns, rows)
