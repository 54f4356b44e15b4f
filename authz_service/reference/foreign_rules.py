"""Rules of other Casbin users, turned into permissions, roles, members, grants and exceptions.

A domain becomes a tenant, `(resource, action)` the permission `resource:action`, a role of a domain
the tenant's own role. What a `*`, a pattern or a group of resources stands for is written out.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from authz_service.domain.catalog import Role, checked_inclusion
from authz_service.domain.identifiers import checked
from authz_service.errors import AuthzError, ErrorReason, InvalidArgument
from authz_service.reference.foreign_model import Line, Shape
from authz_service.reference.foreign_names import Names
from authz_service.reference.foreign_objects import Object, Objects

_DIRECT: Final = "direct."
"""What a subject was permitted by name becomes a role of its own: `acme/direct.alice`."""

_KIND: Final = re.compile(r"(?:user|service):")


class LeftOut(NamedTuple):
    """A line that could not be taken over, and why."""

    number: int
    why: str


class Expanded(NamedTuple):
    """A line that stands for more than one rule, and for what."""

    number: int
    into: str


class Held(NamedTuple):
    """A subject has a role, or is denied a permission, in a tenant."""

    tenant: str
    subject: str
    what: str


@dataclass(slots=True)
class Translation:
    """What the lines stand for. Roles are tenants' own; `named` tells which name became which."""

    permissions: set[str] = field(default_factory=set)
    roles: dict[str, Role] = field(default_factory=dict)
    grants: dict[Held, int] = field(default_factory=dict)
    denials: dict[Held, int] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    expanded: list[Expanded] = field(default_factory=list)
    role_names: dict[tuple[str, str], str] = field(default_factory=dict)
    """The role that a name is, by domain and name: what is none of these is a subject."""

    @property
    def unheld(self) -> list[str]:
        """Name the roles that nobody has and no other role includes."""
        used = {grant.what for grant in self.grants}.union(
            *(role.includes for role in self.roles.values())
        )
        return sorted(self.roles.keys() - used)

    @property
    def tenants(self) -> list[str]:
        with_members = {line.tenant for line in (*self.grants, *self.denials)}
        return sorted(with_members | {role.tenant for role in self.roles.values()})


def translate(
    shape: Shape,
    lines: Iterable[Line],
    tenant: str = "",
    *,
    roles: Collection[str] = (),
    people: Collection[str] = (),
    catalogue: Collection[str] = (),
) -> Translation:
    """Translate the lines; `tenant` takes those of a model without domains.

    `roles` and `people` are names that are such whatever the lines say, `catalogue` the permissions
    that there are already: what `*` stands for.

    Raises:
        InvalidArgument: INVALID_FIELD, if the model has no domains and no tenant is named.
    """
    if shape.domain < 0 and not tenant:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            "the model has no domains: name the tenant that gets all of it",
            field="into",
        )
    return _Translator(shape, list(lines), tenant, (roles, people), catalogue).run()


