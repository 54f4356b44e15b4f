"""What a name on a certificate looks like, by its type."""

import re
from ipaddress import ip_address
from typing import Final

from authz_service.domain.identity import IdentityKind
from authz_service.errors import ErrorReason, InvalidArgument

_FORMS: Final = {
    IdentityKind.CERTIFICATE_URI: (
        re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+"),
        "a URI, such as spiffe://example.com/billing",
    ),
    IdentityKind.CERTIFICATE_DNS: (
        re.compile(r"[a-z0-9_*-]+(\.[a-z0-9_-]+)*"),
        "a DNS name in lower case, such as billing.example.com",
    ),
    IdentityKind.CERTIFICATE_EMAIL: (
        re.compile(r"[^@\s]+@[^@\s]+"),
        "an e-mail address, such as billing@example.com",
    ),
}


def require_name(kind: IdentityKind, name: str) -> None:
    """Check that a name is of its type, and written as certificates are read. Raises:
    InvalidArgument.
    """
    if kind is IdentityKind.CERTIFICATE_IP:
        _require_address(name)
    elif kind in _FORMS:
        form, example = _FORMS[kind]
        if not form.fullmatch(name):
            raise _wrong(example)


def _require_address(name: str) -> None:
    try:
        canonical = str(ip_address(name))
    except ValueError:
        canonical = ""
    if canonical != name:
        raise _wrong("an IP address in its shortest form, such as 192.0.2.7 or 2001:db8::7")


def _wrong(example: str) -> InvalidArgument:
    field = "identity.name"
    return InvalidArgument(ErrorReason.INVALID_FIELD, f"{field}: {example}", field=field)
