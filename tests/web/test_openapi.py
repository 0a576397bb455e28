"""The OpenAPI document, and requests made up by it: whatever is asked, it is never an error of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.web.table import OPERATIONS
from tests.support import tasks
from tests.support.dashboards import OPERATOR, Client, Dashboard
from tests.support.shared import ended
from tests.support.tree import RunningTree

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_the_document_has_every_operation_with_its_answer(operator: Client) -> None:
    document = operator.get("/openapi.json")
    assert document["openapi"] == "3.1.0"
    told = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert len(told) == len(OPERATIONS)
    listed = document["paths"]["/api/tasks"]["get"]
    assert {each["name"] for each in listed["parameters"]} >= {"state", "queue", "since", "search", "parent", "cursor"}
    assert listed["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Tasks")


@pytest.mark.timeout(180)
def test_requests_made_up_by_the_document_find_no_error_of_ours(
    guarded: Dashboard, shared_tree: RunningTree, tmp_path: Path
) -> None:
    ended(shared_tree.queue, tasks.fail.on(shared_tree.queue).delay().id)
    with guarded.client() as browser:
        session = browser.http.post("/api/session", json={"password": OPERATOR}).json()
        cookie = browser.http.cookies["supervisor_session"]
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{guarded.url}/openapi.json", "--checks", CHECKS]
    command += ["-H", f"Cookie: supervisor_session={cookie}", "-H", f"X-CSRF-Token: {session['csrf']}"]
    command += ["--exclude-path-regex", "events$", "--exclude-path", "/api/session", "--exclude-path", "/metrics"]
    command += [
        "--max-examples",
        "5",
        "--phases",
        "examples,coverage,fuzzing",
        "--seed",
        "1",
        "--request-timeout",
        "20",
    ]
    command += ["--generation-database", "none", "--workers", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
