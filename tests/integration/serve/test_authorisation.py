"""Every route, every role, every foreign id: exactly the allowed answers, and 404 for what is another's.

A route that the table (access_table.py) does not have fails the test.
"""

from collections.abc import AsyncIterator

import httpx
import pytest

from serve.assembly import Assembly
from serve.settings import Settings
from storage.control.restore_records import Selection
from storage.db.audit import Audit
from tests.integration.serve.access_table import RESTORE, ROLES, STREAMS, TABLE, Row
from tests.integration.serve.access_world import World
from tests.integration.serve.conftest import Archive, RecordingOwners
from tests.integration.serve.running import CONFIG, Jobs


@pytest.fixture
async def world(archive: Archive) -> AsyncIterator[World]:
    assembly = Assembly(Settings(archive.backup, CONFIG), RecordingOwners(live={"active": False}), Jobs())
    names = ("auth", "emails", "sync", "analytics", "push", "root")
    routes = [route for name in names for route in getattr(assembly, name)().state.routes]
    transport = httpx.ASGITransport(assembly.together())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        world = World(archive, http, routes)
        await world.fill()
        yield world
    assembly.close()


async def test_every_role_may_call_exactly_its_operations(world: World) -> None:
    names = {f"{method} {route.path}" for route in world.routes for method in (route.methods or set()) - {"HEAD"}}
    assert names == TABLE.keys()

    wrong = []
    for name, row in TABLE.items():
        for role in ROLES:
            if name in STREAMS and role in row.who:
                continue
            headers, values = world.headers[role], None
            if row.ends and role in row.who:
                headers, values = await world.enter(role, begins=name != "POST /api/v1/sync/restores")
            answer = await world.ask(name, headers, row.ids or row.foreign, row.body, values)
            if not _as_expected(answer, expected := _expected(row, role), row.refused):
                wrong.append(f"{role}: {name}: {answer.status_code}, not {expected}: {answer.text[:120]}")
            if name == "POST /api/v1/sync/pause" and answer.is_success:
                await world.ask("POST /api/v1/sync/resume", headers, {}, None)
    assert not wrong, "\n".join(wrong)


def _expected(row: Row, role: str) -> str:
    if not row.who:
        return "not there"
    if role in row.who:
        return "done"
    return "not signed in" if role == "nobody" else "not allowed"


def _as_expected(answer: httpx.Response, expected: str, refused: int) -> bool:
    if expected == "done":
        return answer.is_success
    code = answer.json().get("code")
    if expected == "not there":
        return answer.status_code == refused
    if expected == "not signed in":
        return (answer.status_code, code) == (401, "token_invalid")
    return answer.status_code == 403 and code in ("role_required", "scope_required")


async def test_another_s_ids_name_nothing(world: World) -> None:
    wrong = []
    for name, row in TABLE.items():
        for role in row.who - {"nobody"} if row.foreign else ():
            if name == "DELETE /api/v1/auth/grants/{grant_id}" and role == "operator":
                continue  # an operator ends any grant: test_access.py
            answer = await world.ask(name, world.headers[role], row.foreign, row.body)
            if answer.status_code != 404 or "bobs-secret" in answer.text:
                wrong.append(f"{role}: {name}: {answer.status_code}: {answer.text[:120]}")

    users = world.archive.control
    owner, eve = users.user("owner@example.com"), users.user("eve@example.com")
    for source, target in ((owner, eve), (eve, owner)):  # begun at the command line
        between = str(world.restores.begin(source, target, Selection(), "an administrator").restore_id)
        for name, row in TABLE.items():
            for role in row.who if "restore_id" in row.foreign else ():
                answer = await world.ask(name, world.headers[role], row.foreign, None, {"FOREIGN_RESTORE": between})
                if answer.status_code != 404:
                    wrong.append(f"{role}: {name} of {source.email} into {target.email}: {answer.status_code}")
        for role in RESTORE:
            listed = (await world.ask("GET /api/v1/sync/restores", world.headers[role], {}, None)).json()["items"]
            wrong += [f"{role}: {between} is listed" for each in listed if each["id"] == between]
    assert not wrong, "\n".join(wrong)
    answer = await world.ask(
        "POST /api/v1/sync/operations/{operation_id}/cancel",
        world.headers["operator"],
        {"operation_id": f"restore-{between}"},
        None,
    )
    assert answer.json()["state"] == "cancelling"
    [entry] = [
        each
        for each in Audit(world.archive.databases.control).entries(action="restore.cancel")
        if str(each.detail["restore"]) == between
    ]
    assert entry.actor == "operator@example.com", "the audit log names who cancelled it"


async def test_no_list_shows_anothers_mail(world: World) -> None:
    for name, row in TABLE.items():
        if not name.startswith("GET /api/v1/") or row.foreign or name in STREAMS:
            continue
        for role in row.who - {"nobody"}:
            answer = await world.ask(name, world.headers[role], row.ids, None)
            assert "bobs-secret" not in answer.text, f"{role}: {name}"
            if role in ("owner", "mail key", "analytics key", "sync key", "keys key", "grant"):
                assert "bob@example.com" not in answer.text, f"{role}: {name}"


async def test_a_key_restores_only_if_it_was_made_for_that(world: World) -> None:
    answer = await world.ask("POST /api/v1/auth/keys", world.headers["owner"], {}, {"scopes": ["restore"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_required")
    grant = {"email": "bob@example.com", "reason": "it was robbed", "restore": True}
    for role in ("operator", "auditor"):
        answer = await world.ask("POST /api/v1/auth/grants", world.headers[role], {}, grant)
        assert answer.status_code == 403, role


def test_the_table_is_stricter_than_nothing() -> None:
    assert len(TABLE) > 45
    assert sum(bool(row.foreign) for row in TABLE.values()) > 15
