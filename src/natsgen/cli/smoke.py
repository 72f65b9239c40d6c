"""`natsgen smoke`: every kind of service that a template makes, made and run for real."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from natsgen.cli import options, output
from natsgen.errors import FAILED, InputError


def smoke(
    template: Annotated[
        str | None,
        typer.Option(
            metavar="PATH_OR_URL", help="The template: a folder, or a git repository [default: natsgen's own]"
        ),
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND", help="Only this kind: worker, service, publisher, subscriber, gateway; may be repeated."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this one of the services, as reports name them; may be repeated."),
    ] = None,
    step: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this step, with what it needs, to see it again; may be repeated."),
    ] = None,
    matrix: Annotated[
        str,
        typer.Option(
            metavar="quick|full", help="quick: each answer to each question at least once; full: each pair of answers."
        ),
    ] = "quick",
    backend: Annotated[
        str,
        typer.Option(
            metavar="auto|process|docker", help="Where services run: docker builds their images and runs containers."
        ),
    ] = "auto",
    side_by_side: Annotated[
        int | None,
        typer.Option("--jobs", min=1, metavar="N", help="How many services at once [default: cores and one more]"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What has to be left out on this machine is a failure as well.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the services and their logs, and say where.")] = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report in JUnit's form as well.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make every kind of service and run each for real.

    For a template that a team changes. Services with all answers that it takes are made, linted, type-checked, tested
    and run against NATS and Consul. They are sent events, requests and tasks, and what they publish is looked at; they
    are updated from an earlier version, get one more part of each kind, lose it again, and are stopped. What fails is
    shown with the step, the command that repeats it, and the end of the log. Nothing is left behind.

    \b
    Examples:
      natsgen smoke
      natsgen smoke --template . --backend process
      natsgen smoke --template https://git.example.com/team/template.git --matrix full --junit report.xml
      natsgen smoke --only worker --step heartbeat --keep
    """
    from natsgen.answers import questions
    from natsgen.cli.smoke_progress import progress
    from natsgen.smoke import junit as junit_report
    from natsgen.smoke import matrix as matrices
    from natsgen.smoke import run, template_at, tools
    from natsgen.smoke.report import Report

    began = time.monotonic()
    if junit is not None and not junit.resolve().parent.is_dir():
        raise InputError(f"--junit: there is no folder {junit.resolve().parent}")
    there = tools.found()
    chosen = tools.backend(backend, there)
    with template_at.template(template) as source, run.folder_of_its_own(keep=keep) as folder:
        questionnaire = questions.read(source.folder)
        wanted = [kind for text in kinds or [] for kind in text.split(",")]
        made = matrices.samples(questionnaire, matrix, wanted)
        _check_names("--only", "service", only or [], [sample.name for sample in made])
        samples = [sample for sample in made if not only or sample.name in only]
        jobs = [run.Job(sample.name, sample, source, questionnaire, step or ()) for sample in samples]
        _check_names("--step", "step", step or [], run.step_names(jobs[0], there, chosen))
        with progress(samples) as listener:
            results = run.run(jobs, listener, folder, there, backend=chosen, side_by_side=side_by_side or 0)
    report = Report(
        template=template or f"natsgen {source.commit}",
        backend=chosen,
        samples=samples,
        results=results,
        seconds=time.monotonic() - began,
        repeat=_repeat(template, matrix, backend),
        strict=strict,
        folder=folder if keep else None,
    )
    if junit is not None:
        junit_report.write(report, junit)
    if as_json:
        output.document(report.document())
    else:
        output.result("\n".join(map(_shown, report.lines())))
    if not report.passed:
        raise typer.Exit(FAILED)


def _check_names(option: str, noun: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    """Makes sure that there is what the option names; else that is an InputError."""
    from natsgen import messages

    for name in wanted:
        if name not in known:
            raise InputError(
                f"{option}: there is no {noun} {messages.quote(name)}{messages.did_you_mean(name, known)} (there are "
                f"{', '.join(known)})"
            )


def _repeat(template: str | None, matrix: str, backend: str) -> list[str]:
    """The command with what chooses the samples and where they run."""
    given = ["--template", template] if template else []
    return [output.PROGRAM, "smoke", *given, "--matrix", matrix, "--backend", backend]


def _shown(line: str) -> str:
    return output.printable(line)
