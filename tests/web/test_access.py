"""Who may do what: every operation of the table, by everybody; and what is tried against the rules."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from supervisor.web.access import Role
from supervisor.web.operation import Operation
from supervisor.web.table import OPERATIONS
from tests.support.dashboards import OPERATOR, VIEWER, Client, Dashboard

UNKNOWN = "0" * 32
ANYBODY = ("livez", "readyz")
REMOTE = {"X-Forwarded-For": "192.0.2.7"}
"""What a proxy on this machine adds."""
STREAMS = [each for each in OPERATIONS if each.media_type == "text/event-stream"]
ACTIONS = [each for each in OPERATIONS if each.is_action and each.path != "api/session"]
LOOKS = [each for each in OPERATIONS if not each.is_action and each not in STREAMS]


def names(operations: list[Operation]) -> list[str]:
    return [f"{each.method} {each.path}" for each in operations]


def path_of(operation: Operation) -> str:
    path = operation.path.replace("{id}", UNKNOWN).replace("{name:path}", "no such thing").replace("{pid:int}", "1")
    return f"/{path}"


def body_of(operation: Operation) -> dict[str, Any]:
    """One that does nothing where it is let through."""
    harmless: dict[str, dict[str, Any]] = {
        "api/tasks": {"name": "nobody.registered.this"},
        "api/tasks/cancel": {"filter": {"queue": "nothing is here"}},
        "api/tasks/retry": {"filter": {"queue": "nothing is here"}},
        "api/tasks/clear": {"queue": "nothing is here"},
        "api/tasks/{id}/priority": {"priority": 0},
        "api/queues/{name:path}/weight": {"weight": 1.0},
        "api/dead/retry": {"name": "nobody.registered.this"},
        "api/dead/drop": {"name": "nobody.registered.this"},
    }
    return harmless.get(operation.path, {})


def ask(client: httpx.Client, operation: Operation, **headers: str) -> httpx.Response:
    body = body_of(operation) if operation.is_action else None
    return client.request(operation.method, path_of(operation), json=body, headers=headers)


def is_problem(answer: httpx.Response) -> bool:
    told = answer.json()
    return (
        answer.headers["content-type"] == "application/problem+json"
        and told["status"] == answer.status_code
        and bool(told["detail"])
    )


@pytest.fixture(scope="module")
def local(unguarded: Dashboard) -> Iterator[Client]:
    """Somebody on this machine, where nothing is configured."""
    with unguarded.client() as client:
        yield client


@pytest.fixture(scope="module")
def nobody(guarded: Dashboard) -> Iterator[Client]:
    with guarded.client() as client:
        yield client


@pytest.mark.parametrize("operation", LOOKS, ids=names(LOOKS))
def test_a_look_is_for_whoever_may_look(
    operation: Operation, local: Client, nobody: Client, viewer: Client, operator: Client
) -> None:
    fine = (200, 404)  # what it names is not there
    assert ask(local.http, operation).status_code in fine
    assert ask(viewer.http, operation).status_code in fine
    assert ask(operator.http, operation).status_code in fine
    remote, stranger = ask(local.http, operation, **REMOTE), ask(nobody.http, operation)
    if operation.path in ANYBODY:
        assert (remote.status_code, stranger.status_code) == (200, 200)
    elif operation.path == "api/session":
        assert (remote.status_code, stranger.json()["role"], stranger.json()["csrf"]) == (403, None, "")
    else:
        assert (remote.status_code, stranger.status_code) == (403, 401)
        assert is_problem(remote)
        assert is_problem(stranger)


@pytest.mark.parametrize("operation", STREAMS, ids=names(STREAMS))
def test_an_event_stream_is_for_whoever_may_look(operation: Operation, local: Client, nobody: Client) -> None:
    assert ask(nobody.http, operation).status_code == 401
    assert ask(local.http, operation, **REMOTE).status_code == 403
    with local.http.stream("GET", path_of(operation)) as answer:
        assert answer.status_code in (200, 404)


@pytest.mark.parametrize("operation", ACTIONS, ids=names(ACTIONS))
def test_an_action_is_for_operators_with_the_token_from_our_own_page(
    operation: Operation, local: Client, nobody: Client, viewer: Client, operator: Client
) -> None:
    assert operation.role is Role.OPERATOR
    token = {"X-CSRF-Token": operator.token}
    refused = [
        (ask(local.http, operation, **{"X-CSRF-Token": local.token}), 403),
        (ask(local.http, operation, **REMOTE), 403),
        (ask(nobody.http, operation, **token), 401),
        (ask(viewer.http, operation, **{"X-CSRF-Token": viewer.token}), 403),
        (ask(operator.http, operation), 403),
        (ask(operator.http, operation, **{"X-CSRF-Token": f"{operator.token[:-4]}AAAA"}), 403),
        (ask(operator.http, operation, **{"X-CSRF-Token": viewer.token}), 403),
        (ask(operator.http, operation, **token, **{"Sec-Fetch-Site": "cross-site"}), 403),
        (ask(operator.http, operation, **token, **{"Sec-Fetch-Site": "same-site"}), 403),
        (ask(operator.http, operation, **token, Origin="http://evil.example"), 403),
        (ask(operator.http, operation, **token, Origin="null"), 403),
    ]
    assert [answer.status_code for answer, _ in refused] == [status for _, status in refused]
    assert all(is_problem(answer) for answer, _ in refused)
    if operation.path != "api/system/doctor":  # it takes its time
        allowed = ask(operator.http, operation, **token, **{"Sec-Fetch-Site": "same-origin"})
        assert allowed.status_code in (200, 201, 404, 409)


def test_probes_are_answered_by_any_name(local: Client) -> None:
    for path in ANYBODY:
        answer = local.http.get(f"/{path}", headers={"Host": "10.1.2.3:8000"})
        assert (answer.status_code, list(answer.json())) == (200, ["status"])


def test_another_name_for_this_machine_is_refused(local: Client) -> None:
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil.example"):
        assert local.http.get("/api/overview", headers={"Host": host}).status_code == 403
    for host in ("localhost", "app.localhost:8001", "127.0.0.1", "[::1]:8001", "127.9.9.9"):
        assert local.http.get("/api/overview", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"])
def test_who_asks_through_a_proxy_is_not_on_this_machine_whatever_the_proxy_is_told(local: Client, header: str) -> None:
    assert local.http.get("/api/overview", headers={header: "127.0.0.1"}).status_code == 403


def test_a_session_begins_with_the_password_and_ends_with_a_click(guarded: Dashboard) -> None:
    with guarded.client() as browser:
        own = {"Sec-Fetch-Site": "same-origin"}
        assert browser.http.post("/api/session", json={"password": "wrong"}, headers=own).status_code == 401
        answer = browser.http.post("/api/session", json={"password": OPERATOR}, headers=own)
        assert (answer.status_code, answer.json()["role"]) == (200, "operator")
        cookie = answer.headers["set-cookie"].lower()
        assert all(each in cookie for each in ("httponly", "samesite=strict", "path=/"))
        assert browser.get("/api/overview")["live"] is True
        token = answer.json()["csrf"]
        gone = browser.http.request("DELETE", "/api/session", headers={"X-CSRF-Token": token, **own})
        assert gone.status_code == 204
        assert browser.http.get("/api/overview").status_code == 401


def test_a_sign_in_from_another_sites_page_is_refused(guarded: Dashboard) -> None:
    with guarded.client() as browser:
        answer = browser.http.post(
            "/api/session", json={"password": OPERATOR}, headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_a_session_that_was_tampered_with_is_none(guarded: Dashboard) -> None:
    with guarded.client() as browser:
        browser.http.post("/api/session", json={"password": VIEWER})
        value = browser.http.cookies["supervisor_session"]
        head, _, rest = value.partition(".")
        raised = base64.urlsafe_b64encode(b'[2,"abc"]').rstrip(b"=").decode()
        for forged in (f"{raised}.{rest}", value[:-3] + "AAA", head, "", "nonsense"):
            browser.http.cookies.set("supervisor_session", forged, domain="127.0.0.1", path="/")
            found = httpx.get(f"{guarded.url}/api/overview", cookies={"supervisor_session": forged})
            assert found.status_code == 401


def test_whoever_tries_passwords_has_to_wait(make_shared: Any, shared_tree: Any) -> None:
    site = make_shared(shared_tree.dir, {"SUPERVISOR_WEB_PASSWORD": OPERATOR})
    with site.client() as browser:
        tried = [browser.http.post("/api/session", json={"password": str(number)}) for number in range(11)]
        assert [answer.status_code for answer in tried] == [401] * 10 + [429]
        assert int(tried[-1].headers["retry-after"]) <= 61


def test_the_page_leads_to_the_sign_in_where_there_is_a_password(guarded: Dashboard, unguarded: Dashboard) -> None:
    with guarded.client() as browser:
        answer = browser.http.get("/tasks")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert browser.http.get("/sign-in").status_code == 200
        assert browser.http.get("/static/shell.html").status_code == 200
    with unguarded.client() as browser:
        assert browser.http.get("/tasks", headers=REMOTE).status_code == 403
        assert browser.http.get("/static/shell.html", headers=REMOTE).status_code == 403


def test_what_makes_no_sense_is_told_and_never_an_error_of_ours(operator: Client) -> None:
    wrong = [
        operator.http.get("/api/tasks", params={"limit": 0}),
        operator.http.get("/api/tasks", params={"limit": "many"}),
        operator.http.get("/api/tasks", params={"state": "odd"}),
        operator.http.get("/api/tasks", params={"cursor": "x"}),
        operator.http.get("/api/tasks", params={"since": "nan"}),
        operator.http.get("/api/dead", params={"cursor": "x-y"}),
        operator.try_to("/api/tasks/cancel", {"filter": {"unknown": 1}}),
        operator.try_to("/api/tasks/cancel", ["a list"]),
        operator.http.post("/api/tasks/clear", content=b"{", headers={"X-CSRF-Token": operator.token}),
        operator.http.post(
            "/api/tasks/clear",
            content=b"{",
            headers={"X-CSRF-Token": operator.token, "Content-Type": "application/json"},
        ),
        operator.try_to("/api/tasks/clear", {"name": "x" * 70_000}),
    ]
    assert [answer.status_code for answer in wrong] == [400, 400, 400, 400, 400, 400, 400, 400, 415, 400, 413]
    assert all(is_problem(answer) for answer in wrong)
