"""llama.cpp's server from the package xllamacpp, in a process of its own."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = {path!r}
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = {context}
params.n_parallel = {slots}
params.cache_prompt = {caches}
params.cache_ram_mib = 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def llama_server(gguf: Path, slots: int, context: int, caches: bool) -> Iterator[str]:
    """Run the server on two threads, and yield its base address.

    Args:
        gguf: The model's file.
        slots: Requests that it works on at once.
        context: Tokens of all slots together.
        caches: Whether a slot keeps the prompt that it read last.

    Raises:
        RuntimeError: It does not start.
    """
    code = SCRIPT.format(path=str(gguf), slots=slots, context=context, caches=caches)
    yield from started([sys.executable, "-c", code])


def started(command: list[str]) -> Iterator[str]:
    """Start a server that prints its address, yield its base address, and end it.

    Raises:
        RuntimeError: It prints no address.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = next((line.strip() for line in process.stdout if line.startswith("http://")), "")
        if not address:
            process.kill()
            raise RuntimeError("the server did not start")
        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            yield f"{address}/v1"
        finally:
            process.kill()
