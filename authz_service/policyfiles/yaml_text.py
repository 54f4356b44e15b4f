"""YAML text to plain values that remember their lines.

Only what YAML 1.1 and 1.2 read alike is taken: text, true and false, decimal whole numbers, lists,
mappings. Aliases and tags are refused: nothing in these files needs them, and a few lines of them
unfold to gigabytes.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml
from yaml.reader import Reader

from authz_service.policyfiles.problem import MAX_BYTES, TOO_LARGE, Problem

Steps: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys of mappings, positions in lists."""

MAX_DEPTH: Final = 10
"""Levels of nesting; the formats need six."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE: Final = "tag:yaml.org,2002:"
_PLAIN_STEP: Final = re.compile(r"[A-Za-z0-9_:-]+")
_PLAIN: Final = {
    "bool": re.compile("true|True|TRUE|false|False|FALSE"),
    "int": re.compile("-?(?:0|[1-9][0-9]{0,18})"),
}
_REMEDY: Final = {
    "bool": "not every YAML reader takes it for a boolean; write true or false, "
    "or put quotes around a word",
    "int": "not every YAML reader takes it for the same number; write up to 19 decimal digits, "
    "or put quotes around a name",
    "float": "a fraction has no place here; write a whole number, or put quotes around a name",
}


@dataclass(slots=True)
class Document:
    """A file being read: its values, where they stand, how they were written, what is wrong.

    `broken` says that `data` was not made out and no more can be told.
    """

    file: str
    data: object = None
    broken: bool = False
    lines: dict[Steps, int] = field(default_factory=dict)
    raw: dict[Steps, str] = field(default_factory=dict)
    problems: dict[tuple[Steps, int], Problem] = field(default_factory=dict)

    def line(self, steps: Steps) -> int:
        """Find the line of a value, or of the nearest one around it."""
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return self.lines.get(steps, 1)

    def blame(self, steps: Steps, message: str, line: int | None = None) -> None:
        """Note a problem, unless one is known at the same place."""
        line = line or self.line(steps)
        self.problems.setdefault((steps, line), Problem(self.file, line, told(steps), message))


def told(steps: Steps) -> str:
    """Write a path: `tiers.free.limits`, `roles.a.permissions[0]`, `roles["a.b"].includes`."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN_STEP.fullmatch(step):
            path += f".{step}" if path else step
        else:
            path += f"[{json.dumps(step)}]"
    return path


def parse(file: str, text: str) -> Document:
    """Read one YAML document; problems are noted in it, never raised."""
    document = Document(file)
    try:
        _refuse_unsafe(document, text)
        if not document.problems:
            node = yaml.compose(text, Loader=_LOADER)
            document.data = None if node is None else _value(document, node, ())
            return document
    except yaml.YAMLError as error:
        _blame_syntax(document, error)
    document.broken = True
    return document


def _refuse_unsafe(document: Document, text: str) -> None:
    if len(text.encode(errors="replace")) > MAX_BYTES:
        document.blame((), TOO_LARGE)
    elif bad := Reader.NON_PRINTABLE.search(text):
        message = f"the character {bad[0]!r} may not stand in YAML: remove it"
        document.blame((), message, text.count("\n", 0, bad.start()) + 1)
    else:
        for event, message in _unsafe(yaml.parse(text, Loader=_LOADER)):
            document.blame((), message, _line(event))


def _line(part: yaml.Event | yaml.Node) -> int:
    return part.start_mark.line + 1 if part.start_mark else 1


def _unsafe(events: Iterator[yaml.Event]) -> Iterator[tuple[yaml.Event, str]]:
    depth = documents = 0
    for event in events:
        tag = getattr(event, "tag", None)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if depth > MAX_DEPTH:
            yield event, f"nested deeper than {MAX_DEPTH} levels: check brackets and indentation"
            return
        if documents > 1:
            yield event, "a second YAML document starts here: keep one"
            return
        if isinstance(event, yaml.AliasEvent):
            yield event, f"the alias `*{event.anchor}` is refused: write the content out"
        elif tag:
            yield event, f"the tag `{tag}` is refused: remove it"


def _blame_syntax(document: Document, error: yaml.YAMLError) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    told_by_yaml = [getattr(error, "context", None), getattr(error, "problem", None)]
    what = ", ".join(part for part in told_by_yaml if part) or "unreadable"
    column = f" at column {mark.column + 1}" if mark else ""
    document.blame(
        (),
        f"not YAML: {what}{column}; check indentation, quotes and brackets here and just above",
        mark.line + 1 if mark else 1,
    )


def _value(document: Document, node: yaml.Node, steps: Steps) -> object:
    document.lines.setdefault(steps, _line(node))
    match node:
        case yaml.MappingNode():
            return _mapping(document, node, steps)
        case yaml.SequenceNode():
            return _sequence(document, node, steps)
    document.raw[steps] = node.value
    return _scalar(document, node, steps)


def _mapping(document: Document, node: yaml.MappingNode, steps: Steps) -> dict[str, object]:
    values: dict[str, object] = {}
    for key_node, value_node in node.value:
        line = _line(key_node)
        if not isinstance(key_node, yaml.ScalarNode):
            document.blame(steps, "a key must be a name, not a list or a mapping", line)
            continue
        key = key_node.value
        place = (*steps, key)
        if key in values:
            first = document.lines[place]
            document.blame(place, f"the key stands on line {first} already: keep one", line)
            continue
        document.lines[place] = line
        if _kind(key_node) in ("bool", "int", "float", "null"):
            document.blame(place, f"YAML does not read the key `{key}` as text: quote it")
        values[key] = _value(document, value_node, place)
    return values


def _sequence(document: Document, node: yaml.SequenceNode, steps: Steps) -> list[object]:
    first: dict[str, int] = {}
    values = []
    for index, item in enumerate(node.value):
        place = (*steps, index)
        values.append(_value(document, item, place))
        if not isinstance(item, yaml.ScalarNode):
            continue
        if item.value in first:
            line = first[item.value]
            document.blame(place, f"{item.value!r} stands on line {line} already: keep one")
        first.setdefault(item.value, document.lines[place])
    return values


def _scalar(document: Document, node: yaml.Node, steps: Steps) -> object:
    """Convert a scalar; one that YAML readers differ on is blamed."""
    kind, text = _kind(node), node.value
    if kind in _REMEDY and not (kind in _PLAIN and _PLAIN[kind].fullmatch(text)):
        document.blame(steps, f"`{text}` is not clear: {_REMEDY[kind]}")
        return text
    match kind:
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text)
        case "null":
            return None
    return text


def _kind(node: yaml.Node) -> str:
    """Name what YAML 1.1 takes a scalar for; quoted ones are always `str`."""
    return node.tag.removeprefix(_CORE)
