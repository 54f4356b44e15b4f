"""Matchers of other Casbin users: what each value of a request is compared with, and how."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from casbin.util import builtin_operators

from authz_service.errors import ErrorReason, InvalidArgument

_LINK: Final = re.compile(r"(g2?)\(\s*r_(\w+)\s*,\s*p_(\w+)\s*(?:,\s*r_(\w+)\s*)?\)")
_EQUAL: Final = re.compile(r"(?:r_(\w+)\s*==\s*p_(\w+)|p_(\w+)\s*==\s*r_(\w+))")
_ANY: Final = re.compile(r"""(?:p_(\w+)\s*==\s*["']\*["']|["']\*["']\s*==\s*p_(\w+))""")
_MATCH: Final = re.compile(r"(keyMatch\d?)\(\s*r_(\w+)\s*,\s*p_(\w+)\s*\)")
_MATCHES: Final[dict[str, Callable[[str, str], bool]]] = {
    "keyMatch": builtin_operators.key_match,
    "keyMatch2": builtin_operators.key_match2,
    "keyMatch3": builtin_operators.key_match3,
    "keyMatch4": builtin_operators.key_match4,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one value of a request is compared with one of a rule."""

    rule_value: str
    """Which value of the rule, by its name in policy_definition."""
    any_by_star: bool = False
    """`*` in the rule stands for every value."""
    key_match: str = ""
    """The keyMatch function that reads the rule's value as a pattern; "" for none."""
    by_group: bool = False
    """The rule's value may be a group of the request's value, by `g2`."""

    def matches(self, value: str, rule_value: str) -> bool:
        """Tell whether a request's value is covered by a rule's, groups apart."""
        if value == rule_value or (self.any_by_star and rule_value == "*"):
            return True
        return bool(self.key_match) and _MATCHES[self.key_match](value, rule_value)

    def is_pattern(self, rule_value: str) -> bool:
        """Tell whether a rule's value may stand for others than itself, groups apart."""
        if rule_value == "*":
            return self.any_by_star or bool(self.key_match)
        return bool(self.key_match) and any(mark in rule_value for mark in "*:{")


@dataclass(frozen=True, slots=True)
class Matcher:
    """A matcher taken apart: the subject's value, the link's domain, all comparisons by name."""

    subject: str
    link_domain: str
    comparisons: dict[str, Comparison]


def read_matcher(text: str) -> Matcher | str:
    """Take a matcher apart that is comparisons joined by `&&`; else give the term that is not."""
    subject = link_domain = ""
    comparisons: dict[str, Comparison] = {}
    terms = list(_split(text, "&&"))
    if len(terms) > 1 and len(list(_split(text, "||"))) > 1:
        return text  # `&&` binds closer: what stands beside `||` is no comparison of its own
    for term in terms:
        atoms = list(_split(_bare(term), "||"))
        link = _LINK.fullmatch(atoms[0]) if len(atoms) == 1 else None
        if link and link[1] == "g":
            subject, link_domain = link[2], link[4] or ""
            comparisons[subject] = Comparison(link[3])
            continue
        compared = _comparison(atoms)
        if compared is None or compared[0] in comparisons:
            return term
        comparisons[compared[0]] = compared[1]
    return Matcher(subject, link_domain, comparisons)


def _comparison(atoms: list[str]) -> tuple[str, Comparison] | None:
    """Read the ways in which one value is compared; None if they are not all about one."""
    in_request, in_rule = set[str](), set[str]()
    any_by_star, key_match, by_group, is_compared = False, "", False, False
    for atom in atoms:
        if equal := _EQUAL.fullmatch(atom):
            in_request.add(equal[1] or equal[4])
            in_rule.add(equal[2] or equal[3])
            is_compared = True
        elif star := _ANY.fullmatch(atom):
            in_rule.add(star[1] or star[2])
            any_by_star = True
        elif (match := _MATCH.fullmatch(atom)) and match[1] in _MATCHES and not key_match:
            key_match, is_compared = match[1], True
            in_request.add(match[2])
            in_rule.add(match[3])
        elif (link := _LINK.fullmatch(atom)) and link[1] == "g2" and not link[4]:
            by_group = is_compared = True
            in_request.add(link[2])
            in_rule.add(link[3])
        else:
            return None
    if not is_compared or len(in_request) != 1 or len(in_rule) != 1:
        return None
    return in_request.pop(), Comparison(in_rule.pop(), any_by_star, key_match, by_group)


def _bare(term: str) -> str:
    """Take off the parentheses around a whole term."""
    while term.startswith("(") and _closes(term) == len(term) - 1:
        term = term[1:-1].strip()
    return term


def _closes(text: str) -> int:
    """Find where the parenthesis closes with which a text begins."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return place
    return -1


def _split(text: str, operator: str) -> Iterator[str]:
    """Split where an operator stands outside all parentheses."""
    depth, start, place = 0, 0, 0
    while place < len(text):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth and text.startswith(operator, place):
            yield text[start:place].strip()
            start = place = place + len(operator)
        else:
            place += 1
    yield text[start:].strip()


def refused(why: str) -> InvalidArgument:
    """Make the refusal of a model."""
    return InvalidArgument(
        ErrorReason.INVALID_FIELD, f"this model cannot be taken over: {why}", field="model"
    )
