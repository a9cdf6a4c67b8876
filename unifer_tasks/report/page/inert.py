"""What keeps the words of a model, of a file or of a path from being anything but text.

Three layers, each enough alone for most attacks: templates escape and scripts set text, never
markup; data lies in script elements that no browser executes, without a "<" in them; and a
content security policy admits the page's own script and style by their hashes and no address
but images beside the page.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

# Controls, bidirectional overrides, separators that break lines unseen, halves of pairs.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def visible(text: str) -> str:
    """Spells out every character that would act unseen, as in U+202E."""
    return _UNSEEN.sub(lambda match: f"U+{ord(match[0]):04X}", text)


def script_json(value: Any) -> str:
    """Returns JSON for a script element: ASCII, and nothing that could end the element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """Returns a content security policy that admits these scripts and styles alone.

    Args:
        scripts: The text of each script element, to the letter.
        styles: The text of each style element.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_source, scripts))}",
            f"style-src {' '.join(map(_source, styles))}",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
