"""Explanations of the parts of a wire dump, by key."""

from django.utils.translation import gettext_lazy as _

EXPLANATIONS = {
    "wire.chunkSize": _(
        "The chunk's size in hexadecimal. With chunks, a response can continue without a known "
        "length."
    ),
    "wire.chunkEnd": _("A line break that ends the chunk; it is not part of an event."),
    "wire.body": _(
        "The body that Content-Length announced: when it is complete, so is the response."
    ),
    "wire.batch": _(
        "The batch around the events of one response, with the cursor to continue from."
    ),
    "wire.event": _("The event itself, in JSON."),
    "wire.others": _("Other events that arrived in the same piece."),
    "wire.preamble": _(
        "The beginning of the stream: the reconnection time and the cursor to continue from."
    ),
    "wire.lineEnd": _("A line feed: here the event ends, wherever the bytes were split."),
    "wire.sseId": _("The event's id, which the browser sends as Last-Event-ID when it reconnects."),
    "wire.sseData": _("The name of the field that carries the event."),
    "wire.sseEnd": _("An empty line: now the browser dispatches the event."),
    "wire.gzip": _("A separate gzip member: browsers read only the first one of a response."),
    "wire.frameHeader": _(
        "The frame's first two bytes: whether it ends its message, its type (text), whether it is "
        "masked, and its length."
    ),
    "wire.frameLength": _("The extended length, for a payload of more than 125 bytes."),
    "wire.frameMask": _("The masking key, required in every frame from a client."),
    "wire.framePayload": _("The client's message; each byte is XORed with a byte of the key."),
    "wire.compressed": _(
        "The stream was compressed: these are the event's bytes after compression."
    ),
    "wire.together": _("Several events arrived in one piece, sent by one write."),
}
