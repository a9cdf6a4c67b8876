"""Build a report from runs: scores, leaderboard, plots and page in one folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from unifer_tasks.report.figures.assessment import assess
from unifer_tasks.report.figures.boards import ranked
from unifer_tasks.report.figures.comparison import compare, report_pairs
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


@dataclass(frozen=True, slots=True)
class Report:
    """A written report.

    Attributes:
        page: The page to open.
        warnings: What to know before reading any figure, a sentence each.
    """

    page: Path
    warnings: tuple[str, ...]


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
    comparisons = compare(report_pairs(assessments))
    found = sections(ranked(assessments), comparisons)
    unknown = unlike(runs, annotated) if annotated else ()
    warnings = (*differences(runs), *_stand_ins(runs), *unknown)
    document = scores_document(assessments, comparisons, published, warnings, found)
    write_scores(out / SCORES_NAME, document)
    texts: Mapping[str, Callable[[], str]] = {
        "md": lambda: as_markdown(assessments, comparisons, published, warnings, found),
        "csv": lambda: as_csv(assessments, published),
        "tex": lambda: as_latex(assessments, published),
    }
    for kind, text in texts.items():
        with atomic_write(out / f"leaderboard.{kind}") as partial:
            partial.write_text(text(), encoding="utf-8")
    with tqdm(desc="drawing", bar_format="{desc}: {postfix}", disable=None) as bar:
        plots = write_plots(assessments, published, out / PLOTS_FOLDER, bar.set_postfix_str)
    page = write_page(
        assessments,
        comparisons,
        published,
        out,
        data=data,
        embed=embed_images,
        warnings=warnings,
        found=found,
        downloads=[
            *(out / f"leaderboard.{kind}" for kind in texts),
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
