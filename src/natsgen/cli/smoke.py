"""`natsgen smoke`: creates every kind of service from a template, and runs each for real."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import typer

from natsgen.cli import options, output
from natsgen.cli.options import switch, value
from natsgen.errors import FAILED, InputError

Names = list[str] | None


def smoke(
    template: str | None = value("PATH_OR_URL", "Folder or git repository of the template [default: natsgen's own]"),
    kinds: Names = value("KIND", "Only this kind: worker, service, publisher, subscriber or gateway (repeatable)."),
    only: Names = value("NAME", "Only the service with this name in reports (repeatable)."),
    step: Names = value("NAME", "Only this step and the steps that it needs (repeatable)."),
    matrix: str = value("quick|full", "Cover each answer (quick) or each pair of answers (full).", default="quick"),
    backend: str = value("auto|process|docker", "Run in containers too, or as processes only.", default="auto"),
    side_by_side: int | None = value("N", "Number of services at once [default: cores + 1]", "--jobs", min=1),
    strict: bool = switch("--strict", "Fail if any check has to be skipped."),
    keep: bool = switch("--keep", "Keep the services and their logs, and print where."),
    junit: Path | None = value("FILE", "Also write a JUnit report."),
    as_json: options.AsJson = False,
) -> None:
    """Create every kind of service and run each for real.

    Use this to test a template that you change. It creates services that cover all answers, lints, type-checks and
    tests them, and runs them against NATS and Consul. It sends events, requests and tasks, checks what the services
    publish, updates them from an earlier version, adds and removes a part of each kind, and stops them. The report
    shows each failure with its step, the command to repeat it and the end of the log. Everything is cleaned up.

    \b
    Examples:
      natsgen smoke
      natsgen smoke --template . --backend process
      natsgen smoke --matrix full --junit report.xml
      natsgen smoke --only worker --step heartbeat --keep
    """
    from natsgen.answers import questions
    from natsgen.harness.docker_engine import docker_available
    from natsgen.smoke import junit as junit_report
    from natsgen.smoke import matrix as matrices
    from natsgen.smoke import run, template_at
    from natsgen.smoke.report import Report

    began = time.monotonic()
    if junit is not None and not junit.resolve().parent.is_dir():
        raise InputError(f"--junit: no such folder: {junit.resolve().parent}")
    chosen = run.backend_for(backend, docker_available())
    with template_at.template(template) as source, run.run_folder(keep=keep) as folder:
        questionnaire = questions.read(source.folder)
        wanted = [kind for text in kinds or [] for kind in text.split(",")]
        made = matrices.samples(questionnaire, matrix, wanted)
        _check_names("--only", "service", only or [], [sample.name for sample in made])
        samples = [sample for sample in made if not only or sample.name in only]
        jobs = [run.Job(sample.name, sample, source, questionnaire, step or ()) for sample in samples]
        _check_names("--step", "step", step or [], run.step_names(jobs, chosen))
        results = run.run(jobs, _tell, folder, backend=chosen, side_by_side=side_by_side or 0)
    source_option = ["--template", template] if template else []
    report = Report(
        template=template or f"natsgen {source.commit}",
        backend=chosen,
        samples=samples,
        results=results,
        seconds=time.monotonic() - began,
        repeat=[output.PROGRAM, "smoke", *source_option, "--matrix", matrix, "--backend", backend],
        strict=strict,
        folder=folder if keep else None,
    )
    if junit is not None:
        junit_report.write(report, junit)
    if as_json:
        output.document(report.document())
    else:
        output.result("\n".join(map(output.printable, report.lines())))
    if not report.passed:
        raise typer.Exit(FAILED)


def _tell(line: str) -> None:
    output.note(output.printable(line))


def _check_names(option: str, noun: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    """Check that every name that an option gives is known; otherwise raise an `InputError`."""
    from natsgen import messages

    for name in wanted:
        if name not in known:
            raise messages.unknown(f"{option}: unknown {noun}", name, known)
