"""Commands of `finmind-worker` that begin with everything imported: one process is started, and forks one for each.

To start Python and import the worker takes a second of processor, which is most of what a command takes. What is about
the start itself, such as `tests/cli/test_interrupts.py`, starts programs.
"""

import atexit
import gc
import json
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

_LENGTH_BYTES = 4

CLIENT = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect(sys.argv[1])
    request = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(asked, [len(request).to_bytes(4, "big")], [0, 1, 2])
    asked.sendall(request)
    sys.exit(asked.recv(1)[0])
"""


def write_program(path: Path, address: Path) -> None:
    """Write a `finmind-worker` that has its commands done by the process that serves at this address."""
    client = path.with_name(f"{path.name}.py")
    client.write_text(CLIENT)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -ISs "{client}" "{address}" "$@"\n')
    path.chmod(0o755)


def serve(address: str) -> None:
    """Import every command, and do what is asked for at this address until the process is stopped."""
    from worker.__main__ import main
    from worker.cli.main import COMMANDS

    for target in COMMANDS.values():
        import_module(target.partition(":")[0])
    gc.freeze()  # so that a command copies no page of it to look for garbage there
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(f"{address}.new")
        door.listen()
        Path(f"{address}.new").rename(address)  # what is there under its name answers
        while True:
            asked, _ = door.accept()
            if not os.fork():
                break
            asked.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, descriptors, _, _ = socket.recv_fds(asked, _LENGTH_BYTES, 3)
    with asked.makefile("rb") as request:
        arguments, directory, environment = json.loads(request.read(int.from_bytes(length, "big")))
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        asked.send(bytes([os.waitstatus_to_exitcode(status) % 256]))
        os._exit(0)
    asked.close()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["finmind-worker", *arguments]
    try:
        main()
    except SystemExit as end:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))  # to take all that was imported apart takes longer than most commands


if __name__ == "__main__":
    sys.path[0] = ""  # the folder that a command is in, as for any program
    serve(sys.argv[1])
