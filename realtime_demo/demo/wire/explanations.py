"""Explanations of the parts of a wire dump, by key."""

from django.utils.translation import gettext_lazy as _

EXPLANATIONS = {
    "wire.chunkSize": _(
        "The chunk's size in hexadecimal: so a response can go on whose length nobody knows yet."
    ),
    "wire.chunkEnd": _("A line break that ends the chunk and belongs to no event."),
    "wire.body": _(
        "The body that Content-Length announced: when it is complete, so is the response."
    ),
    "wire.batch": _("What holds the events of one answer together, with the place to go on from."),
    "wire.event": _("The event itself, in JSON."),
    "wire.others": _("Other events that travelled along."),
    "wire.preamble": _(
        "How the stream begins: when to reconnect after a cut, and the place to go on from."
    ),
    "wire.lineEnd": _("A line feed: here the event ends, wherever the bytes were split."),
    "wire.sseId": _("The event's id, which the browser sends as Last-Event-ID when it reconnects."),
    "wire.sseData": _("The name of the field that carries the event."),
    "wire.sseEnd": _("An empty line: now the browser dispatches the event."),
    "wire.gzip": _("A gzip member of its own: browsers read only the first one of a response."),
    "wire.frameHeader": _(
        "The frame's first two bytes: the last of its message, text, masked or not, and its length."
    ),
    "wire.frameLength": _("The length, where seven bits are too few for it."),
    "wire.frameMask": _("The masking key, which every frame of a client has to have."),
    "wire.framePayload": _("What the client said; each byte is combined with a byte of the key."),
    "wire.compressed": _("The stream was compressed, so this is what the event had become."),
    "wire.together": _("Several events came in one piece: one write for all of them."),
}
