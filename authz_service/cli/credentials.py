"""What the CLI shows to a server, as its settings say."""

import grpc

from authz_service.client.key_file import key_of
from authz_service.client.tls import ClientTls, credentials_of
from authz_service.config import Settings


def key_from(settings: Settings) -> str:
    """Return the key to call with; "" if a certificate is shown instead. Raises: Failure."""
    certificate = settings.tls_client_cert is not None
    return key_of(settings.key, settings.key_file, certificate=certificate)


def tls_from(settings: Settings) -> grpc.ChannelCredentials | None:
    """Return what to connect with; None for plaintext. Raises: Failure."""
    files = ClientTls(settings.tls_ca, settings.tls_client_cert, settings.tls_client_key)
    return credentials_of(files)
