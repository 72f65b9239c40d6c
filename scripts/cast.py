"""Draws the picture of the README, `docs/cast.svg`, from a real run: `python -m scripts.cast`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

from natsgen.harness.processes import ManagedProcess
from natsgen.harness.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 104
LINE, CHARACTER = 20, 8.43  # pixels
READY_SECONDS = 180.0  # the first run installs the service's requirements
HANDLER = "services/billing/src/domain/handlers/order_created_handler.py"
STYLE = """
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre; fill: #24292f; }
  rect { fill: #f6f8fa; stroke: #d0d7de; }
  .typed { font-weight: 600; } .good { fill: #1a7f37; } .bad { fill: #cf222e; }
  .step { opacity: 0.3; animation: show 0.3s forwards; }
  @keyframes show { to { opacity: 1; } }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } rect { fill: #161b22; stroke: #30363d; }
    .good { fill: #3fb950; } .bad { fill: #f85149; }
  }
  @media (prefers-reduced-motion: reduce) { .step { opacity: 1; animation: none; } }
"""


@dataclass(frozen=True)
class Line:
    """A line of the picture.

    Attributes:
        text: the line.
        look: a class of the style; empty for plain text.
        at: seconds until it appears.
    """

    text: str
    look: str
    at: float


class Screen:
    """What the terminal shows, and when."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._now = 0.3

    def typed(self, command: str) -> None:
        """Show a command."""
        if self.lines:
            self.lines.append(Line("", "", self._now))
        self._now += 0.6
        self.lines.append(Line(f"$ {command}", "typed", self._now))
        self._now += 0.8

    def printed(self, text: str, most: int = 100) -> None:
        """Show output, of which long lines and what is beyond `most` lines are cut."""
        lines = text.rstrip().splitlines()
        for line in lines[:most] + (["  ..."] if len(lines) > most else []):
            look = (
                "bad"
                if "dead letter  " in line
                else "good"
                if "invoice written  " in line or "is ready" in line
                else ""
            )
            self.lines.append(Line(line if len(line) <= COLUMNS else line[: COLUMNS - 3] + "...", look, self._now))
            self._now += 0.15

    def drawn(self) -> str:
        """Return the picture."""
        width, height = round(COLUMNS * CHARACTER + 40), len(self.lines) * LINE + 40
        rows = "".join(
            f'<text class="step {line.look}" style="animation-delay: {line.at:.1f}s" x="20" y="{35 + number * LINE}">'
            f"{escape(line.text, quote=False)}</text>\n"
            for number, line in enumerate(self.lines)
            if line.text
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
            f"<title>A worker, from its creation to a dead letter</title>\n<style>{STYLE}</style>\n"
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>\n{rows}</svg>\n'
        )


def main() -> None:
    """Run the commands in a scratch workspace, and draw what they print."""
    screen = Screen()
    with tempfile.TemporaryDirectory() as folder:
        play(screen, Path(folder) / "shop")
    (ROOT / "docs" / "cast.svg").write_text(screen.drawn(), encoding="utf-8")


def play(screen: Screen, shop: Path) -> None:
    """Type the commands of the quick start in a workspace."""
    shop.mkdir()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"}

    def run(command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command], cwd=shop, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def type_it(command: str, most: int = 100) -> None:
        screen.typed(command)
        screen.printed(run(command).replace(str(shop), "~/shop"), most)

    type_it("natsgen new worker billing --subject orders.order.created", most=4)
    (shop / HANDLER).write_text(handler_of_the_readme())
    type_it(f"tail -5 {HANDLER}")
    command = [sys.executable, "-m", "natsgen", "dev", "--no-ui"]
    with ManagedProcess(command, name="dev", log_folder=shop.parent, environment=environment, folder=shop) as dev:
        screen.typed("natsgen dev &")
        screen.printed("\n".join(said(dev, "billing is ready", "JetStream runs|billing is ready", READY_SECONDS)))
        for total, word in ((40, "invoice written"), (-1, "dead letter")):
            type_it(f"""natsgen publish billing order_created --data '{{"total": {total}}}'""")
            screen.printed("\n".join(said(dev, word, word)))
        type_it("natsgen dlq list")


def said(dev: ManagedProcess, awaited: str, shown: str, limit: float = 20.0) -> list[str]:
    """Wait until `natsgen dev` prints something, and return the lines to show, without the time and what follows."""
    wait_until(lambda: any(awaited in line for line in dev.lines()), limit=limit, what=awaited, alive=dev.check_alive)
    return [
        re.sub(r"(; streams are deleted| +(correlation_id|url)=).*", "", line)
        for line in dev.lines()
        if re.search(shown, line)
    ]


def handler_of_the_readme() -> str:
    """Return the handler that the quick start shows."""
    found = re.search(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return found[1]


if __name__ == "__main__":
    main()
