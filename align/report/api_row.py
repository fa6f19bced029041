"""Which line of docs/api.md tells more about a layer or function that is blamed: `line_about`."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

_MEASURED = Path(__file__).resolve().parents[1] / "api" / "measured"
DOCUMENT = "docs/api.md"


@cache
def _verdicts() -> dict[str, tuple[str, str, str]]:
    """PyTorch's last name -> (whole name, Paddle's name, verdict), of the newest Paddle that was measured."""
    found: dict[str, tuple[str, str, str]] = {}
    for path in sorted(_MEASURED.glob("*.json")):
        for name, line in json.loads(path.read_text(encoding="utf-8"))["lines"].items():
            found[name.rpartition(".")[2]] = (name, line["paddle"], line["verdict"])
    return found


def line_about(blamed: dict[str, Any] | None) -> str:
    """Return the line of a report that leads to the blamed layer in docs/api.md; "" if that has nothing to say.

    It is the layer's class, or the function that the cause names ("avg_pool2d with count_include_pad=True").
    """
    if not blamed:
        return ""
    words = [] if blamed.get("what") == "input" else [str(blamed.get("type") or "")]
    words += re.findall(r"\w+", (blamed.get("cause") or {}).get("name") or "")[:1]
    for word in words:
        name, ours, verdict = _verdicts().get(word, ("", "", "same"))
        if verdict != "same":
            other = f"paddle.{ours}" if ours else "no counterpart in Paddle"
            anchor = name.replace(".", "-").lower()
            return f"torch.{name} and {other}: {verdict}, see {DOCUMENT}#{anchor}"
    return ""
