"""Models of other Casbin users: which of them we can take over, and where their values stand."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import casbin

from authz_service.reference.foreign_matcher import Comparison, Matcher, read_matcher, refused

_DOMAINS: Final = frozenset({"dom", "domain", "tenant", "org", "ten"})
_ALLOW: Final = "some(where(p_eft==allow))"
_ALLOW_AND_NO_DENY: Final = f"{_ALLOW}&&!some(where(p_eft==deny))"
_EQUAL: Final = Comparison("")


class Line(NamedTuple):
    """A line of a policy, with its place among all of them."""

    number: int
    ptype: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the values of a `p` line stand; -1 for what the model does not have.

    `links` tells whether subjects have roles at all, `links_by_domain` whether a `g` line names a
    domain, or holds in all of them.
    """

    subject: int
    domain: int
    resource: int
    action: int
    effect: int
    width: int
    links: bool
    links_by_domain: bool
    denies: bool
    domain_by: Comparison = _EQUAL
    resource_by: Comparison = _EQUAL
    action_by: Comparison = _EQUAL

    @property
    def widths(self) -> tuple[int, ...]:
        """How many values a `p` line may have: Casbin takes a missing effect for allow."""
        return (self.width,) if self.effect != self.width - 1 else (self.width - 1, self.width)


def read_shape(text: str) -> Shape:
    """Make out a model of roles, with or without domains.

    Domains, resources and actions may be compared by equality, by `*`, by keyMatch to keyMatch4,
    and resources by groups of them (`g2`).

    Raises:
        InvalidArgument: INVALID_FIELD, saying which part of the model cannot be taken over.
    """
    try:
        model = casbin.Enforcer.new_model(text=text).model
        requested = [token.removeprefix("r_") for token in model["r"]["r"].tokens]
        policy = [token.removeprefix("p_") for token in model["p"]["p"].tokens]
        matcher, effect = model["m"]["m"].value, model["e"]["e"].value
    except Exception as error:  # Casbin raises whatever its parser stumbles over
        raise refused(f"it is no Casbin model: {error}") from error
    terms = _terms(matcher, requested)
    compared = terms.comparisons
    subject = terms.subject or requested[0]
    named = next((name for name in requested if name in _DOMAINS and name != subject), "")
    domain = terms.link_domain or named
    others = [name for name in requested if name not in (subject, domain)]
    if not 1 <= len(others) <= 2:
        raise refused("its matcher must compare a resource and an action, or a permission")
    _check_groups(model, terms, others[0])
    places = {name: place for place, name in enumerate(policy)}
    place_of = {name: places[comparison.rule_value] for name, comparison in compared.items()}
    return Shape(
        subject=place_of[subject],
        domain=place_of.get(domain, -1),
        resource=place_of[others[0]],
        action=place_of[others[1]] if len(others) == 2 else -1,
        effect=places.get("eft", -1),
        width=len(policy),
        links=bool(terms.subject),
        links_by_domain=_links_by_domain(model),
        denies=_denies(effect),
        domain_by=compared.get(domain, _EQUAL),
        resource_by=compared[others[0]],
        action_by=compared[others[1]] if len(others) == 2 else _EQUAL,
    )


def _terms(text: str, requested: list[str]) -> Matcher:
    """Take the matcher apart, and check that it compares all that is asked with a rule."""
    matcher = read_matcher(text)
    if isinstance(matcher, str):
        raise refused(
            f"its matcher has `{matcher}`; only equality, `*`, keyMatch, `g`, and `g2` of "
            "resources are taken over"
        )
    missing = [name for name in requested if name not in matcher.comparisons]
    if missing:
        raise refused(f"its matcher compares `r.{missing[0]}` with nothing")
    subject = matcher.comparisons[matcher.subject or requested[0]]
    if subject.key_match or subject.any_by_star or subject.by_group:
        raise refused("its matcher lets a rule be about every subject, or a pattern of them")
    return matcher


def _check_groups(model: Any, matcher: Matcher, resource: str) -> None:
    """Check that nothing but subjects, and resources by g2, is grouped."""
    grouped = {name for name, by in matcher.comparisons.items() if by.by_group}
    others = set(model["g"]) - {"g", "g2"} if "g" in model else set()
    declares_g2 = "g" in model and "g2" in model["g"]
    if others or grouped - {resource} or declares_g2 != bool(grouped):
        raise refused("it groups more than subjects (g) and resources (g2)")


def _links_by_domain(model: Any) -> bool:
    return "g" in model and "g" in model["g"] and len(model["g"]["g"].tokens) == 3


def _denies(effect: str) -> bool:
    match effect.replace(" ", ""):
        case text if text == _ALLOW:
            return False
        case text if text == _ALLOW_AND_NO_DENY:
            return True
    raise refused(f"its policy_effect `{effect}` is neither of the two that are taken over")
