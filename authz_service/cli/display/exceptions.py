"""Exceptions as people read them."""

from collections.abc import Iterable

from rich.console import RenderableType

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.plan_values import feature_value
from authz_service.cli.display.words import window, word
from authz_service.gen.authz.v1 import exception_pb2 as pb


def _content(exception: pb.TenantException) -> str:
    """Write the permissions an exception is about, or the feature that it sets."""
    if exception.HasField("feature"):
        return f"{exception.feature.name}: {feature_value(exception.feature)}"
    return out.listed(exception.permissions)


def exception_table(exceptions: Iterable[pb.TenantException]) -> tables.Rows:
    """Lay out exceptions."""
    rows = [
        (
            exception.id,
            word(pb.ExceptionKind, exception.kind),
            _content(exception),
            exception.subject,
            exception.scope,
            window(exception),
            exception.approver,
            exception.reason,
        )
        for exception in exceptions
    ]
    columns = ("ID", "KIND", "WHAT", "SUBJECT", "SCOPE", "IN FORCE", "APPROVER", "REASON")
    return tables.table(columns, rows)


def exception_facts(exception: pb.TenantException) -> RenderableType:
    """Lay out one exception."""
    return tables.facts(
        [
            ("exception", exception.id),
            ("tenant", exception.tenant),
            ("kind", word(pb.ExceptionKind, exception.kind)),
            ("what", _content(exception)),
            ("subject", exception.subject),
            ("scope", exception.scope),
            ("in force", window(exception)),
            ("approver", exception.approver),
            ("reason", exception.reason),
            ("revision", str(exception.revision)),
        ]
    )
