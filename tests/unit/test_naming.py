from __future__ import annotations

import re
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsgen import messages
from natsgen.errors import InputError, TemplateError
from natsgen.parts import handlers, naming
from natsgen.parts.handlers import HANDLERS
from natsgen.rendering import render, template_source

SERVICE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
HANDLER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
TOKENS = st.from_regex(r"\A[A-Za-z0-9_-]{1,12}\Z").filter(
    lambda token: token.lower() not in naming.RESERVED_FIRST_TOKENS
)
SUBJECTS = st.builds(
    lambda first, middle, last: ".".join([first, *middle, *last]),
    TOKENS,
    st.lists(TOKENS | st.just("*"), max_size=4),
    st.sampled_from([[], [">"]]),
)


@pytest.mark.parametrize("name", ["billing", "a", "a1", "order-billing-2", "x" * 48, "b2b"])
def test_a_service_name_within_the_rule_is_taken(name: str) -> None:
    assert naming.service(name) == name


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("Billing Service", "billing-service"),
        ("OrderBilling", "order-billing"),
        ("order_billing", "order-billing"),
        ("Zähler", "zahler"),
        ("-billing-", "billing"),
        ("3d-printer", "worker-3d-printer"),
        ("Email", "email-worker"),
        ("billing\n", "billing"),
        ("x" * 49, "x" * 48),
        ("../billing", "billing"),
    ],
)
def test_a_service_name_outside_the_rule_is_refused_with_the_nearest_that_is_inside(name: str, suggested: str) -> None:
    with pytest.raises(InputError, match=f"try '{suggested}'$"):
        naming.service(name)


@pytest.mark.parametrize("name", ["", "日本", "💥", "---", "b\u0456lling"])
def test_a_name_without_a_single_usable_letter_or_with_a_look_alike_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="invalid service name"):
        naming.service(name)


@pytest.mark.parametrize(
    "name", ["class", "email", "concurrent", "infrastructure", "redis", "nats", "consul", "monitoring", "jaeger"]
)
def test_a_name_that_something_else_has_is_refused_with_a_free_one(name: str) -> None:
    with pytest.raises(InputError, match=f"try '{name}-worker'$"):
        naming.service(name)


@given(st.text())
def test_what_is_suggested_for_a_service_is_always_a_valid_name(text: str) -> None:
    try:
        assert naming.service(text) == text
    except InputError as error:
        suggestion = re.search(r"; try '(.*)'$", str(error))
        if suggestion:
            assert naming.service(suggestion[1]) == suggestion[1]


@given(st.text())
def test_a_service_name_that_is_taken_matches_the_rule_to_the_last_character(text: str) -> None:
    try:
        naming.service(text)
    except InputError:
        return
    assert SERVICE.fullmatch(text)
    assert len(text) <= 48