class _Translator:
    def __init__(
        self,
        shape: Shape,
        lines: list[Line],
        tenant: str,
        names: tuple[Collection[str], Collection[str]],
        catalogue: Collection[str],
    ) -> None:
        self._shape = shape
        self._lines = lines
        self._tenant = tenant
        self._made = Translation()
        self._original: dict[str, str] = {}
        self._domains = self._all_domains()
        links = {
            line: list(self._link_domains(line))
            for line in lines
            if line.ptype == "g" and len(line.values) > 1
        }
        self._names = Names(shape, lines, links, *names)
        self._objects = Objects(shape, lines, catalogue)

    def run(self) -> Translation:
        for line in self._lines:
            try:
                self._take(line)
            except AuthzError as error:
                self._made.left_out.append(LeftOut(line.number, error.message))
        return self._made

    def _take(self, line: Line) -> None:
        match line.ptype:
            case "p" if len(line.values) in self._shape.widths:
                self._permit(line)
            case "g" if len(line.values) == 2 + self._shape.links_by_domain:
                for domain in self._link_domains(line):
                    self._link(line.number, domain, line.values[0], line.values[1])
            case "g2" if self._shape.resource_by.by_group and len(line.values) == 2:
                pass  # what a group of resources comes to stands with the rules for it
            case "p" | "g":
                raise _unusable(f"it has {len(line.values)} values, not as many as the model says")
            case _:
                raise _unusable(f"rules of type {line.ptype!r} mean nothing here")

    def _permit(self, line: Line) -> None:
        domains, objects = self._rule_domains(line), self._objects.covered(line)
        if not objects:
            raise _unusable("nothing that is declared or named elsewhere in the policy matches it")
        if not domains:
            raise _unusable("no other line names a domain for which `*` could stand")
        for domain in domains:
            for item in objects:
                self._permit_one(line, domain, item)
        if self._objects.is_pattern(line) or len(domains) > 1:
            names = sorted({self._permission(item) for item in objects})
            into = f"{', '.join(names)} in {', '.join(domains)}"
            self._made.expanded.append(Expanded(line.number, into))

    def _permit_one(self, line: Line, domain: str, item: Object) -> None:
        """Make a role or a subject of one domain permitted, or denied, one object."""
        shape, values = self._shape, line.values
        effect = values[shape.effect] if 0 <= shape.effect < len(values) else "allow"
        tenant, who = checked("tenant", domain), values[shape.subject]
        permission = self._permission(item)
        is_role = self._names.is_role(domain, who)
        match effect:
            case "allow":
                role = self._role_named(domain, who) if is_role else self._direct(tenant, who)
                subject = "" if is_role else _subject(who)
                self._put(role, permissions={permission})
                if subject:
                    self._made.grants.setdefault(Held(tenant, subject, role), line.number)
            case "deny" if not self._shape.denies:
                raise _unusable("it denies, which the model's policy_effect has no place for")
            case "deny" if is_role:
                raise _unusable("it denies a role; here a denial is for a subject, or everyone")
            case "deny":
                denial = Held(tenant, _subject(who), permission)
                self._made.denials.setdefault(denial, line.number)
            case _:
                raise _unusable(f"its effect {effect!r} is neither allow nor deny")
        self._made.permissions.add(permission)

    def _link(self, number: int, domain: str, who: str, to: str) -> None:
        tenant = checked("tenant", domain)
        role = self._role_named(domain, to)
        if not self._names.is_role(domain, who):
            subject = _subject(who)
            self._put(role)
            self._made.grants.setdefault(Held(tenant, subject, role), number)
            return
        including = self._role_named(domain, who)
        graph = {name: entry.includes for name, entry in self._made.roles.items()}
        graph[including] = graph.get(including, frozenset()) | {role}
        checked_inclusion(graph, including, "lines")
        self._put(role)
        self._put(including, includes={role})

    def _put(
        self, role: str, permissions: Iterable[str] = (), includes: Iterable[str] = ()
    ) -> None:
        before = self._made.roles.get(role, Role(role))
        self._made.roles[role] = Role(
            role, before.permissions.union(permissions), before.includes.union(includes)
        )

    def _role_named(self, domain: str, name: str) -> str:
        role = self._role(checked("tenant", domain), name)
        self._made.role_names[domain, name] = role
        return role

    def _role(self, tenant: str, name: str, original: str = "") -> str:
        slug = self._slug(f"{tenant}/", name, r"[^A-Za-z0-9._-]", original)
        return checked("role", f"{tenant}/{slug}")

    def _direct(self, tenant: str, subject: str) -> str:
        # Another original than that of a role which is really called so: the two are told apart.
        return self._role(tenant, f"{_DIRECT}{subject}", f"what {subject} may by name")

    def _permission(self, item: Object) -> str:
        if self._shape.action < 0:
            return checked("permission", item.resource)
        parts = (
            self._slug("resource:", item.resource.lower(), r"[^a-z0-9._-]", item.resource),
            self._slug("action:", item.action.lower(), r"[^a-z0-9._-]", item.action),
        )
        return checked("permission", ":".join(parts))

    def _slug(self, space: str, name: str, unfit: str, original: str = "") -> str:
        """Make an identifier of a name, the same for the same name and for no other.

        Raises:
            InvalidArgument: another name became the same identifier before.
        """
        original = original or name
        slug = re.sub(unfit, "-", name).lstrip("-._")
        first = self._original.setdefault(space + slug, original)
        if first != original:
            raise _unusable(f"{original!r} and {first!r} would both become {slug!r}")
        if slug != original:
            self._made.named[original] = slug
        return slug

    def _link_domains(self, line: Line) -> Iterable[str]:
        if self._shape.links_by_domain:
            return line.values[2:3]
        return self._domains

    def _rule_domains(self, line: Line) -> list[str]:
        """Name the domains that a rule holds in: all of them, for `*`."""
        if self._shape.domain < 0:
            return [self._tenant]
        domain = line.values[self._shape.domain]
        return self._domains if self._shape.domain_by.is_pattern(domain) else [domain]

    def _all_domains(self) -> list[str]:
        place = self._shape.domain
        if place < 0:
            return [self._tenant]
        rules = (line.values for line in self._lines if line.ptype == "p")
        domains = {values[place] for values in rules if len(values) > place}
        if self._shape.links_by_domain:
            links = (line.values for line in self._lines if line.ptype == "g")
            domains |= {values[2] for values in links if len(values) > 2}
        return sorted(name for name in domains if not self._shape.domain_by.is_pattern(name))


def _subject(name: str) -> str:
    return checked("subject", name if _KIND.match(name) else f"user:{name}")


def _unusable(why: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, why, field="lines")
