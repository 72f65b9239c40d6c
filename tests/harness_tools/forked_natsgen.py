"""Commands of natsgen, each in a process of its own that has everything imported: it is a fork of one that waits.

Importing natsgen and Copier takes longer than most commands, and tests run hundreds.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

SECONDS = 300.0  # for one command

PROGRAM = """
import importlib, json, os, pkgutil, sys, traceback
import copier, natsgen
from natsgen.cli import main

for package in ("answers", "rendering", "services", "transaction", "update"):
    for module in pkgutil.iter_modules([os.path.join(natsgen.__path__[0], package)], f"natsgen.{package}."):
        importlib.import_module(module.name)

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        for number, path in enumerate((os.devnull, asked["out"], asked["err"])):
            os.dup2(os.open(path, os.O_RDWR), number)
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["env"])
        try:
            code = main(asked["arguments"])
        except BaseException:
            traceback.print_exc()
            code = 1
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class ForkedNatsgen:
    """A process with the natsgen below a folder imported.

    Args:
        root: the folder, which is on its PYTHONPATH.
        environment: the variables that it starts with.
    """

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=root,
            env={**environment, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._one_at_a_time = threading.Lock()
        assert self._process.stdin
        weakref.finalize(self, self._process.stdin.close)  # at which it ends

    def run(self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs one command in a folder, with these variables and nothing on standard input.

        Raises:
            TimeoutExpired: it took longer than five minutes.
        """
        assert self._process.stdin
        assert self._process.stdout
        with self._one_at_a_time, tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            for file in (out, err):
                file.touch()
            asked = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env), "out": str(out), "err": str(err)}
            self._process.stdin.write(f"{json.dumps(asked)}\n")
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], SECONDS)[0]:
                self._process.kill()
                raise subprocess.TimeoutExpired(list(arguments), SECONDS, out.read_bytes(), err.read_bytes())
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(list(arguments), code, out.read_text(), err.read_text())
