"""How a command says how it went."""

from __future__ import annotations

DONE = 0
SOME_FAILED = 1  # and the rest was done
FAILED = 2  # wrong usage, or nothing could be done
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
PIPE_CLOSED = 141  # 128 + SIGPIPE
