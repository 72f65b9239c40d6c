"""What a worker's process runs in, for rows that change it: its memory, its output, its clock."""

from __future__ import annotations

import os
import re
import signal
import struct
from dataclasses import dataclass
from pathlib import Path

from natsgen.harness.commands import run


@dataclass(frozen=True)
class Surroundings:
    """What a process gets that the machine would not give it by itself.

    Attributes:
        memory: MiB of data that it may have (RLIMIT_DATA, no less strict than a limit of resident memory); None: any.
        piped: whether its output goes through a pipe to a process that copies it, which `block` stops.
        clock: whether `shift` moves its wall clock.
    """

    memory: int | None = None
    piped: bool = False
    clock: bool = False

    def launcher(self, python: Path, folder: Path) -> Path:
        """Return a program to start instead of `python`; it becomes that process, and keeps its files in `folder`."""
        lines = ["#!/bin/bash"]
        if self.memory:
            lines.append(f"ulimit -d {self.memory * 1024}")
        if self.piped:
            lines += ["exec > >(exec cat)", f'echo $! > "{folder}/$HOSTNAME.reader"']
        if self.clock:
            (folder / "clock.c").write_text(CLOCK)
            run(["cc", "-shared", "-fPIC", "-O2", "-o", "clock.so", "clock.c", "-ldl"], limit=60, folder=folder)
            file = f"{folder}/$HOSTNAME.clock"
            lines.append(f'[ -e "{file}" ] || head -c 8 /dev/zero > "{file}"')
            lines.append(f'export CHAOS_CLOCK="{file}" LD_PRELOAD="{folder}/clock.so"')
        program = folder / "launch"
        program.write_text("\n".join([*lines, f'exec "{python}" "$@"', ""]))
        program.chmod(0o755)
        return program


def block(folder: Path, name: str) -> None:
    """From now on nobody reads the output of the worker `name`."""
    os.kill(int((folder / f"{name}.reader").read_text()), signal.SIGSTOP)


def unblock(folder: Path, name: str) -> None:
    """Its output is read again."""
    os.kill(int((folder / f"{name}.reader").read_text()), signal.SIGCONT)


def shift(folder: Path, name: str, seconds: int) -> None:
    """The wall clock of the worker `name` is off by so many seconds from now on."""
    with (folder / f"{name}.clock").open("r+b") as file:
        file.write(struct.pack("q", seconds))


def peak_memory(pid: int) -> float:
    """The most memory that a process has had resident, in MiB."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, "Linux says it"
    return int(found[1]) / 1024


CLOCK = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile int64_t *offset; /* seconds, in the file that CHAOS_CLOCK names */
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("CHAOS_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *at = file < 0 ? MAP_FAILED : mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (at != MAP_FAILED) offset = at;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""
