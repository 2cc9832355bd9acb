"""How the library speaks up."""

import pytest

from fbss_analytics.errors import DataError, InputError, StudyWarning, nearest, one_of


def test_wrong_use_and_unusable_data_are_told_apart() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(DataError, ValueError)
    assert not issubclass(InputError, DataError)
    assert issubclass(StudyWarning, UserWarning)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("explnat", " Did you mean 'explant'?"),
        ("zzz", " Known: death, explant."),
        (7, " Known: death, explant."),
    ],
)
def test_the_nearest_name(word: object, words: str) -> None:
    assert nearest(word, ["explant", "death"]) == words


def test_a_long_list_is_cut() -> None:
    known = [f"name_{number:02d}" for number in range(13)]
    assert nearest("zzz", known) == f" Known: {', '.join(known[:12])}, ..."
    assert nearest("zzz", known[:12]) == f" Known: {', '.join(known[:12])}."


def test_one_of() -> None:
    assert one_of("first", ("first", "last"), name="occurrence") == "first"
    assert one_of("first", iter(("first", "last")), name="occurrence") == "first"
    with pytest.raises(InputError, match=r"occurrence='fist' is not known\. Did you mean 'first'\?"):
        one_of("fist", ("first", "last"), name="occurrence")
