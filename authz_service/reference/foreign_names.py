"""Which names of another Casbin user's policy are roles, and which are people.

Casbin knows the two apart by nothing but their place, and a role that nobody has yet has no place.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from authz_service.reference.foreign_model import Line, Shape

_ROLE: Final = re.compile(r"role[:_/-]", re.IGNORECASE)
_SUBJECT: Final = re.compile(r"(?:user|service):")


class Names:
    """Tells roles from people: by what the importer was told, by prefix, or by how they are used.

    - What somebody is linked to in a domain is a role there.
    - What is denied something, or is linked and has no rules of its own, is a person.
    - What is linked and has rules of its own is a person, unless the policy writes inclusion of
      roles with `g` (a name is linked to and links on), or has people that have no rules: then
      rules are for roles there.
    - What has rules and is not linked at all is a person where people have rules of their own, or
      where the model has no roles; else it is a role that nobody has.
    """

    def __init__(
        self,
        shape: Shape,
        lines: Iterable[Line],
        links: Mapping[Line, Collection[str]],
        roles: Collection[str] = (),
        people: Collection[str] = (),
    ) -> None:
        """`links` are the `g` lines with their domains, `roles` and `people` declared names."""
        self._roles, self._people = frozenset(roles), frozenset(people)
        self._targets = {(domain, line.values[1]) for line in links for domain in links[line]}
        self._linked = {(domain, line.values[0]) for line in links for domain in links[line]}
        rules = [line.values for line in lines if line.ptype == "p"]
        self._ruled = {values[shape.subject] for values in rules if len(values) > shape.subject}
        # Nothing but allowing is for roles here, so whoever is denied something is a person.
        self._denied = {
            values[shape.subject]
            for values in rules
            if 0 <= shape.effect < len(values) and values[shape.effect] == "deny"
        }
        self._target_names = {name for _, name in self._targets}
        linked = {name for _, name in self._linked}
        marks_roles = any(map(_ROLE.match, self._target_names | linked | self._ruled))
        only_linked = linked - self._target_names
        has_roles_linked = bool(linked & self._target_names) or bool(only_linked - self._ruled)
        self._linked_are_people = marks_roles or not has_roles_linked
        people_have_rules = bool(self._denied - self._target_names) or (
            self._linked_are_people and bool(only_linked & self._ruled)
        )
        self._ruled_are_people = not shape.links or marks_roles or people_have_rules

    def is_role(self, domain: str, name: str) -> bool:
        """Tell whether a name is a role in a domain."""
        if (domain, name) in self._targets or name in self._roles:
            return True
        if name in self._people or name in self._denied or _SUBJECT.match(name):
            return False
        if _ROLE.match(name):
            return True
        if (domain, name) in self._linked:
            return name in self._ruled and not self._linked_are_people
        return name in self._target_names or not self._ruled_are_people
