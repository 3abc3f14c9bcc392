"""Explanations of the parts of a wire dump, by key."""

from django.utils.translation import gettext_lazy as _

EXPLANATIONS = {
    "wire.chunkSize": _(
        "The chunk's size in hexadecimal. With chunks, a response can begin before its length "
        "is known."
    ),
    "wire.chunkEnd": _("The line break that ends the chunk; it is not part of an event."),
    "wire.body": _(
        "The body, as long as Content-Length says. When it is complete, so is the response."
    ),
    "wire.batch": _("The batch: the events of one response, with the cursor to resume from."),
    "wire.event": _("The event itself, in JSON."),
    "wire.others": _("Other events, sent together with this one."),
    "wire.preamble": _(
        "The start of the stream: how long to wait before reconnecting, and the cursor to "
        "resume from."
    ),
    "wire.lineEnd": _("A line feed: the event ends here, wherever the bytes were split."),
    "wire.sseId": _("The event's id, which the browser sends as Last-Event-ID when it reconnects."),
    "wire.sseData": _("The name of the field that carries the event."),
    "wire.sseEnd": _("An empty line: the browser now dispatches the event."),
    "wire.gzip": _("A separate gzip member: browsers read only the first member of a response."),
    "wire.frameHeader": _(
        "The frame's first two bytes: whether it is the last of its message, its type, "
        "whether it is masked, and its length."
    ),
    "wire.frameLength": _("The length, if it does not fit in seven bits."),
    "wire.frameMask": _("The masking key. Every frame that a client sends must have one."),
    "wire.framePayload": _("What the client sent; each byte is XORed with a byte of the key."),
    "wire.compressed": _("The stream was compressed: this is the event in compressed form."),
    "wire.together": _("Several events arrived together: the server wrote them all at once."),
}
