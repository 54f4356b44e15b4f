"""What `*`, patterns and groups of resources stand for: expanded over what is known by name."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from authz_service.reference.foreign_model import Line, Shape


class Object(NamedTuple):
    """A resource and what is done to it; `action` is "" where the model has no action."""

    resource: str
    action: str


class Objects:
    """The resources and actions that a policy names one by one, and those of the catalogue.

    A rule for `*` or a pattern comes to the objects that it covers among these: exactly those on
    which this service is asked, for it denies what is not declared.
    """

    def __init__(self, shape: Shape, lines: Collection[Line], catalogue: Iterable[str]) -> None:
        self._shape = shape
        self._groups = _groups(lines)
        rules = [_object(shape, line.values) for line in lines if line.ptype == "p"]
        patterns = [rule for rule in rules if rule is not None]
        literal = [rule for rule in patterns if not self._is_pattern(rule)]
        declared = [Object(*_parts(shape, permission)) for permission in catalogue]
        self._known = dict.fromkeys((*literal, *declared))
        resources = {item.resource for item in self._known}.union(*self._groups.values())
        # `docs/*, write` makes write known of every resource that is known and matches.
        self._known |= dict.fromkeys(
            Object(resource, rule.action)
            for rule in patterns
            if not shape.action_by.is_pattern(rule.action)
            for resource in sorted(resources)
            if self._covers(rule, Object(resource, rule.action))
        )

    def covered(self, line: Line) -> list[Object]:
        """List what a rule stands for; it alone, if it is no pattern and no group."""
        rule = _object(self._shape, line.values)
        if rule is None:
            return []
        if not self._is_pattern(rule):
            return [rule]
        return [item for item in self._known if self._covers(rule, item)]

    def is_pattern(self, line: Line) -> bool:
        """Tell whether a rule stands for more than the object it names."""
        rule = _object(self._shape, line.values)
        return rule is not None and self._is_pattern(rule)

    def _is_pattern(self, rule: Object) -> bool:
        return (
            rule.resource in self._groups
            or self._shape.resource_by.is_pattern(rule.resource)
            or self._shape.action_by.is_pattern(rule.action)
        )

    def _covers(self, rule: Object, item: Object) -> bool:
        shape = self._shape
        if item.resource in self._groups or not shape.action_by.matches(item.action, rule.action):
            return False
        return shape.resource_by.matches(item.resource, rule.resource) or (
            shape.resource_by.by_group and rule.resource in self._groups_of(item.resource)
        )

    def _groups_of(self, resource: str) -> set[str]:
        """Name the groups that a resource is in, groups of groups included."""
        groups, ahead = set[str](), [resource]
        while ahead:
            name = ahead.pop()
            for group, members in self._groups.items():
                if name in members and group not in groups:
                    groups.add(group)
                    ahead.append(group)
        return groups


def _groups(lines: Iterable[Line]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for line in lines:
        if line.ptype == "g2" and len(line.values) == 2:
            groups.setdefault(line.values[1], set()).add(line.values[0])
    return groups


def _object(shape: Shape, values: tuple[str, ...]) -> Object | None:
    if len(values) <= max(shape.resource, shape.action):
        return None
    return Object(values[shape.resource], values[shape.action] if shape.action >= 0 else "")


def _parts(shape: Shape, permission: str) -> tuple[str, str]:
    if shape.action < 0:
        return permission, ""
    resource, _, action = permission.partition(":")
    return resource, action
