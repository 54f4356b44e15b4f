"""Partial updates: the fields that a request names, and what becomes of those it does not."""

import re
from collections.abc import Collection, Iterable
from typing import Final

from authz_service.domain.change import Revision
from authz_service.domain.window import Window
from authz_service.errors import Aborted, ErrorReason, InvalidArgument

WINDOW: Final = frozenset({"valid_from", "valid_until"})


WHOLE: Final = "*"
"""All fields that can be updated."""


def checked(mask: Iterable[str], updatable: Iterable[str]) -> tuple[str, ...]:
    """Read the fields that an update names, each once.

    Raises:
        InvalidArgument: INVALID_FIELD: none is named, or one that cannot be updated.
    """
    names = tuple(sorted(updatable))
    paths = tuple(dict.fromkeys(mask))
    if paths == (WHOLE,):
        return names
    for path in paths or ("",):
        if path not in names:
            problem = f"{path[:140]!r} cannot be updated" if path else "no field is named"
            raise InvalidArgument(
                ErrorReason.INVALID_FIELD,
                f"{problem}; name some of {', '.join(names)}, or {WHOLE} for all of them",
                field="update_mask",
                details={"path": path[:200]},
            )
    return paths


def window(before: Window, after: Window, mask: Collection[str]) -> Window:
    """Take from `after` the ends that the mask names, the others from `before`."""
    return Window(
        after.valid_from if "valid_from" in mask else before.valid_from,
        after.valid_until if "valid_until" in mask else before.valid_until,
    )


def unchanged(revision: Revision, expected: Revision, label: str = "it") -> None:
    """Check that an object is as its caller has read it; an `expected` of 0 accepts any.

    `label` names it for people.

    Raises:
        Aborted: REVISION_MISMATCH.
    """
    if expected not in (0, revision):
        raise Aborted(
            ErrorReason.REVISION_MISMATCH,
            f"{label} is at revision {revision}, not {expected}: it has changed since it was "
            "read; read it again and decide anew",
            field="expected_revision",
            details={"revision": str(revision), "expected_revision": str(expected)},
        )


def snake(name: str) -> str:
    """Write the name of an RPC as that of a field: `UpdateRole` is `update_role`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
