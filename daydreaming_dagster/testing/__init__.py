"""Contract tests for whoever writes an adapter of their own, and the cases they are made of.

Needs the extra `daydreaming-dagster[testing]`. `daydreaming_dagster.testing.stateful`, which
also needs hypothesis, is imported by name.
"""

import pytest

# Before the import below: what a failing assertion compared is shown for rewritten modules only.
pytest.register_assert_rewrite(
    "daydreaming_dagster.testing.cohort_store_contract",
    "daydreaming_dagster.testing.embedding_model_contract",
    "daydreaming_dagster.testing.gens_store",
    "daydreaming_dagster.testing.gens_store_contract",
    "daydreaming_dagster.testing.language_model_contract",
    "daydreaming_dagster.testing.loop_store_contract",
)

from daydreaming_dagster.testing.cohort_store_contract import (  # noqa: E402  see above
    CohortStoreContract,
)
from daydreaming_dagster.testing.embedding_model_contract import (  # noqa: E402
    EmbeddingModelContract,
)
from daydreaming_dagster.testing.gens_store_contract import (  # noqa: E402
    ClaimsContract,
    GensStoreContract,
    ReadOnlyGensStoreContract,
    TemplatesContract,
    VersionsContract,
)
from daydreaming_dagster.testing.language_model_contract import (  # noqa: E402
    LanguageModelContract,
)
from daydreaming_dagster.testing.loop_store_contract import (  # noqa: E402
    LoopStoreContract,
)

__all__ = [
    "ClaimsContract",
    "CohortStoreContract",
    "EmbeddingModelContract",
    "GensStoreContract",
    "LanguageModelContract",
    "LoopStoreContract",
    "ReadOnlyGensStoreContract",
    "TemplatesContract",
    "VersionsContract",
]
