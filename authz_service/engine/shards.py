"""A map that is never changed in place: a changed copy shares all but one small dictionary.

A library was preferred and measured at a million entries: `rpds.HashTrieMap` takes 155 bytes an
entry and 3 times a dictionary's time a look-up; `immutables.Map` is quick at 48-60 bytes, but its
last release (0.21) has no wheels after Python 3.13. Dictionaries of up to `_BUCKET` entries take
30-45 bytes and copy in about 2 us.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Generic, TypeVar

V = TypeVar("V")

_BUCKET: Final = 128
"""Mean entries a bucket before the number of buckets doubles."""


class Shards(Generic[V]):
    """A read-only mapping from strings; `Editor` makes the next version of it."""

    __slots__ = ("_buckets", "_mask", "size")

    def __init__(self, buckets: list[dict[str, V]] | None = None, size: int = 0) -> None:
        self._buckets = buckets if buckets is not None else [{}]
        self._mask = len(self._buckets) - 1
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

    def edit(self) -> "Editor[V]":
        return Editor(self)

    def buckets(self) -> list[dict[str, V]]:
        return self._buckets


class Editor(Generic[V]):
    """Collects changes to one version; the buckets it does not touch stay shared."""

    __slots__ = ("_buckets", "_own", "_size")

    def __init__(self, base: Shards[V]) -> None:
        self._buckets = list(base.buckets())
        self._own: set[int] = set()
        self._size = base.size

    def get(self, key: str) -> V | None:
        return self._buckets[hash(key) & (len(self._buckets) - 1)].get(key)

    def set(self, key: str, value: V) -> None:
        bucket = self._owned(key)
        if key not in bucket:
            self._size += 1
        bucket[key] = value
        if self._size > _BUCKET * len(self._buckets):
            entries = [item for contents in self._buckets for item in contents.items()]
            self._buckets = _spread(entries, 2 * self._size)
            self._own = set(range(len(self._buckets)))

    def delete(self, key: str) -> None:
        """Forget `key`; nothing happens if it is not there."""
        if self._owned(key).pop(key, None) is not None:
            self._size -= 1

    def finish(self) -> Shards[V]:
        return Shards(self._buckets, self._size)

    def _owned(self, key: str) -> dict[str, V]:
        at = hash(key) & (len(self._buckets) - 1)
        if at not in self._own:
            self._buckets[at] = dict(self._buckets[at])
            self._own.add(at)
        return self._buckets[at]


def _spread(entries: Iterable[tuple[str, V]], size: int) -> list[dict[str, V]]:
    count = 1
    while count * _BUCKET < size:
        count *= 2
    buckets: list[dict[str, V]] = [{} for _ in range(count)]
    for key, value in entries:
        buckets[hash(key) & (count - 1)][key] = value
    return buckets
