"""From here to the program: nothing between, a real sshd on loopback, or tmux."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from browsing.session import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Way = Callable[[Sequence[str]], list[str]]

_SSHD: Final = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
"""
_TMUX: Final = """\
set -g status off
set -g allow-passthrough on
set -s escape-time 0
set -g default-terminal tmux-256color
set -as terminal-features ",*:RGB"
"""


@contextmanager
def direct() -> Iterator[Way]:
    """Run commands as they are."""
    yield list


@contextmanager
def ssh(folder: Path) -> Iterator[Way]:
    """Run commands over an SSH connection to a server with keys of its own.

    Args:
        folder: An empty one, for the server's files.
    """
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)  # noqa: S607
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config").write_text(_SSHD.format(port=port, folder=folder))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where a server that root starts separates its privileges
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if sshd is None:
        raise SystemExit("sshd is not installed")
    server = subprocess.Popen([sshd, "-D", "-f", str(folder / "config"), "-E", str(folder / "log")])
    options = ("StrictHostKeyChecking=no", f"UserKnownHostsFile={folder}/known", "LogLevel=ERROR")
    start = ["ssh", "-tt", "-F", "none", "-i", str(folder / "user"), "-p", str(port)]
    start += [part for option in options for part in ("-o", option)]
    start.append(f"{getpass.getuser()}@127.0.0.1")
    try:
        _wait_for_port(port)
        yield lambda command: [*start, shlex.join(command)]
    finally:
        server.terminate()
        server.wait(PATIENCE)


@contextmanager
def tmux(folder: Path) -> Iterator[Way]:
    """Run commands in a tmux server of their own. What is counted is what tmux sends to the terminal around it.

    Args:
        folder: An empty one, for the server's files.
    """
    configuration = folder / "tmux.conf"
    configuration.write_text(_TMUX)
    start = ["tmux", "-S", str(folder / "socket"), "-f", str(configuration)]
    try:
        yield lambda command: [*start, "new-session", shlex.join(command)]
    finally:
        subprocess.run([*start, "kill-server"], check=False, capture_output=True)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
