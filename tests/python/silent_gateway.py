"""A gateway that accepts calls without responding, and records which streams were reset. It speaks just enough
HTTP/2 for that; a scan gets its headers and one entry first, and each connection has its own epoch."""

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
PREFACE_BYTES = 24


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _entry(key: bytes, value: bytes) -> bytes:
    """A ScanResponse as a gRPC message; without a value, a KeyResponse."""
    message = bytes([0x0A, len(key)]) + key
    if value:
        message += bytes([0x12, len(value)]) + value
    return struct.pack(">BI", 0, len(message)) + message


def _answer_headers(epoch: int) -> bytes:
    """`:status: 200`, `content-type: application/grpc` and `prism-epoch`, in HPACK."""
    return b"\x88\x00\x0ccontent-type\x10application/grpc\x00\x0bprism-epoch\x01%d" % (epoch % 10)


class SilentGateway:
    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._lock = threading.Lock()
        self._asked: list[tuple[int, int]] = []
        self._reset: list[tuple[int, int]] = []
        self._sockets: list[socket.socket] = []
        self.begin_scans = False
        # Whether the entries of scans have values; those of scans of keys have none.
        self.with_values = True

    def asked(self) -> int:
        """The number of calls received."""
        with self._lock:
            return len(self._asked)

    def reset(self) -> int:
        """The number of calls that were reset."""
        with self._lock:
            return len(self._reset)

    def hang_up(self) -> None:
        """Closes every connection."""
        for connected in self._sockets:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()
        for connected in self._sockets:
            connected.close()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connected)
            self.connections += 1
            threading.Thread(target=self._serve, args=(connected, self.connections), daemon=True).start()

    def _serve(self, connected: socket.socket, connection: int) -> None:
        with contextlib.suppress(OSError):
            self._talk(connected, connection)

    def _talk(self, connected: socket.socket, connection: int) -> None:
        stream_of = connected.makefile("rb")
        stream_of.read(PREFACE_BYTES)
        connected.sendall(_frame(SETTINGS, 0, 0))
        while len(header := stream_of.read(9)) == 9:
            length, kind, flags = int.from_bytes(header[:3], "big"), header[3], header[4]
            stream = int.from_bytes(header[5:], "big")
            stream_of.read(length)
            if kind == SETTINGS and not flags & 1:
                connected.sendall(_frame(SETTINGS, 1, 0))
            if kind == HEADERS:
                if self.begin_scans:
                    connected.sendall(_frame(HEADERS, 4, stream, _answer_headers(connection)))
                    connected.sendall(_frame(DATA, 0, stream, _entry(b"first", b"1" if self.with_values else b"")))
                with self._lock:
                    self._asked.append((connection, stream))
            if kind == RST_STREAM:
                with self._lock:
                    self._reset.append((connection, stream))
