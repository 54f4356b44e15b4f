"""What a key looks like, how a scanner knows one, and which of its secrets are good when."""

import re
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service.app.door import new_id, new_secret
from authz_service.domain.key import (
    ALPHABET,
    PATTERN,
    SECRET_LENGTH,
    ApiKey,
    KeyKind,
    KeyText,
    digest,
    parse,
    write,
)

KINDS = list(KeyKind)
SECRET = "s" * SECRET_LENGTH
DOCS = Path(__file__).parents[2]


def text(kind: KeyKind = KeyKind.APP) -> str:
    return write(kind, f"key-{new_id()}", new_secret())


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_has_the_form_that_scanners_look_for_and_shows_its_kind(kind: KeyKind) -> None:
    key = text(kind)
    assert PATTERN.fullmatch(key)
    assert key.split("_")[1] == kind


@pytest.mark.parametrize("file", ["proto/authz/v1/key.proto", "docs/operating.md"])
def test_the_form_is_published_as_it_is(file: str) -> None:
    assert PATTERN.pattern in (DOCS / file).read_text()


def test_a_key_is_found_whole_in_what_surrounds_it() -> None:
    key = text()
    for before, after in ("=\n", '""', "( ", ": ", "?&"):
        assert PATTERN.findall(f"x{before}{key}{after}y") == [key]


def test_the_checksum_is_verified_offline_by_anybody() -> None:
    body, checksum = text()[:-8], text()[-8:]
    assert re.fullmatch("[0-9a-f]{8}", checksum)
    key = text()
    assert int(key[-8:], 16) == zlib.crc32(key[:-8].encode())
    assert parse(body + checksum) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_read_as_it_was_written(kind: KeyKind) -> None:
    assert parse(write(kind, "key-17", SECRET)) == KeyText(kind, "key-17", SECRET)


@given(st.data())
def test_a_key_with_one_character_changed_is_none(data: st.DataObject) -> None:
    key = write(KeyKind.JOB, "key-0651f0c3a1b2cdeadbeef", SECRET)
    at = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.sampled_from(f"{ALPHABET}_-").filter(lambda c: c != key[at]))
    assert parse(key[:at] + other + key[at + 1 :]) is None


@pytest.mark.parametrize(
    "wrong",
    ["", "authz", "authz_", "authz_app", "authz_app_", "authz_app_key-1", "authz_key-1_s", "a_b_c"],
)
def test_anything_else_is_no_key(wrong: str) -> None:
    assert parse(wrong) is None


def test_secrets_hold_256_bits_of_the_alphabet() -> None:
    assert len(ALPHABET) ** SECRET_LENGTH > 2**256
    assert set("".join(new_secret() for _ in range(100))) == set(ALPHABET)
    assert {len(new_secret()) for _ in range(10)} == {SECRET_LENGTH}


KEY = ApiKey("key-1", digest("first"), expires_at=1_000, kind=KeyKind.APP)


def test_a_rotated_key_has_two_good_secrets_until_the_overlap_ends() -> None:
    rotated = KEY.rotated(digest("second"), until=500)
    assert [rotated.matches("first", at) for at in (0, 499, 500, 999)] == [True, True, False, False]
    assert [rotated.matches("second", at) for at in (0, 500, 999)] == [True, True, True]
    assert [rotated.has_previous(at) for at in (499, 500)] == [True, False]


def test_whoever_rotates_again_ends_the_oldest_secret() -> None:
    thrice = KEY.rotated(digest("second"), 500).rotated(digest("third"), 600)
    good = [thrice.matches(secret, 100) for secret in ("first", "second", "third")]
    assert good == [False, True, True]


def test_the_end_of_a_key_is_the_end_of_both_secrets() -> None:
    rotated = KEY.rotated(digest("second"), until=5_000)
    assert not any(rotated.matches(secret, 1_000) for secret in ("first", "second"))
    assert not rotated.has_previous(1_000)


def test_without_its_previous_secret_a_key_has_one() -> None:
    left = KEY.rotated(digest("second"), 500).without_previous()
    assert left == replace(KEY, secret_hash=digest("second"))
    assert not left.matches("first", 0)


def test_no_secret_is_good_whose_hash_is_empty() -> None:
    assert not replace(KEY, previous_hash="", previous_expires_at=500).matches("", 0)


def test_kinds_are_told_apart_by_their_first_word() -> None:
    words = sorted(kind.value for kind in KINDS)
    assert not any(b.startswith(a) for a, b in pairwise(words))
