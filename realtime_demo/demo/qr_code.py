"""QR codes of an address, for a terminal and for a page."""

from __future__ import annotations

import io

import segno
from django.utils.safestring import SafeString, mark_safe


def terminal_code(address: str) -> str:
    """Return the code as lines of block characters."""
    output = io.StringIO()
    segno.make_qr(address).terminal(output, border=2, compact=True)
    return output.getvalue()


def svg_code(address: str) -> SafeString:
    """Return the code as an SVG element, on white in either colour scheme."""
    return mark_safe(segno.make_qr(address).svg_inline(scale=8, light="#fff", title=address))
