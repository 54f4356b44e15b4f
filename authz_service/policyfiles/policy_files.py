"""Policy files, both ways: `catalogue.yaml`, `roles.yaml`, `tiers.yaml`, `addons.yaml` <->
`PolicySet`. The last is there if there are add-ons.
"""

from collections.abc import Iterable, Mapping
from errno import EFBIG
from pathlib import Path
from typing import Any, Final, TypeVar, assert_never

import yaml

from authz_service.domain.catalog import (
    ADD_ON,
    TIER,
    Feature,
    FeatureKind,
    Limit,
    Period,
    Permission,
    Plan,
    Reset,
    Role,
)
from authz_service.domain.policy_set import EMPTY, PolicySet
from authz_service.domain.policy_validation import violations
from authz_service.domain.rules import UNLIMITED
from authz_service.domain.violation import Violation
from authz_service.policyfiles import schema, yaml_text
from authz_service.policyfiles.problem import MAX_BYTES, TOO_LARGE, PolicyFileError, Problem
from authz_service.policyfiles.yaml_text import Document, Steps

W = TypeVar("W", Period, Reset)

CATALOGUE: Final = "catalogue.yaml"
ROLES: Final = "roles.yaml"
TIERS: Final = "tiers.yaml"
ADD_ONS: Final = "addons.yaml"

_SECTIONS: Final = {CATALOGUE: "permissions", ROLES: "roles", TIERS: "tiers", ADD_ONS: "add_ons"}
_DEFINITIONS: Final = {
    CATALOGUE: "catalogue_file",
    ROLES: "roles_file",
    TIERS: "tiers_file",
    ADD_ONS: "add_ons_file",
}
_NEEDED: Final = (CATALOGUE, ROLES, TIERS)
_EDITOR: Final = "# yaml-language-server: $schema=schema.json\n"


def read_folder(folder: Path, existing: PolicySet = EMPTY) -> PolicySet:
    """Read the policy files of a folder; other files in it are left alone.

    Raises:
        PolicyFileError: as `read`, and for a file that cannot be read as UTF-8 text.
    """
    if not folder.is_dir():
        message = f"no such folder: name one that holds {', '.join(_NEEDED)}"
        raise PolicyFileError([Problem(str(folder), 1, "", message)])
    texts: dict[str, str] = {}
    unreadable = []
    for name in _SECTIONS:
        try:
            texts[name] = _text(folder / name)
        except FileNotFoundError:
            continue
        except OSError as error:
            unreadable.append(Problem(name, 1, "", f"cannot be read: {error.strerror}"))
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            unreadable.append(Problem(name, line, "", "not UTF-8: save the file as UTF-8"))
    return _read(texts, existing, unreadable)


def read(texts: Mapping[str, str], existing: PolicySet = EMPTY) -> PolicySet:
    """Read policy files from their texts, by file name; only `addons.yaml` may be absent.

    They may refer to each other and to what is `existing`. Order is kept.

    Raises:
        PolicyFileError: everything found wrong, in the order of files and lines. References are
            looked at only when every file could be made out.
    """
    return _read(texts, existing, [])


def write(policy: PolicySet) -> dict[str, str]:
    """Write the files, by file name; `read` gives the same policy back."""
    sections: dict[str, dict[str, Any]] = {
        CATALOGUE: {p.id: _from_permission(p) for p in policy.permissions},
        ROLES: {r.id: _from_role(r) for r in policy.roles},
        TIERS: {t.name: _from_plan(t) for t in policy.tiers},
    }
    if policy.add_ons:
        sections[ADD_ONS] = {a.name: _from_plan(a) for a in policy.add_ons}
    return {
        name: _EDITOR
        + yaml.safe_dump({_SECTIONS[name]: content}, sort_keys=False, allow_unicode=True, width=100)
        for name, content in sections.items()
    }


