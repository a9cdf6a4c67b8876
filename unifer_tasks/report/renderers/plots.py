"""Plots for a paper: PNG and SVG, equal bytes for equal input.

Colours are Okabe and Ito's and sequential or diverging maps that colour-blind readers can tell
apart; type is 7 to 8 points at the printed width of one or two columns.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from unifer_tasks.protocol.labels import CANONICAL_LABELS, FERBENCH
from unifer_tasks.redaction.characters import visible
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.boards import ranked
from unifer_tasks.report.figures.contents import Contents
from unifer_tasks.report.figures.marks import marks
from unifer_tasks.report.figures.numbers import signed
from unifer_tasks.report.figures.published import PublishedScore
from unifer_tasks.report.figures.tables import Chart
from unifer_tasks.scoring.intervals import Estimate
from unifer_tasks.scoring.metrics import HEADLINE
from unifer_tasks.scoring.repeats import AtK
from unifer_tasks.scoring.summary import POOLED
from unifer_tasks.support.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.text import Text

FORMATS = ("png", "svg")
# Of flat areas and type, 6, which is zlib's own, saves a tenth of the bytes for twice the time.
_COMPRESSION = 3
_REPEATS, _RELIABILITY = "repeats", "reliability"
_CURVES: Mapping[str, Callable[[AtK], Estimate]] = {
    "majority@k": lambda point: point.majority_vote,
    "pass@k": lambda point: point.pass_at,
    "agreement@k": lambda point: point.agreement,
}
"""Panel of the plot of repeated answers -> its figure."""

# Widths of a column and of a page of two, in inches.
_COLUMN, _PAGE = 3.4, 7.0
# Panels of one run each in a row of a page.
_PANELS = 4
# Of a line of a row's name.
_LINE = 0.14
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#666666"
_LINES = (_BLUE, "#E69F00", "#009E73", "#CC79A7", "#56B4E9", _ORANGE)
_MARKERS = "osD^v"
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 300,
    # No dollar in a model's name starts a formula.
    "text.parse_math": False,
    # Ids in SVG are hashes of this and of what they name, not of a random number.
    "svg.hashsalt": "ferbench",
    "svg.fonttype": "path",
}
_CAUTION = "Synthetic faces (stand-in): no result on photographs"

Progress = Callable[[str], None]
Sheets = dict[
    tuple[tuple[str, ...], tuple[float, float], int, bool | None], tuple["Figure", "Text"]
]
"""What of a confusion matrix its layout depends on (labels, colour range, lines of the title,
whether there is a caution) -> a figure of that layout, and its title."""


def write_plots(report: Contents, folder: Path, progress: Progress = lambda _: None) -> list[Path]:
    """Write all plots.

    Args:
        report: Of published scores, those of pooled headline metrics are shown apart.
        folder: Where to. Plots of an earlier report there that this one lacks are removed.
        progress: Receives the name of each plot before it is drawn.

    Returns:
        The files: the leaderboard, per-class recall and label prior of all runs, the curves of
        those that were asked several times, the reliability of those that ranked candidates, and
        the confusion matrix of each, pooled, in the order of the leaderboard.
    """
    runs = ranked(report.runs)
    digits = len(str(len(runs)))
    plots: dict[str, Callable[[], Figure]] = {
        "leaderboard": functools.partial(leaderboard, runs, report.published),
        "recall": functools.partial(recall, runs),
        "prior": functools.partial(prior, runs),
    }
    if repeated := [one for one in runs if POOLED in one.repeats]:
        plots[_REPEATS] = functools.partial(repeats, repeated)
    charts = {chart.title: chart for section in report.sections for chart in section.charts}
    if calibrated := [(one, charts[one.run.title]) for one in runs if one.run.title in charts]:
        plots[_RELIABILITY] = functools.partial(reliability, calibrated)
    sheets: Sheets = {}
    for place, one in enumerate(runs, start=1):
        name = f"confusion_{place:0{digits}d}_{_slug(one.run.title)}"
        plots[name] = functools.partial(confusion, one, sheets)
    written: list[Path] = []
    with _style():
        for name, draw in plots.items():
            progress(name)
            figure = draw()
            written += _save(figure, folder / name)
    stale = (
        path
        for pattern in ("confusion_*", f"{_REPEATS}.*", f"{_RELIABILITY}.*")
        for path in folder.glob(pattern)
    )
    for path in set(stale) - set(written):
        if path.suffix.removeprefix(".") in FORMATS:
            path.unlink()
    return written


def _save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure in each of `FORMATS`; `Figure.savefig` would lay it out and draw it twice."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    if layout := figure.get_layout_engine():
        layout.execute(figure)
        figure.set_layout_engine("none")
    # The renderer that measured the texts draws them.
    raster: Any = figure.canvas
    vector: Any = FigureCanvasSVG(figure)
    dpi = figure.dpi
    png, svg = (stem.with_name(f"{stem.name}.{kind}") for kind in FORMATS)
    raster.draw()
    pixels = raster.buffer_rgba()
    image = Image.frombuffer("RGBA", pixels.shape[1::-1], pixels).convert("RGB")
    with atomic_write(png) as partial:
        image.save(partial, "PNG", dpi=(dpi, dpi), compress_level=_COMPRESSION)
    with atomic_write(svg) as partial:
        # Without what would differ from one day to another.
        vector.print_svg(partial, metadata={"Date": None})
    # A sheet is drawn over.
    figure.set_canvas(raster)
    figure.set_dpi(dpi)
    return [png, svg]


def leaderboard(runs: Sequence[Assessment], published: Sequence[PublishedScore]) -> Figure:
    """Draw WAR, UAR and macro-F1 over all answers, with 95 % intervals; others' in orange."""
    others = _published(published)
    rows = [*map(_row, runs), *(_folded(name) for name in others)]
    height = 1.0 + _LINE * sum(row.count("\n") + 1.6 for row in rows)
    figure, row_of_axes = _figure(_PAGE, height, len(HEADLINE), sharey=True)
    places = np.arange(len(rows))[::-1]
    for axes, (metric, title) in zip(row_of_axes, HEADLINE.items(), strict=True):
        for place, one in zip(places, runs, strict=False):
            pooled = one.strict.pooled
            value, bounds = pooled.scores[metric], pooled.interval(metric)
            if value is None or bounds is None:
                continue
            low, high = bounds
            # A percentile interval of a biased score may leave the score out.
            whiskers = [[max(0.0, value - low)], [max(0.0, high - value)]]
            axes.errorbar(
                100 * value, place, xerr=100 * np.array(whiskers), fmt="o", color=_BLUE,
                markersize=2.5, elinewidth=0.8, capsize=2, clip_on=False,
            )  # fmt: skip
        for place, scores in zip(places[len(runs) :], others.values(), strict=True):
            if (score := scores.get(metric)) is not None:
                axes.plot(100 * score, place, "D", color=_ORANGE, fillstyle="none", ms=4)
        # Intervals of thousands of questions are a point or two wide: no axis from 0 to 100.
        axes.margins(x=0.08)
        axes.set(xlabel=f"{title} (%)", ylim=(-0.7, len(rows) - 0.3))
        axes.grid(axis="x", color="#DDDDDD", linewidth=0.5)
        axes.set_axisbelow(True)
        if others:
            axes.axhline(len(others) - 0.5, color=_GREY, linewidth=0.5, linestyle=":")
    row_of_axes[0].set_yticks(places, rows)
    _titled(figure, f"Scores with 95 % intervals, {_scope(runs)}", runs)
    return figure


