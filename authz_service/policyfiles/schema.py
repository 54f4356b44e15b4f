"""What `policies/schema.json` says about a document, in words for the author of the file."""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from authz_service.config import shipped_policies
from authz_service.policyfiles.yaml_text import Document, Steps

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_REPORTED_BY_READER: Final = "uniqueItems"
"""A duplicate item is found while reading, where its line is known."""


def inspect(document: Document, definition: str, schema: str = "schema.json") -> None:
    """Note in `document` where it departs from `$defs/<definition>` of a shipped schema."""
    for error in _validator(definition, schema).iter_errors(document.data):
        for steps, message in _explained(document, error):
            document.blame(steps, message)


@cache
def _validator(definition: str, file: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - a tenth of a second

    schema = json.loads((shipped_policies() / file).read_text(encoding="utf-8"))
    return Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]})


def _explained(document: Document, error: "ValidationError") -> Iterator[tuple[Steps, str]]:
    schema: dict[str, Any] = dict(error.schema) if isinstance(error.schema, dict) else {}
    steps: Steps = tuple(error.absolute_path)
    instance: Any = error.instance
    match error.validator:
        case "additionalProperties":
            for key in instance.keys() - schema["properties"].keys():
                yield (*steps, key), _unknown_key(key, list(schema["properties"]))
        case "required":
            for key in schema["required"]:
                if key not in instance:
                    yield (*steps, key), "it is missing: add it"
        case _ if "propertyNames" in error.absolute_schema_path:
            yield (*steps, instance), f"expected {schema['title']}, found {instance[:140]!r}"
        case keyword if keyword != _REPORTED_BY_READER:
            quote = (
                keyword == "type"
                and "string" in schema.get("type", ())
                and isinstance(instance, bool | int)
            )
            yield (
                steps,
                f"expected {schema['title']}, found {_found(document, steps, instance)}"
                + (": put quotes around it" if quote else ""),
            )


def _unknown_key(key: str, existing: list[str]) -> str:
    close = get_close_matches(key, existing, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(existing)}"
    return f"unknown key: {hint}"


def _found(document: Document, steps: Steps, instance: object) -> str:
    match instance:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return repr(instance[:140])
    return f"`{document.raw[steps]}`"
