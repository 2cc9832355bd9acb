"""Fixtures shared by the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from spec.notation import build, parse

from fbss_analytics.cohort import Cohort
from fbss_analytics.cohort.verbs import start_cohort
from fbss_analytics.errors import DataError, InputError
from fbss_analytics.sources.source import Source

IDS = ("id-4711", "id-4712", "id-4713")
SMALL = """
patients
patient_id | birth_year | birth_month | sex    | death_date
id-4711    | 1961       | 3           | female |
id-4712    | 1954       |             | male   | 987
id-4713    |            |             |        |

device_events
patient_id | date | event   | reason
id-4711    | 654  | explant | infection

conditions
patient_id | date | condition
id-4711    | -321 | depression
id-4712    | -322 | fbss

attributes
patient_id | attribute | value
id-4711    | smoking   | never

measurements
patient_id | date | measure | value
id-4711    | -33  | nrs_leg | 7.25

surgeries
patient_id | date
id-4711    | -543
id-4712    | -544

therapies
patient_id | date | therapy
id-4712    | -77  | nsaid

dispensings
patient_id | date | days_supply
id-4711    | -45  | 28
"""
# What stands in the tables above and may be in no message: ids, values, dates.
VALUES = (*IDS, "4711", "1961", "1954", "7.25", "2017-04", "2018-03", "2014-05")


@pytest.fixture
def small_source() -> Source:
    """Three patients with a row in most tables."""
    return build(parse(SMALL))


@pytest.fixture
def small_cohort(small_source: Source) -> Cohort:
    """The three patients at their implant."""
    return start_cohort(small_source, index="scs_implant", occurrence="first")


@pytest.fixture
def bare_cohort() -> Cohort:
    """One patient of a source that has patients, observation and device events only."""
    source = build({"device_events": [{"patient_id": IDS[0], "date": "0", "event": "implant"}]}, implanted=False)
    return start_cohort(source, index="scs_implant", occurrence="first")


@pytest.fixture
def refused() -> Callable[..., None]:
    """Make a call that must fail, and read its message: these words stand in it, a patient's id or value does not."""

    def check(error: type[Exception], call: Callable[[], Any], *words: str) -> None:
        assert error in (InputError, DataError)
        with pytest.raises(error) as caught:
            call()
        assert type(caught.value) is error
        message = str(caught.value)
        assert [word for word in words if word not in message] == [], message
        assert [value for value in VALUES if value in message] == [], message

    return check
