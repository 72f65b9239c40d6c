"""What a stranger may have written: valid text that was changed, hostile values, and records with hostile paths."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from natsgen.transaction.hashes import digest_of

PATHS = (
    *("services/billing/src/x.py", "services/new/a.py", "services/billing/README.md", "compose/x.yml"),
    *("natsgen.toml", ".gitignore", ".github/workflows/services.yml", ".github", ".ci", "services", "compose"),
    *("services/new", "", ".git/hooks/pre-commit", ".git", ".GIT/config", "git~1/config", "services/.git/config"),
    *("services/.g\u200bit/x", "services/.git. /config", "services/.git:x", "vendor/hooks/pre-commit"),
    *("services/git/hooks/pre-commit", "services/out/precious.txt", "services/out/new", "services/dangling"),
    *("services/../../outside/precious.txt", "../outside/precious.txt", "/etc/passwd", "services/./../.git/config"),
    *("services//x", "services/a\0b", "~/x", "Makefile", ".natsgen/x", "services/" + "x" * 300),
    *("services/" + "y/" * 500 + "z", "services/\ud800", "\x1b[2J"),
)
STAGED = b"staged\n"
DIGEST = digest_of(STAGED)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["", "a.b", "\x1b]0;x\x07", "{{ 1 }}", "../../x", "9" * 5_000, 10**400, "\ud800", *PATHS[:20]]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
paths = st.sampled_from(PATHS) | st.text(max_size=10).map(lambda text: f"services/{text}")


@st.composite
def changed(draw: st.DrawFn, base: bytes, pieces: tuple[bytes, ...]) -> bytes:
    """A valid text in which up to five places were replaced by something else, or left out."""
    content = base
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 0, 0, 1, 3, 12, 60, 100_000]))
        content = content[:start] + draw(st.sampled_from(pieces) | st.binary(max_size=6)) + content[start + length :]
    return content


@st.composite
def records(draw: st.DrawFn, valid: Callable[[st.DrawFn], dict[str, Any]]) -> bytes:
    """A record of natsgen's own as JSON: as it would be with hostile paths, with one value changed, or broken."""
    document = valid(draw)
    if draw(st.booleans()):
        at: Any = document
        while isinstance(at, dict | list) and at and draw(st.booleans()):
            key = draw(st.sampled_from(sorted(at))) if isinstance(at, dict) else draw(st.integers(0, len(at) - 1))
            if not isinstance(at[key], dict | list) or draw(st.booleans()):
                at[key] = draw(values)
                break
            at = at[key]
        else:
            if isinstance(at, dict) and at:
                del at[draw(st.sampled_from(sorted(at)))]
    content = json.dumps(document).encode()
    return draw(st.just(content) | changed(content, JSON_PIECES)) if draw(st.booleans()) else content


def journal(draw: st.DrawFn) -> dict[str, Any]:
    moves = []
    for path in draw(st.lists(paths, max_size=4)):
        inside = draw(st.lists(st.sampled_from([".", ".", "x.py", "../x", ".git/config", "/etc/passwd"]), max_size=2))
        digests = {name: draw(st.sampled_from([DIGEST, DIGEST, "0" * 64, "x", ""])) for name in inside}
        moves.append({"path": path, "leaves": draw(st.booleans()), "digests": digests})
    return {"title": draw(st.sampled_from(["new worker billing", "\x1b[1mforged\nline", "x" * 10_000])), "moves": moves}


def unfinished(answers: str) -> Callable[[st.DrawFn], dict[str, Any]]:
    """Records of an unfinished update of a service with an answers file of that digest."""

    def valid(draw: st.DrawFn) -> dict[str, Any]:
        file = {"content": base64.b64encode(STAGED).decode(), "executable": draw(st.booleans())}
        there = draw(st.lists(paths, max_size=3))
        conflicts = [{"path": path, "why": "\x1bx", "has_markers": draw(st.booleans())} for path in there]
        files = {path: draw(st.sampled_from([file, None])) for path in draw(st.lists(paths, max_size=3))}
        known = {"service": "billing", "before": "v1", "after": "v2", "answers": answers}
        return {**known, "conflicts": conflicts, "files": files}

    return valid


