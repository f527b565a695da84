"""Run the commands quoted in a page and put what they print under them.

    python docs/transcripts.py docs/tutorial/first-scene.md

In every ``console`` block below a line ``<!-- run -->`` the lines that start with ``$`` are run in
the folder of the checkout, and the lines under each are replaced by its output, stderr included.
Assignments hold until the end of the page. The page then shows a real run, whenever that was.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(?<=<!-- run -->\n)```console\n(.*?)```", re.DOTALL)
COLUMNS = 80
_ASSIGNMENT = re.compile(r"^\w+=\S+$")


def commands(block: str) -> list[str]:
    r"""Return the commands of a console block, continued lines joined.

    >>> commands("$ ls -l\nsome output\n$ pwd\n")
    ['ls -l', 'pwd']
    """
    found: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif line.startswith("> ") and found and found[-1].endswith("\\"):
            found[-1] += "\n" + line[2:]
    return found


def shown(command: str) -> str:
    """Return a command as it stands in a console block."""
    return "$ " + command.replace("\n", "\n> ")


def run(command: str, assignments: Sequence[str]) -> str:
    """Return what a command prints."""
    script = "\n".join([*assignments, command])
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": str(COLUMNS),
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command}\nended with exit code {done.returncode}:\n{done.stdout}")
    printed = done.stdout.replace(f"{ROOT}/", "")
    return "\n".join(line.rstrip() for line in printed.splitlines()).strip("\n")


def refreshed(page: str) -> str:
    """Return a page with the output of its commands as it is now."""
    assignments: list[str] = []

    def rerun(match: re.Match[str]) -> str:
        lines = []
        for command in commands(match[1]):
            lines.append(shown(command))
            if _ASSIGNMENT.match(command):
                assignments.append(command)
            elif printed := run(command, assignments):
                lines.append(printed)
        return "```console\n" + "\n".join(lines) + "\n```"

    return BLOCK.sub(rerun, page)


def main(pages: Sequence[str]) -> None:
    """Refresh pages in place."""
    for name in pages:
        path = Path(name)
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
