"""What the proto files say, read from their text: the oracle for codes and numbers."""

import re
from pathlib import Path
from typing import Final

PROTO: Final = Path(__file__).resolve().parents[2] / "proto" / "authz" / "v1"

_VALUE: Final = re.compile(r"((?:^ *//.*\n)*)^ *([A-Z][A-Z0-9_]*) = (\d+);", re.MULTILINE)


def enum_values(file: str, enum: str) -> dict[str, tuple[int, str]]:
    """Read an enum: by name without its prefix, the number and the comment, 0 left out."""
    text = (PROTO / file).read_text()
    body = text.partition(f"enum {enum} {{")[2].partition("\n}")[0]
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum).upper() + "_"
    found = {}
    for comment, name, number in _VALUE.findall(body):
        assert name.startswith(prefix), name
        words = " ".join(line.strip(" /") for line in comment.splitlines())
        found[name.removeprefix(prefix)] = (int(number), words)
    found.pop("UNSPECIFIED")
    return found


CODE_OF: Final = {
    reason: comment.partition(".")[0]
    for reason, (_, comment) in enum_values("error_reason.proto", "ErrorReason").items()
}
"""The gRPC code of each reason, as its comment promises: `// NOT_FOUND. No such tenant.`"""
