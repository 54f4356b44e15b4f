"""A map that is never changed in place: a changed copy shares all but one small dictionary.

A library was preferred and measured at a million entries: `rpds.HashTrieMap` takes 155 bytes an
entry and 3 times a dictionary's time a look-up; `immutables.Map` is quick at 48-60 bytes, but its
last release (0.21) has no wheels after Python 3.13. Dictionaries of up to `_BUCKET` entries take
30-45 bytes and copy in about 2 us.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import Final, Generic, TypeVar

V = TypeVar("V")

_BUCKET: Final = 128
"""Mean entries a bucket before the number of buckets doubles."""

_MOST_AMENDED: Final = 500
"""Keys that are put into an order one by one; of more it is sorted anew."""


class Shards(Generic[V]):
    """A read-only mapping from strings; `Editor` makes the next version of it."""

    __slots__ = ("_buckets", "_mask", "_order", "size")

    def __init__(
        self,
        buckets: list[dict[str, V]] | None = None,
        size: int = 0,
        order: "Order | None" = None,
    ) -> None:
        self._buckets = buckets if buckets is not None else [{}]
        self._mask = len(self._buckets) - 1
        self._order = order
        self.size = size

    @classmethod
    def of(cls, entries: dict[str, V]) -> "Shards[V]":
        """Take over `entries`, which the caller must not change any more."""
        if len(entries) <= _BUCKET:
            return cls([entries], len(entries))
        return cls(_spread(entries.items(), len(entries)), len(entries))

    def get(self, key: str) -> V | None:
        return self._buckets[hash(key) & self._mask].get(key)

    def __getitem__(self, key: str) -> V:
        return self._buckets[hash(key) & self._mask][key]

    def values(self) -> Iterator[V]:
        """Iterate in no particular order."""
        for bucket in self._buckets:
            yield from bucket.values()

    def items(self) -> Iterator[tuple[str, V]]:
        """Iterate in no particular order."""
        for bucket in self._buckets:
            yield from bucket.items()

    def ordered(self) -> list[str]:
        """List the keys in byte order; nobody changes the list. They are sorted when first asked
        for; later versions are told apart by what they added and removed.
        """
        if self._order is None:
            self._order = Order(sorted(key for key, _ in self.items()))
        return self._order.listed()

    @property
    def order(self) -> "Order | None":
        return self._order

    def edit(self) -> "Editor[V]":
        return Editor(self)

    def buckets(self) -> list[dict[str, V]]:
        return self._buckets


class Order:
    """Keys in byte order: those of an earlier version, and what was added and removed since."""

    __slots__ = ("_known",)

    def __init__(
        self,
        keys: list[str],
        added: frozenset[str] = frozenset(),
        removed: frozenset[str] = frozenset(),
    ) -> None:
        # One value, so that threads which ask at once see all of it or nothing.
        self._known = (keys, added, removed)

    def listed(self) -> list[str]:
        keys, added, removed = self._known
        if added or removed:
            keys = keys.copy()
            for key in removed:
                del keys[bisect_left(keys, key)]
            for key in added:
                insort(keys, key)
            self._known = (keys, frozenset(), frozenset())
        return keys

    def after(self, added: set[str], removed: set[str]) -> "Order | None":
        """Give the order of the version after; None if it is quicker to sort anew."""
        keys, added_before, removed_before = self._known
        more = (added_before - removed) | (added - removed_before)
        fewer = (removed_before - added) | (removed - added_before)
        if len(more) + len(fewer) > _MOST_AMENDED:
            return None
        return Order(keys, more, fewer)


class Editor(Generic[V]):
    """Collects changes to one version; the buckets it does not touch stay shared."""

    __slots__ = ("_added", "_buckets", "_order", "_own", "_removed", "_size")

    def __init__(self, base: Shards[V]) -> None:
        self._order = base.order
        self._added: set[str] = set()
        self._removed: set[str] = set()
        self._buckets = list(base.buckets())
        self._own: set[int] = set()
        self._size = base.size

    def get(self, key: str) -> V | None:
        return self._buckets[hash(key) & (len(self._buckets) - 1)].get(key)

    def set(self, key: str, value: V) -> None:
        bucket = self._owned(key)
        if key not in bucket:
            self._size += 1
            _moved(key, self._removed, self._added)
        bucket[key] = value
        if self._size > _BUCKET * len(self._buckets):
            entries = [item for contents in self._buckets for item in contents.items()]
            self._buckets = _spread(entries, 2 * self._size)
            self._own = set(range(len(self._buckets)))

    def delete(self, key: str) -> None:
        """Forget `key`; nothing happens if it is not there."""
        if self._owned(key).pop(key, None) is not None:
            self._size -= 1
            _moved(key, self._added, self._removed)

    def finish(self) -> Shards[V]:
        order = self._order.after(self._added, self._removed) if self._order else None
        return Shards(self._buckets, self._size, order)

    def _owned(self, key: str) -> dict[str, V]:
        at = hash(key) & (len(self._buckets) - 1)
        if at not in self._own:
            self._buckets[at] = dict(self._buckets[at])
            self._own.add(at)
        return self._buckets[at]


def _moved(key: str, undone: set[str], done: set[str]) -> None:
    """Note that a key came or went, unless that only undoes what was done before."""
    if key in undone:
        undone.remove(key)
    else:
        done.add(key)


def _spread(entries: Iterable[tuple[str, V]], size: int) -> list[dict[str, V]]:
    count = 1
    while count * _BUCKET < size:
        count *= 2
    buckets: list[dict[str, V]] = [{} for _ in range(count)]
    for key, value in entries:
        buckets[hash(key) & (count - 1)][key] = value
    return buckets
