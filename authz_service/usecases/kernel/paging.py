"""Pages: stable order, never silently cut, and a token that fits only the query it came from."""

import base64
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from hashlib import sha256
from typing import Any, Final, Generic, TypeVar

from authz_service.errors import ErrorReason, InvalidArgument

DEFAULT_SAMPLE: Final = 10
MAX_SAMPLE: Final = 1000
"""Names listed beside a total."""

DEFAULT_SIZE: Final = 100
MAX_SIZE: Final = 1000

MAX_BYTES: Final = 3_500_000
"""Of one page's items: gRPC clients take messages of 4 MiB unless told otherwise."""

_AROUND: Final = 6
"""Bytes: a field's number, and the length of up to 4 MB."""

_NUMBER: Final = 24
"""Bytes: an instant as a Timestamp takes more than any other number."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    size: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`total_size` is the number of items of all pages, where the list counts them."""

    items: tuple[T, ...]
    next_token: str = ""
    total_size: int = 0


def size(request: PageRequest) -> int:
    """Give the number of items wanted. Raises: INVALID_FIELD outside 0 to 1,000."""
    if not 0 <= request.size <= MAX_SIZE:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"page_size {request.size} is outside 0 to {MAX_SIZE}; 0 takes {DEFAULT_SIZE}",
            field="page_size",
        )
    return request.size or DEFAULT_SIZE


def start(request: PageRequest, query: Sequence[str]) -> str:
    """Give the key of the last item of the page before; "" for the first page.

    Raises:
        InvalidArgument: INVALID_PAGE_TOKEN, if the token is damaged or of another query.
    """
    if not request.token:
        return ""
    try:
        of, key = json.loads(base64.urlsafe_b64decode(request.token))
    except (ValueError, TypeError, RecursionError):
        of, key = "", ""
    # Nobody signs a token, so its key may be anything: only what a key can be goes to a database.
    sound = isinstance(key, str) and key.isascii() and key.isprintable()
    if of != _digest(query) or not sound:
        raise bad_token()
    return str(key)


def window(request: PageRequest, query: Sequence[str]) -> tuple[int, str]:
    """Give the number of items wanted, and the key after which they begin."""
    return size(request), start(request, query)


def bad_token() -> InvalidArgument:
    return InvalidArgument(
        ErrorReason.INVALID_PAGE_TOKEN,
        "the page token is damaged or belongs to another query; start from the first page",
        field="page_token",
    )


def page(
    items: Sequence[T], key: Callable[[T], str], request: PageRequest, query: Sequence[str]
) -> Page[T]:
    """Cut the page asked for out of a whole list in the order of `key`, which is unique."""
    wanted, after = size(request), start(request, query)
    begin = bisect_right(items, after, key=key) if after else 0
    shown = cut(items[begin : begin + wanted + 1], key, wanted, query)
    return replace(shown, total_size=len(items))


def cut(items: Sequence[T], key: Callable[[T], str], request: int, query: Sequence[str]) -> Page[T]:
    """Make a page of `wanted` items out of up to one more, which shows that another follows.

    It has fewer if they would take more than `MAX_BYTES`, but never none.
    """
    shown = tuple(items[: _fitting(items[:request])])
    if len(items) == len(shown):
        return Page(shown)
    return Page(shown, _token(key(shown[-1]), query))


def described(
    cut: Page[Any], items: Sequence[T], key: Callable[[T], str], query: Sequence[str]
) -> Page[T]:
    """Make the page that tells of the items of another one more than it was cut by."""
    fitting = _fitting(items)
    if fitting == len(items):
        return Page(tuple(items), cut.next_token, cut.total_size)
    token = _token(key(items[fitting - 1]), query)
    return Page(tuple(items[:fitting]), token, cut.total_size)


def weight(value: Any) -> int:
    """Estimate the bytes of an item in an answer, rather too many: text as UTF-8, and around each
    value what a protobuf field may take.
    """
    match value:
        case str():
            return len(value) + _AROUND if value.isascii() else len(value.encode()) + _AROUND
        case None | bool() | Enum():
            return _AROUND
        case int() | float():
            return _NUMBER
        case Mapping():
            return _AROUND + sum(weight(key) + weight(item) for key, item in value.items())
        case Iterable():
            return _AROUND + sum(map(weight, value))
    return _AROUND + sum(map(weight, _parts(value)))


def _parts(value: Any) -> Iterable[Any]:
    return [getattr(value, name) for name in value.__dataclass_fields__]


def _fitting(items: Sequence[Any]) -> int:
    """Count the items from the first that go into one answer; at least one."""
    room = MAX_BYTES
    for count, item in enumerate(items):
        room -= weight(item)
        if room < 0:
            return max(count, 1)
    return len(items)


def _token(key: str, query: Sequence[str]) -> str:
    token = json.dumps([_digest(query), key], ensure_ascii=False)
    return base64.urlsafe_b64encode(token.encode()).decode()


def _digest(query: Sequence[str]) -> str:
    return sha256(json.dumps(list(query)).encode()).hexdigest()[:16]


def sample_size(request: int, default: int = DEFAULT_SAMPLE) -> int:
    """Give how many names to list beside each total; 0 takes `default`. Raises: INVALID_FIELD."""
    if not 0 <= request <= MAX_SAMPLE:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"sample_size {request} is outside 0 to {MAX_SAMPLE}; 0 takes {default}",
            field="sample_size",
        )
    return request or default
