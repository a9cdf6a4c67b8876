"""Commands in processes that are forked once all that they import is loaded.

    python -I -S tests/forked.py SOCKET COMMAND [ARGUMENT ...]

A start of lmms-eval imports for ten seconds and then works for two. Here one server imports, and
forks for each command: a process of its own, with the caller's environment, folder, input and
output, the command's real entry point, and an exit status. It differs from a start in that what
the imports read of the environment is the server's, in `task_files`, and in that the modules are
not taken apart in the end. What such a process starts by `sys.executable` and `-m` is forked too.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import selectors
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LOADED = (
    "lmms_eval.models",
    "lmms_eval.__main__",
    "lmms_eval.evaluator",
    "lmms_eval.cli.dispatch",
    "lmms_eval.models.simple.openai",
    "lmms_eval.models.chat.openai",
    "lmms_eval.models.chat.async_openai",
    "lmms_eval.models.chat.qwen2_5_vl",
    "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl",
    "transformers.models.auto.processing_auto",
    "transformers.models.qwen2_5_vl.processing_qwen2_5_vl",
    "unifer_tasks.harness.models.unifer",
    "unifer_tasks.harness.models.replay",
    # What a run or a report imports once it is at it: tokenizers, standard errors, tables, plots.
    "transformers.tokenization_mistral_common",
    "lmms_eval.tasks.coco_cap_chair.utils",
    "pytablewriter",
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "tests.task_files",
)
"""What the server imports."""

_N_STREAMS = 3
_LENGTH_BYTES = 4
_ENVIRONMENT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Forked:
    """A server that has imported.

    Attributes:
        address: Its socket.
    """

    address: Path

    @property
    def python(self) -> Path:
        """Return what stands for Python in a forked process."""
        return _python(self.address)

    def command(self, *words: str) -> list[str]:
        """Return the command line of a console script, or of `-m MODULE`, forked from here."""
        return [sys.executable, "-I", "-S", __file__, str(self.address), *words]

    def shadow(self, folder: Path, *names: str) -> str:
        """Write scripts that stand for console scripts; return a PATH on which they are first."""
        folder.mkdir(exist_ok=True)
        for name in names:
            _write_script(folder / name, f'exec {shlex.join(self.command(name))} "$@"')
        return os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])


@contextmanager
def serving(
    folder: Path, environment: Mapping[str, str], modules: Sequence[str] = LOADED
) -> Iterator[Forked]:
    """Start a server; it and all that it forked end with the block.

    Args:
        folder: Where its socket is to lie.
        environment: What its imports read.
        modules: What it imports.
    """
    address = folder / "s"
    _write_python(address)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forked", "--serve", str(address), *modules],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **environment, "ROOM": "-" * _ENVIRONMENT_BYTES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        # What is imported may print.
        ready = b"ready\n" in iter(server.stdout.readline, b"")
        assert ready, "the server of forked commands did not start"
        yield Forked(address)
    finally:
        server.stdin.close()
        server.wait()


def _write_python(address: Path) -> None:
    """Write what stands for Python in a forked process: it forks modules and starts the rest."""
    forked, real = shlex.join(Forked(address).command()), shlex.quote(sys.executable)
    cases = f'"-m "*|"-u -m "*) exec {forked} "$@";; *) exec {real} "$@";;'
    _write_script(_python(address), f'case "$1 $2 " in {cases} esac')


def _write_script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def _python(address: Path) -> Path:
    return address.with_name("python")


def _call(address: str, words: list[str]) -> int:
    """Have a command run and return its exit status, a signal as a negative one."""
    request = {"words": words, "environment": dict(os.environ), "folder": str(Path.cwd())}
    data = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [len(data).to_bytes(_LENGTH_BYTES, "big")], range(_N_STREAMS))
        server.sendall(data)
        reply = b"".join(iter(lambda: server.recv(64), b""))
    return int(reply)


def _serve(address: str, modules: Sequence[str]) -> None:
    """Fork for each caller until standard input ends."""
    import importlib

    # The first function that is registered is the last that is called.
    atexit.register(_leave)
    for name in modules:
        importlib.import_module(name)
    # What a collection looks at is copied in each process.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(address)
        listener.listen()
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        running: dict[int, tuple[int, socket.socket]] = {}
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    for pid, _caller in running.values():
                        _kill(pid)
                    return
                if key.fileobj is listener:
                    caller, _ = listener.accept()
                    pid = _fork(caller, listener, selector, running)
                    ended = os.pidfd_open(pid)
                    running[ended] = pid, caller
                    selector.register(ended, selectors.EVENT_READ)
                    # It sends no more: this tells that it is gone.
                    selector.register(caller, selectors.EVENT_READ, ended)
                elif key.data is not None:
                    selector.unregister(key.fileobj)
                    _kill(running[key.data][0])
                elif key.fd in running:
                    pid, caller = running.pop(key.fd)
                    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    with suppress(KeyError):
                        selector.unregister(caller)
                    with suppress(BrokenPipeError):
                        caller.sendall(str(status).encode())
                    caller.close()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _fork(
    caller: socket.socket,
    listener: socket.socket,
    selector: selectors.BaseSelector,
    running: Mapping[int, tuple[int, socket.socket]],
) -> int:
    """Fork for a caller; return the child's id, and in the child never."""
    length, streams, _, _ = socket.recv_fds(caller, _LENGTH_BYTES, _N_STREAMS)
    n_bytes = int.from_bytes(length, "big")
    data = b""
    while len(data) < n_bytes:
        data += caller.recv(n_bytes - len(data))
    pid = os.fork()
    if pid:
        for stream in streams:
            os.close(stream)
        return pid
    # A group of its own, as a command that a shell starts has.
    os.setsid()
    selector.close()
    listening = listener.getsockname()
    listener.close()
    caller.close()
    for ended, (_, other) in running.items():
        os.close(ended)
        # Held open here, it would not tell its caller of the end.
        other.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    request = json.loads(data)
    _take_environment(request["environment"])
    os.chdir(request["folder"])
    sys.executable = str(_python(Path(listening)))
    sys.path[:] = [path for path in sys.path if path not in {"", str(Path(__file__).parents[1])}]
    try:
        _become(request["words"])
    except SystemExit as end:
        _ended_with(end.code)
        raise
    raise AssertionError


