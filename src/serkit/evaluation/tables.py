"""Tables, written as Markdown, LaTeX or HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from serkit.text import in_html, printable

# Characters that end a cell, or start a link, an image, code or a tag.
_MARKDOWN = {c: f"\\{c}" for c in "\\|[`"} | {"<": "&lt;"}

_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Attributes:
        title: Its title.
        columns: Headings of the columns.
        rows: Rows, each as long as `columns`; the first cell names the row.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def marked(self, marks: Sequence[str]) -> Table:
        """The same table with marks added to the name of every row."""
        if not marks:
            return self
        suffix = f" ({', '.join(marks)})"
        return Table(self.title, self.columns, tuple((r[0] + suffix, *r[1:]) for r in self.rows))

    def to_markdown(self) -> str:
        """A pipe table under a heading."""

        def lines() -> Iterator[str]:
            rule = (":--", *("--:" for _ in self.columns[1:]))
            for row in (self.columns, rule, *self.rows):
                yield f"| {' | '.join(_markdown(cell) for cell in row)} |"

        return f"### {_markdown(self.title)}\n\n" + "\n".join(lines()) + "\n"

    def to_latex(self) -> str:
        """A `table` with booktabs rules."""

        def line(row: Sequence[str]) -> str:
            return " & ".join(_latex(cell) for cell in row) + r" \\"

        return "\n".join(
            (
                r"\begin{table}",
                rf"\caption{{{_latex(self.title)}}}",
                rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}",
                r"\toprule",
                line(self.columns),
                r"\midrule",
                *(line(row) for row in self.rows),
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            )
        )

    def to_html(self) -> str:
        """A `table` with its title as heading."""
        head = "".join(f'<th scope="col">{in_html(cell)}</th>' for cell in self.columns)
        body = "".join(
            f'<tr><th scope="row">{in_html(row[0])}</th>'
            + "".join(f"<td>{in_html(cell)}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.rows
        )
        return (
            f'<h2>{in_html(self.title)}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )


def _markdown(text: str) -> str:
    return "".join(_MARKDOWN.get(character, character) for character in printable(text))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in printable(text))
