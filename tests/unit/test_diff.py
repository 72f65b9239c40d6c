from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natsgen.files import tree
from natsgen.files.tree import File, Tree
from natsgen.transaction import diff

PATHS = st.sampled_from([PurePosixPath(path) for path in ("a.txt", "dir/b.py", "dir/sub/c")])
TEXTS = st.text(alphabet=st.sampled_from("ab\n\f\r\u2028é"), max_size=12)
TREES = st.dictionaries(PATHS, st.builds(lambda text, run: File(text.encode(), run), TEXTS, st.booleans()))


def test_equal_trees_have_no_diff() -> None:
    same: Tree = {PurePosixPath("a"): File(b"x\n")}
    assert diff.unified(same, same) == ""


def test_a_new_file_is_shown_whole() -> None:
    assert diff.unified({}, {PurePosixPath("a/b.txt"): File(b"one\ntwo\n")}) == (
        "diff --git a/a/b.txt b/a/b.txt\nnew file mode 100644\n"
        "--- /dev/null\n+++ b/a/b.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n"
    )


def test_what_is_not_text_is_named_only() -> None:
    assert "Binary files" in diff.unified({}, {PurePosixPath("a"): File(b"\xff\x00")})


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=TREES, after=TREES)
def test_git_apply_makes_of_one_tree_the_other(
    before: Tree, after: Tree, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    for path, file in before.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(0o755 if file.executable else 0o644)
    patch = diff.unified(before, after)
    if patch:
        _git_apply(folder, patch)
    assert tree.read(folder) == dict(sorted(after.items()))


def _git_apply(folder: Path, patch: str) -> None:
    command = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"]
    subprocess.run(
        command,
        cwd=folder,
        input=patch.encode(),
        check=True,
        env={"GIT_CEILING_DIRECTORIES": str(folder.parent), "PATH": "/usr/bin:/bin:/usr/local/bin"},
    )
