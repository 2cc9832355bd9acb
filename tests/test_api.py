"""The public names are those users learned, each is documented, and the printed example runs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import fbss_analytics as fbss
from fbss_analytics.exposure.definition import CHOICES, OVERLAP, WITHIN
from fbss_analytics.exposure.factors import factor_tables

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
GUIDE = HERE.parent / "docs" / "opioid_exposure.md"
SURVIVAL = HERE.parent / "docs" / "survival.md"


def test_the_public_names_are_the_recorded_ones() -> None:
    recorded = (HERE / "golden" / "api.txt").read_text(encoding="utf-8").split()
    assert sorted(set(fbss.__all__) - {"__version__"}) == recorded


@pytest.mark.parametrize("name", [name for name in fbss.__all__ if name != "__version__"])
def test_every_public_name_says_what_it_is(name: str) -> None:
    thing = getattr(fbss, name)
    text = inspect.getdoc(thing)
    assert text
    assert text.splitlines()[0].endswith(".")
    if inspect.isfunction(thing):
        prints = name.startswith("table_") or name == "versions"
        assert prints or "Definition" in text, "a definition stands in the docstring"


@pytest.mark.skipif(not GUIDE.exists(), reason="docs/opioid_exposure.md is not beside the tests")
def test_the_guide_to_opioid_exposure_runs_and_names_what_there_is() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        *before, last = block.strip().rsplit("\nfbss.", 1)
        exec(compile(before[0], GUIDE.name, "exec"), names)
        found = eval(compile(f"fbss.{last}", GUIDE.name, "eval"), names)
        # 60 x 30 mg and 14 x 5 mg of oxycodone x 1.5, over 37, 30 and 90 days, and 90 + 15 on one day (Dasgupta 2021).
        columns = [f"mme_per_day_{per}" for per in ("supplied", "covered", "in_window")] + ["max_daily_mme"]
        assert found[columns].round(1).to_numpy().tolist() == [[75.8, 93.5, 31.2, 105.0]]
    assert set(re.findall(r"`((?:add|plot|from|flag|write|read|heal)_[a-z_]+)", text)) <= set(fbss.__all__)
    rows = dict(re.findall(r"^\| `([a-z_]+)`[^|]*\|([^|]*)\|", text, flags=re.MULTILINE))
    for name, allowed in {**CHOICES, "overlap": OVERLAP, "overlap_within": WITHIN, "factors": factor_tables()}.items():
        assert set(allowed) <= set(re.findall(r"`([a-z_0-9]+)`", rows[name])), name


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fbss.nothing
    assert dir(fbss) == sorted(fbss.__all__)


@pytest.mark.skipif(not SURVIVAL.exists(), reason="docs/survival.md is not beside the tests")
def test_the_verbs_of_the_page_on_survival_exist() -> None:
    rows = [line.split("|") for line in SURVIVAL.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    named = {name for row in rows[1:] for name in re.findall(r"`(\w+)`", row[2])}
    assert len(named) > len(rows)
    assert named <= set(fbss.__all__)


@pytest.mark.filterwarnings("default::fbss_analytics.errors.StudyWarning")
@pytest.mark.skipif(not README.exists(), reason="README.md is not beside the tests")
def test_the_printed_example_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(r"<!-- example -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert found
    exec(compile(found[1], "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert "patients in synthetic neuromodulation" in said
    assert "HR" in said
    import matplotlib.pyplot as plt

    plt.close("all")
