"""How many mutants the fast tests kill: `python -m benchmarks.mutants [SAMPLE]`.

mutmut changes one thing in the code at a time and runs the tests that come there. It works in
`.mutants`, a copy of the files under version control as they are now, so that no mutant is ever in
the checkout. SAMPLE is how many of the mutants are tried (default: 1000), or `all`; they are drawn
at random, always the same. docs/development/mutants.md has the figures.
"""
# ruff: noqa: INP001, T201, S311, S603  a program to be run by hand

import json
import math
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
COPY: Final = ROOT / ".mutants"
SEED: Final = 0

# What mutmut writes down of a mutant: the exit code of pytest, or of its own end of waiting.
_OUTCOMES: Final = {0: "survived", 1: "killed", 3: "killed", 33: "no tests"}
_TIMED_OUT: Final = {-24, 24, 36, 152, 255}


def mutmut(*arguments: str) -> None:
    """Run a command of mutmut in the copy."""
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    with (COPY / "mutmut.log").open("a") as log:
        subprocess.run(command, cwd=COPY, check=True, stdout=log, stderr=log)


def copy_tree() -> None:
    """Make the copy anew."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)  # noqa: S607
    for name in listed.stdout.decode().split("\0")[:-1]:
        if (ROOT / name).exists():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, COPY / name)


def outcomes() -> dict[str, str | None]:
    """Return what became of each mutant, None for those that were not tried."""
    found: dict[str, str | None] = {}
    for file in sorted((COPY / "mutants").rglob("*.meta")):
        for name, code in json.loads(file.read_text())["exit_code_by_key"].items():
            outcome = "timed out" if code in _TIMED_OUT else _OUTCOMES.get(code, f"code {code}")
            found[name] = None if code is None else outcome
    return found


def main() -> None:
    """Try the sample, and print what survived and the share that did not."""
    size = sys.argv[1] if len(sys.argv) > 1 else "1000"
    copy_tree()
    # Makes all the mutants and finds the tests of each, though it tries one alone.
    mutmut("run", "*.ids.x_check_stage__mutmut_1")
    names = sorted(outcomes())
    if size != "all":
        names = random.Random(SEED).sample(names, min(int(size), len(names)))
    mutmut("run", "--max-children", "2", *names)
    found = outcomes()
    tried = Counter(found[name] for name in names)
    for name in sorted(names):
        if found[name] not in ("killed", "timed out"):
            print(f"{found[name]}: {name}")
    killed = tried["killed"] + tried["timed out"]
    share = killed / len(names)
    error = 1.96 * math.sqrt(share * (1 - share) / len(names)) if len(names) < len(found) else 0.0
    print(f"{len(names)} of {len(found)} mutants tried, seed {SEED}: {dict(tried)}")
    print(f"killed: {share:.1%} ± {error:.1%}; see one: cd .mutants && mutmut show NAME")


if __name__ == "__main__":
    main()
