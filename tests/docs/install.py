"""Make a project's entry points known as `pip install` does, without pip: see test_documentation.

Usage: python install.py <folder of the project> <folder on PYTHONPATH>
"""

import shutil
import sys
import tomllib
from pathlib import Path

source, site = map(Path, sys.argv[1:])
project = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))["project"]
information = site / f"{project['name']}-{project['version']}.dist-info"
information.mkdir(parents=True)
(information / "METADATA").write_text(
    f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", "utf-8"
)
groups = [
    "\n".join((f"[{group}]", *(f"{name} = {place}" for name, place in named.items())))
    for group, named in project["entry-points"].items()
]
(information / "entry_points.txt").write_text("\n".join(groups), "utf-8")
for module in source.glob("*.py"):
    shutil.copy(module, site)
