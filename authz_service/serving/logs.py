"""What the log says of a call, and what it never says: a key, or a person's data.

One line a call: changes at info, other answers at debug; refusals at info, those for want of room
at debug; what nobody expected at error, with its traceback.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from authz_service.errors import AuthzError, ErrorReason
from authz_service.serving.call_stats import Ending

log = structlog.get_logger()

_LONGEST: Final = 128
"""Characters of what a caller sent and nobody has checked yet."""

# Drivers and pydantic repeat values in their messages, and a traceback ends with the message.
_SECRETS: Final = (
    (re.compile(r"\b(authz_(?:(?:app|job|op|scim)_)?[^\s_'\"]+_)[\w-]+"), r"\1..."),
    (re.compile(r"\b([Bb]earer )\S+"), r"\1..."),
    # Tokens: a JSON object in base64url begins with ey.
    (re.compile(r"\bey[\w-]{8,}\.[\w-]+\.[\w-]*"), "ey..."),
    (re.compile(r"\b((?:user|staff):)[^\s'\",)\]}]+"), r"\1..."),
    # An e-mail address, but not the user and host of a database's URL.
    (re.compile(r"(?<![\w.+%/-])[\w.+%-]+@(?:[\w-]+\.)+[A-Za-z]{2,}"), "...@..."),
    (re.compile(r"\[parameters: .*?\](?=\n|$)", re.DOTALL), "[parameters: ...]"),
    (re.compile(r"(input_value=).*?(?=, input_type=)", re.DOTALL), r"\1..."),
    (re.compile(r"(DETAIL:).*"), r"\1 ..."),
)
_HARMLESS: Final = str.maketrans("", "", " -._:")
_SUSPECT: Final = re.compile(r"authz_|\b[Bb]earer |\bey[\w-]{8}|\b(?:user|staff):|DETAIL:")
"""What every pattern above begins with that needs no other character than letters, digits and
those of `_HARMLESS`. Most texts have none, and are known to hold nothing at little cost (measured:
34 us a line in place of 88).
"""


def answered(ending: Ending, *, changed: bool) -> None:
    """Log a call that was answered."""
    (_about(ending).info if changed else _about(ending).debug)("call answered")


def refused(ending: Ending, refusal: AuthzError) -> None:
    """Log a call that was refused, or that failed."""
    entry = _about(ending)
    if refusal.reason is ErrorReason.INTERNAL:
        entry.error("call failed", exc_info=refusal.__cause__ or refusal)
    elif refusal.reason is ErrorReason.DATABASE_UNAVAILABLE:
        cause = refusal.__cause__
        # The driver's own words: SQLAlchemy adds the statement and its values to them.
        error = redacted(str(getattr(cause, "orig", None) or cause))
        entry.warning("database does not answer", error=error)
    elif refusal.reason in (ErrorReason.RATE_LIMITED, ErrorReason.OVERLOADED):
        entry.debug("call refused")  # metrics count them; a flood of calls is no flood of lines
    else:
        entry.info("call refused", field=refusal.field[:_LONGEST])


def without_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Take keys and persons out of all text of an entry, whoever wrote it: a structlog processor.

    It comes after those that turn exceptions into text.
    """
    return {name: _plain(value) for name, value in event.items()}


def redacted(text: str) -> str:
    """Return the text without keys, ids of persons, and values that drivers repeat."""
    if text.translate(_HARMLESS).isalnum() and not _SUSPECT.search(text):
        return text
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _plain(value: Any) -> Any:
    match value:
        case str():
            return redacted(value)
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case None | bool() | int() | float():
            return value
    return redacted(str(value))


def _about(ending: Ending) -> Any:
    fields = {
        "rpc": ending.rpc,
        "call_id": ending.call_id,
        "code": ending.code,
        "ms": round(ending.seconds * 1000, 3),
    }
    sometimes = {
        "caller": ending.caller,
        "request_id": ending.request_id[:_LONGEST],
        "reason": ending.reason,
        "revision": ending.revision,
    }
    return log.bind(**fields, **{name: value for name, value in sometimes.items() if value})


def set_up(level: str, form: str) -> None:
    """Log to standard error: JSON for machines, text for a person at a terminal."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    # A plain traceback: the default one, Rich's, shows local variables, and keys are among them.
    text = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer = text if as_text else structlog.processors.JSONRenderer()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # In text as well, so that what drivers say is redacted before anybody sees it.
            structlog.processors.format_exc_info,
            without_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
