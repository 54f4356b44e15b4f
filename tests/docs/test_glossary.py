"""One idea has one name: what the glossary says a thing is not called, nothing is called."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import pytest

from tests.docs.pages import ROOT

GLOSSARY: Final = ROOT / "docs" / "glossary.md"
ROW: Final = re.compile(r"^\| (?P<terms>[^|]+) \| (?P<meaning>[^|]+) \| (?P<others>[^|]+) \|$")


class Term(NamedTuple):
    names: tuple[str, ...]
    meaning: str
    identifiers: tuple[str, ...]
    phrases: tuple[str, ...]


def terms() -> Iterator[Term]:
    for line in GLOSSARY.read_text().splitlines():
        row = ROW.match(line)
        if row is None or row["terms"] == "term" or set(row["terms"]) <= set("-"):
            continue
        others = [other.strip() for other in row["others"].split(",")]
        yield Term(
            tuple(name.strip() for name in row["terms"].split(",")),
            row["meaning"],
            tuple(other.strip("`") for other in others),
            tuple(other for other in others if not other.startswith("`")),
        )


TERMS: Final = tuple(terms())


def words(identifier: str) -> str:
    """Write an identifier as words: `PolicyLaws` and `policy_laws` are ` policy laws `."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", identifier)
    return f" {re.sub(r'[^A-Za-z0-9]+', ' ', apart).lower().strip()} "


@cache
def identifiers() -> dict[str, str]:
    """Collect what is named: modules, classes, functions, parameters, protos, commands' modules."""
    found: dict[str, str] = {}
    for module in (ROOT / "authz_service").rglob("*.py"):
        if "gen" in module.parts or "versions" in module.parts:
            continue
        place = str(module.relative_to(ROOT))
        found.setdefault(words(module.stem), place)
        for node in ast.walk(ast.parse(module.read_text())):
            match node:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name):
                    found.setdefault(words(name), f"{place}: {name}")
                case _:
                    pass
    for proto in (ROOT / "proto").rglob("*.proto"):
        for name in re.findall(
            r"^\s*(?:service|rpc|message|enum|[\w.]+)\s+(\w+)", proto.read_text(), re.MULTILINE
        ):
            found.setdefault(words(name), f"{proto.name}: {name}")
    return found


@cache
def texts() -> dict[str, str]:
    """Collect what people read: pages, protos, and the strings of the code."""
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "ARCHITECTURE.md"]
    protos = [*(ROOT / "proto").rglob("*.proto")]
    found = {path.name: path.read_text() for path in (*pages, *protos) if path != GLOSSARY}
    for module in (ROOT / "authz_service").rglob("*.py"):
        if "gen" not in module.parts:
            nodes = ast.walk(ast.parse(module.read_text()))
            strings = [
                node.value
                for node in nodes
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
            found[str(module.relative_to(ROOT))] = "\n".join(strings)
    return {place: " ".join(text.lower().split()) for place, text in found.items()}


def test_the_glossary_has_its_terms_once_each_with_a_meaning_in_a_sentence() -> None:
    names = [name for term in TERMS for name in term.names]
    assert len(TERMS) >= 40
    assert len(names) == len(set(names))
    assert [term.names for term in TERMS if not term.meaning.strip().endswith(".")] == []


@pytest.mark.parametrize("term", TERMS, ids=[term.names[0] for term in TERMS])
def test_nothing_is_called_what_the_glossary_says_it_is_not(term: Term) -> None:
    banned = [words(name) for name in term.identifiers]
    named = [place for name, place in identifiers().items() if any(word in name for word in banned)]
    said = [
        f"{place}: {phrase}"
        for phrase in term.phrases
        for place, text in texts().items()
        if re.search(rf"\b{re.escape(phrase)}\b", text)
    ]
    assert named + said == []


def test_identifiers_are_compared_word_by_word() -> None:
    assert words("PolicyLaws") == words("policy_laws") == words("_policy_laws") == " policy laws "
    assert words("HTTPServer") == " http server "
    assert " law " not in words("flawless")
