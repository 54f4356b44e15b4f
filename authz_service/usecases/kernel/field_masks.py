"""Partial updates: the fields that a request names, and what becomes of those it does not."""

from collections.abc import Collection
from typing import Final

from authz_service.domain.change import Revision
from authz_service.domain.window import Window
from authz_service.errors import Aborted, ErrorReason, InvalidArgument

WINDOW: Final = frozenset({"valid_from", "valid_until"})


def checked(mask: Collection[str], known: Collection[str]) -> None:
    """Check the fields that an update names.

    Raises:
        InvalidArgument: INVALID_FIELD: none is named, or one that cannot be changed.
    """
    names = ", ".join(sorted(known))
    if not mask:
        raise _wrong(f"name at least one field to change: {names}")
    for name in mask:
        if name not in known:
            raise _wrong(f"{name[:140]!r} cannot be changed; what can be is {names}")


def window(held: Window, command: Window, mask: Collection[str]) -> Window:
    """Take from `wanted` the ends that the mask names; not named ones stay."""
    return Window(
        command.valid_from if "valid_from" in mask else held.valid_from,
        command.valid_until if "valid_until" in mask else held.valid_until,
    )


def unchanged(revision: Revision, expected: Revision) -> None:
    """Check that an object is as its caller has read it; `expected` 0 asks for nothing.

    Raises:
        Aborted: REVISION_MISMATCH.
    """
    if expected not in (0, revision):
        raise Aborted(
            ErrorReason.REVISION_MISMATCH,
            f"it was changed in revision {revision}, not in {expected} as expected; read it again "
            "and decide anew",
            field="expected_revision",
            details={"revision": str(revision)},
        )


def _wrong(message: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field="update_mask")
