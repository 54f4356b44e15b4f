"""What ports have in common: limits, TLS, the address."""

from math import inf
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from authz_service.app.parts import CheckParts
from authz_service.config import Settings
from authz_service.rpc import page_tokens
from authz_service.rpc.admission import LimitSettings
from authz_service.rpc.room import RoomSettings
from authz_service.rpc.server import PortSettings
from authz_service.serving.tls import TlsFiles, require_no_listeners, tls_files


def limits(
    settings: Settings, threads: int, per_second: float, standing_seconds: float = inf
) -> LimitSettings:
    return LimitSettings(
        threads=threads,
        max_waiting=settings.max_waiting,
        max_queue_seconds=settings.max_queue_seconds,
        max_seconds=settings.max_deadline,
        per_second=per_second,
        standing_seconds=standing_seconds,
        room=RoomSettings(
            settings.max_open_per_caller,
            settings.max_open_per_address,
            settings.max_idle_calls,
            settings.max_message_seconds,
            settings.max_reader_seconds,
        ),
    )


def port_settings(parts: CheckParts, port: int, of_port: LimitSettings) -> PortSettings:
    settings = parts.settings
    return PortSettings(
        host=settings.host,
        port=port,
        limits=of_port,
        max_message_bytes=settings.max_message_bytes,
        max_streams=settings.max_streams,
        max_pending=settings.max_pending,
        tls=tls(settings, settings.host),
        shared=parts.shared,
    )


def tls(settings: Settings, host: str) -> TlsFiles | None:
    """Return the files to serve TLS from. Raises: AuthzError, if keys would travel in the clear."""
    files = tls_files(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    require_no_listeners(host, files, settings.plaintext)
    return files


def serves(file: Any, servicer: object) -> dict[ServiceDescriptor, object]:
    """Pair the one service that a proto file describes with what serves it."""
    (service,) = file.DESCRIPTOR.services_by_name.values()
    return {service: servicer}


def paged(
    parts: CheckParts, servicers: dict[ServiceDescriptor, object]
) -> dict[ServiceDescriptor, object]:
    """Let page tokens be good in the history in which they were given."""
    return page_tokens.of_history(servicers, lambda: parts.replica.tip.history.id)
