"""Every block of code in every document is run by a test, or stands in a list with the reason why it is not."""

from __future__ import annotations

import re
from pathlib import Path

from tests.documents import test_migrating, test_readme
from tests.documents.blocks import Block, blocks_of, read_blocks

ROOT = Path(__file__).parents[2]
WRITTEN = sorted(str(file.relative_to(ROOT)) for file in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

RUN_WHOLE = {
    "docs/toolkit.md": "tests/documents/test_toolkit.py",
    "docs/guides/taking-over.md": "tests/documents/test_taking_over.py",
    "docs/decoders.md": "tests/runtime/test_decoders.py",
    "docs/tutorial.md": "tests/documents/test_tutorial.py; tests/examples/test_order_to_invoice.py runs the example",
    "docs/reference/cli.md": "tests/documents/test_site.py",
    "docs/production/kubernetes.md": "tests/template/test_kubernetes.py builds the overlay; there is no cluster",
}
"""Documents of which a test runs every block, whatever comes to them, and the test."""

NOT_RUN = {
    "AGENTS.md / Commands / 1": "CI does, in .ci/run",
    "CONTRIBUTING.md / Set up / 1": "CI does, in .ci/run, before these tests",
    "CONTRIBUTING.md / Test / 1": "CI does, in .ci/run; these are the tests",
    "docs/dev.md / The workspace on your machine / 1": "tests/dev/test_session.py starts both",
    "docs/dev.md / From the command line / 1": "tests/dev/test_messages.py types the same commands",
    "docs/guides/backstage.md / Forms and Backstage / 2": "tests/unit/test_questions_command.py has such answers",
    "docs/guides/backstage.md / A Backstage software template / 2": "tests/workflows/test_backstage.py runs the action",
    "docs/guides/tracing.md / Traces / 1": "tests/smoke/test_tracing.py does both",
    "docs/guides/tracing.md / See traces on your machine / 1": "no image of Jaeger; tests/template/test_compose.py",
    "docs/loki.md / Logs in Loki / 1": "there is no Alloy; tests/unit/test_loki_config.py checks the configuration",
    "docs/loki.md / Logs in Loki / 2": "there is no Loki; tests/smoke/test_pubsub.py checks the lines",
    "docs/production/monitoring.md / Monitoring / 1": "tests/template/test_monitoring.py adds it to services",
    "docs/production/monitoring.md / On your machine / 1": "tests/smoke/test_containers.py starts Prometheus",
    "docs/production/monitoring.md / On your machine / 2": "tests/smoke/test_containers.py adds a service, and does it",
    "docs/production/monitoring.md / Limits of your own / 1": "tests/template/test_monitoring.py has promtool do it",
    "docs/template-authors.md / Use a template / 1": "tests/update/test_new_template.py has it with other addresses",
    "docs/template-authors.md / Use a template / 2": "as above",
    "docs/template-authors.md / Change / 1": "tests/smoke_command/test_command.py smokes one with more questions",
    "docs/template-authors.md / Smoke / 1": "tests/smoke_command/test_command.py does",
    "docs/template-authors.md / Smoke / 2": "what the last lines of make smoke are, with times of one machine",
    "docs/template-authors.md / Smoke / 3": "what tests/smoke_command/test_faults.py sees, shortened",
    "docs/template-authors.md / Roll out / 1": "tests/documents/test_readme.py types the same commands",
}
"""Blocks that no test runs, and why, or what does the same."""


def is_run(block: Block) -> bool:
    return block.document in RUN_WHOLE or test_readme.runs(block) or test_migrating.runs(block)


def blocks() -> list[Block]:
    return [block for document in WRITTEN for block in read_blocks(ROOT, document)]


def test_each_block_is_run_or_listed() -> None:
    run = {block.name for block in blocks() if is_run(block)}
    listed = NOT_RUN.keys()

    assert {block.name for block in blocks()} - run - listed == set(), "no test runs these, and NOT_RUN lacks them"
    assert run & listed == set(), "a test runs these, so that NOT_RUN is wrong"


def test_what_is_listed_is_there() -> None:
    assert NOT_RUN.keys() <= {block.name for block in blocks()}
    named = re.findall(r"tests/[\w/.]+", " ".join([*RUN_WHOLE.values(), *NOT_RUN.values()]))
    assert [file for file in named if not (ROOT / file).is_file()] == []


def test_blocks_are_read_with_their_places_and_commands() -> None:
    text = """# Head

Prose, `src/a.py`:

```python
x = 1
```

  ```sh
  one   # said
  python - <<'END'
  two # stays
  END
  three 'a
  b' # gone
  ```
"""
    first, second = blocks_of(text, "doc")
    assert (first.name, first.place, first.text) == ("doc / Head / 1", "src/a.py", "x = 1\n")
    assert (second.name, second.place, second.language) == ("doc / Head / 2", "", "sh")
    assert second.commands == ["one", "python - <<'END'\ntwo # stays\nEND", "three 'a\nb' # gone"]
