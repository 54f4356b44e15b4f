"""What a cell of a table of permissions says: yes, no, or something that depends."""

import unicodedata
from enum import StrEnum
from typing import Final


class Cell(StrEnum):
    """What a role's cell, or a tier's, means."""

    YES = "yes"
    NO = "no"
    CONDITIONAL = "conditional"
    """It depends on something outside role and tier, and so grants nothing."""


_WORDS: Final = {
    Cell.YES: "yes y true t on 1 x allow allowed granted full included ja wahr oui vrai si sí sim "
    "✓ ✔ ✅ ☑ ● • ⬤ + 👍",
    Cell.NO: "no n false f off 0 deny denied none never excluded nein falsch non faux não "
    "✗ ✘ ✖ ❌ ☒ ☐ ○ - – — n/a",  # noqa: RUF001 - dashes as people type them
    Cell.CONDITIONAL: "conditional partial partially limited depends some own (x) (✓) ~ ◐ ◑ */",
}
_MEANING: Final = {word: cell for cell, words in _WORDS.items() for word in words.split()}
_MARKS: Final = frozenset("✓✔✅☑")

KNOWN: Final = "yes, no or conditional; also true, false, x, ✓, ✗, - or nothing"
"""The words, as a message names them."""


def meaning(text: str) -> Cell | None:
    """Read a cell; nothing says no. None if it is no word for yes or no."""
    word = _plain(text)
    return Cell.NO if not word else _MEANING.get(word)


def is_ambiguous(texts: frozenset[str]) -> bool:
    """Tell whether `x` may mean no: it stands beside a check mark, and may be a cross."""
    words = {_plain(text) for text in texts}
    return "x" in words and not words.isdisjoint(_MARKS)


def _plain(text: str) -> str:
    # Spreadsheets give a check mark a variation selector, which asks for a picture of it.
    return unicodedata.normalize("NFC", text).replace("\ufe0f", "").strip().casefold()