def _read(texts: Mapping[str, str], existing: PolicySet, unreadable: list[Problem]) -> PolicySet:
    absent = set(_NEEDED) - texts.keys() - {p.file for p in unreadable}
    missing = [
        Problem(name, 1, "", f"the file is missing: create it, `{_SECTIONS[name]}: {{}}` for none")
        for name in absent
    ]
    documents = {name: _document(name, texts[name]) for name in _SECTIONS if name in texts}
    legible = documents.keys() >= set(_NEEDED) and not any(d.broken for d in documents.values())
    policy = _policy(documents) if legible else EMPTY
    for violation in violations(policy, existing):
        _blame(documents, violation)
    values = [p for document in documents.values() for p in document.problems.values()]
    if problems := _ordered([*unreadable, *missing, *values]):
        raise PolicyFileError(problems)
    return policy


def located(folder: Path, violations: Iterable[tuple[Steps, str]]) -> list[Problem]:
    """Say where in the files of a folder a path stands, with what is wrong there, in their order.

    What the files do not have stands at the head of the file that would have it.
    """
    documents = {}
    for name, section in _SECTIONS.items():
        if (folder / name).exists():
            documents[section] = yaml_text.parse(name, _text(folder / name))
    problems = []
    for steps, message in violations:
        file = next(name for name, section in _SECTIONS.items() if section == steps[0])
        line = documents[str(steps[0])].line(steps) if steps[0] in documents else 1
        problems.append(Problem(file, line, yaml_text.told(steps), message))
    return _ordered(problems)


