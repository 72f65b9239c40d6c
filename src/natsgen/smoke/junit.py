"""Writing a report in JUnit's XML format, for CI servers."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from natsgen.smoke.report import Report
from natsgen.smoke.steps import Result, Verdict

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # https://www.w3.org/TR/xml/#charsets


def write(report: Report, file: Path) -> None:
    """Write the report to a file: a suite for each sample, a case for each step.

    Raises:
        OSError: the file cannot be written.
    """
    root = ElementTree.Element("testsuites", name="natsgen smoke", time=f"{report.seconds:.1f}")
    for sample in report.samples:
        results = [result for result in report.results if result.sample == sample.name]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=sample.name,
            tests=str(len(results)),
            failures=str(sum(result.verdict is Verdict.FAILED for result in results)),
            skipped=str(sum(result.verdict not in (Verdict.FAILED, Verdict.PASSED) for result in results)),
            time=f"{sum(result.seconds for result in results):.2f}",
        )
        for result in results:
            _add_case(suite, result, report)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def _add_case(suite: ElementTree.Element, result: Result, report: Report) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname=f"smoke.{result.sample}", name=result.step, time=f"{result.seconds:.2f}"
    )
    if result.verdict is Verdict.FAILED:
        failure = ElementTree.SubElement(case, "failure", message=_text(result.message))
        failure.text = _text(f"repeat: {report.repeated(result.sample)}\n\n{result.log}")
    elif result.verdict is not Verdict.PASSED:
        ElementTree.SubElement(case, "skipped", message=_text(f"{result.verdict}: {result.message}"))


def _text(text: str) -> str:
    """Return the text with characters that XML does not allow replaced."""
    return _NO_XML.sub("?", text)
