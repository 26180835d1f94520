"""A quick answer to "is there a network?", for libraries that retry for half a minute."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

# A machine without network refuses at once. Only a network that swallows packets takes this
# long, and a slow link (satellite, 0.6 s a round trip) must still be let through.
_PATIENCE_S = 3.0


def can_reach(url: str, patience_s: float = _PATIENCE_S) -> bool:
    """Try to open a connection to a server, or to the proxy that stands before it.

    Args:
        url: Any address on that server; only scheme, host and port are used.
        patience_s: Longest wait for the name and the connection together, in seconds.

    Returns:
        True where something answers.

    Example:
        >>> can_reach("https://no-such-host.invalid")  # doctest: +SKIP
        False
    """
    target = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(target.hostname or ""):
        target = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = target.port or (80 if target.scheme == "http" else 443)
    answered: list[bool] = []

    def connect() -> None:
        try:
            socket.create_connection((target.hostname or "", port), patience_s).close()
        except OSError:
            return
        answered.append(True)

    # Looking up a name takes no timeout, so it is left behind in a thread of its own.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(patience_s)
    return bool(answered)