COMMON = (
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\x1b[2J", b"\xed\xa0\x80", b"\xe2\x80\xae", b"9" * 5_000),
)
JSON_PIECES = (
    *COMMON,
    *(b"[" * 2_000, b"{}", b"null", b"NaN", b'"\\ud800"', b"1e999", b'"a":1,', b"../", b".git/"),
)
YAML_PIECES = (
    *COMMON,
    *(b"!!python/object/apply:os.system [id]", b"!include /etc/passwd", b"!!int y", b"!!binary x", b"<<: *a", b"&a "),
    *(b"*a", b"[" * 500, b"{", b"? ", b"- ", b": ", b"\n---\n", b"\n...\n", b"%YAML 9.9\n", b"{{ x }}", b"'", b'"'),
    *(b"|2\n", b"\n_src_path: ext::id\n", b"\n_commit: [v1]\n", b"\nservice_name: ../x\n"),
    *(b"\nhandlers: {a: {subject: [1]}}\n", b"\nlabels: &a {b: *a}\n", b"\nactions: 1\n", b"2024-02-30"),
    *(b"0x" + b"f" * 5_000, b"\t", b"#", b"~", b".nan"),
)
TOML_PIECES = (
    *COMMON,
    *(b"[defaults]\n", b"[[defaults]]\n", b"template = 1\n", b"a.b.c = 1\n", b'"""', b"'''", b"[" * 1_000, b"{a={"),
    *(b"}", b"= ", b"1979-05-27", b"inf", b"nan", b"1e400", b'"\\ud800"', b'"\\U00110000"', b"labels = {a = 1}\n"),
    *(b"python = 3", b'dedup = "x"\n', b'network = "\\n"\n', b'service_name = "x"\n', b'registry = "../x"\n'),
    *(b'template = "ext::id"\n',),
)
PYTHON_PIECES = (
    *COMMON,
    *(b"(" * 300, b"[" * 200 + b"]" * 200, b"lambda:" * 300, b"-" * 3_000 + b"1\n", b"1+" * 3_000 + b"1\n", b"f'{"),
    *(b'"""', b"# -*- coding: utf-16 -*-\n", b"# -*- coding: idna -*-\n", b"# coding: nowhere\n", b"\\\n", b"\\N{x}"),
    *(b"\t ", b"\x0c", b"@subscriber(*a, **b)\n", b"@subscriber()\n", b"@subscriber(f'{x}')\n"),
    *(b"@action(1, version='x')\n", b"@task(queue=1)", b"async def f(", b"class A:\n", b"match x:\n case "),
    *(b"import os; os.system('id')\n", b"from x import subscriber as y\n", b"subject=", b"'\\ud800'", b"'a.>.b'"),
    *(b"1e999", b"-1", b"None", b"b'x'", b"nonlocal x\n", b"return\n", b"yield", b"*"),
)
JINJA_PIECES = (
    *(b"{{ service_name }}", b"{{ '.git' }}", b"{{ '..' }}", b"{{ '/' }}", b"{{ 'x' * 99 }}", b"{{ x.y.z }}"),
    *(b"{{ 1/0 }}", b"{% include '/etc/passwd' %}", b"{% include '../../outside/precious.txt' %}"),
    *(b"{% extends 'x' %}", b"{% for x in", b"{% import 'os' as o %}", b"{{ ''.__class__.__mro__ }}"),
    *(b"{{ self.__init__.__globals__ }}", b"{{ range(10**9) }}", b"{{ '$HOME' | expandvars }}"),
    *(b"{{ '/*' | fileglob }}", b"{{ _copier_conf.dst_path }}", b"{% set a = a %}", b"{#"),
    *(b"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", b"{{ lipsum }}", b"{{ cycler.__init__ }}", b"{% raw %}"),
    *(b"%}", b"{{ [1] | map('expandvars') | join }}", b"{{ '%s' % 1 }}", b"{{ '{0.__class__}'.format(1) }}"),
    *(b"{{ now() }}", b"\0"),
)
NAMES = (
    *("plain.txt", "a.txt.jinja", "{{ service_name }}.txt", "{{ '.git' }}", "{{ '..' }}", "{{ '../' * 3 }}x.jinja"),
    *("{{ '/tmp/x' }}", "{% yield handler from handlers %}{{ handler }}.py{% endyield %}.jinja"),
    *("{% if x %}y{% endif %}", ".github", "hooks", "{{ 1/0 }}.jinja", "{{", "{{ '' }}", "{{ '.' }}"),
    *("{{ 'x' * 300 }}", "natsgen.toml", "CON", "a\nb", "{{ 'a\\0b' }}", "{{ '\\n' }}", "\u202e", "compose"),
    *("services", "{{ service_name }}", "{{ 'other' }}", "template"),
)
SETTINGS = (
    *("_tasks: [id]", "_external_data: {a: /etc/passwd}", "_envops: {block_start_string: '[['}"),
    *("_envops: {loader: x}", "_subdirectory: ..", "_subdirectory: '{{ x }}'", "_templates_suffix: ''"),
    *("_answers_file: ../x", "_exclude: ['*']", "x: {type: yaml, default: '{{ handlers }}'}"),
    *("x: {type: str, default: '{{ 1/0 }}'}", "x: !include y", "x: [", "_skip: 1", "_answers_file: /tmp/x"),
    *("_message_after_copy: '{{ 1/0 }}'", "_min_copier_version: '99'", "_secret_questions: [x]", "1: 2"),
    *("x: {type: path, validator: '{{ x.y }}'}", "handlers: {type: yaml, when: '{{ a.b }}'}"),
    *("_preserve_symlinks: true", "&a"),
)


@st.composite
def templates(draw: st.DrawFn) -> tuple[dict[str, bytes], dict[str, str], list[str]]:
    """Files of a template by path, links in it by path, and lines of its settings."""
    parts = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)
    roots = st.sampled_from(["template/services/{{ service_name }}", "template/compose", "template", "includes", "."])
    files, links = {}, {}
    for _ in range(draw(st.integers(0, 3))):
        path = "/".join([draw(roots), *draw(parts)])
        if draw(st.integers(0, 6)) == 0:
            links[path] = draw(st.sampled_from(["/etc/passwd", "../../../outside/precious.txt", ".", "/dev/zero", "x"]))
        else:
            files[path] = draw(changed(b"first line\n", JINJA_PIECES))
    return files, links, draw(st.lists(st.sampled_from(SETTINGS), max_size=2))
