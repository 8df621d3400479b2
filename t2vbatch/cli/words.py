"""Numbers and lines of text, the same in every command.  [pure]"""

from textwrap import wrap


def counted(count: int, noun: str) -> str:
    """``1 row``, ``2 rows``, ``1,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 05 min``, ``2 d 4 h``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def fitted(text: str, width: int) -> str:
    """The text with its long sentences broken at spaces. Lines of a table have gaps and stay as they are."""
    lines = []
    for line in text.splitlines():
        is_sentence = len(line) > width and "  " not in line.strip()
        lines += wrap(line, width, break_long_words=False, break_on_hyphens=False) if is_sentence else [line]
    return "\n".join(lines)
