"""A technique of your own: multipart/x-mixed-replace, with a body part for each event."""

from transports.registry import Technique

TECHNIQUE = Technique(
    name="multipart",
    label="Multipart",
    path="/multipart/{room}/",
    scheme="http",
    response_ends="never",
    framing="parts",
    source="multipart/source.js:MultipartSource",
    client="multipart.client:events",
    colour=("#D55E00", "#B04E00"),
    media_type="multipart/x-mixed-replace",
    around_event="Content-Type: application/json\r\n\r\n\r\n--event\r\n",
    heartbeat="\r\n",
    caveats=(),
)
