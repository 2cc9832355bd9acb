"""One offline HTML report from executed notebooks: contents, prose, figures inline as SVG, tables, how it was made."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any


def write_report(
    notebooks: Mapping[str, Any],
    *,
    file: Path,
    title: str,
    lead: str = "",
    facts: Sequence[tuple[str, str]] = (),
    absent: Mapping[str, str] | None = None,
) -> Path:
    """Write executed notebooks as one HTML file that needs no network.

    **Definition**: prose, results and figures of every notebook in order, code folded away, a contents list from the
    headings, and a closing section on how the report was made.

    Parameters
    ----------
    notebooks : mapping of str to nbformat.NotebookNode
        Executed notebooks by name, in order.
    file : Path
        Where to write; the folder must exist.
    title, lead : str
        Heading of the report, and a paragraph under it.
    facts : sequence of (str, str)
        What the last section lists: label and value.
    absent : mapping of str to str, optional
        Notebooks that gave no result, with the reason.

    Returns
    -------
    Path
        The file.

    Notes
    -----
    When not to use it: to share results on real patients; the report is not disclosure controlled.
    """
    sections = [_section(name, notebook, number) for number, (name, notebook) in enumerate(notebooks.items())]
    missing = _absent(absent or {})
    contents = "".join(_contents(body) for body in [*sections, missing, _HOW])
    made = _HOW + "<table><tbody>" + "".join(
        f"<tr><th>{html.escape(label)}</th><td>{html.escape(value)}</td></tr>" for label, value in facts
    ) + "</tbody></table></section>"  # fmt: skip
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_style()}</style></head>\n"
        f'<body><div class="page"><nav aria-label="Contents">{contents}</nav>\n<main>'
        f'<h1>{html.escape(title)}</h1><p class="lead">{html.escape(lead)}</p>\n'
        + "\n".join([*sections, missing, made])
        + "\n</main></div></body></html>\n"
    )
    file.write_text(page, encoding="utf-8")
    return file


def _style() -> str:
    return files("fbss_analytics").joinpath("data/report.css").read_text(encoding="utf-8")


_HOW = '<section><h1 id="how-this-was-made">How this was made</h1>'


def _section(name: str, notebook: Any, number: int) -> str:
    parts = "\n".join(part for cell in notebook.cells for part in _cell(cell))
    parts = _with_anchors(parts, f"n{number}")
    return f'<section id="{html.escape(name)}">\n{parts}\n</section>'


def _cell(cell: Any) -> Iterator[str]:
    if cell.cell_type == "markdown":
        import mistune

        yield str(mistune.create_markdown(plugins=["table"])(cell.source))
        return
    yield f"<details><summary>code</summary><pre><code>{html.escape(cell.source)}</code></pre></details>"
    for output in cell.get("outputs", []):
        yield _output(output)


def _output(output: Any) -> str:
    if output.output_type == "stream":
        kind = "warning" if output.name == "stderr" else ""
        return f'<pre class="{kind}">{html.escape(output.text)}</pre>'
    if output.output_type == "error":
        return f'<p class="warning">{html.escape(output.ename)}: {html.escape(output.evalue)}</p>'
    data = output.get("data", {})
    if "text/html" in data:
        return f'<div class="table">{data["text/html"]}</div>'
    if "image/svg+xml" in data:
        return f"<figure>{data['image/svg+xml']}</figure>"
    return f"<pre>{html.escape(data.get('text/plain', ''))}</pre>"


def _with_anchors(text: str, prefix: str) -> str:
    """Give headings an id, and make the ids inside figures unique in the page."""
    seen: dict[str, int] = {}

    def heading(match: re.Match[str]) -> str:
        slug = re.sub(r"[^a-z0-9]+", "-", re.sub("<.*?>", "", match[2]).lower()).strip("-")
        seen[slug] = seen.get(slug, 0) + 1
        again = f"-{seen[slug]}" if seen[slug] > 1 else ""
        return f'<h{match[1]} id="{prefix}-{slug}{again}">{match[2]}</h{match[1]}>'

    text = re.sub(r"<h([12])>(.*?)</h\1>", heading, text)
    pieces = re.split(r"(<svg .*?</svg>)", text, flags=re.DOTALL)
    return "".join(
        _own_ids(piece, f"{prefix}-f{place}") if piece.startswith("<svg ") else piece
        for place, piece in enumerate(pieces)
    )


def _own_ids(svg: str, prefix: str) -> str:
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    return re.sub(r"(url\(#|href=\"#)", rf"\g<1>{prefix}-", svg)


def _contents(body: str) -> str:
    items = re.findall(r'<h([12]) id="([^"]+)">(.*?)</h\1>', body)
    rows = (
        f'<li{" class=sub" if level == "2" else ""}><a href="#{anchor}">{re.sub("<.*?>", "", text)}</a></li>'
        for level, anchor, text in items
    )
    return f"<ol>{''.join(rows)}</ol>"


def _absent(absent: Mapping[str, str]) -> str:
    if not absent:
        return ""
    rows = "".join(
        f"<p class=skipped><b>{html.escape(name)}</b>: {html.escape(why)}</p>" for name, why in absent.items()
    )
    return f'<section><h1 id="without-result">Notebooks without a result</h1>{rows}</section>'