def _take_environment(environment: Mapping[str, str]) -> None:
    """Make an environment this process's, for other processes and for loaded libraries too."""
    os.environ.clear()
    os.environ.update(environment)
    # Where /proc/PID/environ is read from: fields 50 and 51 of the process's state.
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    block = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environment.items())
    with Path("/proc/self/mem").open("r+b") as memory:
        memory.seek(start)
        memory.write(block[: end - start].ljust(end - start, b"\0"))
    if (torch := sys.modules.get("torch")) is not None:
        # Read once, when OpenMP is loaded.
        torch.set_num_threads(int(environment.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    if (numpy := sys.modules.get("numpy")) is not None:
        # Python's own generator does that by itself.
        numpy.random.seed()


_status = 1
"""What a forked process ends with; 1 after an exception, or a message in place of a status."""


def _ended_with(code: object) -> None:
    global _status
    if code is None or isinstance(code, int):
        _status = code or 0


def _leave() -> None:
    """End here: taking apart all that was imported takes seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status & 0xFF)


def _become(words: list[str]) -> None:
    """Run a console script, or a module, as this process, and end with it."""
    import runpy
    from importlib.metadata import entry_points

    if words[0] in {"-u", "-m"}:
        words = words[words.index("-m") :]
        sys.argv = words[1:]
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        sys.exit()
    sys.argv = words
    (script,) = entry_points(group="console_scripts", name=words[0])
    sys.exit(script.load()())


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        _serve(sys.argv[2], sys.argv[3:])
        # Taking apart all that was imported takes seconds.
        os._exit(0)
    else:
        status = _call(sys.argv[1], sys.argv[2:])
        if status < 0:
            os.kill(os.getpid(), -status)
        sys.exit(status)
