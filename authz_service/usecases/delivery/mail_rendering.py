"""Rendering mail templates in Mustache, which has no logic: a template can name values and nothing
else, so whatever a customer writes is filled in within the time that it takes to copy it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from authz_service.domain.job import MAILS, JobKind
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.store import jobs
from authz_service.store.database import Connection

_SHIPPED: Final = Path(__file__).parents[2] / "templates"
_LONGEST: Final = 50_000
_LONGEST_SUBJECT: Final = 200

_SAMPLE: Final[Mapping[str, object]] = {
    "tenant": "acme",
    "display_name": "Acme",
    "roles": ["admin"],
    "role_names": "admin",
    "link": "https://example.com/accept?token=...",
    "expires": "2027-01-01T00:00:00Z",
    "what": "tier pro ends",
    "when": "2027-01-01T00:00:00Z",
    "date": "2027-01-01",
}
"""Every name that a template may use, with sample values."""

_ITEM: Final = "."
_NAMING: Final = frozenset({"variable", "no escape", "section", "inverted section", "end"})

Tokens = list[tuple[str, str]]


class TemplateOrigin(StrEnum):
    """Who wrote a template."""

    TENANT = "tenant"
    VENDOR = "vendor"
    BUILT_IN = "built-in"


class TemplateFailed(Exception):
    """A template is wrong, or names what there is not."""


@dataclass(frozen=True, slots=True)
class Words:
    """The templates of one mail. `html` may be "": then the mail is text alone."""

    subject: str
    text: str
    html: str = ""


def shipped(kind: JobKind) -> Words:
    """Read the built-in template."""
    name = kind.value.removeprefix("mail.")
    parts = (_SHIPPED / f"{name}.{part}.mustache" for part in ("subject", "text", "html"))
    return Words(*(part.read_text(encoding="utf-8") for part in parts))


def in_use(connection: Connection, tenant: str, kind: JobKind) -> tuple[TemplateOrigin, Words]:
    """Find the template that mails of a tenant use, and who wrote it."""
    custom = jobs.template(connection, {tenant, ""}, kind.value)
    if tenant and tenant in custom:
        return TemplateOrigin.TENANT, Words(*custom[tenant])
    if "" in custom:
        return TemplateOrigin.VENDOR, Words(*custom[""])
    return TemplateOrigin.BUILT_IN, shipped(kind)


def rendered(words: Words, values: Mapping[str, object]) -> Words:
    """Render the templates. The subject is made one line.

    Raises:
        TemplateFailed: a template is wrong, or names what there is not.
    """
    subject = " ".join(_filled(words.subject, values).split())
    text = _filled(words.text, values)
    html = _filled(words.html, values, html=True) if words.html else ""
    return Words(subject[:_LONGEST_SUBJECT], text, html)


def check(words: Words, fields: Collection[str]) -> None:
    """Check some templates before any mail depends on them. Raises: TEMPLATE_INVALID."""
    for field in fields:
        template = getattr(words, field)
        if not template and field != "html":
            raise _invalid(field, "must not be empty")
        if len(template) > _LONGEST:
            raise _invalid(field, f"may have {_LONGEST} characters")
        try:
            _filled(template, _SAMPLE, html=field == "html")
        except TemplateFailed as error:
            raise _invalid(field, f"is no template that can be filled in: {error}") from error


def checked_kind(kind: str, field: str) -> JobKind:
    """Read the kind of a mail. Raises: INVALID_FIELD."""
    for mail in MAILS:
        if kind == mail.value:
            return mail
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD,
        f"{field} must be one of {', '.join(mail.value for mail in MAILS)}",
        field=field,
    )


def _filled(template: str, values: Mapping[str, object], *, html: bool = False) -> str:
    """Fill in one template. Raises: TemplateFailed."""
    from chevron import render  # noqa: PLC0415 - a process that sends no mail starts without it

    return str(render(_tokens(template, values, html=html), dict(values)))


def _tokens(template: str, values: Mapping[str, object], *, html: bool) -> Tokens:
    """Read a template, and let it name only what there is. Raises: TemplateFailed."""
    from chevron.tokenizer import ChevronError, tokenize  # noqa: PLC0415 - as above

    tokens: Tokens = []
    inside: list[str] = []
    try:
        for kind, name, *_ in tokenize(template):
            _require_known(kind, name, inside, values)
            # Text is no HTML; and in HTML nothing that a customer is called by is markup.
            plain = kind in ("variable", "no escape")
            tokens.append((("variable" if html else "no escape") if plain else kind, name))
    except ChevronError as error:
        raise TemplateFailed(" ".join(str(error).split())) from error
    return tokens


def _require_known(kind: str, name: str, inside: list[str], values: Mapping[str, object]) -> None:
    """Raises: TemplateFailed."""
    if kind not in (_NAMING | {"literal"}):
        raise TemplateFailed(f"{kind} is not supported")
    if kind in _NAMING and name not in values and not (name == _ITEM and inside):
        raise TemplateFailed(f"there is no {name!r}")
    if kind == "end":
        inside.pop()
    elif kind in ("section", "inverted section"):
        # A list within itself would be written out as often as it has items, squared and cubed.
        if name in inside or name == _ITEM:
            raise TemplateFailed(f"{name!r} stands within itself")
        inside.append(name)


def _invalid(field: str, message: str) -> InvalidArgument:
    names = ", ".join(sorted(_SAMPLE))
    return InvalidArgument(
        ErrorReason.TEMPLATE_INVALID,
        f"template.{field} {message}; it may name {names}",
        field=f"template.{field}",
    )
