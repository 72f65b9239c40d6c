"""How long natsgen's commands take, measured as a person waits for them: whole processes, one after the other.

What two things take is compared within one run, in rounds that take turns, because the machine's speed changes from
minute to minute and a ratio of neighbours does not. `python benchmarks/tool.py --rounds 5` is quicker and less certain.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROUNDS = 15
HANDLERS, SERVICES = 50, 100
EMPTY_TYPER = """
import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def nothing() -> None:
    pass


app()
"""

Command = Sequence[str | Path]


def nothing_to_restore() -> None:
    """After a command that changes nothing."""


@dataclass(frozen=True)
class Measured:
    """A command that is measured.

    Attributes:
        name: as the table shows it.
        command: what is run.
        folder: where.
        restore: puts back what the command changed, outside of the measured time.
        seconds: what each run took.
    """

    name: str
    command: Command
    folder: Path
    restore: Callable[[], None] = nothing_to_restore
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def run(self) -> None:
        """Runs the command once and takes the time."""
        began = time.perf_counter()
        execute(self.command, self.folder)
        self.seconds.append(time.perf_counter() - began)
        self.restore()


def main() -> int:
    """Measures everything and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each command is run (default {ROUNDS})")
    rounds = max(1, parser.parse_args().rounds)
    with tempfile.TemporaryDirectory(prefix="natsgen-bench-") as folder:
        measured, ratios = prepare(Path(folder))
        for number in range(-1, rounds):  # the first round only warms up: bytecode, the disk's cache
            for one in measured:
                one.run()
            if number < 0:
                for one in measured:
                    one.seconds.clear()
            show_progress(number + 1, rounds)
    print_table(measured, ratios, rounds)
    return 0


def prepare(folder: Path) -> tuple[list[Measured], list[tuple[str, Measured, Measured]]]:
    """Makes the workspaces, and says what is measured in them and what is compared."""
    one_handler, one_service = make_service(folder / "one"), folder / "one"
    many_handlers = make_service(folder / "many-handlers")
    for number in range(1, HANDLERS):
        add(many_handlers, f"orders.item.event{number}")
    many_services = folder / "many-services"
    for number in range(SERVICES):
        copy_service(one_handler, many_services / "services" / f"billing-{number}")
    empty = folder / "empty"
    empty.mkdir()
    (folder / "nothing.py").write_text(EMPTY_TYPER)

    adding = natsgen("add-handler", "billing", "orders.order.cancelled")
    first = Measured("add-handler, to 1 handler", adding, one_service, lambda: forget_added(one_handler))
    fiftieth = Measured(
        f"add-handler, to {HANDLERS} handlers", adding, folder / "many-handlers", lambda: forget_added(many_handlers)
    )
    new = Measured(
        "new worker",
        natsgen("new", "worker", "billing", "--subject", "orders.order.created", "--workspace", "."),
        empty,
        lambda: forget_all(empty),
    )
    list_one = Measured("list, 1 service", natsgen("list"), one_service)
    list_many = Measured(f"list, {SERVICES} services", natsgen("list"), many_services)
    list_handlers = Measured(f"list, 1 service of {HANDLERS} handlers", natsgen("list"), folder / "many-handlers")
    show_help = Measured("natsgen --help", natsgen("--help"), empty)
    nothing = Measured("a Typer program that does nothing", [sys.executable, folder / "nothing.py", "--help"], empty)
    ratios = [
        (f"add-handler to {HANDLERS} handlers / to 1", fiftieth, first),
        ("add-handler / new worker", first, new),
        (f"list of {SERVICES} services / of 1", list_many, list_one),
        (f"list of {HANDLERS} handlers / of 1", list_handlers, list_one),
        ("natsgen --help / an empty Typer program", show_help, nothing),
    ]
    return [first, fiftieth, new, list_one, list_many, list_handlers, show_help, nothing], ratios


def natsgen(*arguments: str) -> Command:
    """The command line of natsgen as this Python has it."""
    return [sys.executable, "-m", "natsgen", *arguments]


def execute(command: Command, folder: Path) -> None:
    completed = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if completed.returncode:
        raise SystemExit(
            f"{' '.join(map(str, command))} in {folder} ended with {completed.returncode}:\n{completed.stderr}"
        )


def make_service(workspace: Path) -> Path:
    """A workspace with the service `billing`, which has one handler; returns the service's folder."""
    workspace.mkdir()
    execute(natsgen("new", "worker", "billing", "--subject", "orders.order.created", "--workspace", "."), workspace)
    return workspace / "services" / "billing"


def add(service: Path, subject: str) -> None:
    execute(natsgen("add-handler", service.name, subject), service.parents[1])


def copy_service(service: Path, target: Path) -> None:
    """The same service under another name, which takes less time than making it."""
    shutil.copytree(service, target)
    answers = target / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("service_name: billing", f"service_name: {target.name}"))


def forget_added(service: Path) -> None:
    """Takes back what the measured add-handler made."""
    (service / "src/domain/handlers/order_cancelled_handler.py").unlink()
    (service / "tests/handlers/test_order_cancelled_handler.py").unlink()


def forget_all(workspace: Path) -> None:
    for entry in workspace.iterdir():
        shutil.rmtree(entry)


def show_progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\rround {done} of {of}", end="\n" if done == of else "", file=sys.stderr, flush=True)


def print_table(measured: Sequence[Measured], ratios: Sequence[tuple[str, Measured, Measured]], rounds: int) -> None:
    width = max(len(name) for name in [*(one.name for one in measured), *(name for name, _, _ in ratios)])
    print(f"{f'milliseconds, {rounds} rounds':{width}}  median   least    most")
    for one in measured:
        numbers = (one.median, min(one.seconds), max(one.seconds))
        print(f"{one.name:{width}}" + "".join(f"{number * 1000:8.0f}" for number in numbers))
    print()
    print(f"{'ratio within a round':{width}}  median   least    most")
    for name, one, other in ratios:
        each = [mine / theirs for mine, theirs in zip(one.seconds, other.seconds, strict=True)]
        numbers = (statistics.median(each), min(each), max(each))
        print(f"{name:{width}}" + "".join(f"{number:8.2f}" for number in numbers))


if __name__ == "__main__":
    raise SystemExit(main())
