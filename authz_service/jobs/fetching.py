"""Reads agreements from billing systems: with the key of their origin, and never for long."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final, assert_never

from authz_service.domain.billing_policy import Authorization, Lookup
from authz_service.domain.job import JobReason
from authz_service.jobs.posting import Network, NoAnswer, NotAllowed, exchange
from authz_service.usecases.billing.lookup import LookupFailed

_MOST_READ: Final = 1024 * 1024
_SECONDS: Final = 8.0
"""How long the whole of an answer may take."""

_OK: Final = 200


@dataclass(frozen=True, slots=True)
class SourceFetcher:
    """`secrets` gives the keys of an origin. Its address may be private: whoever runs this process
    has named the origin among the secrets.
    """

    secrets: Callable[[str], Sequence[str]]
    seconds: float = _SECONDS

    def ready(self, lookup: Lookup) -> bool:
        return bool(self.secrets(lookup.origin))

    def fetch(self, lookup: Lookup, url: str) -> bytes:
        key = next(iter(self.secrets(lookup.origin)), "")
        headers = {
            "Host": lookup.origin.partition("://")[2],
            "Accept": "application/json",
            "User-Agent": "authz-service",
            **lookup.headers,
            "Authorization": _authorization(lookup.authorization, key),
        }
        network = Network(monotonic() + self.seconds, private=True)
        try:
            status, body = exchange(network, "GET", url, headers, b"", _MOST_READ)
        except (NoAnswer, NotAllowed) as error:
            problem = f"{lookup.origin}: {error}"
            raise LookupFailed(JobReason.SOURCE_UNREACHABLE, problem) from error
        if status != _OK:
            raise LookupFailed(JobReason.SOURCE_REFUSED, f"{lookup.origin} answered {status}")
        if len(body) > _MOST_READ:
            raise LookupFailed(JobReason.SOURCE_UNREADABLE, f"{lookup.origin} answered too much")
        return body


def _authorization(scheme: Authorization, key: str) -> str:
    match scheme:
        case Authorization.BEARER:
            return f"Bearer {key}"
        case Authorization.BASIC:
            return f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"
        case _:
            assert_never(scheme)
