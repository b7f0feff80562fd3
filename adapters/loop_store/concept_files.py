"""Reads the concepts that loops accepted."""

from pathlib import PurePosixPath

from adapters.root_files.layout import LAYOUT
from adapters.root_files.text import read_text
from daydreaming_dagster.data_layer.paths import DESCRIPTIONS_PREFIX
from daydreaming_dagster.domain.catalog import ConceptEntry
from daydreaming_dagster.domain.loop.concepts import make_concept
from daydreaming_dagster.ports.errors import StorageUnavailableError, UnsafePathError
from daydreaming_dagster.ports.ids import is_id
from daydreaming_dagster.ports.root_files import RootFiles


def read_accepted_concepts(files: RootFiles, problems: list[str]) -> dict[str, ConceptEntry]:
    """Return the concepts of all loops by id; note files that cannot be read in `problems`.

    A text that two loops accepted is one concept, with the levels of both.
    """
    concepts: dict[str, ConceptEntry] = {}
    pattern = LAYOUT.loops_dir / f"*/concepts/{DESCRIPTIONS_PREFIX}*/*.txt"
    for path in map(PurePosixPath, files.find(pattern.as_posix())):
        if not is_id(path.stem):  # a write that was interrupted
            continue
        level = path.parent.name.removeprefix(DESCRIPTIONS_PREFIX)
        try:
            text = read_text(files, path)
        except StorageUnavailableError:
            raise
        except (OSError, UnicodeDecodeError, UnsafePathError) as error:
            problems.append(f"{files.locate(str(path))}: {error}")
            continue
        concept = make_concept(path.stem, level, text)
        if path.stem in concepts:
            descriptions = {**concepts[path.stem].descriptions, **concept.descriptions}
            concept = ConceptEntry(path.stem, concept.name, descriptions, accepted=True)
        concepts[path.stem] = concept
    return concepts
