"""A warehouse for trying the example: it reserves everything. Run it with `python3 warehouse.py`."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Warehouse(BaseHTTPRequestHandler):
    """Answers PUT /reservations/<event>."""

    def do_PUT(self) -> None:
        """Reserve."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 9000), Warehouse).serve_forever()
