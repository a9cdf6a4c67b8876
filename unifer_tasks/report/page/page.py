"""Puts the page together."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from unifer_tasks.protocol.labels import CANONICAL_LABELS, LABEL_SPACES, canonical
from unifer_tasks.redaction.characters import visible
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.boards import (
    SCOPES,
    TITLES,
    boards,
    datasets_shown,
    duel_scale,
    measures_of,
    pairwise,
    verdict,
)
from unifer_tasks.report.figures.contents import Contents
from unifer_tasks.report.figures.marks import FACES, marks
from unifer_tasks.report.figures.numbers import p_value, percent, signed
from unifer_tasks.report.figures.tables import Cell, Number, Percent, Points, PValue
from unifer_tasks.report.page.payload import CHUNK, all_questions, blocks, image_blocks
from unifer_tasks.report.page.pictures import CHUNK as IMAGES_CHUNK
from unifer_tasks.report.page.pictures import Gallery, gallery, view_of, write_pictures
from unifer_tasks.report.page.sanitize import policy, script_json
from unifer_tasks.scoring.metrics import READERS
from unifer_tasks.scoring.summary import OUTCOMES, DatasetScores
from unifer_tasks.support.counted import counted
from unifer_tasks.support.files import atomic_write

PAGE_NAME = "index.html"

# In the order in which they build on each other.
_SCRIPTS = (
    "dom",
    "payload",
    "theme",
    "tables",
    "address",
    "closeup",
    "filters",
    "list",
    "sample",
    "browser",
    "main",
)
_ALL_PANELS = "\n[data-panel][hidden] { display: block; }\n"
_DIGITS = 4
_NONE = "–"  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Page:
    """A written page.

    Attributes:
        path: The page.
        missing_images: Questions that the data has no image of; 0 where none was asked for.
        unreadable_images: "DATASET ID" of each image that cannot be decoded and is left out.
    """

    path: Path
    missing_images: int = 0
    unreadable_images: tuple[str, ...] = ()


def write_page(
    report: Contents,
    out: Path,
    *,
    data: Path | None = None,
    embed: bool = False,
    downloads: Iterable[Path] = (),
) -> Page:
    """Write `index.html`, and the images beside it if there are any.

    Args:
        report: What it shows.
        out: The folder to write to.
        data: The benchmark folder with the images; None leaves them out.
        embed: Whether the images go into the page; otherwise they are written to `images/`
            beside it.
        downloads: Files below `out` that the page links to.

    Raises:
        DataError: `data` is not a benchmark folder, or a damaged one.
        OSError: A file cannot be read or written.
    """
    assessments = report.runs
    questions = all_questions(assessments)
    wanted: dict[str, list[str]] = {}
    for dataset, id_, _ in questions:
        wanted.setdefault(view_of(LABEL_SPACES[dataset].data_key), []).append(id_)
    for one in assessments:
        if one.run.variant.corrupts:
            for row in one.run.predictions:
                wanted.setdefault(view_of(row.dataset, one.run.variant), []).append(row.id)
    pictures = gallery(data, wanted) if data else None
    rows = pictures.rows if pictures else {}
    unreadable: list[str] = []
    parts = blocks(assessments, questions, rows)
    if pictures and embed:
        parts = chain(parts, image_blocks(pictures, unreadable))
    elif pictures:
        unreadable += write_pictures(pictures, out)
    content = _template().stream(
        **_texts(),
        **_tables(report),
        **_choices(assessments),
        sections=report.sections,
        header=script_json(_header(assessments, pictures, embed=embed)),
        blocks=parts,
        assessments=assessments,
        n_questions=len(questions),
        downloads=_downloads(downloads, out),
        warnings=report.warnings,
        pictures=pictures,
        embed=embed,
    )
    with atomic_write(out / PAGE_NAME) as partial:
        content.dump(str(partial), encoding="utf-8")
    missing = sum(
        id_ not in rows.get(LABEL_SPACES[dataset].data_key, {}) for dataset, id_, _ in questions
    )
    missing = missing if pictures else 0
    return Page(out / PAGE_NAME, missing, tuple(dict.fromkeys(unreadable)))


def _downloads(paths: Iterable[Path], out: Path) -> dict[str, dict[str, str]]:
    """Return name -> kind -> address relative to the page, in the order given."""
    found: dict[str, dict[str, str]] = {}
    for path in paths:
        kind = path.suffix.removeprefix(".").upper()
        found.setdefault(path.stem, {})[kind] = quote(path.relative_to(out).as_posix())
    return found


def _texts() -> dict[str, str]:
    """Return the page's style and script, and the policy that admits them."""
    style = _text("page.css")
    parts = "".join(_text(f"js/{name}.js") for name in _SCRIPTS)
    # One function, so that the page has no globals; strict, as modules are.
    script = f'\n(async () => {{\n"use strict";\n{parts}}})();\n'
    return {
        "style": style,
        "all_panels": _ALL_PANELS,
        "script": script,
        "policy": policy([script], [style, _ALL_PANELS]),
    }


