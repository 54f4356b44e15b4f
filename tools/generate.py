"""Write `authz_service/gen/` and `docs/api/`, mostly from `proto/`.

With `--check`, write nothing and say what in them is not current.
"""

import argparse
import difflib
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools.access_table import table
from tools.api_model import Api
from tools.api_pages import pages
from tools.settings_page import page as settings_page

ROOT = Path(__file__).resolve().parent.parent
# protoc imports modules by their proto path; ours live in a package.
ABSOLUTE_IMPORT = re.compile(r"^(\s*)(from|import) (authz\.v1)\b", re.MULTILINE)
IN_OUR_PACKAGE = r"\1\2 authz_service.gen.\3"
PARTS = ("authz_service/gen", "docs/api")


def main() -> None:
    """Generate into a temporary folder, then compare it or put it in place."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        current = Path(folder)
        generate(ROOT / "proto", current / "authz_service" / "gen", current / "api.binpb")
        api = Api(FileDescriptorSet.FromString((current / "api.binpb").read_bytes()))
        (current / "authz_service" / "gen" / "access.py").write_text(table(api))
        document(api, current / "docs" / "api")
        stale = [part for part in PARTS if not settled(ROOT / part, current / part, chosen.check)]
    if stale:
        sys.exit(f"{' and '.join(stale)}: not what it is written from says (make gen)")


def settled(committed: Path, current: Path, check: bool) -> bool:
    """Put what was generated in its place; if only to check, tell whether it is there already."""
    if not check:
        shutil.rmtree(committed, ignore_errors=True)
        shutil.copytree(current, committed)
        return True
    stale = differences(committed, current)
    print(*stale, sep="\n", end="\n" if stale else "")
    return not stale


def document(api: Api, to: Path) -> None:
    """Write the reference's pages."""
    to.mkdir(parents=True)
    for name, content in pages(api).items():
        (to / name).write_text(content)
    (to / "settings.md").write_text(settings_page())


def generate(proto: Path, to: Path, described: Path) -> None:
    """Write modules, gRPC stubs and their types for every proto file, and what describes them."""
    to.mkdir(parents=True)
    includes = [proto, Path(str(files("grpc_tools"))) / "_proto"]
    outputs = ("python", "grpc_python", "mypy", "mypy_grpc")
    plugins = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    command = [sys.executable, "-m", "grpc_tools.protoc"]
    command += [f"--proto_path={include}" for include in includes]
    command += [f"--plugin={plugin}={Path(sys.executable).parent / plugin}" for plugin in plugins]
    command += [f"--{output}_out={to}" for output in outputs]
    command += [f"--descriptor_set_out={described}", "--include_source_info", "--include_imports"]
    command += [str(path) for path in sorted(proto.rglob("*.proto"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    for module in [*to.rglob("*.py"), *to.rglob("*.pyi")]:
        module.write_text(ABSOLUTE_IMPORT.sub(IN_OUR_PACKAGE, module.read_text()))
    for package in [to, *(path for path in to.rglob("*") if path.is_dir())]:
        (package / "__init__.py").touch()


def differences(committed: Path, current: Path) -> list[str]:
    """Return a line for each file that is missing, left over or different, with what changed."""
    before, after = _read(committed), _read(current)
    lines = [f"  missing   {name}" for name in sorted(after.keys() - before.keys())]
    lines += [f"  left over {name}" for name in sorted(before.keys() - after.keys())]
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            lines += [f"  differs   {name}", *_excerpt(before[name], after[name])]
    return lines


def _read(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for pattern in ("*.py", "*.pyi", "*.md")
        for path in folder.rglob(pattern)
    }


def _excerpt(before: str, after: str, lines: int = 6) -> list[str]:
    changes = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    marked = [change for change in changes if not change.startswith(("---", "+++", "@@"))]
    return [f"    {change[:100]}" for change in marked[:lines]]


if __name__ == "__main__":
    main()