def _published(published: Sequence[PublishedScore]) -> dict[str, dict[str, float]]:
    """Others' pooled scores: name of a row, with the reader -> metric -> score."""
    rows: dict[str, dict[str, float]] = {}
    for score in published:
        if score.dataset == "pooled" and score.metric in HEADLINE:
            name = f"{score.model} [published, {score.reader} reader]"
            rows.setdefault(name, {})[score.metric] = score.score
    return rows


def confusion(one: Assessment, sheets: Sheets | None = None) -> Figure:
    """Draw a run's pooled confusion matrix: shares of each true label, with counts.

    Args:
        one: The run.
        sheets: Figures drawn before. One that differs in its numbers and its title alone is
            drawn over, which spares its layout; the figure of the run before is then gone.
    """
    labels, counts = one.strict.pooled.confusion.labels, one.strict.pooled.confusion.counts
    support = counts.sum(axis=1, keepdims=True)
    shares = 100 * np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    limits = (0.0, _limits(shares)[1])
    texts = [f"{count:,}" for count in counts.flat]
    title = _folded_lines(f"{_name(one)}\nAnswers, {_scope([one])}", 58)
    key = (labels, limits, title.count("\n"), one.run.stand_in)
    # The height of other scripts is their own.
    if sheets is not None and key in sheets and title.isascii():
        figure, heading = sheets[key]
        # Where the layout has put it.
        heading.set_text(title)
        axes = figure.axes[0]
        (image,) = axes.images
        image.set_data(shares)
        for cell, text, colour in zip(axes.texts, texts, _text_colours(image, shares), strict=True):
            cell.set(text=text, color=colour)
        return figure
    figure, (axes,) = _figure(_COLUMN + 0.6, 3.5, 1)
    image = _heat(axes, shares, "Blues", limits, texts)
    shown = [*labels, "not read"]
    axes.set_xticks(range(len(shown)), shown, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="Answered label", ylabel="True label")
    figure.colorbar(image, ax=axes, label="Share of the true label (%)", fraction=0.046, pad=0.03)
    heading = _titled(figure, title, [one])
    if sheets is not None and title.isascii():
        sheets[key] = figure, heading
    return figure


