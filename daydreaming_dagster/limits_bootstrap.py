"""Opens what keeps limits that several processes share."""

from daydreaming_dagster.bootstrap import DataRoot
from daydreaming_dagster.domain.generation.ledger import Ledger


def open_ledger(root: DataRoot, run_id: str) -> Ledger:
    """Return the ledger of a run, which all its processes open by the same `run_id`.

    Raises:
        SetupError: The data root does not consist of files.
        InvalidIdError: The run_id is not a safe name.
    """
    from adapters.root_files.layout import LAYOUT

    return Ledger(root.written_files(), LAYOUT.run_ledger_json(run_id).as_posix())


def run_ids_of_ledgers(root: DataRoot) -> list[str]:
    """Return the ids of the runs that have a ledger; none if the root does not consist of files."""
    from adapters.root_files.layout import LAYOUT

    if root.files is None:
        return []
    names = root.files.find((LAYOUT.ledgers_dir / "*" / "ledger.json").as_posix())
    return [name.split("/")[-2] for name in names]