@pytest.mark.parametrize(
    "subject", ["orders", "orders.order.created", "orders.*", "orders.>", "orders.*.created.>", "A-1._x", "a" * 255]
)
def test_a_subject_of_tokens_and_wildcards_is_taken(subject: str) -> None:
    assert HANDLERS.option("subject").check(subject) == subject


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("", "empty"),
        (".", "token 1 is empty"),
        ("orders.", "token 2 is empty"),
        ("orders..created", "token 2 is empty"),
        (">", "first token must be a word"),
        ("*.order", "first token must be a word"),
        ("orders.>.created", "only be the last"),
        ("orders.a>", "token 2 is 'a>'"),
        ("orders.a*", "token 2 is 'a\\*'"),
        ("orders.order created", "token 2"),
        ("orders.created\n", "token 2"),
        ("orders.créé", "token 2"),
        ("$JS.API.>", "belong to the NATS server"),
        ("dlq.billing", "dead letters"),
        ("DLQ.billing", "dead letters"),
        ("replay.billing.x", "dead letters"),
        ("_INBOX.x", "replies"),
        ("a" * 256, "256 characters"),
        ('orders.{{ 7 * 7 }}"', "token 2"),
    ],
)
def test_what_is_no_subject_for_a_worker_is_refused_with_the_reason(subject: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        HANDLERS.option("subject").check(subject)


@pytest.mark.parametrize(
    ("subject", "handler"),
    [
        ("orders.order.created", "order_created"),
        ("orders", "orders"),
        ("orders.created", "orders_created"),
        ("orders.OrderItem.wasAdded", "order_item_was_added"),
        ("orders.HTTPServer.up", "http_server_up"),
        ("orders.order-item.re-opened", "order_item_re_opened"),
        ("orders.order.*", "order_any"),
        ("orders.*", "orders_any"),
        ("orders.>", "orders_all"),
        ("orders.order.>", "order_all"),
        ("orders.*.>", "orders_any_all"),
        ("orders.*.created", "any_created"),
        ("orders.2fa.sent", "event_2fa_sent"),
        ("__.--", "event"),
        ("none", "none_event"),
        ("base.model", "base_model_event"),
    ],
)
def test_a_handler_is_named_after_the_last_two_tokens(subject: str, handler: str) -> None:
    if handler == "event":
        handler = "event_event"  # `Event` is the envelope's class
    assert naming.names_for([subject]) == {handler: subject}


def test_handlers_that_would_have_one_name_take_more_tokens_into_it() -> None:
    subjects = ["orders.order.created", "legacy.order.created", "orders.order.paid"]
    assert list(naming.names_for(subjects)) == ["orders_order_created", "legacy_order_created", "order_paid"]


def test_subjects_that_differ_only_in_case_get_a_number() -> None:
    assert list(naming.names_for(["a.b.c", "a.B.c"])) == ["a_b_c", "a_b_c_2"]


def test_a_subject_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"'a\.b' is given twice"):
        handlers.from_subjects(["a.b", "a.b"])


@given(st.lists(SUBJECTS, min_size=1, max_size=6, unique=True))
def test_every_subject_gets_a_handler_of_its_own_with_a_valid_name(subjects: list[str]) -> None:
    named = naming.names_for([HANDLERS.option("subject").check(text) for text in subjects])
    assert sorted(named.values()) == sorted(subjects)
    for name in named:
        assert HANDLERS.name.check(name) == name
        assert HANDLER.fullmatch(name)


@pytest.mark.parametrize("name", sorted(naming.RESERVED_HANDLERS))
def test_plain_copier_refuses_the_handler_names_that_the_tool_refuses(name: str) -> None:
    data = {"service_name": "billing", "handlers": {name: "a.b"}, "workspace": "shop"}
    with pytest.raises(TemplateError, match=f"invalid handler name {name}:"):
        render.render(template_source.bundled(), data)


@pytest.mark.parametrize("name", ["", "Order", "order__created", "_x", "x_", "1x", "x\n", "x" * 65, "event", "none"])
def test_a_handler_name_that_would_not_work_as_python_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        HANDLERS.name.check(name)


def test_a_handler_is_named_after_more_tokens_where_the_name_is_taken() -> None:
    subject = "orders.order.created"
    assert naming.handler_for(subject) == "order_created"
    assert naming.handler_for(subject, {"order_created"}) == "orders_order_created"
    assert naming.handler_for(subject, {"order_created", "orders_order_created"}) == "order_created_2"


@given(SUBJECTS, st.sets(st.sampled_from(["order_created", "a_b", "all", "a"])))
def test_the_name_for_a_subject_is_valid_and_free(subject: str, taken: set[str]) -> None:
    name = naming.handler_for(subject, taken)
    assert HANDLERS.name.check(name) == name
    assert name not in taken


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "٣", "0", "10001", "9" * 50])
def test_a_text_that_is_no_concurrency_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="invalid concurrency"):
        HANDLERS.option("concurrency").parse(text)
    assert HANDLERS.option("concurrency").parse("10000") == 10_000


