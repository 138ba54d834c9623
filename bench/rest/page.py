"""Put a table between its marks in the page of figures; all else there is written by hand."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/explanation/performance.md"


def rewrite(name: str, table: str, page: Path = PAGE) -> None:
    """Replace what stands between the marks of ``name``; raise ValueError when they are missing."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    text = page.read_text(encoding="utf-8")
    head, found_begin, rest = text.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{page} has no marks {begin.strip()} and {end}")
    page.write_text(f"{head}{begin}\n{table.strip()}\n\n{end}{tail}", encoding="utf-8")
