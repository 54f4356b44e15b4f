"""Rules handed to stock Casbin of two languages: the answers are this service's."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import casbin
import pytest

from authz_service.domain.rules import encoded
from authz_service.gen.authz.v1 import rule_pb2 as pb
from tests.rpc.harness import Server

NODE: Final = Path(__file__).parents[1] / "node"
Question = tuple[str, str, str, str]


def asked(tenant: str, subject: str, permission: str) -> Question:
    return encoded(subject), tenant, "", permission


def exported(server: Server, folder: Path, **request: Any) -> tuple[str, str]:
    """Write what the service exports, page by page; return where model and policy are."""
    lines: list[str] = []
    wanted = pb.ExportRulesRequest(page_size=1000, **request)
    model = ""
    while True:
        page = server.operator.rules.ExportRules(wanted)
        model = model or page.model
        lines += [", ".join((rule.ptype, *rule.values)) for rule in page.rules]
        if not page.next_page_token:
            break
        wanted.page_token = page.next_page_token
    (folder / "model.conf").write_text(model)
    (folder / "policy.csv").write_text("\n".join(lines))
    return str(folder / "model.conf"), str(folder / "policy.csv")


def by_pycasbin(model: str, policy: str, questions: list[Question]) -> list[bool]:
    enforcer = casbin.Enforcer(model, policy)
    return [enforcer.enforce(*question) for question in questions]


def by_node(model: str, policy: str, questions: list[Question]) -> list[bool]:
    if not (NODE / "node_modules").is_dir():
        pytest.skip("node-casbin is not installed: no npm registry was reached by `make test`")
    command = [
        str(Path(sys.executable).with_name("node")),
        str(NODE / "enforce.cjs"),
        model,
        policy,
    ]
    done = subprocess.run(
        command, input=json.dumps(questions), capture_output=True, text=True, check=True
    )
    answers = json.loads(done.stdout)
    assert isinstance(answers, list)
    return answers
