"""The generated reference: whole, and every link leads somewhere."""

import re
from pathlib import Path
from typing import Final

import pytest

from authz_service.config import Settings
from authz_service.errors import ErrorReason
from tests.docs.pages import DOCS, ROOT, people_pages
from tests.rpc.access import RIGHT_OF
from tools.api_model import said

REFERENCE: Final = sorted((DOCS / "api").glob("*.md"))
ALL: Final = [*REFERENCE, *people_pages()]
LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Name the places of a page that a link can lead to, as GitHub and GitLab name them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("page", ALL, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in LINK.findall(page.read_text()):
        path, _, place = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (place and place not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", ALL, ids=named)
def test_no_page_has_two_headings_of_one_name(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    assert sorted(headings) == sorted(set(headings))


def test_every_rpc_has_a_section_with_its_right_and_everything_else_in_it() -> None:
    index = (DOCS / "api" / "README.md").read_text()
    for proto in (ROOT / "proto" / "authz" / "v1").glob("*.proto"):
        for name in re.findall(r"^  rpc (\w+)\(", proto.read_text(), re.MULTILINE):
            page = (DOCS / "api" / f"{proto.stem}.md").read_text()
            section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
            assert section is not None, name
            for part in (f"rpc {name}(", "**Request.**", "**Response.**"):
                assert part in section.group(1)
            assert f"[`{name}`]({proto.stem}.md#{name.lower()})" in index
            assert f"Takes the right `{RIGHT_OF[name]}`" in section.group(1)


def test_nothing_in_the_reference_goes_without_a_word() -> None:
    empty = [
        f"{page.name}: {line}"
        for page in REFERENCE
        for line in page.read_text().splitlines()
        if re.match(r"\|.*\|\s*\|$", line)
    ]
    assert empty == []


def test_every_reason_and_every_setting_is_described() -> None:
    errors = (DOCS / "api" / "errors.md").read_text()
    assert [reason for reason in ErrorReason if f"`{reason}`" not in errors] == []
    settings = (DOCS / "api" / "settings.md").read_text()
    names = [f"AUTHZ_{name.upper()}" for name in Settings.model_fields]
    assert [name for name in names if f"| `{name}` |" not in settings] == []


def test_reasons_that_a_page_tells_callers_to_handle_are_published() -> None:
    for page in people_pages():
        for name in re.findall(r'^    "([A-Z]+(?:_[A-Z]+)+)":', page.read_text(), re.MULTILINE):
            assert name in set(ErrorReason), f"{page.name}: {name}"


def test_lines_of_a_comment_are_joined_and_paragraphs_stay() -> None:
    assert said(" One\n two.\n\n Three.\n") == "One two.\n\nThree."
