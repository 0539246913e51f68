"""A visitor without a screen, so that the server's part of a rerun can be timed alone.

Speaks the messages that Streamlit's page in a browser speaks; nothing draws meanwhile, so the processors are the
server's. Streamlit's messages are its own affair: this fits the version that the project asks for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect


@dataclass(frozen=True)
class Answer:
    """What came back: seconds from the request until the script had finished and all was sent, bytes and messages."""

    seconds: float
    n_bytes: int
    n_messages: int


@dataclass
class Visitor:
    """One who has a page open."""

    socket: ClientConnection
    page: str
    _page_hash: str = ""
    _cached: list[str] = field(default_factory=list)

    def ask(self, query: str = "") -> Answer:
        """Have the page's script run with these parameters in the address.

        Raises:
            RuntimeError: If the script failed.
        """
        request = self._request(query)
        started = perf_counter()
        self.socket.send(request)
        n_bytes = n_messages = 0
        while True:
            content = self.socket.recv()
            n_bytes, n_messages = n_bytes + len(content), n_messages + 1
            message = ForwardMsg.FromString(content)
            kind = message.WhichOneof("type")
            if kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return Answer(perf_counter() - started, n_bytes, n_messages)
            self._note(kind, message)

    def _request(self, query: str) -> bytes:
        request = BackMsg()
        asked = request.rerun_script
        asked.query_string, asked.page_script_hash = query, self._page_hash
        asked.page_name = "" if self._page_hash else self.page
        asked.cached_message_hashes.extend(self._cached)
        asked.context_info.color_scheme, asked.context_info.timezone = "light", "UTC"
        return bytes(request.SerializeToString())

    def _note(self, kind: str | None, message: ForwardMsg) -> None:
        """What a browser remembers: the page it is on, and large parts that need not be sent again."""
        if kind == "navigation":
            self._page_hash = message.navigation.page_script_hash
        elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
            raise RuntimeError(f"The page failed: {message.delta.new_element.exception.message}")
        if message.hash and message.metadata.cacheable:
            self._cached.append(message.hash)


@contextmanager
def visit(url: str, page: str) -> Iterator[Visitor]:
    """Open a page.

    Args:
        url: The dashboard's.
        page: The last part of the page's address.
    """
    stream = url.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(stream, max_size=None, compression=None) as socket:
        yield Visitor(socket, page)
