"""The pages for people, read as a reader who tries everything: their files, commands and output."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The last words before a block that is a file: "`helpdesk/roles.yaml`:".
_FILE: Final = re.compile(r"`([\w./-]+\.(?:yaml|json|jsonl|py|csv|conf))`:\s*\Z")
_EXIT: Final = re.compile(r"\s+# exit code (\d+)$")


@dataclass(frozen=True)
class File:
    """A block that the page says to save under a name."""

    line: int
    name: str
    content: str


@dataclass(frozen=True)
class Command:
    """A line that the page says to run, how it ends and what it shows; `...` is anything."""

    line: int
    text: str
    code: int
    shown: tuple[str, ...]


def people_pages() -> list[Path]:
    """Return the pages that a person wrote, the README among them."""
    return [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def steps(page: Path) -> Iterator[File | Command]:
    """Yield what a reader of the page does, from the top to the bottom."""
    text = page.read_text()
    for block in _FENCE.finditer(text):
        line = text.count("\n", 0, block.start()) + 2
        named = _FILE.search(text, 0, block.start())
        if block.group(1) == "console":
            yield from _commands(line, block.group(2))
        elif named:
            yield File(line, named.group(1), block.group(2))


def _commands(first: int, block: str) -> Iterator[Command]:
    """Split a block at its prompts; a line that ends in a backslash goes on in the next."""
    for part in re.finditer(r"^\$ ((?:.*\\\n)*.*)\n?((?:(?!\$ ).*\n?)*)", block, re.MULTILINE):
        text = re.sub(r"\\\n\s*", "", part.group(1))
        ends = _EXIT.search(text)
        yield Command(
            first + block.count("\n", 0, part.start()),
            _EXIT.sub("", text),
            int(ends.group(1)) if ends else 0,
            tuple(line for line in part.group(2).splitlines() if line.strip()),
        )


def mentioned(page: Path) -> Iterator[tuple[int, str]]:
    """Yield every `authz ...` of the page with its line: run, shown in a shell block, or quoted."""
    text = page.read_text()
    for block in _FENCE.finditer(text):
        if block.group(1) in ("", "sh", "console"):
            first = text.count("\n", 0, block.start()) + 2
            joined = re.sub(r"\\\n\s*", "", block.group(2))
            for offset, line in enumerate(joined.splitlines()):
                if found := re.search(r"(?:^|\$ |(?<=\s))authz( .*)", line):
                    yield first + offset, "authz" + found.group(1)
    for quoted in re.finditer(
        r"`(authz [^`]+)`", _FENCE.sub(lambda b: "\n" * b[0].count("\n"), text)
    ):
        yield text.count("\n", 0, quoted.start()) + 1, quoted.group(1)


def difference(shown: tuple[str, ...], printed: str) -> str | None:
    """Return the first line that should be there and is not, in this order; None if all are."""
    rest = [_plain(line) for line in printed.splitlines()]
    for wanted in shown:
        if wanted.strip() == "...":
            continue
        pattern = re.compile(".*?".join(re.escape(_plain(part)) for part in wanted.split("...")))
        found = next((place for place, line in enumerate(rest) if pattern.fullmatch(line)), None)
        if found is None:
            return wanted
        rest = rest[found + 1 :]
    return None


def _plain(line: str) -> str:
    return " ".join(line.split())
