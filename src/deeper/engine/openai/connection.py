"""A server's address and key, and a client for it. What cannot be used is refused before anything is sent."""

import os
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx2
import openai

from deeper.errors import UserError

OFFICIAL_URL = "https://api.openai.com/v1"
LONGEST_CONNECT_SECONDS = 10.0
LOCAL_LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=0)
"""A server on this machine gets a new connection for each request, which takes no time there. llama.cpp's server closes
a connection after about a hundred requests without a word, and the next request on it would be lost."""
PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy")
ENVIRONMENT = (
    *PROXIES,
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"),
)
"""Variables that the client reads."""


@dataclass(frozen=True)
class Connection:
    """Where a server is, and the key for it.

    Attributes:
        base_url: The address without `/chat/completions`.
        api_key: Never shown anywhere.
        key_variable: Where the key comes from, for messages.
    """

    base_url: str
    api_key: str = field(repr=False)
    key_variable: str = "OPENAI_API_KEY"

    def __post_init__(self) -> None:
        """Refuse an address, a key or an environment that no request can be made with."""
        if not (self.api_key.isascii() and self.api_key.isprintable() and " " not in self.api_key):
            raise UserError("the key has characters that keys cannot have", where=self.key_variable, do="copy it again")
        try:
            parts = urlsplit(self.base_url)
            is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address or not self.base_url.isprintable() or " " in self.base_url:
            raise UserError(
                "the server's address is not an http address",
                where=self.redact(self.base_url.rpartition("@")[2]),
                do="set OPENAI_BASE_URL, or url of the server, for example to http://localhost:8000/v1",
            )
        try:
            headers = self.client().default_headers
            "".join(value for value in headers.values() if isinstance(value, str)).encode("ascii")
        # The address and the key are checked, so the environment is left, which several libraries read.
        except Exception as error:
            used = [name for name in ENVIRONMENT if os.environ.get(name)]
            raise UserError(
                f"no connection to {self.host} can be made with these settings ({self.redact(str(error))})",
                where=", ".join(used) or self.address,
                do="correct or unset them; a SOCKS proxy needs pip install socksio; NO_PROXY=* uses no proxy",
            ) from error

    @property
    def host(self) -> str:
        """Host and port, without credentials."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def address(self) -> str:
        """The base address without credentials."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{self.host}{parts.path}"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        name = urlsplit(self.base_url).hostname or ""
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")

    @property
    def proxy_variables(self) -> list[str]:
        """The variables that name a proxy for this server."""
        return [] if self.is_local else [name for name in PROXIES if os.environ.get(name)]

    def redact(self, text: str) -> str:
        """Return one line of at most 200 characters, without the key."""
        line = " ".join(text.split())
        return line.replace(self.api_key, "***")[:200] if self.api_key else line[:200]

    def client(self, timeout_seconds: float = 2 * LONGEST_CONNECT_SECONDS) -> openai.AsyncOpenAI:
        """Make a client for one event loop. It neither retries nor ends a silence; `Server` does.

        A proxy of the environment is not asked for a server on this machine.

        Args:
            timeout_seconds: The longest silence; a connection must be made in half of it.
        """
        connect = min(timeout_seconds / 2, LONGEST_CONNECT_SECONDS)
        timeout = openai.Timeout(None, connect=connect)
        key = self.api_key or "none"  # the client requires a key; servers without keys ignore it
        http = None
        if self.is_local:
            http = openai.DefaultAsyncHttpxClient(trust_env=False, timeout=timeout, limits=LOCAL_LIMITS)
        return openai.AsyncOpenAI(base_url=self.base_url, api_key=key, max_retries=0, timeout=timeout, http_client=http)