def _tables(report: Contents) -> dict[str, Any]:
    """Return what the tables show."""
    tables = boards(report.runs, report.published)
    differences = pairwise(report.comparisons)
    scopes = [board.scope for board in tables if board.reader == READERS[0]]
    return {
        "verdict": verdict(report.runs, report.comparisons),
        "boards": tables,
        "scopes": [(scope, TITLES[scope]) for scope in scopes],
        "pairwise": differences,
        "duel_scopes": [(scope, TITLES[scope]) for scope in differences],
        "duel_scale": duel_scale(report.comparisons),
        "scope_titles": TITLES,
        "faces": FACES,
        "marks": marks,
        "measures_of": measures_of,
    }


def _choices(assessments: Sequence[Assessment]) -> dict[str, Any]:
    """Return what can be chosen from: (value, text) of each option."""
    datasets = datasets_shown(assessments)
    return {
        "datasets": datasets,
        "titles": [(one.run.title, one.run.title) for one in assessments],
        "dataset_options": [(key, space.title) for key, space in datasets.items()],
        "label_options": [(label, label) for label in CANONICAL_LABELS],
        "outcome_options": [(outcome, outcome) for outcome in OUTCOMES["strict"]],
    }


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("unifer_tasks.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {
        "percent": _percent,
        "points": _points,
        "counted": counted,
        "p_value": p_value,
        "shown": _shown,
        "heading": _heading,
        "browse": _browse_link,
        "breakable": breakable,
    }
    return environment.get_template("page.html")


def _text(name: str) -> str:
    return files("unifer_tasks.report.page").joinpath(name).read_text(encoding="utf-8")


def _percent(share: float | None, digits: int = 1) -> str:
    return _NONE if share is None or math.isnan(share) else percent(share, digits)


def _heading(column: str) -> str:
    """Return a column's heading with a capital, unless it begins with a symbol such as p."""
    word = column.split(maxsplit=1)[0]
    is_word = word.replace("-", "").isalpha() and len(word) > 1
    return column[0].upper() + column[1:] if is_word else column


def _points(difference: float) -> str:
    return signed(100 * difference, 1).replace("-", "−")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class _Shown:
    """A cell on the page: what its column is sorted by, its text, and what is below it."""

    order: float | str
    text: str
    below: str = ""


def _shown(cell: Cell) -> _Shown:
    match cell:
        case None:
            return _Shown("", _NONE)
        case str():
            return _Shown(cell, cell)
        case int():
            return _Shown(cell, f"{cell:,}")
        case float():
            return _Shown(cell, f"{cell:,g}")
        case tuple():
            return _Shown("", " / ".join(_shown(part).text for part in cell))
        case PValue(value):
            return _Shown(value, p_value(value))
        case Number(value, low, high):
            return _Shown(value, f"{value:.3f}", f"{low:.3f} to {high:.3f}")
        case Points(value, low, high):
            return _Shown(value, _points(value), f"{_points(low)} to {_points(high)}")
        case Percent(value, low, high):
            text = f"{_percent(value)} ({cell.note})" if cell.note else _percent(value)
            below = f"{_percent(low)} to {_percent(high)}" if low is not None else ""
            return _Shown("" if value is None else value, text, below)


def breakable(text: str) -> Any:
    """Return a text as HTML whose identifiers may break after an underscore or a slash."""
    from markupsafe import Markup, escape

    return Markup(re.sub("(?<=[_/])(?=.)", "<wbr>", escape(visible(text))))


def _browse_link(filters: Mapping[str, str]) -> str:
    """Return the address of the sample browser with these filters, as filters.js reads it."""
    return f"#browse?{urlencode({name: visible(value) for name, value in filters.items()})}"


def _header(
    assessments: Sequence[Assessment], pictures: Gallery | None, *, embed: bool
) -> dict[str, Any]:
    """Return what the scripts know at once; payload.js loads the rest."""
    return {
        "labels": CANONICAL_LABELS,
        "outcomes": OUTCOMES["strict"],
        "chunk": CHUNK,
        "datasets": [
            {"key": key, "title": space.title, "images": space.data_key}
            for key, space in LABEL_SPACES.items()
        ],
        "images": pictures
        and {"embedded": embed, "folders": pictures.folders, "chunk": IMAGES_CHUNK},
        "runs": [
            {
                "name": visible(one.run.title),
                "corrupts": one.run.variant.key if one.run.variant.corrupts else "",
                "questions": dict(one.run.questions),
                "scores": {
                    reader: {
                        scope: _closeup(part)
                        for scope in SCOPES
                        if isinstance(part := one.summary(reader).scope(scope), DatasetScores)
                    }
                    for reader in READERS
                },
            }
            for one in assessments
        ],
    }


def _closeup(part: DatasetScores) -> dict[str, Any]:
    """Return counts and class scores of a scope, under canonical names."""
    return {
        "n": part.n,
        "labels": [canonical(label) for label in part.confusion.labels],
        "confusion": part.confusion.counts.tolist(),
        "classes": [
            {
                name: round(value, _DIGITS) if isinstance(value, float) else value
                for name, value in asdict(row).items()
            }
            for row in part.classes.values()
        ],
    }
