"""The header of a table and the cells below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unifer_tasks.data.formats.tables import GOOD, HEADER, assert_named, assert_refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"image,emotion\n1,2\n", "and error, if you like); its first row is: image, emotion"),
        (b"dataset,id,target\nsfew,1,fear\n", "one of response and label"),
        ((HEADER[:-1] + ",Label\nsfew,1,fear,,\n").encode(), "has the column `label` twice"),
        (b"Image,Emotion\n1,2\n", "and error, if you like); its first row is: Image, Emotion"),
        ((HEADER[:-1] + ",Label\n").encode(), "as `label` and `Label`; rename or remove one"),
    ],
)
def test_columns_that_are_not_those_of_predictions_are_named(
    tmp_path: Path, content: bytes, message: str
) -> None:
    assert_refused(tmp_path, content, message)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (GOOD + "sfew,1,fear\n", "row 3: has 3 cells, the first row has 4"),
        (GOOD + "sfew,2,fear,fear,x\n", "row 3: has 5 cells, the first row has 4"),
        (GOOD + "sfew,,fear,sad\n", "row 3: lacks `id`"),
        (GOOD + ",2,fear,sad\n", "row 3: lacks `dataset`"),
        (GOOD + "sfew,2,,sad\n", "row 3: lacks `target`"),
        (
            "dataset,id,target,label,response\nsfew,2,fear,sad,sad\n",
            "row 2: has both `response` and `label`",
        ),
        ("Dataset,ID,Target,Label\nsfew,1,joy,x\n", "row 2: Target 'joy' is not a label of sfew"),
        ("Dataset,ID,Target,Label\nsfew,1,,x\n", "row 2: lacks `Target`, has Dataset, ID, Label;"),
        ("Dataset,\tID ,Target,Label\nsfew,,fear,x\n", "row 2: lacks `ID`, has Dataset, Target"),
        (
            "Dataset,Id,Target,LABEL,Response\nsfew,2,fear,sad,sad\n",
            "row 2: has both `Response` and `LABEL`; leave one",
        ),
    ],
)
def test_a_bad_row_is_named_with_the_columns_as_the_file_spells_them(
    tmp_path: Path, content: str, problem: str
) -> None:
    assert_named(tmp_path, content.encode(), problem)
