"""Tenants, and names that try to leave their scope."""

from __future__ import annotations

import asyncio
import posixpath
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nats.js import JetStreamContext
from structlog.testing import capture_logs

from natsgen.harness.waiting import wait_until
from src.actions.action import Action
from src.infrastructure.publishing import publish
from src.infrastructure.subscription import Message, Subscription
from src.requests.nats import Nats
from src.requests.nats import nats as service_nats
from src.requests.request import Context
from src.toolkit import tenancy
from src.toolkit.kv import Bucket
from src.toolkit.objects import Store
from src.toolkit.tenancy import NoTenant, OtherTenant, Tenant, current_tenant
from src.utils.logging import _add_incoming

SUBJECT = "integration.order.created"
ACME = Tenant("acme")

CRAFTED = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(["a", "acme", "tenants", ".", "..", "/", "*", ">", "", " ", "\\", "\x00", "\r\n", "$KV", "é"])
    ).map("".join),
    st.lists(st.sampled_from(["a", "other", "..", ".", ">", "*", ""]), min_size=1).map(".".join),
    st.lists(st.sampled_from(["a", "other", "..", ".", ""]), min_size=1).map("/".join),
    st.integers(900, 6000).map(lambda size: "x" * size),
)


def test_tenancy_scopes_names() -> None:
    assert ACME.subject("orders.order.created") == "tenants.acme.orders.order.created"
    assert ACME.subject("orders.>", wildcards=True) == "tenants.acme.orders.>"
    assert ACME.key("database.host") == "tenants.acme.database.host"
    assert ACME.object("reports/q4.pdf") == "tenants/acme/reports/q4.pdf"
    assert ACME.headers == {"Tenant-Id": "acme"}


@settings(max_examples=500, deadline=None)
@given(name=CRAFTED, wildcards=st.booleans())
@example(name="..", wildcards=False)
@example(name="a..b", wildcards=False)
@example(name="*", wildcards=False)
@example(name=">", wildcards=False)
@example(name="a.>.b", wildcards=True)
@example(name="\u2024\u2024", wildcards=False)
def test_tenancy_no_subject_leaves_its_scope(name: str, wildcards: bool) -> None:
    try:
        subject = ACME.subject(name, wildcards=wildcards)
    except ValueError:
        return
    tokens = subject.split(".")
    assert tokens[:2] == ["tenants", "acme"]
    assert all(tokens)
    assert not any(character.isspace() or not character.isprintable() for character in subject if character < "\x80")
    assert wildcards or not {"*", ">"} & set(subject)
    assert ">" not in tokens[:-1]
    assert len(subject.encode()) <= 1024


@settings(max_examples=500, deadline=None)
@given(name=CRAFTED)
@example(name="..")
@example(name=".other.x")
@example(name="a/../../other")
def test_tenancy_no_key_leaves_its_scope(name: str) -> None:
    try:
        key = ACME.key(name)
    except ValueError:
        return
    assert key == f"tenants.acme.{name}"
    assert all(key.split("."))
    assert not {"*", ">", " "} & set(key)


@settings(max_examples=500, deadline=None)
@given(name=CRAFTED)
@example(name="../other/x")
@example(name="a/.. /b")
@example(name="/etc/passwd")
@example(name="a\\..\\b")
def test_tenancy_no_object_leaves_its_scope(name: str) -> None:
    try:
        found = ACME.object(name)
    except ValueError:
        return
    assert posixpath.normpath(found) == found
    assert found.startswith("tenants/acme/")
    assert len(found) > len("tenants/acme/")
    assert "\\" not in found


@settings(max_examples=300, deadline=None)
@given(one=CRAFTED, other=CRAFTED, first=CRAFTED, second=CRAFTED)
def test_tenancy_two_tenants_never_share_a_name(one: str, other: str, first: str, second: str) -> None:
    try:
        tenants = Tenant(one), Tenant(other)
        names = tenants[0].key(first), tenants[1].key(second)
    except ValueError:
        return
    assert (names[0] == names[1]) == ((one, first) == (other, second))


@pytest.mark.parametrize(
    "identity",
    ["", ".", "..", "a.b", "a/b", "*", ">", "a b", "-a", "_a", "a" * 65, "\u00e9", "a\n", "\r\nX: y", "\u2160", "$JS"],
)
def test_tenancy_an_id_that_cannot_be_is_refused(identity: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        Tenant(identity)


async def test_tenancy_names_are_taken_by_the_server(own_nats: Nats) -> None:
    bucket, store = Bucket("settings"), Store("documents")
    opened = await bucket.open()
    for tenant in (ACME, Tenant("other")):
        await opened.put(tenant.key("colour"), tenant.id.encode())
        await (await store.open()).put(tenant.object("terms.pdf"), tenant.id.encode())

    assert (await opened.get(ACME.key("colour"))).value == b"acme"
    assert [key async for key in bucket.keys(ACME.key("colour"))] == ["tenants.acme.colour"]
    assert await store.get(Tenant("other").object("terms.pdf")) == b"other"


async def test_tenancy_of_a_message_is_in_its_header_and_passed_on(
    run_worker: Any, jetstream: JetStreamContext
) -> None:
    seen: list[Any] = []

    async def handle(event: dict[str, Any], message: Message) -> None:
        tenant = current_tenant()
        await publish(f"integration.{tenant.id}.followed", {})
        seen.append((tenant.id, _add_incoming(None, "", {})["tenant"]))

    async with run_worker(Subscription(handler="tested", subject=SUBJECT, function=handle)):
        await jetstream.publish(SUBJECT, b"{}", headers={"Tenant-Id": "acme"})
        await asyncio.to_thread(wait_until, lambda: seen, limit=30, what="the message")
        followed = await jetstream.get_last_msg("INTEGRATION", "integration.acme.followed")

    assert seen == [("acme", "acme")]
    assert (followed.headers or {})["Tenant-Id"] == "acme"


async def test_tenancy_of_a_request_is_in_its_header(run_worker: Any) -> None:
    async def whose(context: Context) -> str:
        return current_tenant().id

    async with run_worker(Action("whose", whose)):
        assert await service_nats.call("v1.billing.whose", headers=ACME.headers) == "acme"


async def test_tenancy_by_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoTenant, match="neither the header Tenant-Id nor TENANT is set"):
        current_tenant()
    monkeypatch.setattr(tenancy, "settings", tenancy.settings.model_copy(update={"TENANT": "acme"}))

    assert current_tenant() == ACME
    with (
        Tenant("other").bound(),
        pytest.raises(OtherTenant, match="tenant other, but this instance works only for acme"),
    ):
        current_tenant()


async def test_tenancy_bound_by_hand_is_in_the_logs() -> None:
    import structlog

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines, ACME.bound():
        assert current_tenant() == ACME
        structlog.get_logger().info("inside")

    assert lines[0]["tenant"] == "acme"
    with pytest.raises(NoTenant):
        current_tenant()
