"""A dose definition: what it says of itself, what it records, and which choices it refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fbss_analytics.errors import InputError
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.factor_file import read_factor_table

Refused = Callable[..., None]
PLAIN = {"factors": "cdc_2022", "overlap": "concurrent", "buprenorphine": "exclude"}
CARRY = PLAIN | {"overlap": "carry_forward", "overlap_within": "ingredient"}
OWN = {
    "ingredient": ["tramadol"], "forms": ["tablet"], "routes": ["oral"], "unit": ["mg"], "factor": [0.15],
    "basis": ["amount"], "source": ["local"],
}  # fmt: skip


def defined(**choices: Any) -> DoseDefinition:
    return DoseDefinition(**choices)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({}, "doses of concurrent fills add; buprenorphine is excluded."),
        ({"buprenorphine": "include"}, "doses of concurrent fills add; buprenorphine is included."),
        (
            {"overlap": "carry_forward", "overlap_within": "ingredient_and_form"},
            "a fill of the same ingredient and form begins when the one before it is used up; buprenorphine is "
            "excluded.",
        ),
        (
            {"overlap": "carry_forward", "overlap_within": "ingredient", "carry_at_most_days": 7},
            "a fill of the same ingredient begins when the one before it is used up, by 7 days at most; buprenorphine "
            "is excluded.",
        ),
        (
            {"overlap": "truncate", "overlap_within": "ingredient"},
            "a new fill of the same ingredient ends the one before it; buprenorphine is excluded.",
        ),
        (
            {"straddle": "whole_fill", "stays": "exclude", "repeats": "drop"},
            "doses of concurrent fills add; buprenorphine is excluded; a fill that touches the window counts whole; "
            "days in hospital are left out of the covered days and of the window; rows equal in every column but "
            "dispensing_id count once.",
        ),
        (
            {"stays": "assume_supplied"},
            "doses of concurrent fills add; buprenorphine is excluded; days in hospital count as supplied, without a "
            "dose.",
        ),
    ],
)  # fmt: skip
def test_a_definition_says_every_choice(choices: dict[str, Any], words: str) -> None:
    assert defined(**PLAIN | choices).sentence() == f"Oral MME by the table cdc_2022; {words}"


def test_choices_are_recorded_where_they_were_made() -> None:
    assert defined(**PLAIN).arguments == PLAIN
    assert defined(**PLAIN, straddle="prorate", stays="ignore", repeats="keep").arguments == PLAIN
    capped = CARRY | {"carry_at_most_days": 7, "straddle": "whole_fill"}
    assert defined(**capped).arguments == capped


def test_a_definition_with_a_table_of_ones_own() -> None:
    table, same = (read_factor_table(pd.DataFrame(OWN), name="local_2024") for _ in range(2))
    one, other = defined(**PLAIN | {"factors": table}), defined(**PLAIN | {"factors": same})
    assert one == other
    assert hash(one) == hash(other)
    assert one != defined(**PLAIN)
    assert one.sentence().startswith("Oral MME by your own table local_2024; ")
    assert one.arguments["factors"] == table.label


def test_a_definition_does_not_change() -> None:
    with pytest.raises(AttributeError):
        defined(**PLAIN).straddle = "whole_fill"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (PLAIN | {"straddle": "whole"}, ("straddle='whole'", "Did you mean 'whole_fill'?")),
        (PLAIN | {"stays": "excluded"}, ("stays='excluded'", "Did you mean 'exclude'?")),
        (PLAIN | {"repeats": "dropped"}, ("repeats='dropped'", "Did you mean 'drop'?")),
        (PLAIN | {"overlap_within": "ingredient"}, ("no meaning", 'overlap="concurrent"', "carry_forward")),
        (PLAIN | {"overlap": "truncate"}, ('overlap="truncate"', 'overlap_within="ingredient_and_form"')),
        (PLAIN | {"overlap": "carry_forward"}, ("needs to know which fills follow each other",)),
        (CARRY | {"overlap_within": "ingredients"}, ("overlap_within='ingredients'", "Did you mean 'ingredient'?")),
        (PLAIN | {"carry_at_most_days": 7}, ('caps overlap="carry_forward" only', 'overlap is "concurrent"')),
        (CARRY | {"overlap": "truncate", "carry_at_most_days": 7}, ('overlap is "truncate"',)),
        (CARRY | {"carry_at_most_days": 0}, ("carry_at_most_days=0", "1 or more", 'overlap="truncate"')),
        (CARRY | {"carry_at_most_days": 1.5}, ("carry_at_most_days=1.5", "whole number")),
        (CARRY | {"carry_at_most_days": True}, ("carry_at_most_days=True", "whole number")),
    ],
)
def test_contradictory_choices_are_refused(refused: Refused, choices: dict[str, Any], words: tuple[str, ...]) -> None:
    refused(InputError, lambda: defined(**choices), *words)


def test_a_cap_may_be_any_whole_number() -> None:
    assert defined(**CARRY, carry_at_most_days=1).carry_at_most_days == 1
    assert defined(**CARRY, carry_at_most_days=np.int64(30)) == defined(**CARRY, carry_at_most_days=30)
