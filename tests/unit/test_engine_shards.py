"""The shared map behaves as a dictionary, and no version of it changes once it is made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service.engine.shards import _BUCKET, Shards

KEYS = st.integers(0, 5 * _BUCKET).map(str)
EDITS = st.lists(st.tuples(KEYS, st.none() | st.integers()), max_size=60)
STARTS = st.integers(0, 4 * _BUCKET)


def edited(shards: Shards[int], edits: list[tuple[str, int | None]]) -> Shards[int]:
    editor = shards.edit()
    for key, value in edits:
        if value is None:
            editor.delete(key)
        else:
            editor.set(key, value)
    return editor.finish()


def held_to(expected: dict[str, int], shards: Shards[int]) -> None:
    """Hold a map to a dictionary, key by key, whole, and by size."""
    assert dict(shards.items()) == expected
    assert shards.size == len(expected)
    for key in map(str, range(5 * _BUCKET + 1)):
        assert shards.get(key) == expected.get(key)


def plain(start: dict[str, int], edits: list[tuple[str, int | None]]) -> dict[str, int]:
    after = dict(start)
    for key, value in edits:
        after.pop(key, None)
        if value is not None:
            after[key] = value
    return after


@given(STARTS, st.lists(EDITS, max_size=4))
def test_versions_equal_dictionaries_and_earlier_ones_never_change(
    count: int, rounds: list[list[tuple[str, int | None]]]
) -> None:
    expected = [{str(n): n for n in range(count)}]
    versions = [Shards.of(dict(expected[0]))]
    for edits in rounds:
        versions.append(edited(versions[-1], edits))
        expected.append(plain(expected[-1], edits))
    for version, as_it_was in zip(versions, expected, strict=True):
        held_to(as_it_was, version)


@pytest.mark.parametrize("count", [0, 1, _BUCKET, _BUCKET + 1, 40 * _BUCKET])
def test_map_made_at_once_and_map_grown_key_by_key_hold_the_same(count: int) -> None:
    entries = {f"key {n}": n for n in range(count)}
    grown = edited(Shards(), list(entries.items()))
    assert dict(grown.items()) == dict(Shards.of(dict(entries)).items()) == entries
    assert all(grown.get(key) == value for key, value in entries.items())


def test_buckets_stay_small_while_a_map_grows_one_key_a_version() -> None:
    shards: Shards[int] = Shards()
    for n in range(20 * _BUCKET):
        shards = edited(shards, [(str(n), n)])
    assert max(map(len, shards.buckets())) < 2 * _BUCKET


def test_one_change_shares_all_buckets_but_one() -> None:
    before = Shards.of({str(n): n for n in range(20 * _BUCKET)})
    after = edited(before, [("7", 8)])
    differing = [
        1 for old, new in zip(before.buckets(), after.buckets(), strict=True) if old is not new
    ]
    assert differing == [1]


def test_two_branches_from_one_version_do_not_see_each_other() -> None:
    base = Shards.of({"a": 1, "b": 2})
    left, right = edited(base, [("a", 3)]), edited(base, [("b", None)])
    assert dict(left.items()) == {"a": 3, "b": 2}
    assert dict(right.items()) == {"a": 1}
    assert dict(base.items()) == {"a": 1, "b": 2}


def test_setting_a_key_again_does_not_count_it_twice() -> None:
    assert edited(Shards(), [("a", 1), ("a", 2)]).size == 1


def test_forgetting_a_key_that_is_not_there_changes_nothing() -> None:
    before = Shards.of({"a": 1})
    after = edited(before, [("b", None)])
    assert (dict(after.items()), after.size) == ({"a": 1}, 1)


def test_editor_reads_its_own_changes_and_leaves_the_base_alone() -> None:
    base = Shards.of({"a": 1})
    editor = base.edit()
    editor.set("a", 2)
    assert (editor.get("a"), base.get("a")) == (2, 1)


def test_key_that_is_not_there_is_none() -> None:
    assert Shards[int]().get("a") is None


@given(STARTS, st.lists(st.tuples(EDITS, st.booleans()), max_size=6))
def test_order_is_that_of_the_keys_however_often_it_is_asked_for(
    count: int, rounds: list[tuple[list[tuple[str, int | None]], bool]]
) -> None:
    shards = Shards.of({str(n): n for n in range(count)})
    shards.ordered()
    versions = [shards]
    for edits, asked in rounds:
        shards = edited(shards, edits)
        versions.append(shards)
        if asked:
            shards.ordered()
    for version in versions:
        assert version.ordered() == sorted(key for key, _ in version.items())
