"""What somebody may have meant who wrote a name that does not exist."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

DID_YOU_MEAN: Final = "did_you_mean"
"""The detail of an error that has the name."""

_AMONG: Final = 1000
"""A close match costs about 5 us a name: of more names, only those that share a part count."""


def nearest(name: str, existing: Collection[str]) -> str:
    """Find the name that is most like this one; "" if none is like it."""
    if len(existing) > _AMONG:
        first, _, last = name.partition(":")
        existing = [other for other in existing if set(other.split(":")) & {first, last}][:_AMONG]
    close = get_close_matches(name, sorted(existing), n=1)
    return close[0] if close else ""


def undeclared(kind: str, name: str, existing: Collection[str]) -> str:
    """Say that there is no such name, and which one may be meant."""
    close = nearest(name, existing)
    remedy = f"did you mean {close!r}?" if close else "declare it, or correct the name"
    return f"{kind} {name!r} is not declared: {remedy}"
