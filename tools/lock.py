"""Write both lock files: for Python 3.11 and newer, with hashes, naming no index and no machine.

The runtime's is chosen first and binds the other, so that tests run on what is shipped.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).parent / "uv"
HEADER = "# Written by `make lock`.\n"
# All that a line may be: a pinned package, its hashes, and a comment on who needs it.
EXPECTED = re.compile(
    r"[a-z0-9._-]+==\S+( ; .+)? \\"
    r"|    --hash=sha256:[0-9a-f]{64}( \\)?"
    r"|    # .+"
)


def main() -> None:
    """Lock the runtime, then what development adds."""
    (ROOT / "requirements.lock").write_text(locked())
    (ROOT / "requirements-dev.lock").write_text(
        locked("--extra=dev", "--constraint=requirements.lock")
    )


def locked(*options: str) -> str:
    """Return the newest set of packages that fit, wheels only, as the text of a lock file."""
    command = [str(UV), "pip", "compile", "pyproject.toml", "--group=build", "--upgrade"]
    command += ["--universal", "--python-version=3.11", "--only-binary=:all:", "--generate-hashes"]
    command += ["--no-header", "--no-emit-index-url", "--no-emit-find-links", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    # A uv that was configured with other indexes may name them all the same.
    lines = [line for line in done.stdout.splitlines() if not line.startswith("--")]
    if surprising := [line for line in lines if not EXPECTED.fullmatch(line)]:
        sys.exit("not a pinned package with hashes:\n" + "\n".join(surprising))
    return HEADER + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
