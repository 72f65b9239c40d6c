"""Parsing Prometheus's text format."""

from __future__ import annotations

import re

from natsgen.harness.errors import HarnessError

# A label's value may contain any text, including braces and escaped quotes.
_SAMPLE = re.compile(r'([A-Za-z_:][\w:]*(?:\{(?:[^"}]|"(?:\\.|[^"\\])*")*\})?)\s+(\S+)(?:\s+-?\d+)?\s*')


def parse_metrics(text: str) -> dict[str, float]:
    """Return each sample's value by its name with its labels, as written: `events_total{handler="a"}`.

    Raises `HarnessError` for a line that is not empty, a comment or a sample.
    """
    samples = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        sample = _SAMPLE.fullmatch(line)
        try:
            if sample is None:
                raise ValueError
            samples[sample[1]] = float(sample[2])
        except ValueError:
            raise HarnessError(f"invalid line in Prometheus's text format: {line!r}") from None
    return samples
