"""Serves the built book on this machine until Ctrl-C:  python scripts/serve.py FOLDER HOST PORT"""

import functools
import http.server
import sys


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Readers need no line for every picture that the page loads."""


def main(folder: str, host: str, port: str) -> None:
    handler = functools.partial(Quiet, directory=folder)
    try:
        server = http.server.ThreadingHTTPServer((host, int(port)), handler)
    except OSError as error:
        raise SystemExit(f"Port {port} cannot be used ({error.strerror}). Take another one: make book PORT=8001")
    print(f"The book is open at http://localhost:{port}   (Ctrl-C stops it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main(*sys.argv[1:])
