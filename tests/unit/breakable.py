"""Every command that writes, made small, and the file operations in it made to fail: for test_fault_injection.py.

Run as a program, it kills a command before each of its file operations in turn, and prints what the next command finds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from natsgen.answers import answers, questions
from natsgen.answers.given_answers import GivenAnswers
from natsgen.files import tree
from natsgen.files.tree import File, Tree
from natsgen.files.workspace import Workspace
from natsgen.parts import packages
from natsgen.parts.actions import Action
from natsgen.parts.handlers import HANDLERS, Handler
from natsgen.parts.routes import Route
from natsgen.rendering import render, template_source
from natsgen.services import create, edit, init_workspace
from natsgen.services.edit import ServiceTarget
from natsgen.services.writer import Writer
from natsgen.transaction import transaction
from natsgen.transaction.change import change_between

OPERATIONS = ("open", "write", "fsync", "rename", "link", "unlink", "mkdir", "rmdir", "chmod")
Snapshot = dict[str, tuple[str, int]]

TEMPLATE = template_source.bundled()
QUESTIONS = questions.read(TEMPLATE.folder)
BILLING = GivenAnswers.of({"service_name": "billing", "handlers": {"order_created": "orders.order.created"}}, {})
PAID = Handler("order_paid", "orders.order.paid", durable="archive", concurrency=3)
HANDLER_FILES = ("src/domain/handlers/order_created_handler.py", "tests/handlers/test_order_created_handler.py")

# Enough of a worker to have every kind of step in it; all of its files would only take longer.
KEPT_FILES = (
    *(".copier-answers.yml", "src/main.py", "src/domain/handlers/__init__.py"),
    *HANDLER_FILES,
)


@dataclass(frozen=True)
class Command:
    """A command to break: what is there before it, and how it is run."""

    prepare: Callable[[Workspace], None]
    run: Callable[[Workspace], object]


def worker_tree(workspace: Workspace) -> Tree:
    """A worker of a few files."""
    data = answers.complete(BILLING, QUESTIONS, workspace.root).as_data()
    wanted = {PurePosixPath("services/billing", path) for path in KEPT_FILES} | {PurePosixPath("compose/billing.yml")}
    return {path: file for path, file in render.render(TEMPLATE, data).items() if path in wanted}


def rendered(worker: Tree) -> Callable[..., Tree]:
    """What renders in the place of Copier: the worker, and one file of the packages that an action needs."""
    marker = PurePosixPath("services/billing", packages.BY_NAME["actions"].marker)

    def render(
        _template: object, _data: object, _name: str = "", with_packages: Collection[str] = (), *_: object
    ) -> Tree:
        return {**worker, marker: File(b"")} if "actions" in with_packages else worker

    return render


def put(workspace: Workspace, files: Tree) -> None:
    for path, file in files.items():
        (workspace.root / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / path).write_bytes(file.content)


def as_gateway(worker: Tree) -> Tree:
    """The same files, with answers that have a framework in them."""
    path = PurePosixPath("services/billing/.copier-answers.yml")
    content = worker[path].content.replace(b"framework: none", b"framework: fastapi")
    assert content != worker[path].content
    return {**worker, path: File(content)}


def new_worker(workspace: Workspace) -> None:
    wanted = answers.complete(BILLING, QUESTIONS, workspace.root)
    create.new_service(Writer(workspace, False, str), TEMPLATE, QUESTIONS, wanted)


def site(workspace: Workspace) -> ServiceTarget:
    return ServiceTarget(workspace, False, str, TEMPLATE, QUESTIONS, "billing")


def add_handler(workspace: Workspace) -> None:
    edit.add(site(workspace), PAID)


def add_action(workspace: Workspace) -> None:
    quote = Action("quote", "quote", version=2)
    edit.add(site(workspace), quote)


def add_route(workspace: Workspace) -> None:
    pay = Route("pay", "POST", "/pay/{order}", publish="orders.order.paid")
    edit.add(site(workspace), pay)


def remove_handler(workspace: Workspace) -> None:
    edit.remove(site(workspace), HANDLERS, "order-created", force=False)


def update(workspace: Workspace) -> None:
    """What an update writes: files that are replaced, that go with their folder, and that come with one."""
    service = PurePosixPath("services/billing")
    wanted: dict[PurePosixPath, File | None] = {
        service / ".copier-answers.yml": File(b"newer\n"),
        service / "src/main.py": File(b"newer\n", executable=True),
        service / "src/actions/action.py": None,
        service / "src/web/page.py": File(b"new\n"),
        PurePosixPath("compose/billing.yml"): File(b"newer\n"),
    }
    with transaction.session(workspace, str):
        change = change_between(tree.read_files(workspace, wanted), wanted)
        transaction.check(workspace, change)
        transaction.apply(workspace, change, "update billing to v2.0.0")


def init(workspace: Workspace) -> None:
    init_workspace.init_workspace(Writer(workspace, False, str), QUESTIONS)


def commands(worker: Tree) -> dict[str, Command]:
    """The commands by their name; `worker` is what `worker_tree` returned."""
    without_tests = {path: file for path, file in worker.items() if "tests" not in path.parts}
    gitignore = {PurePosixPath(".gitignore"): File(b"mine\n.venv")}
    return {
        "new worker": Command(lambda workspace: put(workspace, gitignore), new_worker),
        "add-handler": Command(lambda workspace: put(workspace, without_tests), add_handler),
        "add-action": Command(lambda workspace: put(workspace, without_tests), add_action),
        "add-route": Command(lambda workspace: put(workspace, as_gateway(without_tests)), add_route),
        "remove-handler": Command(lambda workspace: put(workspace, worker), remove_handler),
        "update": Command(lambda workspace: put(workspace, worker), update),
        "init": Command(lambda workspace: put(workspace, gitignore), init),
    }


@contextmanager
def counted(at: Callable[[int], None]) -> Iterator[list[str]]:
    """Calls `at` with the number, from 1, of each file operation before it is done; yields the operations."""
    done: list[str] = []
    originals = {name: getattr(os, name) for name in OPERATIONS}

    def wrapped(name: str) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            done.append(name)
            at(len(done))
            return originals[name](*arguments, **options)

        return call

    for name in OPERATIONS:
        setattr(os, name, wrapped(name))
    try:
        yield done
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def recover(workspace: Workspace) -> None:
    """What the next command does first."""
    with transaction.session(workspace, str):
        pass


def snapshot(folder: Path) -> Snapshot:
    """Everything in a folder: folders, files with their content, and all modes."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes().decode() if path.is_file() else "(folder)",
            stat.S_IMODE(path.lstat().st_mode),
        )
        for path in sorted(folder.rglob("*"))
    }


