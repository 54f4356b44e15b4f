"""The alphabet of every name (design, section 4).

All but the id of a subject may stand in a Casbin rule as it is; `rules.encoded` takes care of that.
"""

import re
from typing import Final

from authz_service.errors import ErrorReason, InvalidArgument

MAX_INCLUSION: Final = 7
"""Longest chain of roles or of tiers. Casbin's role manager follows ten names and then silently
stops; the subject, or the tenant and the permission, are among the ten."""

_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
# Printable ASCII without space " ( ) * , / [ \ ]
_OPAQUE: Final = r"[!#-'+\-.0-Z^-~]{1,128}"
# All printable ASCII: OpenID Connect bounds `sub` to 255 ASCII characters (Core 1.0, section 2).
_SUBJECT: Final = r"[ -~]{1,255}"
_WORD: Final = r"[a-z0-9][a-z0-9._-]{0,63}"

# What readers may be shown, and senders may write: no controls, none that turn text around.
_PRICE: Final = r"(?! )[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]{1,200}(?<! )"

_PATTERNS: Final = {
    "tenant": (re.compile(_ID), "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    "role": (re.compile(rf"(?:{_ID}/)?{_ID}"), "`role`, or `tenant/role` for a tenant's own role"),
    "tier": (re.compile(_ID), "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    "add_on": (re.compile(_ID), "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    "resource_type": (re.compile(_WORD), "the part of a permission before its colon"),
    "permission": (re.compile(rf"{_WORD}:{_WORD}"), "`resource_type:action` in lower case"),
    "subject": (
        re.compile(rf"(?:user|service|staff):{_SUBJECT}"),
        "`user:<id>`, `service:<id>` or `staff:<id>`, id: 1 to 255 printable ASCII characters",
    ),
    "scope": (
        re.compile(rf"{_WORD}:{_OPAQUE}(?:/{_WORD}:{_OPAQUE}){{0,3}}"),
        "one to four `type:id` segments, as in `project:42/document:7`",
    ),
    "feature": (re.compile(_WORD), "lower case letters, digits, . _ -"),
    "limit": (re.compile(_WORD), "lower case letters, digits, . _ -"),
    "unit": (re.compile(_WORD), "lower case letters, digits, . _ -"),
    "event_source": (re.compile(r"[a-z0-9][a-z0-9-]{0,31}"), "1 to 32 of a-z 0-9 -"),
    "price": (re.compile(_PRICE), "1 to 200 printable characters, as the sender has it"),
    "value": (re.compile(_OPAQUE), 'printable ASCII without space , " \\ / * ( ) [ ]'),
    "id": (re.compile(r"[0-9A-Za-z-]{1,64}"), "an id as this service gives them"),
    "request_id": (re.compile(r"[!-~]{1,128}"), "1 to 128 printable ASCII characters"),
}


def checked(kind: str, value: str, field: str | None = None) -> str:
    """Return `value` if it is a well-formed identifier of `kind`.

    Raises:
        InvalidArgument: INVALID_IDENTIFIER; the message names the allowed form.
    """
    pattern, form = _PATTERNS[kind]
    if pattern.fullmatch(value):
        return value
    what = f"{value[:140]!r} is not a valid {kind}" if value else f"a {kind} is required"
    raise InvalidArgument(
        ErrorReason.INVALID_IDENTIFIER, f"{what}: expected {form}", field=field or kind
    )


def enclosing(scope: str) -> tuple[str, ...]:
    """List the scopes that cover a resource, outermost first; nothing for the whole tenant.

    >>> enclosing("project:42/document:7")
    ('project:42', 'project:42/document:7')
    """
    if not scope:
        return ()
    outer: tuple[str, ...] = ()
    end = scope.find("/")
    while end != -1:
        outer = (*outer, scope[:end])
        end = scope.find("/", end + 1)
    return (*outer, scope)
