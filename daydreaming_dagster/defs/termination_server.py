"""Lets Dagster's pages terminate a run that another process executes."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc  # type: ignore[import-untyped]  # Dagster's own dependency, without types

# How Dagster's launcher asks the process of a run to end it; no public module says so.
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.__generated__.dagster_api_pb2 import CancelExecutionReply
from dagster._grpc.__generated__.dagster_api_pb2_grpc import (
    DagsterApiServicer,
    add_DagsterApiServicer_to_server,
)
from dagster._grpc.types import CancelExecutionResult
from dagster._serdes import serialize_value


@contextmanager
def confirming_termination() -> Iterator[Mapping[str, str]]:
    """Confirm requests to terminate the run of the block, which gets the tags for that run.

    To terminate a run, Dagster's default launcher sets the status of the run, and then asks the
    server that a tag of the run names. The status ends the run (`ending_when_terminated`). Without
    the server's reply, the pages say that the run cannot be terminated, although it ends. So a run
    goes on without tags if there is no place for the server's socket.
    """
    with ExitStack() as server:
        tags: dict[str, str] = {}
        # No room on the disk, or a path to temporary files that is longer than sockets may have.
        with suppress(OSError, RuntimeError):
            tags[GRPC_INFO_TAG] = json.dumps({"socket": server.enter_context(_server())})
        yield tags


@contextmanager
def _server() -> Iterator[str]:
    """Serve during the block, which gets the path of the socket."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=1) as thread:
        socket = str(Path(folder) / "run.sock")
        server = grpc.server(thread)
        add_DagsterApiServicer_to_server(_Confirming(), server)  # type: ignore[no-untyped-call]  # generated
        server.add_insecure_port(f"unix:{socket}")
        server.start()
        try:
            yield socket
        finally:
            server.stop(grace=None).wait()


class _Confirming(DagsterApiServicer):
    def CancelExecution(  # noqa: N802  # Dagster's name
        self,
        request: object,  # noqa: ARG002  gRPC passes both
        context: object,  # noqa: ARG002
    ) -> CancelExecutionReply:
        result = CancelExecutionResult(success=True, message=None, serializable_error_info=None)
        return CancelExecutionReply(serialized_cancel_execution_result=serialize_value(result))
