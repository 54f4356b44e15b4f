"""Models of other Casbin users: which of them we can take over, and where their values stand."""

import re
from dataclasses import dataclass
from typing import Any, Final

import casbin

from authz_service.errors import ErrorReason, InvalidArgument

_LINK: Final = re.compile(r"g\(\s*r_(\w+)\s*,\s*p_(\w+)\s*(?:,\s*r_(\w+)\s*)?\)")
_EQUAL: Final = re.compile(r"(?:r_(\w+)\s*==\s*p_(\w+)|p_(\w+)\s*==\s*r_(\w+))")
_DOMAINS: Final = frozenset({"dom", "domain", "tenant", "org", "ten"})
_ALLOW: Final = "some(where(p_eft==allow))"
_ALLOW_AND_NO_DENY: Final = f"{_ALLOW}&&!some(where(p_eft==deny))"


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the values of a `p` line stand; -1 for what the model does not have.

    `links_by_domain` tells whether a `g` line names a domain, or holds in all of them.
    """

    subject: int
    domain: int
    resource: int
    action: int
    effect: int
    width: int
    links_by_domain: bool
    denies: bool

    @property
    def widths(self) -> tuple[int, ...]:
        """How many values a `p` line may have: Casbin takes a missing effect for allow."""
        return (self.width,) if self.effect != self.width - 1 else (self.width - 1, self.width)


def read_shape(text: str) -> Shape:
    """Make out a model of roles, with or without domains, that compares by equality alone.

    Raises:
        InvalidArgument: INVALID_FIELD, saying which part of the model cannot be taken over.
    """
    try:
        model = casbin.Enforcer.new_model(text=text).model
        requested = [token.removeprefix("r_") for token in model["r"]["r"].tokens]
        policy = [token.removeprefix("p_") for token in model["p"]["p"].tokens]
        matcher, effect = model["m"]["m"].value, model["e"]["e"].value
    except Exception as error:
        raise _refused(f"it is no Casbin model: {error}") from error
    subject, domain, pairs = _terms(matcher, requested)
    others = [pairs[name] for name in requested if name in pairs and name not in (subject, domain)]
    if not 1 <= len(others) <= 2:
        raise _refused("its matcher must compare a resource and an action, or a permission")
    if "g" in model and set(model["g"]) - {"g"}:
        raise _refused("it groups resources or more than subjects (g2); only `g` is taken over")
    places = {name: place for place, name in enumerate(policy)}
    return Shape(
        subject=places[pairs[subject]],
        domain=places[pairs[domain]] if domain else -1,
        resource=places[others[0]],
        action=places[others[1]] if len(others) == 2 else -1,
        effect=places.get("eft", -1),
        width=len(policy),
        links_by_domain=_links_by_domain(model),
        denies=_denies(effect),
    )


def _terms(matcher: str, requested: list[str]) -> tuple[str, str, dict[str, str]]:
    """Read subject, domain ("" for none) and which value of a rule each is compared with."""
    subject, domain, pairs = "", "", dict[str, str]()
    for term in (each.strip() for each in matcher.split("&&")):
        if link := _LINK.fullmatch(term):
            subject, compared, domain = link[1], link[2], link[3] or ""
            pairs[subject] = compared
        elif equal := _EQUAL.fullmatch(term):
            pairs[equal[1] or equal[4]] = equal[2] or equal[3]
        else:
            raise _refused(f"its matcher has `{term}`; only equality and `g` are taken over")
    missing = [name for name in requested if name not in pairs]
    if missing:
        raise _refused(f"its matcher compares `r.{missing[0]}` with nothing")
    subject = subject or requested[0]
    named = next((name for name in requested if name in _DOMAINS and name != subject), "")
    return subject, domain or named, pairs


def _links_by_domain(model: Any) -> bool:
    return "g" in model and len(model["g"]["g"].tokens) == 3


def _denies(effect: str) -> bool:
    match effect.replace(" ", ""):
        case said if said == _ALLOW:
            return False
        case said if said == _ALLOW_AND_NO_DENY:
            return True
    raise _refused(f"its policy_effect `{effect}` is neither of the two that are taken over")


def _refused(why: str) -> InvalidArgument:
    return InvalidArgument(
        ErrorReason.INVALID_FIELD, f"this model cannot be taken over: {why}", field="model"
    )
