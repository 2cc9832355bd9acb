"""How numbers and small tables are printed."""

import math

import numpy as np
import pandas as pd
import pytest

from fbss_analytics import formats


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(123.456789, 6, 123.457), (0.000123456789, 6, 0.000123457), (1234567.0, 3, 1230000.0), (-2.5, 1, -2.0)],
)
def test_significant_digits(value: float, digits: int, shown: float) -> None:
    assert formats.significant(value, digits) == shown


def test_significant_keeps_what_is_no_number() -> None:
    assert math.isnan(formats.significant(math.nan))
    assert formats.significant(-math.inf) == -math.inf


@pytest.mark.parametrize(("n", "text"), [(0, "0"), (12_345, "12,345"), (1 / 49 * 49, "1"), (np.float64(3), "3")])
def test_counts(n: float, text: str) -> None:
    assert formats.count(n) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234.56, 1, "1,234.6"),
        (-0.04, 1, "0.0"),
        (-0.06, 1, "-0.1"),
        (-0.4, 0, "0"),
        (math.nan, 1, "-"),
        (math.inf, 1, "-"),
        (None, 1, "-"),
    ],
)
def test_decimals(value: float, digits: int, text: str) -> None:
    assert formats.decimal(value, digits) == text


@pytest.mark.parametrize(("share", "text"), [(0.125, "12.5 %"), (0.0, "0.0 %"), (math.nan, "-"), (None, "-")])
def test_percentages(share: float, text: str) -> None:
    assert formats.percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1.005, "1.00"), (0.1, "0.10"), (0.0999, "0.100"), (0.0123, "0.012"), (None, "-")]
)
def test_ratios(value: float, text: str) -> None:
    assert formats.ratio(value) == text


def test_intervals() -> None:
    assert formats.interval(0.5, 1.25) == "0.50 to 1.25"
    assert formats.interval(0.051, 0.149, digits=1, scale=100) == "5.1 to 14.9"
    assert formats.interval(math.nan, 1) == "- to 1.00"


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.5, "0.500"), (0.001, "0.001"), (0.00099, "<0.001"), (0.0, "<0.001"), (math.nan, "-"), (None, "-")],
)
def test_p_values(p: float, text: str) -> None:
    assert formats.p_value(p) == text


def test_plurals() -> None:
    assert formats.plural(1, "row") == "1 row"
    assert formats.plural(0, "row") == "0 rows"
    assert formats.plural(1_000, "study", "studies") == "1,000 studies"


def test_a_table_is_plain_and_escaped() -> None:
    frame = pd.DataFrame({"a<b": ["x & y", None, "12 %"], "n": [1.5, math.nan, -2.0], "i": np.array([1, 2, -3])})
    html = formats.html_table(frame, caption="A > B", notes='"quoted"')
    assert html.startswith('<table class="fbss"><caption>A &gt; B</caption><thead><tr><th>a&lt;b</th>')
    assert html.endswith('</table><p class="notes">&quot;quoted&quot;</p>')
    assert '<td>x &amp; y</td><td class="number">1.5</td><td class="number">1</td>' in html
    assert '<td>-</td><td class="number">-</td><td class="number">2</td>' in html
    assert '<td class="number">12 %</td><td class="number">-2.0</td><td class="number">-3</td>' in html
    assert " id=" not in html


def test_a_table_without_caption_and_notes() -> None:
    html = formats.html_table(pd.DataFrame({"day": [pd.NaT]}))
    assert (
        html
        == '<table class="fbss"><thead><tr><th>day</th></tr></thead>\n<tbody>\n<tr><td>-</td></tr>\n</tbody></table>'
    )
