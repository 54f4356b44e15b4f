"""Webhook endpoints: where systems of a customer, or of the vendor, are notified of changes."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from authz_service.domain.audit import Document
from authz_service.domain.kept import Kept, present
from authz_service.domain.window import Instant, instant
from authz_service.errors import ErrorReason, InvalidArgument

_LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class Endpoint(Kept):
    """A receiver. `tenant` "" stands for all; `kinds` are actions of the audit, or `member.*`.

    It is off while `disabled` says why. Its secrets are no part of the fact.
    """

    MESSAGE: ClassVar[str] = "endpoint"

    tenant: str
    url: str
    kinds: tuple[str, ...] = ("*",)
    description: str = ""
    disabled: str = ""
    created_at: Instant = 0

    def listens(self, action: str, tenant: str) -> bool:
        if self.disabled or self.tenant not in ("", tenant):
            return False
        return matches(self.kinds, action)

    def document(self, _at: Instant, /) -> Document:
        return present(
            id=self.id,
            tenant=self.tenant,
            url=self.url,
            kinds=list(self.kinds),
            description=self.description,
            disabled=bool(self.disabled),
            disabled_reason=self.disabled,
            create_time=instant(self.created_at),
        )


def matches(kinds: Collection[str], action: str) -> bool:
    group = action.partition(".")[0]
    return not {"*", action, f"{group}.*"}.isdisjoint(kinds)


def checked_url(url: str, field: str, *, plaintext: bool) -> str:
    """Return a URL that may be posted to.

    Raises:
        InvalidArgument: ENDPOINT_URL_REFUSED: not https (http where `plaintext`), with a password
            in it, or no URL.
    """
    schemes = ("https", "http") if plaintext else ("https",)
    if len(url) <= _LONGEST_URL and url.isascii() and url.isprintable() and " " not in url:
        try:
            parts = urlsplit(url)
            sound = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            sound = False
        else:
            sound = sound and not parts.username and not parts.password and not parts.fragment
        if sound:
            return url
    raise InvalidArgument(
        ErrorReason.ENDPOINT_URL_REFUSED,
        f"{field} must be an {' or '.join(schemes)} URL of up to {_LONGEST_URL} ASCII characters, "
        "without a user, a password or a fragment",
        field=field,
    )
