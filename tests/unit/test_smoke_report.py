"""What a person, a script and a CI server are told of a run."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from natsgen.answers import questions
from natsgen.rendering import template_source
from natsgen.smoke import junit, matrix
from natsgen.smoke.report import Report
from natsgen.smoke.steps import Result, Verdict

SAMPLES = matrix.samples(questions.read(template_source.bundled().folder))[:2]
ONE, TWO = (sample.name for sample in SAMPLES)
RESULTS = (
    Result(ONE, "generate", Verdict.PASSED, 1.0, "90 files"),
    Result(ONE, "mypy", Verdict.FAILED, 2.0, "mypy found something", "(cd x && mypy)", "a\x07\nb: error"),
    Result(ONE, "grown mypy", Verdict.NOT_REACHED, 0.0, "mypy failed"),
    Result(TWO, "generate", Verdict.PASSED, 1.0),
    Result(TWO, "image", Verdict.LEFT_OUT, 0.0, "no image"),
    Result(TWO, "start", Verdict.LEFT_OUT, 0.0, "no image"),
)


def report(results: tuple[Result, ...] = RESULTS, *, strict: bool = False, folder: Path | None = None) -> Report:
    words = ["natsgen", "smoke", "--template", "my fork"]
    return Report("my fork", "process", SAMPLES, results, 12.3, words, strict, folder)


def test_a_failure_says_service_step_command_and_log() -> None:
    text = "\n".join(report().lines())
    assert f"FAILED  {ONE}, step mypy\n  what:    mypy found something\n" in text
    assert f"repeat:  natsgen smoke --template 'my fork' --only {ONE} --keep" in text
    assert "    b: error" in text
    assert "(cd x" not in text, "its folder is gone"
    assert "(cd x && mypy)" in "\n".join(report(folder=Path("/kept")).lines())
    assert text.endswith("FAILED: 1 of 2 services of my fork, run as processes, in 12 s")


def test_what_is_left_out_is_listed_once_with_its_reason() -> None:
    text = "\n".join(report().lines())
    assert f"Skipped on this machine:\n  {TWO}: image, start\n    because no image\n" in text


def test_strict_takes_what_is_left_out_for_a_failure() -> None:
    good = tuple(result for result in RESULTS if result.verdict is not Verdict.FAILED)
    assert report(good).passed
    assert not report(good, strict=True).passed
    assert "--strict" in [*report(good, strict=True).lines()][-1]


def test_the_document_has_every_step() -> None:
    document = json.loads(json.dumps(report().document()))
    assert not document["passed"]
    assert [step["verdict"] for step in document["samples"][0]["steps"]] == ["passed", "failed", "not reached"]
    assert document["samples"][0]["repeat"].endswith(f"--only {ONE} --keep")


def test_junit_has_a_suite_for_each_sample_and_is_xml_whatever_a_log_holds(tmp_path: Path) -> None:
    junit.write(report(), tmp_path / "report.xml")
    first, second = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert (first.get("tests"), first.get("failures"), first.get("skipped")) == ("3", "1", "1")
    assert (second.get("tests"), second.get("failures"), second.get("skipped")) == ("3", "0", "2")
    failure = first[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "mypy found something"
    assert "a?\nb: error" in str(failure.text)