@given(SUBJECTS)
def test_the_context_of_a_subject_is_a_valid_context(subject: str) -> None:
    assert naming.context(naming.context_for([subject], "billing"))


@given(st.text(alphabet=st.characters(exclude_characters="/\0"), min_size=1))
def test_the_workspace_named_after_any_folder_is_a_valid_name(folder: str) -> None:
    assert naming.workspace(naming.workspace_for(PurePath("/srv", folder)))


@pytest.mark.parametrize(
    "text", ['say "hi"', "it's", "a\\nb", "{{ 7 * 7 }}", "{% raw %}", "${HOME} $(id)", "# 100 %: - |", "👩‍👩‍👧 🎉"]
)
def test_a_description_may_hold_what_means_something_elsewhere(text: str) -> None:
    assert naming.description(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "a\nb",
        "a\n",
        "a\tb",
        "\x1b[31m",
        "\udcff",
        "a\u2028b",
        "a\x85b",
        "\u202ereversed",
        "\ufeffx",
        "\ufffe",
    ],
)
def test_a_description_that_is_not_one_visible_line_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="description"):
        naming.description(text)


def test_a_description_is_at_most_200_characters() -> None:
    assert naming.description("x" * 200)
    with pytest.raises(InputError, match="201 characters"):
        naming.description("x" * 201)


@pytest.mark.parametrize("name", ["-net", "my net", "a/b", "net\n", "${NET}", "n" * 129])
def test_what_is_no_docker_network_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="invalid Docker network"):
        naming.network(name)


@pytest.mark.parametrize("registry", ["", "registry.example.com/mirror", "localhost:5000", "r/a/b-c.d_e", "R.example"])
def test_a_registry_is_a_host_with_port_and_path(registry: str) -> None:
    assert naming.registry(registry) == registry


@pytest.mark.parametrize(
    "registry", ["https://r", "r/", "r//x", "r:x", "-r", "r x", "r\n", "r/X", "r" * 201, "${R}", "r@x"]
)
def test_what_is_no_registry_is_refused(registry: str) -> None:
    with pytest.raises(InputError, match="invalid registry"):
        naming.registry(registry)


def test_labels_may_hold_any_visible_line() -> None:
    pairs = {"team": "payments", "com.example/cost-centre": '{{ 7 * 7 }} ${HOME} "it\'s" # : 🎉', "x_1": ""}
    assert naming.labels(pairs) == pairs


@pytest.mark.parametrize(
    "pairs",
    [
        {"": "x"},
        {"Team": "x"},
        {"-a": "x"},
        {"a b": "x"},
        {"a" * 64: "x"},
        {"a": "x" * 201},
        {"a": "\x1b"},
        {"a\n": "x"},
    ],
)
def test_what_is_no_label_is_refused(pairs: dict[str, str]) -> None:
    with pytest.raises(InputError, match="label"):
        naming.labels(pairs)


def test_there_are_at_most_50_labels() -> None:
    with pytest.raises(InputError, match="51 labels"):
        naming.labels({f"l{number}": "x" for number in range(51)})


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a" * 129, "ä", "a\n", "*"])
def test_what_is_no_durable_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="invalid durable"):
        HANDLERS.option("durable").check(name)


@pytest.mark.parametrize("number", [0, -1, 10_001, True])
def test_what_is_no_concurrency_is_refused(number: int) -> None:
    with pytest.raises(InputError, match="invalid concurrency"):
        HANDLERS.option("concurrency").check(number)


def test_text_from_outside_is_shown_on_one_short_line() -> None:
    assert messages.quote("a\n\x1b[31m\u202e") == r"'a\n\x1b[31m\u202e'"
    shortened = messages.quote("x" * 10_000)
    assert len(shortened) < 100
    assert shortened.endswith("x...'")
