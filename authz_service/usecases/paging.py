"""Pages: stable order, never silently cut, and a token that fits only the query it came from."""

import base64
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Generic, TypeVar

from authz_service.errors import ErrorReason, InvalidArgument

DEFAULT_SIZE: Final = 100
MAX_SIZE: Final = 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    size: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    next_token: str = ""


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
        raise InvalidArgument(
            ErrorReason.INVALID_PAGE_TOKEN,
            "the page token is damaged or belongs to another query; start from the first page",
            field="page_token",
        )
    return str(key)


def page(
    items: Sequence[T], key: Callable[[T], str], request: PageRequest, query: Sequence[str]
) -> Page[T]:
    """Cut the page asked for out of a whole list in the order of `key`, which is unique."""
    wanted, after = size(request), start(request, query)
    begin = bisect_right(items, after, key=key) if after else 0
    return cut(items[begin : begin + wanted + 1], key, wanted, query)


def cut(items: Sequence[T], key: Callable[[T], str], wanted: int, query: Sequence[str]) -> Page[T]:
    """Make a page of `wanted` items out of up to one more, which shows that another follows."""
    shown = tuple(items[:wanted])
    if len(items) <= wanted:
        return Page(shown)
    token = json.dumps([_digest(query), key(shown[-1])], ensure_ascii=False)
    return Page(shown, base64.urlsafe_b64encode(token.encode()).decode())


def _digest(query: Sequence[str]) -> str:
    return sha256(json.dumps(list(query)).encode()).hexdigest()[:16]