def recall(runs: Sequence[Assessment]) -> Figure:
    """Draw the recall of each class over all answers, a row a run."""
    values = np.array([[_recall(one, label) for label in CANONICAL_LABELS] for one in runs])
    return _by_class(
        runs, 100 * values, "cividis", _limits(100 * values), "Recall (%)",
        lambda value: f"{value:.0f}",
    )  # fmt: skip


def prior(runs: Sequence[Assessment]) -> Figure:
    """Draw how much more often each label was answered than it is true, a row a run."""
    values = np.array([[_surplus(one, label) for label in CANONICAL_LABELS] for one in runs])
    reach = max(1.0, float(np.nanmax(np.abs(values), initial=0)))
    return _by_class(
        runs,
        values,
        "PuOr_r",
        (-reach, reach),
        "Answered share − true share (points)",  # noqa: RUF001
        lambda value: signed(value, 0),
    )


def repeats(runs: Sequence[Assessment]) -> Figure:
    """Draw what k answers to each question show, over k, with 95 % intervals; a line a run."""
    from matplotlib.ticker import MaxNLocator

    rows = list(map(_row, runs))
    height = max(2.4, 0.8 + _LINE * sum(row.count("\n") + 1.3 for row in rows))
    figure, (*panels, key) = _figure(_PAGE, height, len(_CURVES) + 1)
    for axes, (title, read) in zip(panels, _CURVES.items(), strict=True):
        for number, (one, row) in enumerate(zip(runs, rows, strict=True)):
            curve = one.repeats[POOLED].curve
            ks, figures = [point.k for point in curve], [read(point) for point in curve]
            turn, place = divmod(number, len(_LINES))
            low, high = 100 * np.array([found.interval for found in figures]).T
            axes.fill_between(ks, low, high, color=_LINES[place], alpha=0.15, linewidth=0)
            axes.plot(
                ks, [100 * found.value for found in figures], color=_LINES[place], label=row,
                linewidth=1, marker=_MARKERS[turn % len(_MARKERS)], markersize=2.5,
            )  # fmt: skip
        axes.set(xlabel="k answers", title=f"{title} (%)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color="#DDDDDD", linewidth=0.5)
        axes.set_axisbelow(True)
    # Beside the panels: names are long, and the caution is below them.
    key.set_axis_off()
    key.legend(*panels[0].get_legend_handles_labels(), loc="center", frameon=False, fontsize=6.5)
    _titled(figure, f"Several answers to each question, {_scope(runs)}", runs)
    return figure


def _recall(one: Assessment, label: str) -> float:
    found = one.strict.pooled.classes.get(label)
    return found.recall if found and found.support else np.nan


def _surplus(one: Assessment, label: str) -> float:
    pooled = one.strict.pooled
    found = pooled.classes.get(label)
    return 100 * (found.predicted - found.support) / pooled.n if found else np.nan


def reliability(found: Sequence[tuple[Assessment, Chart]]) -> Figure:
    """Draw how many answers are right over how sure the model is of them, a panel a run.

    A dot is a bin of confidence, with its 95 % interval; its area grows with its answers.
    """
    columns = min(_PANELS, len(found))
    rows = -(-len(found) // columns)
    names = [_folded(_name(one), 26) for one, _ in found]
    lines = max(name.count("\n") + 1 for name in names)
    height = 0.9 + rows * (_PAGE / _PANELS + _LINE * lines)
    figure, panels = _figure(
        max(_COLUMN, columns * _PAGE / _PANELS), height, columns, rows, sharex=True, sharey=True
    )
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    for axes, name, (_, chart) in zip(panels, names, found, strict=False):
        most = max(dot.n for dot in chart.dots)
        axes.plot([0, 100], [0, 100], color=_GREY, linewidth=0.8, linestyle="--")
        for dot in chart.dots:
            low, high = dot.y.interval
            value = dot.y.value
            axes.errorbar(
                100 * dot.x, 100 * value,
                yerr=[[100 * max(0.0, value - low)], [100 * max(0.0, high - value)]],
                fmt="o", color=_BLUE, markersize=2 + 3 * (dot.n / most) ** 0.5, elinewidth=0.8,
                clip_on=False,
            )  # fmt: skip
        ticks = range(0, 101, 25)
        axes.set(xlim=(0, 100), ylim=(0, 100), xticks=ticks, yticks=ticks, aspect="equal")
        axes.set_title(name, fontsize=7)
        axes.grid(color="#DDDDDD", linewidth=0.5)
        axes.set_axisbelow(True)
    for axes in panels[::columns]:
        axes.set_ylabel("Right answers (%)")
    for axes in panels[max(0, len(found) - columns) : len(found)]:
        axes.set_xlabel("Confidence (%)")
        axes.tick_params(labelbottom=True)
    runs = [one for one, _ in found]
    _titled(figure, f"Reliability, {_scope(runs)}", runs)
    return figure


def _by_class(
    runs: Sequence[Assessment],
    values: npt.NDArray[np.float64],
    colours: str,
    limits: tuple[float, float],
    title: str,
    text: Callable[[float], str],
) -> Figure:
    rows = list(map(_row, runs))
    height = 1.3 + _LINE * sum(row.count("\n") + 2 for row in rows)
    figure, (axes,) = _figure(_PAGE, height, 1)
    texts = ["" if np.isnan(value) else text(value) for value in values.flat]
    image = _heat(axes, values, colours, limits, texts, aspect="auto")
    ticks = range(len(CANONICAL_LABELS))
    axes.set_xticks(ticks, CANONICAL_LABELS, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(runs)), rows)
    axes.set_xlabel("Label")
    # Named above and not along its side, which a few rows make too short for it.
    figure.colorbar(image, ax=axes, pad=0.02)
    _titled(figure, f"{title}, {_scope(runs)}", runs)
    return figure


def _heat(
    axes: Axes,
    values: npt.NDArray[np.float64],
    colours: str,
    limits: tuple[float, float],
    texts: Sequence[str],
    aspect: Any = "equal",
) -> AxesImage:
    low, high = limits
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high, aspect=aspect)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    places = np.ndindex(values.shape)
    for (i, j), text, colour in zip(places, texts, _text_colours(image, values), strict=True):
        if text:
            axes.text(
                j, i, text, ha="center", va="center", fontsize=6.5, color=colour, in_layout=False
            )
    return image


