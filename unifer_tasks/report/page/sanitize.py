"""Show text from models, files and paths as nothing but text.

Three layers, each enough alone for most attacks: templates escape and scripts set text, never
markup; data lies in script elements that no browser executes, without a "<" in them; and a
content security policy admits the page's own script and style by their hashes and no address
but images beside the page.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def script_json(value: Any) -> str:
    """Return JSON for a script element: ASCII, and nothing that could end the element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """Return a content security policy that admits these scripts and styles alone.

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
