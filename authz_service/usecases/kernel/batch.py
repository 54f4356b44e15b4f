"""Many items in one call: all of them or none, and every bad one named."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from authz_service.errors import AuthzError, Internal, Unavailable
from authz_service.usecases.kernel import preconditions

_MOST_NAMED: Final = 2000
"""Bytes that the named items may take: a refusal travels in metadata, see `rpc/errors.py`."""

_MOST_SAID: Final = 300
"""Bytes of the first item's own message: what is sent three times must leave room for the names."""

T = TypeVar("T")
R = TypeVar("R")


def each(items: Sequence[T], field: str, body: Callable[[T], R]) -> tuple[R, ...]:
    """Do the body with 1 to 1,000 items, in order. It names fields from its item on: `role`.

    Raises:
        InvalidArgument: BATCH_TOO_LARGE, INVALID_FIELD for none.
        AuthzError: the refusal of the first bad item. Its details say how many are `refused`, and
            name as many of them as fit: `item-3` is `ROLE_NOT_FOUND role_grants[3].role`.
    """
    preconditions.batch(len(items), field, at_least=1)
    results, refused = [], {}
    for number, item in enumerate(items):
        try:
            results.append(body(item))
        except (Unavailable, Internal):
            raise
        except AuthzError as refusal:
            refused[number] = refusal
    if refused:
        raise _together(refused, field, len(items))
    return tuple(results)


def _together(refused: Mapping[int, AuthzError], field: str, question: int) -> AuthzError:
    """Make one refusal of many: of the first one's class and reason."""
    number, first = next(iter(refused.items()))
    decode = first.message.encode()[:_MOST_SAID].decode(errors="ignore")
    message = (
        f"{len(refused)} of {question} items cannot be carried out, so none was; "
        f"the first is {field}[{number}]: {decode}"
    )
    details = {**first.details, "refused": str(len(refused)), **_named(refused, field)}
    return type(first)(first.reason, message, field=_path(field, number, first), details=details)


def _named(refused: Mapping[int, AuthzError], field: str) -> dict[str, str]:
    """Name the items in order, as many as fit."""
    names, remaining = {}, _MOST_NAMED
    for number, refusal in refused.items():
        name, value = f"item-{number}", f"{refusal.reason} {_path(field, number, refusal)}"
        remaining -= len(name) + len(value) + 8  # beside them: four tags and lengths
        if remaining < 0:
            break
        names[name] = value
    return names


def _path(field: str, number: int, refusal: AuthzError) -> str:
    return f"{field}[{number}].{refusal.field}".rstrip(".")
