"""Filter of Uvicorn's log."""

from __future__ import annotations

import logging


class WithoutSecrets(logging.Filter):
    """Removes query strings (cursors, names) and credentials from Uvicorn's log.

    A handshake that the application has rejected with a response is not an error: it is not logged.
    """

    CREDENTIALS = frozenset({"authorization", "cookie", "sec-websocket-protocol"})

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg == "ASGI callable returned without completing handshake.":
            return False
        if isinstance(record.args, tuple):
            texts = [
                each.partition("?")[0] if isinstance(each, str) else each for each in record.args
            ]
            if texts and str(texts[0]).lower() in self.CREDENTIALS:  # at level debug: "< %s: %s"
                texts[1:] = ["…"] * (len(texts) - 1)
            record.args = tuple(texts)
        return True
