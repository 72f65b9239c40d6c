"""The report of a run, as text and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from natsgen.smoke.matrix import Sample
from natsgen.smoke.steps import Result, Verdict


@dataclass(frozen=True)
class Report:
    """The results of a finished run.

    Attributes:
        template: the template, as shown.
        backend: where the services ran.
        samples: the generated services.
        results: one for each step of each sample.
        seconds: the duration.
        repeat: the arguments of the command that repeats it.
        strict: whether a skipped step counts as a failure.
        folder: where the services are kept; None if they were removed.
    """

    template: str
    backend: str
    samples: Sequence[Sample]
    results: Sequence[Result]
    seconds: float
    repeat: Sequence[str]
    strict: bool = False
    folder: Path | None = None

    @property
    def failures(self) -> list[Result]:
        """Return the steps that found something wrong."""
        return self._of(Verdict.FAILED)

    @property
    def left_out(self) -> dict[str, list[Result]]:
        """Return the steps that were skipped on this machine, by reason."""
        found: dict[str, list[Result]] = {}
        for result in self._of(Verdict.LEFT_OUT):
            found.setdefault(result.message, []).append(result)
        return found

    @property
    def passed(self) -> bool:
        """Return whether no step failed."""
        return not self.failures and not (self.strict and self.left_out)

    def lines(self) -> Iterator[str]:
        """Yield the lines of the report as text."""
        for failure in self.failures:
            yield from self._failure(failure)
        if self.left_out:
            yield "Skipped on this machine:"
            for reason, results in self.left_out.items():
                samples, steps = ({getattr(one, of): None for one in results} for of in ("sample", "step"))
                yield f"  {_listed(samples)}: {_listed(steps)}"
                yield f"    because {reason}"
            yield ""
        for sample in self.samples:
            yield from self._sample(sample)
        yield ""
        if self.folder:
            yield f"The services and their logs are kept in {self.folder}"
        yield self._verdict()

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON document."""
        return {
            "passed": self.passed,
            "template": self.template,
            "backend": self.backend,
            "seconds": round(self.seconds, 1),
            "folder": str(self.folder) if self.folder else None,
            "samples": [self._sample_document(sample) for sample in self.samples],
        }

    def repeated(self, sample: str) -> str:
        """Return the command that repeats one sample, and keeps it."""
        return shlex.join([*self.repeat, "--only", sample, "--keep"])

    def _of(self, verdict: Verdict) -> list[Result]:
        return [result for result in self.results if result.verdict is verdict]

    def _failure(self, failure: Result) -> Iterator[str]:
        yield f"FAILED  {failure.sample}, step {failure.step}"
        yield f"  what:    {failure.message}"
        if failure.command and self.folder:
            yield f"  command: {failure.command}"
        yield f"  repeat:  {self.repeated(failure.sample)}"
        if failure.log:
            yield "  log:"
            yield from (f"    {line}" for line in failure.log.splitlines())
        yield ""

    def _sample(self, sample: Sample) -> Iterator[str]:
        of = [result for result in self.results if result.sample == sample.name]
        failed = [result.step for result in of if result.verdict is Verdict.FAILED]
        missed = [result.step for result in of if result.verdict is Verdict.NOT_REACHED]
        passed = sum(result.verdict is Verdict.PASSED for result in of)
        seconds = sum(result.seconds for result in of)
        line = f"{'FAILED' if failed else 'ok':7} {sample.name:24} {passed} steps passed in {seconds:.0f} s"
        line += f"; failed: {', '.join(failed)}" if failed else ""
        yield line + (f"; not reached: {', '.join(missed)}" if missed else "")

    def _verdict(self) -> str:
        many = "service" if len(self.samples) == 1 else "services"
        count = f"{len(self.samples)} {many} of {self.template}, {_WHERE[self.backend]}, in {self.seconds:.0f} s"
        if self.failures:
            failed = {result.sample for result in self.failures}
            return f"FAILED: {len(failed)} of {count}"
        if not self.passed:
            return f"FAILED: some steps were skipped, which --strict does not allow; {count}"
        return f"Passed: {count}"

    def _sample_document(self, sample: Sample) -> dict[str, Any]:
        of = [result for result in self.results if result.sample == sample.name]
        return {
            "name": sample.name,
            "kind": sample.kind,
            "service": sample.service,
            "levels": dict(sample.levels),
            "repeat": self.repeated(sample.name),
            "steps": [
                {
                    **{field: getattr(result, field) for field in ("step", "message", "command", "log")},
                    "verdict": result.verdict.value,
                    "seconds": round(result.seconds, 2),
                }
                for result in of
            ],
        }


_LISTED = 5
_WHERE = {"process": "run as processes", "docker": "run as processes and in containers"}


def _listed(names: Iterable[str]) -> str:
    """Return names as text; of many, the first few and how many more."""
    all = list(names)
    return ", ".join(all[:_LISTED]) + (f" and {len(all) - _LISTED} more" if len(all) > _LISTED else "")
