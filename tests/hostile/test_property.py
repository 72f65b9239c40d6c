"""Answers that nobody thought of, made by Hypothesis: the same oracle as for the corpus."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natsgen.answers.answers import FRAMEWORKS
from tests.conftest import RENDERING
from tests.hostile import oracle
from tests.hostile.cases import DEFAULT, HANDLER, NEW, REFUSED, SERVICE
from tests.hostile.checks import check_growth, check_new
from tests.hostile.inputs import INPUTS, NEW_INPUTS
from tests.hostile.oracle import quoted
from tests.hostile.places import WORKSPACE, Place, make_place
from tests.hostile.texts import TEXTS

BOUNDED = settings(
    settings.get_profile(RENDERING),
    deadline=None,  # a busy machine is no failure
    derandomize=True,  # what fails here fails everywhere
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

SPECIAL = "'\"`\\{}[]()<>$%&|;:,.#!?*~^@=+-_/ \n\r\t\0\x1b\x7f\x85\u200b\u200f\u202e\u2028\ufeff\u0301\U0001f600"
FRAGMENTS = sorted({text for text in TEXTS.values() if 0 < len(text) < 25})

short = st.one_of(
    st.text(st.sampled_from(SPECIAL), max_size=12),
    st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=4).map("".join),
    st.lists(st.sampled_from([*FRAGMENTS, "\n", " ", '"', "'"]), min_size=2, max_size=5).map(" ".join),
    st.text(st.characters(), max_size=20),
    st.text(st.sampled_from(SPECIAL + "abcxyz019AZ"), max_size=40),
)
seen = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=150)
# What is made of the letters that names take reaches the template; what is not is refused before.
nearly_names = st.text(st.sampled_from("abz09-_./:*>A \n"), min_size=1, max_size=12)
answers = st.one_of(short, seen)
names = st.one_of(nearly_names, short)


@BOUNDED
@given(question=st.sampled_from(["description", "labels"]), text=answers)
def test_texts_are_refused_or_read_back(question: str, text: str) -> None:
    typed: Any = {"note": text} if question == "labels" else text
    data = f"{{note: {quoted(text)}}}" if question == "labels" else text
    check([*DEFAULT, "--data", f"{question}={data}"], {question: typed if question == "labels" else text.strip(" ")})


@BOUNDED
@given(question=st.sampled_from(["bounded_context", "network", "registry", "workspace", "dedup"]), text=names)
def test_names_are_refused_or_read_back(question: str, text: str) -> None:
    check([*DEFAULT, "--data", f"{question}={text}"], {} if question == "dedup" else {question: text})


@BOUNDED
@given(name=names, subject=names, durable=st.none() | names, in_file=st.booleans())
def test_handlers_are_refused_or_read_back(name: str, subject: str, durable: str | None, in_file: bool) -> None:
    options = {"subject": subject} if durable is None else {"subject": subject, "durable": durable}
    document = {"service_name": SERVICE, "handlers": {name: options}}
    typed = {"handlers": {name: options}}
    if in_file:
        check([*NEW, "--data-file", "answers.json"], typed, {"answers.json": json.dumps(document).encode()})
    else:
        flow = ", ".join(f"{key}: {quoted(value)}" for key, value in options.items())
        check([*NEW, SERVICE, "--data", f"handlers={{{quoted(name)}: {{{flow}}}}}"], typed)


@BOUNDED
@given(name=names, path=names, subject=names, framework=st.sampled_from(FRAMEWORKS))
def test_routes_are_refused_or_read_back(name: str, path: str, subject: str, framework: str) -> None:
    route = {"method": "POST", "path": f"/{path}", "publish": subject}
    document = {"service_name": SERVICE, "framework": framework, "routes": {name: route}}
    command = [*NEW, "--data-file", "answers.json"]
    check(command, {"routes": {name: route}}, {"answers.json": json.dumps(document).encode()})


@BOUNDED
@given(content=st.binary(max_size=40) | answers.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_data_file_is_refused_or_taken(content: bytes) -> None:
    check([*NEW, "--data-file", "answers.yml"], {}, {"answers.yml": content})


@BOUNDED
@given(name=names, subject=names)
def test_added_handlers_are_refused_or_read_back(name: str, subject: str, harmless: Place) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = make_place(Path(folder, "around"), harmless)

        ran = place.run("add-handler", f"--name={name}", SERVICE, "--no-input", "--", subject)

        if ran.code:
            oracle.check_refused(ran)
            return
        oracle.check_only_inside(ran, WORKSPACE)
        oracle.check_tree(place.workspace)
        handlers = oracle.handlers(place.workspace / "services" / SERVICE)
        assert handlers.keys() == {HANDLER, name}
        assert handlers[name] == {"subject": subject}


@BOUNDED
@given(data=st.data())
def test_any_text_at_any_place_is_refused_or_read_back(data: st.DataObject, harmless: Place) -> None:
    place = data.draw(st.sampled_from(INPUTS))
    case = place.case(data.draw(st.sampled_from(sorted(place.texts.values()))))
    case = case if place.right is not None else replace(case, outcome=REFUSED)
    with tempfile.TemporaryDirectory() as folder:
        if place in NEW_INPUTS:
            check_new(case, make_place(Path(folder, "around")), harmless)
        else:
            check_growth(case, make_place(Path(folder, "around"), harmless))


def check(arguments: list[str], typed: dict[str, Any], files: dict[str, bytes] | None = None) -> None:
    """Runs the command in a place of its own, and applies the oracle to what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        place = make_place(Path(folder, "around"))
        for path, content in (files or {}).items():
            (place.workspace / path).write_bytes(content)

        ran = place.run(*arguments)

        if ran.code:
            oracle.check_refused(ran)
            return
        oracle.check_only_inside(ran, WORKSPACE)
        oracle.check_tree(place.workspace, files or ())
        said = oracle.values(place.workspace, SERVICE)
        for question, value in typed.items():
            assert all(one == value for one in said[question]), f"{question}: typed {value!r}, read {said[question]!r}"