def _text_colours(image: AxesImage, values: npt.NDArray[np.float64]) -> list[str]:
    """Return whichever of black and white is farther from each cell's colour."""
    # Luminance as sRGB weighs it.
    luminance = np.asarray(image.to_rgba(values))[..., :3] @ (0.2126, 0.7152, 0.0722)
    return ["white" if value < 0.5 else "black" for value in luminance.flat]


def _figure(
    width: float, height: float, columns: int, rows: int = 1, **options: Any
) -> tuple[Figure, Sequence[Axes]]:
    # Not pyplot: it keeps every figure in a global list.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


def _titled(figure: Figure, title: str, runs: Iterable[Assessment], width: int = 100) -> Text:
    heading = figure.suptitle(_folded_lines(title, width), fontsize=8)
    if any(one.run.stand_in for one in runs):
        figure.supxlabel(_CAUTION, fontsize=7, color=_ORANGE)
    return heading


def _scope(runs: Sequence[Assessment]) -> str:
    """State which answers figures are of, and who read them."""
    found = [
        space.title
        for dataset, space in FERBENCH.items()
        if any(dataset in one.strict.datasets for one in runs)
    ]
    which = "all four datasets" if len(found) == len(FERBENCH) else " and ".join(found)
    return f"{which}{', pooled' if len(found) > 1 else ''}, strict reader"


def _limits(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the narrowest range in steps of 10 that holds percentages, so that they differ."""
    known = values[~np.isnan(values)]
    if not known.size:
        return 0.0, 100.0
    low = min(90.0, 10 * float(np.floor(known.min() / 10)))
    return low, max(low + 10, 10 * float(np.ceil(known.max() / 10)))


def _name(one: Assessment) -> str:
    found = ", ".join(mark.short for mark in marks(one) if mark.short)
    return visible(one.run.title) + (f" [{found}]" if found else "")


def _row(one: Assessment) -> str:
    return _folded(_name(one))


def _folded(text: str, width: int = 36) -> str:
    """Break a long name over several lines."""
    return "\n".join(textwrap.wrap(text, width)) or text


def _folded_lines(text: str, width: int) -> str:
    return "\n".join(_folded(line, width) for line in text.split("\n"))


def _slug(title: str) -> str:
    """Turn a title into a part of a file name."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in title)
    return "-".join(filter(None, plain.split("-")))[:60] or "run"


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context():
        # A user's own style changes no bytes.
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield
