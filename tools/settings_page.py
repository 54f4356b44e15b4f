"""Write the table of all settings, from what `config.py` says of each."""

import json
import types
import typing
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from authz_service.config import Settings

MADE: Final = "<!-- Written by `make gen` from authz_service/config.py. Change that, not this. -->"
KINDS: Final = {
    str: "text",
    Path: "path",
    int: "whole number",
    float: "number",
    bool: "true, false",
}


def page() -> str:
    """Return the page's content."""
    rows = [_row(name, field) for name, field in Settings.model_fields.items()]
    return "\n".join(
        [
            MADE,
            "",
            "# Settings",
            "",
            "Every setting is an environment variable, read once when a process starts. Lists and",
            "mappings are JSON. What they are for is told in [operating](../operating.md).",
            "",
            "| variable | kind | default | what it is |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _row(name: str, field: FieldInfo) -> str:
    said = (field.description or "").replace("|", "\\|")
    return f"| `AUTHZ_{name.upper()}` | {_kind(field.annotation)} | {_default(field)} | {said} |"


def _kind(annotation: Any) -> str:
    if isinstance(annotation, types.UnionType):
        return _kind(typing.get_args(annotation)[0])  # the other is None: not set
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(f"`{each}`" for each in typing.get_args(annotation))
    return KINDS.get(annotation, "JSON")


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.default_factory is not None:
        return "the shipped one" if field.annotation is Path else "none"
    if value is None or value == "":
        return "none"
    if isinstance(value, tuple | bool):
        return f"`{json.dumps(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
