"""What sells something is written as people call it."""

import pytest

from authz_service.domain.catalog import in_words


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("tier/professional", "tier professional"),
        ("tier/professional@3", "tier professional, version 3"),
        ("addon/audit", "add-on audit"),
        ("exception/4711", "exception 4711"),
        ("tenant", "tenant"),
    ],
)
def test_source_is_written_without_its_prefix(source: str, words: str) -> None:
    assert in_words(source) == words
