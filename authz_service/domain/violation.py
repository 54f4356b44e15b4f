"""A broken rule of a policy, and the rules for its single values."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from authz_service.domain.identifiers import checked as checked_identifier
from authz_service.domain.suggestions import DID_YOU_MEAN, nearest, undeclared
from authz_service.errors import ErrorReason, InvalidArgument

MAX_DESCRIPTION: Final = 1000

_UNSTORABLE: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but line feed, and lone surrogates: some databases refuse them."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule broken at `path` (`roles`, `editor`, `includes`), by `item` if that is a set.

    `suggestion` is the name that may be meant by one that does not exist.
    """

    path: tuple[str, ...]
    reason: ErrorReason
    message: str
    item: str = ""
    suggestion: str = ""

    @property
    def details(self) -> dict[str, str]:
        """What a program is told of it."""
        return {DID_YOU_MEAN: self.suggestion} if self.suggestion else {}

    @property
    def field(self) -> str:
        return ".".join(self.path)


def check_names(
    path: tuple[str, ...], kind: str, names: Iterable[str], declared: Mapping[str, object]
) -> Iterator[Violation]:
    for name in sorted(names):
        if name not in declared:
            message, close = undeclared(kind, name, declared), nearest(name, declared)
            reason = ErrorReason(f"{kind.upper()}_NOT_FOUND")
            yield Violation(path, reason, message, name, close)


def check_identifier(kind: str, value: str, path: tuple[str, ...]) -> Iterator[Violation]:
    try:
        checked_identifier(kind, value)
    except InvalidArgument as wrong:
        yield Violation(path, wrong.reason, wrong.message)


def check_description(text: str, path: tuple[str, ...]) -> Iterator[Violation]:
    if len(text) > MAX_DESCRIPTION:
        yield invalid(
            (*path, "description"),
            f"the description has {len(text)} characters: shorten it to {MAX_DESCRIPTION}",
        )
    if unstorable := _UNSTORABLE.search(text):
        yield invalid(
            (*path, "description"), f"the description holds {unstorable[0]!r}: remove the character"
        )


def check_duplicates(section: str, names: Iterable[str]) -> Iterator[Violation]:
    return check_duplicates_in((section,), names)


def check_duplicates_in(path: tuple[str, ...], names: Iterable[str]) -> Iterator[Violation]:
    earlier: set[str] = set()
    for name in names:
        if name in earlier:
            yield invalid((*path, name), f"{name!r} stands here twice: keep one")
        earlier.add(name)


def invalid(path: tuple[str, ...], message: str, item: str = "") -> Violation:
    return Violation(path, ErrorReason.INVALID_FIELD, message, item)
