"""A product with permissions and roles named as the service's own: files in, files out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from authz_service.cli.demo.throwaway_server import Trial, trial_server
from authz_service.config import shipped_policies
from authz_service.domain.own_policy import OWN, RIGHTS, ROLES
from tests.commands import run

NAMES: Final = sorted(name.removeprefix(OWN) for name in RIGHTS)
SOLD: Final = ["webhooks:create", "members:remove", "keys:create", "keys:list"]

CATALOGUE: Final = {name: {"description": f"Our own {name}"} for name in NAMES}
PRODUCT_ROLES: Final = {
    "viewer": {"permissions": ["keys:list"]},
    "operator": {"includes": ["viewer"], "permissions": ["webhooks:create"]},
    "auditor": {"includes": ["viewer"], "permissions": ["audit:list"]},
    "checker": {"permissions": ["decisions:check"]},
    "product": {"permissions": ["members:remove"]},
    "owner": {
        "admin": True,
        "includes": ["operator", "auditor", "product"],
        "permissions": ["keys:create", "authz.members:add", "authz.members:list"],
    },
}
TIERS: Final = {
    "internal": {"permissions": ["keys:list"], "assignable_roles": ["viewer", "owner"]},
    "team": {
        "extends": "internal",
        "permissions": ["webhooks:create", "members:remove"],
        "assignable_roles": ["operator", "product"],
    },
    "company": {
        "extends": "team",
        "permissions": [name for name in NAMES if name not in SOLD[:2]],
        "assignable_roles": ["auditor", "checker"],
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the product into an empty folder."""
    written = tmp_path_factory.mktemp("product")
    files = {"catalogue": ("permissions", CATALOGUE), "roles": ("roles", PRODUCT_ROLES)}
    files["tiers"] = ("tiers", TIERS)
    for name, (section, content) in files.items():
        (written / f"{name}.yaml").write_text(yaml.safe_dump({section: content}, sort_keys=False))
    return written


@pytest.fixture(scope="module")
def loaded(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Serve with the example product, planned and pruned into the one of the folder."""
    with trial_server(tmp_path_factory.mktemp("served")) as server:
        planned = run(server.environment, "plan", str(folder), "--prune")
        assert planned.code == 0, planned.err
        assert not {right for right in RIGHTS if f" {right} " in planned.out} & set(NAMES)
        assert not [role.id for role in ROLES if role.id in planned.out]
        applied = run(server.environment, "apply", str(folder), "--prune", "-o", "json")
        assert applied.code == 0, applied.err
        touched = [*applied.document["created"], *applied.document["updated"]]
        touched += applied.document["deleted"]
        assert not [name for name in touched if OWN in name]
        assert {"permission webhooks:create", "role operator", "tier internal"} <= set(touched)
        yield server


def assert_applied_again_it_changes_nothing(server: Trial, folder: Path) -> None:
    again = run(server.environment, "apply", str(folder), "--prune", "-o", "json")
    assert again.code == 0, again.err
    assert not again.document["created"] + again.document["updated"] + again.document["deleted"]


def test_exported_and_applied_again_it_is_the_same(loaded: Trial, tmp_path: Path) -> None:
    ran = run(loaded.environment, "export", str(tmp_path / "out"))
    assert ran.code == 0, ran.err
    exported = {
        name: yaml.safe_load((tmp_path / "out" / f"{name}.yaml").read_text())
        for name in ("catalogue", "roles", "tiers")
    }
    assert exported["catalogue"]["permissions"].keys() == CATALOGUE.keys()
    assert exported["roles"]["roles"].keys() == PRODUCT_ROLES.keys()
    assert exported["tiers"]["tiers"].keys() == TIERS.keys()
    assert_applied_again_it_changes_nothing(loaded, tmp_path / "out")
    second = run(loaded.environment, "export", str(tmp_path / "second"))
    assert second.code == 0
    for name in exported:
        first, other = (tmp_path / where / f"{name}.yaml" for where in ("out", "second"))
        assert first.read_bytes() == other.read_bytes()


def test_what_is_left_alone_without_prune_is_nothing_of_the_service(
    loaded: Trial, folder: Path
) -> None:
    planned = run(loaded.environment, "plan", str(folder), "-o", "json")
    assert planned.code == 0, planned.err
    assert planned.document["not_in_the_files"] == []


def test_the_service_s_own_is_exported_and_planned_on_request(
    loaded: Trial, folder: Path, tmp_path: Path
) -> None:
    ran = run(loaded.environment, "export", str(tmp_path / "all"), "--reserved")
    assert ran.code == 0, ran.err
    own = {"permissions": set(RIGHTS), "roles": {role.id for role in ROLES}}
    for file, section in (("catalogue", "permissions"), ("roles", "roles")):
        written = yaml.safe_load((tmp_path / "all" / f"{file}.yaml").read_text())[section]
        assert {name for name in written if name.startswith(OWN)} == own[section]
    assert_applied_again_it_changes_nothing(loaded, tmp_path / "all")
    for files, left in ((tmp_path / "all", 0), (folder, len(RIGHTS) + len(ROLES))):
        planned = run(loaded.environment, "plan", str(files), "--reserved", "--prune", "-o", "json")
        assert planned.code == 0, planned.err
        assert "preview" not in planned.document, "nothing is to be changed"
        assert len(planned.document["not_in_the_files"]) == left
        own_alone = run(loaded.environment, "plan", str(folder), "--prune", "-o", "json")
        unchanged = own_alone.document["unchanged"]
        assert planned.document["unchanged"] - unchanged == len(RIGHTS) + len(ROLES) - left


def test_operators_work_on(loaded: Trial) -> None:
    def done(*command: str) -> None:
        ran = run(loaded.environment, *command)
        assert ran.code == 0, ran.err

    done("keys", "create", "next", "--role", "authz.operator")
    done("roles", "create", "support", "--permission", "authz.tenants:get")
    done("keys", "create", "desk", "--role", "support")
    done("tenants", "onboard", "acme", "--tier", "team", "--member", "user:ada=owner")
    done("check", "acme", "user:ada", "webhooks:create")
    refused = run(loaded.environment, "check", "acme", "user:ada", "keys:create")
    assert refused.code == 1
    assert "NOT_ENTITLED" in refused.out


def test_folder_serves_an_empty_database_too(folder: Path, tmp_path: Path) -> None:
    for name in ("model.conf", "schema.json"):
        (folder / name).write_text((shipped_policies() / name).read_text())
    with trial_server(tmp_path, {"AUTHZ_POLICIES_DIR": str(folder)}) as server:
        ran = run(server.environment, "keys", "create", "next", "--role", "authz.operator")
        assert ran.code == 0, ran.err
        assert_applied_again_it_changes_nothing(server, folder)
