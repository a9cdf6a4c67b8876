"""Build a report from runs: scores, leaderboard, plots and page in one folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from unifer_tasks.report.figures.assessment import Assessment, assess
from unifer_tasks.report.figures.boards import ranked
from unifer_tasks.report.figures.comparison import compare, report_pairs
from unifer_tasks.report.figures.contents import Contents
from unifer_tasks.report.figures.published import PublishedScore
from unifer_tasks.report.renderers.leaderboard import as_csv, as_latex
from unifer_tasks.report.renderers.markdown import as_markdown
from unifer_tasks.report.renderers.scores import SCORES_NAME, scores_document, write_scores
from unifer_tasks.report.sections.listed import sections
from unifer_tasks.report.sources.annotated import annotations_of, read_annotated, unlike
from unifer_tasks.report.sources.runs import Run, differences
from unifer_tasks.support.counted import counted
from unifer_tasks.support.files import atomic_write

PLOTS_FOLDER = "plots"
_TEXTS: Mapping[str, Callable[[Contents], str]] = {
    "md": as_markdown,
    "csv": as_csv,
    "tex": as_latex,
}


@dataclass(frozen=True, slots=True)
class Report:
    """A written report.

    Attributes:
        page: The page to open.
        warnings: What to know before reading any figure, a sentence each.
    """

    page: Path
    warnings: tuple[str, ...]


def contents(
    runs: Sequence[Assessment],
    published: Sequence[PublishedScore] = (),
    warnings: Sequence[str] = (),
) -> Contents:
    """Compare runs and measure them for every section.

    Args:
        runs: At least one.
        published: Scores of others, to show beside them.
        warnings: What a reader must know before any figure, a sentence each.
    """
    comparisons = compare(report_pairs(runs))
    return Contents(runs, comparisons, published, warnings, sections(ranked(runs), comparisons))


def build_report(
    runs: Sequence[Run],
    published: Sequence[PublishedScore],
    out: Path,
    *,
    data: Path | None = None,
    embed_images: bool = False,
) -> Report:
    """Score runs and write everything about them into a folder.

    Args:
        runs: At least one (see `unifer_tasks.report.sources.given.read_runs`).
        published: Scores of others, to show beside them.
        out: The folder; files of an earlier report in it are replaced.
        data: The benchmark folder whose images and annotations the report uses; None for none.
        embed_images: Whether the page holds the images itself.

    Raises:
        DataError: `data` is not a benchmark folder.
        OSError: A file cannot be written.
    """
    from unifer_tasks.report.page import write_page
    from unifer_tasks.report.renderers.plots import write_plots

    annotated = read_annotated(data, runs) if data else None
    assessments = [
        assess(run, annotations_of(run, annotated) if annotated else None)
        for run in tqdm(runs, "reading answers", unit="run", disable=None)
    ]
    unknown = unlike(runs, annotated) if annotated else ()
    warnings = (*differences(runs), *_stand_ins(runs), *unknown)
    held = contents(assessments, published, warnings)
    write_scores(out / SCORES_NAME, scores_document(held))
    for kind, text in _TEXTS.items():
        with atomic_write(out / f"leaderboard.{kind}") as partial:
            partial.write_text(text(held), encoding="utf-8")
    with tqdm(desc="drawing", bar_format="{desc}: {postfix}", disable=None) as bar:
        plots = write_plots(held, out / PLOTS_FOLDER, bar.set_postfix_str)
    page = write_page(
        held,
        out,
        data=data,
        embed=embed_images,
        downloads=[
            *(out / f"leaderboard.{kind}" for kind in _TEXTS),
            out / SCORES_NAME,
            *(plot for plot in plots if plot.stem != "leaderboard"),
            *(plot for plot in plots if plot.stem == "leaderboard"),
        ],
    )
    return Report(page.path, (*warnings, *_images(page.missing_images, page.unreadable_images)))


def _stand_ins(runs: Sequence[Run]) -> list[str]:
    if drawn := [run.title for run in runs if run.stand_in]:
        which = ", ".join(drawn) if len(drawn) < len(runs) else "all runs"
        return [f"STAND-IN faces: no result on photographs ({which})."]
    return []


def _images(missing: int, unreadable: Sequence[str]) -> list[str]:
    found = []
    if missing:
        found.append(
            f"No image in the data for {counted(missing, 'question')}; a placeholder is shown."
        )
    if unreadable:
        shown = ", ".join(unreadable[:5])
        found.append(f"{counted(len(unreadable), 'image')} cannot be decoded: {shown}.")
    return found
