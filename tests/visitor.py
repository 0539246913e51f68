"""A visitor without a screen: speaks the messages that Streamlit's page in a browser speaks.

Nothing draws meanwhile, so the processors are the server's, and many can visit at once. Streamlit's messages are its
own affair: this fits the version that the project asks for.
"""

import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

_BOUNDARY = uuid.uuid4().hex


@dataclass(frozen=True)
class Answer:
    """What came back: seconds from the request until the script had finished and all was sent, bytes and messages.

    Attributes:
        texts: What the page says as Markdown, but for large parts that it has said before.
        charts: The specifications of its charts, likewise.
    """

    seconds: float
    n_bytes: int
    n_messages: int
    texts: tuple[str, ...] = ()
    charts: tuple[str, ...] = ()


@dataclass
class Visitor:
    """One who has a page open.

    Attributes:
        socket: To the server.
        url: The dashboard's.
        page: The last part of the page's address.
        query: The parameters in the address, which the page may change.
        n_gallery_pages: How many pages the gallery on it has that can be turned; none before anything was asked.
    """

    socket: ClientConnection
    url: str
    page: str
    query: str = ""
    n_gallery_pages: int = 0
    _page_hash: str = ""
    _session: str = ""
    _uploader: str = ""
    _turner: tuple[str, str] = ("", "")
    _cached: list[str] = field(default_factory=list)

    def ask(self, query: str = "") -> Answer:
        """Have the page's script run with these parameters in the address.

        Raises:
            RuntimeError: If the script failed.
        """
        self.n_gallery_pages = 0
        return self._run(self._rerun(query))

    def turn_gallery(self, number: int) -> Answer:
        """Have the gallery show another page, by the numbers below it: the gallery alone is drawn anew.

        Args:
            number: Of the page, from 1 to `n_gallery_pages`.

        Raises:
            RuntimeError: If there is no such page, or the script failed.
        """
        if not 1 <= number <= self.n_gallery_pages:
            raise RuntimeError(f"Expected one of the gallery's {self.n_gallery_pages} pages; found {number}.")
        widget, fragment = self._turner
        request = self._rerun(self.query)
        request.rerun_script.fragment_id = fragment
        request.rerun_script.widget_states.widgets.add(id=widget, int_value=number)
        return self._run(request)

    def turn_to(self, page: str, query: str = "") -> Answer:
        """Open another page, as by the menu.

        Args:
            page: The last part of the page's address.
            query: Parameters.

        Raises:
            RuntimeError: If the script failed.
        """
        self.page, self._page_hash = page, ""
        return self.ask(query)

    def upload_address(self) -> str:
        """Where a photo of this visitor may be put."""
        return self._file_address("a.jpg").upload_url

    def upload(self, name: str, content: bytes, query: str = "") -> Answer:
        """Put a photo into the page's uploader.

        Raises:
            RuntimeError: If there is none, or the script failed.
        """
        if not self._uploader:
            raise RuntimeError("This page has no uploader.")
        address = self._file_address(name)
        _put(self.url, address.upload_url, name, content)
        request = self._rerun(query)
        state = request.rerun_script.widget_states.widgets.add(id=self._uploader)
        info = state.file_uploader_state_value.uploaded_file_info.add(
            name=name, size=len(content), file_id=address.file_id
        )
        info.file_urls.CopyFrom(address)
        return self._run(request)

    def _rerun(self, query: str) -> BackMsg:
        self.query = query
        request = BackMsg()
        asked = request.rerun_script
        asked.query_string, asked.page_script_hash = query, self._page_hash
        asked.page_name = "" if self._page_hash else self.page
        asked.cached_message_hashes.extend(self._cached)
        asked.context_info.color_scheme, asked.context_info.timezone = "light", "UTC"
        return request

    def _run(self, request: BackMsg) -> Answer:
        content = request.SerializeToString()
        started = perf_counter()
        self.socket.send(content)
        n_bytes, n_messages = 0, 0
        elements: list[Element] = []
        while True:
            message, size = self._receive()
            n_bytes, n_messages = n_bytes + size, n_messages + 1
            kind = message.WhichOneof("type")
            if kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                seconds = perf_counter() - started
                return Answer(seconds, n_bytes, n_messages, _texts(elements), _charts(elements))
            if kind == "delta":
                elements.append(self._note_element(message.delta.new_element, message.delta.fragment_id))
            self._note(kind, message)

    def _note(self, kind: str | None, message: ForwardMsg) -> None:
        """What a browser remembers: its session, the page it is on, and large parts that need not be sent again."""
        if kind == "navigation":
            self._page_hash = message.navigation.page_script_hash
        elif kind == "new_session":
            self._session = message.new_session.initialize.session_id
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        if message.hash and message.metadata.cacheable:
            self._cached.append(message.hash)

    def _note_element(self, element: Element, fragment: str) -> Element:
        kind = element.WhichOneof("type")
        if kind == "exception":
            raise RuntimeError(f"The page failed: {element.exception.message}")
        if kind == "file_uploader":
            self._uploader = element.file_uploader.id
        if kind == "pagination" and element.pagination.id.endswith("gallery-page"):
            self._turner, self.n_gallery_pages = (element.pagination.id, fragment), element.pagination.num_pages
        return element

    def _file_address(self, name: str) -> FileURLs:
        if not self._session:
            self.ask()
        request = BackMsg()
        asked = request.file_urls_request
        asked.request_id, asked.session_id = uuid.uuid4().hex, self._session
        asked.file_names.append(name)
        self.socket.send(request.SerializeToString())
        while True:
            message, _ = self._receive()
            if message.WhichOneof("type") == "file_urls_response":
                address: FileURLs = message.file_urls_response.file_urls[0]
                return address

    def _receive(self) -> tuple[ForwardMsg, int]:
        """A message and its size in bytes."""
        content = self.socket.recv(decode=False)
        return ForwardMsg.FromString(content), len(content)


def _texts(elements: Sequence[Element]) -> tuple[str, ...]:
    return tuple(each.markdown.body for each in elements if each.WhichOneof("type") == "markdown")


def _charts(elements: Sequence[Element]) -> tuple[str, ...]:
    return tuple(each.plotly_chart.spec for each in elements if each.WhichOneof("type") == "plotly_chart")


def multipart(name: str, content: bytes) -> tuple[bytes, dict[str, str]]:
    """A file as a browser uploads it: the body of a request, and the header that describes it."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}


def xsrf_headers(url: str) -> dict[str, str]:
    """What shows that a request comes from the dashboard's own page: a cookie, and the same in a header."""
    with urllib.request.urlopen(f"{url}/_stcore/health", timeout=30) as answer:
        cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
    return {"Cookie": cookie, "X-Xsrftoken": cookie.partition("=")[2]}


def _put(url: str, address: str, name: str, content: bytes) -> None:
    body, headers = multipart(name, content)
    request = urllib.request.Request(url + address, body, headers | xsrf_headers(url), method="PUT")
    urllib.request.urlopen(request, timeout=60).close()


@contextmanager
def visit(url: str, page: str) -> Iterator[Visitor]:
    """Open a page.

    Args:
        url: The dashboard's.
        page: The last part of the page's address.
    """
    stream = url.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(stream, max_size=None, compression=None) as socket:
        yield Visitor(socket, url, page)
