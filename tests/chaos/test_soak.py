"""A short soak: what `make soak` measures of a worker is there to be measured."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos import soak
from tests.chaos.soak import METRICS


@pytest.mark.slow
def test_a_soak_measures_the_worker_while_it_handles_every_event(
    generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "SAMPLE_SECONDS", 0.1)

    soaked = asyncio.run(soak.soak(0.05, 50, generated, tmp_path))

    assert soaked.effects == soaked.published > 0
    assert all(getattr(sample, name) > 0 for sample in soaked.samples for name in METRICS)