def _text(path: Path) -> str:
    """Read a file without its byte order mark; one that is too large counts as unreadable."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(EFBIG, TOO_LARGE)
    return content.decode("utf-8-sig")


def _document(name: str, text: str) -> Document:
    document = yaml_text.parse(name, text)
    if not document.broken:
        schema.inspect(document, _DEFINITIONS[name])
        document.broken = not isinstance(document.data, dict) or not isinstance(
            document.data.get(_SECTIONS[name]), dict
        )
    return document


def _blame(documents: Mapping[str, Document], violation: Violation) -> None:
    """Note a violation where it stands: at the item of a list, else at the end of its path."""
    document = next(d for n, d in documents.items() if _SECTIONS[n] == violation.path[0])
    steps: Steps = violation.path
    if violation.item:
        items: Any = document.data
        for step in violation.path:
            items = items[step]
        steps = (*steps, items.index(violation.item)) if isinstance(items, list) else steps
    document.blame(steps, violation.message)


def _ordered(problems: Iterable[Problem]) -> list[Problem]:
    files = list(_SECTIONS)
    return sorted(problems, key=lambda p: (files.index(p.file), p.line, p.field))


def _policy(documents: Mapping[str, Document]) -> PolicySet:
    """Make of the documents what can be made of them; what the schema refused is left out."""
    values = {name: document.data for name, document in documents.items()}
    catalogue, roles, tiers, add_ons = (_mapping(values.get(n), s) for n, s in _SECTIONS.items())
    return PolicySet(
        tuple(_to_permission(name, _mapping(catalogue, name)) for name in catalogue),
        tuple(_to_role(name, _mapping(roles, name)) for name in roles),
        tuple(_to_plan(TIER + name, _mapping(tiers, name)) for name in tiers),
        tuple(_to_plan(ADD_ON + name, _mapping(add_ons, name)) for name in add_ons),
    )


def _to_permission(name: str, body: Mapping[str, object]) -> Permission:
    return Permission(
        name,
        internal=body.get("internal") is True,
        description=_word(body, "description"),
        deprecated=body.get("deprecated") is True,
        replaced_by=_word(body, "replaced_by"),
    )


def _from_permission(permission: Permission) -> dict[str, Any]:
    return _given(
        internal=permission.internal,
        description=permission.description,
        deprecated=permission.deprecated,
        replaced_by=permission.replaced_by,
    )


def _to_role(name: str, body: Mapping[str, object]) -> Role:
    return Role(
        name,
        permissions=_names(body, "permissions"),
        includes=_names(body, "includes"),
        description=_word(body, "description"),
        admin=body.get("admin") is True,
    )


def _from_role(role: Role) -> dict[str, Any]:
    return _given(
        description=role.description,
        admin=role.admin,
        includes=sorted(role.includes),
        permissions=sorted(role.permissions),
    )


def _to_plan(plan_id: str, body: Mapping[str, object]) -> Plan:
    base = _word(body, "extends")
    features, limits = _mapping(body, "features"), _mapping(body, "limits")
    return Plan(
        plan_id,
        extends=base and TIER + base,
        permissions=_names(body, "permissions"),
        features=tuple(f for n, value in features.items() for f in _to_feature(n, value)),
        limits=tuple(limit for n in limits for limit in _to_limit(n, _mapping(limits, n))),
        assignable_roles=_names(body, "assignable_roles"),
        description=_word(body, "description"),
        suspended_free_seats=body.get("suspended_free_seats") is True,
    )


def _from_plan(plan: Plan) -> dict[str, Any]:
    return _given(
        description=plan.description,
        extends=plan.extends.removeprefix(TIER),
        suspended_free_seats=plan.suspended_free_seats,
        permissions=sorted(plan.permissions),
        features={f.name: _from_feature(f) for f in plan.features},
        limits={limit.name: _from_limit(limit) for limit in plan.limits},
        assignable_roles=sorted(plan.assignable_roles),
    )


def _to_feature(name: str, value: object) -> Iterable[Feature]:
    match value:
        case bool():
            return [Feature(name, "true" if value else "false")]
        case int():
            return [Feature(name, str(value), FeatureKind.NUMBER)]
        case str():
            return [Feature(name, value, FeatureKind.TEXT)]
        case {"text": str(text), "rank": int(rank)}:
            return [Feature(name, text, FeatureKind.TEXT, rank)]
    return []


def _from_feature(feature: Feature) -> object:
    match feature.kind:
        case FeatureKind.FLAG:
            return feature.value == "true"
        case FeatureKind.NUMBER:
            return int(feature.value)
        case FeatureKind.TEXT if feature.rank:
            return {"text": feature.value, "rank": feature.rank}
        case FeatureKind.TEXT:
            return feature.value
        case _:
            assert_never(feature.kind)


def _to_limit(name: str, body: Mapping[str, object]) -> Iterable[Limit]:
    counting = (_known(Period, body.get("period")), _known(Reset, body.get("reset")))
    match body:
        case {"value": int(value), "unit": str(unit)}:
            return [Limit(name, value, unit, *counting)]
        case {"value": str(value), "unit": str(unit)} if value == UNLIMITED:
            return [Limit(name, None, unit, *counting)]
    return []


def _from_limit(limit: Limit) -> dict[str, Any]:
    counting = _given(period=limit.period.value, reset=limit.reset.value)
    value = UNLIMITED if limit.value is None else limit.value
    return {"value": value, "unit": limit.unit, **counting}


def _known(words: type[W], word: object) -> W:
    """Read a word; the schema has refused one that is none."""
    return next((known for known in words if known.value == word), words(""))


def _given(**content: object) -> dict[str, Any]:
    """Leave out what is empty, false or absent: reading takes it for the same."""
    return {key: value for key, value in content.items() if value}


def _mapping(body: object, key: str) -> Mapping[str, object]:
    match = body.get(key) if isinstance(body, Mapping) else None
    return match if isinstance(match, Mapping) else {}


def _word(body: Mapping[str, object], key: str) -> str:
    match = body.get(key)
    return match if isinstance(match, str) else ""


def _names(body: Mapping[str, object], key: str) -> frozenset[str]:
    match = body.get(key)
    return frozenset(n for n in (match if isinstance(match, list) else []) if isinstance(n, str))
