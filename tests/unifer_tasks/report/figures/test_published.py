from __future__ import annotations

from pathlib import Path

import pytest

from unifer_tasks.report.figures.published import (
    PublishedError,
    PublishedScore,
    published_scores,
)

GOOD = {
    "model": '"M"',
    "dataset": '"sfew"',
    "metric": '"uar"',
    "score": "0.5",
    "decimals": "1",
    "reader": '"strict"',
    "prompt": '"a question"',
    "by": '"someone"',
    "source": '"a paper, table 1"',
    "url": '"https://example.org"',
}


def entry(**changes: str | None) -> str:
    fields = {**GOOD, **changes}
    lines = [f"{name} = {value}" for name, value in fields.items() if value is not None]
    return "\n".join(["[[published]]", *lines, ""])


def written(folder: Path, text: str) -> Path:
    path = folder / "figures.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_papers_figure_is_there() -> None:
    (score,) = published_scores()
    assert (score.model, score.dataset, score.metric) == ("UniFER-7B", "pooled", "accuracy")
    assert f"{score.score:.{score.decimals}%}" == "68.84%"
    assert "2511.00389" in score.source


def test_an_entry_is_read(tmp_path: Path) -> None:
    assert published_scores(written(tmp_path, entry() + entry(dataset='"rafdb"', n="12"))) == (
        PublishedScore(
            "M", "sfew", "uar", 0.5, 1, "strict", "a question", "someone", "a paper, table 1",
            "https://example.org",
        ),
        PublishedScore(
            "M", "rafdb", "uar", 0.5, 1, "strict", "a question", "someone", "a paper, table 1",
            "https://example.org", 12,
        ),
    )  # fmt: skip


def test_no_entry_is_no_score(tmp_path: Path) -> None:
    assert published_scores(written(tmp_path, "# nothing yet\n")) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("published = 3", "`published` must be a list, got 3"),
        ("[other]\nx = 1", "has the unknown key 'other'"),
        ("[[published", "is not TOML"),
        ("published = [3]", "`published.0` must be an object, got 3"),
        (entry(source=None), "`published.0` lacks `source`"),
        (entry(table='"2"'), "`published.0` has the unknown key 'table'"),
        (
            entry(score="68.84"),
            "`published.0` `score` must be in [0, 1], got 68.84 (a percentage?)",
        ),
        (entry(score="nan"), "`published.0.score` must be a finite number"),
        (entry(score='"0.5"'), "`published.0.score` must be a number"),
        (entry(n="true"), "`published.0.n` must be an integer or null"),
        (entry(n="0"), "`n` at least 1"),
        (entry(decimals="-1"), "`decimals` must be at least 0"),
        (entry(by='" "'), "has an empty `by`"),
        (entry(dataset='"sfew2"'), "the dataset 'sfew2'; it must be one of rafdb, ferplus"),
        (entry(metric='"WAR"'), "the metric 'WAR'; it must be one of accuracy"),
        (entry(url='"javascript:alert(1)"'), "`url` must begin with https://"),
        (entry() + entry(score="0.6"), "`published.1` repeats an earlier entry"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(PublishedError) as error:
        published_scores(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "figures.toml"
    path.write_bytes(b"# \xff\n")
    with pytest.raises(PublishedError, match="is not UTF-8"):
        published_scores(path)
