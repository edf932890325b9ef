"""The browser over a real SSH connection on loopback, with a server and keys of the test's own."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pseudo_terminal import COMMAND, PATIENCE, Terminal, is_clean

if TYPE_CHECKING:
    from collections.abc import Iterator

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

pytestmark = [
    pytest.mark.usefixtures("home"),
    pytest.mark.skipif(not SSHD or not shutil.which("ssh"), reason="sshd or ssh is not installed"),
]

_CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
"""


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[list[str]]:
    """The beginning of an ssh command that reaches this machine."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config").write_text(_CONFIGURATION.format(port=port, folder=folder))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where a server that is started by root separates its privileges
    log = folder / "log"
    server = subprocess.Popen([str(SSHD), "-D", "-f", folder / "config", "-E", log], stdin=subprocess.DEVNULL)
    try:
        _wait_for_port(port, server, log)
        options = ("StrictHostKeyChecking=no", f"UserKnownHostsFile={folder}/known", "LogLevel=ERROR")
        yield [
            "ssh",
            "-tt",
            "-F",
            "none",
            "-i",
            str(folder / "user"),
            "-p",
            str(port),
            *(part for option in options for part in ("-o", option)),
            f"{getpass.getuser()}@127.0.0.1",
        ]
    finally:
        server.terminate()
        server.wait(PATIENCE)


def _wait_for_port(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if server.poll() is not None:
                pytest.skip(f"sshd does not start here: {log.read_text().strip()}")
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def test_a_session(ssh: list[str], cache_folder: Path) -> None:
    with Terminal([*ssh, shlex.join([*COMMAND, str(cache_folder)])]) as terminal:
        terminal.wait_for("rank 1 of 20")
        terminal.wait_for("▀")
        terminal.press("jl")
        terminal.wait_for(lambda text: "rank 2 of 20" in text and "a patch" in text)
        terminal.resize(160, 50)
        os.kill(terminal.pid, signal.SIGWINCH)
        terminal.wait_for(lambda text: " of 20  ━" in text)
        terminal.press("q")
        assert terminal.wait() == 0
        assert is_clean(terminal.raw)


def test_a_lost_connection_ends_the_browser(ssh: list[str], cache_folder: Path, tmp_path: Path) -> None:
    """Nothing is left running on the server when the connection dies."""
    written = tmp_path / "pid"
    command = f"echo $$ > {shlex.quote(str(written))}; exec {shlex.join([*COMMAND, str(cache_folder)])}"
    with Terminal([*ssh, command]) as terminal:
        terminal.wait_for("rank 1 of 20")
        pid = int(written.read_text())
        os.kill(terminal.pid, signal.SIGKILL)  # the client: the network is gone
        deadline = time.monotonic() + PATIENCE
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < deadline, "the browser outlived its connection"
            time.sleep(0.05)