def fresh_copy(prepared: Path, number: int) -> Workspace:
    folder = prepared.parent / "copies" / str(number) / "shop"
    shutil.copytree(prepared, folder)
    return Workspace(folder)


def kill_each(name: str, prepared: Path, worker: Tree) -> list[Snapshot]:
    """What is found after the command was killed at each of its operations, and another one followed."""
    command, found, number = commands(worker)[name], [], 0
    command.run(fresh_copy(prepared, -1))  # imports for all of them what it needs
    while True:
        number += 1
        copy = fresh_copy(prepared, number)
        if not _killed(command, copy, number):
            return found
        recover(copy)
        found.append(snapshot(copy.root))


def _killed(command: Command, workspace: Workspace, number: int) -> bool:
    child = os.fork()
    if child == 0:
        with counted(lambda done: os.kill(os.getpid(), signal.SIGKILL) if done == number else None):
            command.run(workspace)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    assert os.WEXITSTATUS(status) == 0
    return False


def main() -> None:
    name, prepared = sys.argv[1], Path(sys.argv[2])
    os.fsync = lambda _: None  # type: ignore[assignment] # no copy outlives the machine's power
    worker = worker_tree(Workspace(prepared))
    render.render = rendered(worker)
    json.dump(kill_each(name, prepared, worker), sys.stdout)


if __name__ == "__main__":
    main()
