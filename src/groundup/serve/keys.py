"""The bearer key of a server, and where it may listen.

A key comes from the environment variable `GROUNDUP_API_KEY`, else from the file `api_key` in the
data folder, which a server on loopback makes by itself. Only its owner can read that file.
"""

import errno
import ipaddress
import os
import secrets
import socket
from pathlib import Path

from groundup.core.errors import ConfigError, ResourceError

__all__ = ["ENVIRONMENT", "KEY_FILE", "choose_key", "is_loopback", "listen"]

ENVIRONMENT = "GROUNDUP_API_KEY"
KEY_FILE = "api_key"
MAX_PORT = 65535
BACKLOG = 2048  # connections that may wait, as in uvicorn
KEY_BYTES = 32  # 256 bits: no need of a slow hash


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def choose_key(*, host: str, data_dir: Path, no_auth: bool) -> str | None:
    """The key that clients must send, or None when any will do.

    Raises:
        ConfigError: A server that other machines reach would have no key.
    """
    if no_auth:
        if not is_loopback(host):
            raise ConfigError(
                f"--no-auth would let anyone who reaches {host} use the models",
                hint="drop --no-auth, or listen on 127.0.0.1",
            )
        return None
    file = data_dir / KEY_FILE
    key = os.environ.get(ENVIRONMENT, "").strip() or _read(file)
    if key:
        return key
    if not is_loopback(host):
        raise ConfigError(
            f"other machines reach {host}, and no key is set",
            hint=f"export {ENVIRONMENT}=... with a long random value, or write it to {file}",
        )
    return _create(file)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip() if file.exists() else ""


def _create(file: Path) -> str:
    key = f"sk-gu-{secrets.token_urlsafe(KEY_BYTES)}"
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    handle = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(f"{key}\n")
    partial.replace(file)
    return key


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises:
        ResourceError: The port is in use, or may not be opened.
        ConfigError: The host is no address of this machine, or the port is none.
    """
    if not 0 <= port <= MAX_PORT:
        raise ConfigError(
            f"cannot listen on port {port}: there is none", hint=f"choose one up to {MAX_PORT}"
        )
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error}", hint="try --host 127.0.0.1 --port 8000"
        ) from error
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(BACKLOG)  # from here on clients wait instead of being refused
    except OSError as error:
        bound.close()
        raise _bind_error(host, port, error) from error
    return bound


def _bind_error(host: str, port: int, error: OSError) -> ConfigError | ResourceError:
    if error.errno == errno.EADDRINUSE:
        return ResourceError(
            f"port {port} on {host} is in use",
            hint=f"choose another: --port {port + 1 if port < MAX_PORT else 8000}",
        )
    if error.errno == errno.EACCES:
        return ResourceError(
            f"no permission to open port {port}", hint="ports from 1024 on need none: --port 8000"
        )
    return ConfigError(
        f"cannot listen on {host}:{port}: {error.strerror}", hint="try --host 127.0.0.1"
    )
