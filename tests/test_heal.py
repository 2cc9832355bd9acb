"""The NIH HEAL calculator's arithmetic: what it takes, what it refuses, and what is said of days that cannot be.

Its recorded answers stand in `reference/`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fbss_analytics.errors import InputError, StudyWarning
from fbss_analytics.exposure.heal import heal_medications, heal_mme

Refused = Callable[..., None]
MORPHINE = {"medication_name": "Morphine (mg)", "dose": 10, "doses_per_24_hours": 3, "days_of_medication": 10}
FILM = {
    "medication_name": "Buprenorphine tablet/film (mg) sublingual", "dose": 8, "doses_per_24_hours": 1,
    "days_of_medication": 5,
}  # fmt: skip


def test_all_names_of_the_calculator() -> None:
    names = heal_medications()
    assert len(names) == 29
    # Case and the order of words vary in the calculator's own list.
    assert {
        "Hydrocodone LA (mg)",
        "Oxycodone (mg) LA",
        "tramadol (mg)",
        "butorphanol (mg)",
        "Fentanyl oral (mcg)",
    } <= set(names)
    assert names["Fentanyl patch (mcg/hr)"] == 2.4


def test_days_may_differ_without_buprenorphine() -> None:
    found = heal_mme([MORPHINE, FILM], therapy_days=(12, 10), window_days=[30, 20])
    frame = found.frame.set_index("arm")
    assert frame.loc["with_buprenorphine", ["therapy_days", "window_days"]].tolist() == [12, 30]
    assert frame.loc["without_buprenorphine", ["therapy_days", "window_days"]].tolist() == [10, 20]
    # 10 x 3 x 1 x 10 = 300; 8 x 1 x 38.8 x 5 = 1552.
    assert frame["total_mme"].tolist() == pytest.approx([1852, 300], rel=1e-12)
    assert frame["mme2"].tolist() == pytest.approx([1852 / 12, 30], rel=1e-12)
    assert found.prescriptions["mme"].tolist() == pytest.approx([300, 1552], rel=1e-12)


def test_a_frame_gives_the_same() -> None:
    one = heal_mme([MORPHINE, FILM], therapy_days=10, window_days=30)
    frame = pd.DataFrame([MORPHINE, FILM]).assign(note="x")
    other = heal_mme(frame, therapy_days=np.int64(10), window_days=np.array([30.0]))
    pd.testing.assert_frame_equal(one.frame, other.frame)
    assert list(frame.columns) == [*MORPHINE, "note"]


def test_without_any_other_opioid_the_first_definition_is_missing() -> None:
    without = heal_mme([FILM], therapy_days=5, window_days=30).frame.iloc[1]
    assert np.isnan(without["mme1"])
    assert without[["total_mme", "total_days", "mme2", "mme3", "mme4"]].tolist() == [0, 0, 0, 0, 0]


def test_the_result_says_itself() -> None:
    found = heal_mme([MORPHINE], therapy_days=10, window_days=30)
    assert found.sentence() == (
        "1 prescription by the NIH HEAL calculator, with buprenorphine: 300.0 MME, per day supplied 30.0, on therapy "
        "30.0, in the window 10.0, single-day doses added 30.0; without buprenorphine: 300.0 MME, per day supplied "
        "30.0, on therapy 30.0, in the window 10.0, single-day doses added 30.0."
    )
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize(
    ("therapy", "window", "words"),
    [
        (10, 9, "window is shorter than the days on therapy"),
        (11, 30, "more days on therapy than all prescriptions supply"),
        (9, 30, "fewer days on therapy than the longest prescription lasts"),
    ],
)
def test_days_that_cannot_be_are_said(therapy: float, window: float, words: str) -> None:
    with pytest.warns(StudyWarning, match=words) as caught:
        heal_mme([MORPHINE], therapy_days=therapy, window_days=window)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"medication_name": "morphine (mg)"}, ("Prescription 2", "Did you mean 'Morphine (mg)'?")),
        ({"medication_name": ["Morphine (mg)"]}, ("Prescription 2", "no medication of that name")),
        ({"dose": 0}, ("Prescription 2: dose is not a number above 0",)),
        ({"dose": float("nan")}, ("dose is not a number above 0",)),
        ({"dose": float("inf")}, ("dose is not a number above 0",)),
        ({"dose": "10"}, ("dose is not a number above 0",)),
        ({"dose": True}, ("dose is not a number above 0",)),
        ({"doses_per_24_hours": -1}, ("doses_per_24_hours is not",)),
        ({"days_of_medication": None}, ("days_of_medication is not",)),
    ],
)
def test_a_prescription_is_refused(refused: Refused, change: dict[str, Any], words: tuple[str, ...]) -> None:
    refused(InputError, lambda: heal_mme([MORPHINE, MORPHINE | change], therapy_days=10, window_days=30), *words)


@pytest.mark.parametrize("days", [0, -1, float("nan"), float("inf"), [], [1, 2, 3], [10, 0], "10", None, True])
def test_days_are_refused(refused: Refused, days: Any) -> None:
    refused(InputError, lambda: heal_mme([MORPHINE], therapy_days=days, window_days=30), "therapy_days=", "above 0")
    refused(InputError, lambda: heal_mme([MORPHINE], therapy_days=10, window_days=days), "window_days=", "above 0")


def test_fields_must_be_there(refused: Refused) -> None:
    refused(InputError, lambda: heal_mme([], therapy_days=1, window_days=1), "no prescriptions", "medication_name")
    for wrong in (None, "Morphine (mg)", MORPHINE, [["Morphine (mg)"]], 3):
        refused(InputError, lambda wrong=wrong: heal_mme(wrong, therapy_days=1, window_days=1), "list of mappings")
    bare = {"medication_name": "Morphine (mg)", "dose": 1}
    refused(
        InputError,
        lambda: heal_mme([bare], therapy_days=1, window_days=1),
        "Prescription 1 has no doses_per_24_hours and no days_of_medication",
    )
