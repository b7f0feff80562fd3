"""Whether models can be called, before the first call."""

from collections.abc import Collection

from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.ports.embedding_model import EmbeddingModel
from daydreaming_dagster.ports.language_model import LanguageModel, ModelKey


def check_models(model: LanguageModel | EmbeddingModel, called: Collection[ModelKey]) -> None:
    """Check that these models can be called as they are set up. Sends nothing.

    Raises:
        CatalogError: One cannot. Lists every problem.
    """
    if problems := model.check(called):
        raise CatalogError("the set-up of the models", tuple(problems))


def check_prices(unpriced: Collection[str]) -> None:
    """Check that a limit of cost can be kept; `unpriced` are the called models without a price.

    Raises:
        CatalogError: There are some.
    """
    if unpriced:
        names = ", ".join(unpriced)
        problem = (
            f"a limit of cost needs a price for {names}; fill in prompt_price and completion_price"
        )
        raise CatalogError("the model catalog", (problem,))
