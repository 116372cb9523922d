"""Serves the built book on this machine until Ctrl-C:  python scripts/serve.py FOLDER HOST PORT"""

import functools
import http.server
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Readers need no line for every picture that the page loads."""


def server_of(folder: str, host: str, port: int, handler=Quiet) -> http.server.ThreadingHTTPServer:
    return http.server.ThreadingHTTPServer((host, port), functools.partial(handler, directory=folder))


@contextmanager
def serving(folder, handler=Quiet) -> Iterator[str]:
    """While this lasts, the folder is served at the address that it gives, which ends in a slash."""
    server = server_of(str(folder), "127.0.0.1", 0, handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def main(folder: str, host: str, port: str) -> None:
    try:
        server = server_of(folder, host, int(port))
    except (OSError, OverflowError, ValueError) as error:
        raise SystemExit(f"HOST={host} PORT={port} cannot be used ({getattr(error, 'strerror', None) or error}). For example: make book PORT=8001")
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else host
    print(f"The book is open at http://{shown}:{port}   (Ctrl-C stops it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main(*sys.argv[1:])
