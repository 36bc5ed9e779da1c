"""The application, its start and its end."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from groundup import __version__
from groundup.core import console
from groundup.serve import chat, models
from groundup.serve.errors import install_handlers
from groundup.serve.gate import Gate
from groundup.serve.keys import KEY_FILE, choose_key, listen
from groundup.serve.models import Catalogue, ServedModel, open_served
from groundup.serve.worker import Worker

__all__ = ["create_app", "run_server"]

log = logging.getLogger(__name__)

GRACE_S = 30.0
IDLE_CONNECTION_S = 75  # longer than clients keep an idle connection, so that they close it first
CUT_MARGIN_S = 5


def create_app(
    served: Sequence[ServedModel], *, api_key: str | None, worker: Worker | None = None
) -> FastAPI:
    """The API over some models.

    Args:
        served: The models, loaded.
        api_key: The bearer key that clients must send, or None when any will do.
        worker: The thread that generates; made here unless given. It ends with the application.
    """
    thread = worker or Worker()

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(thread.stop)

    # No docs pages: they would load scripts from another server.
    app = FastAPI(
        title="groundup", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.add_middleware(Gate, api_key=api_key)
    install_handlers(app)
    catalogue = Catalogue(served)
    app.include_router(models.router(catalogue))
    app.include_router(chat.router(catalogue, thread))

    @app.get("/")
    async def root() -> dict[str, Any]:
        paths = ["/v1/models", "/v1/chat/completions", "/health", "/version", "/openapi.json"]
        return {"name": "groundup", "version": __version__, "paths": paths}

    @app.get("/version")
    async def version() -> dict[str, str]:
        return {"version": __version__}

    @app.get("/health", response_model=None)
    async def health() -> JSONResponse:
        status = "shutting down" if thread.draining else "ok"
        body = {"status": status, "running": thread.n_running, "waiting": thread.n_waiting}
        return JSONResponse(body, status_code=503 if thread.draining else 200)

    return app


class _Server(uvicorn.Server):
    """Ends orderly on a signal: streams get `GRACE_S` to finish, then an error event."""

    def __init__(self, config: uvicorn.Config, worker: Worker) -> None:
        super().__init__(config)
        self._worker = worker

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes nothing new, lets what runs finish, and cuts off what does not."""
        self._worker.drain()
        asyncio.get_running_loop().call_later(GRACE_S, self._worker.stop)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Like uvicorn's own, but a signal that was obeyed is not raised again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {n: signal.signal(n, self.handle_exit) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_server(
    run_paths: Sequence[Path],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    data_dir: Path,
    no_auth: bool = False,
    device: str = "auto",
) -> None:
    """Serves the models of some run directories until SIGINT or SIGTERM.

    Args:
        run_paths: Finished runs of pretrain, sft or grpo.
        host: Address to listen on; any but a loopback address needs a key that was set before.
        port: 0 takes any free one.
        data_dir: Where the key is kept.
        no_auth: Any key will do; loopback only.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        ConfigError: The address is not this machine's, or would be open to anyone.
        ResourceError: The port is in use.
        ArtifactError: A run is unfinished or damaged.
    """
    key = choose_key(host=host, data_dir=data_dir, no_auth=no_auth)
    with listen(host, port) as bound:
        served = [open_served(path, device=device) for path in run_paths]
        worker = Worker()
        app = create_app(served, api_key=key, worker=worker)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=IDLE_CONNECTION_S,
            timeout_graceful_shutdown=int(GRACE_S) + CUT_MARGIN_S,
        )
        _announce(bound, Catalogue(served), key, data_dir)
        _Server(config, worker).run(sockets=[bound])
    log.info("stopped")


def _announce(bound: socket.socket, catalogue: Catalogue, key: str | None, data_dir: Path) -> None:
    host, port = bound.getsockname()[:2]
    address = f"[{host}]" if ":" in host else host
    console.say(f"listening on http://{address}:{port}/v1")
    console.say(f"models: {', '.join(catalogue.names())}")
    if key is None:
        console.say("key: any (--no-auth)")
    elif (file := data_dir / KEY_FILE).exists() and file.read_text("utf-8").strip() == key:
        console.say(f"key: {key} (kept in {file})")
    else:
        console.say("key: as set in the environment")
