"""Filter of Uvicorn's log."""

from __future__ import annotations

import logging


class WithoutSecrets(logging.Filter):
    """Removes query strings (cursors, names) and credentials from Uvicorn's log.

    A client's faults are not errors of the server. A text frame that is not UTF-8 is logged without
    a traceback; a handshake that the application has rejected with a response is not logged.
    """

    CREDENTIALS = frozenset({"authorization", "cookie", "sec-websocket-protocol"})

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg == "ASGI callable returned without completing handshake.":
            return False
        if record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError):
            record.exc_info = None
        if isinstance(record.args, tuple):
            texts = [
                each.partition("?")[0] if isinstance(each, str) else each for each in record.args
            ]
            if texts and str(texts[0]).lower() in self.CREDENTIALS:  # at level debug: "< %s: %s"
                texts[1:] = ["…"] * (len(texts) - 1)
            record.args = tuple(texts)
        return True
