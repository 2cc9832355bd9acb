"""New ids: distinct, unlike the old ones, the same again with the same key."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from fbss_analytics.errors import DataError
from fbss_analytics.sources.new_ids import draw_new_ids


def test_an_id_that_is_taken_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter((1, 1, 2, 2, 1, 3))
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(drawn))
    assert draw_new_ids(["a", "b", "a"], tmp_path / "key.csv") == {"a": "P000000001", "b": "P000000002"}
    assert draw_new_ids(["c"], tmp_path / "key.csv")["c"] == "P000000003"


def test_ids_with_commas_and_line_breaks_come_back_from_the_key(tmp_path: Path) -> None:
    old = ['a,"b', "c\nd", "\u00e9"]
    first = draw_new_ids(old, tmp_path / "key.csv")
    assert draw_new_ids(old, tmp_path / "key.csv") == first


@pytest.mark.parametrize(
    "content", [b"", b"old_id,new_id\na\n", b"old_id,new_id\na,P1\nb,P1\n", b"old_id,new_id\na,P1\na,P2\n", b"\xff\xfe"]
)
def test_a_key_that_is_damaged_is_refused_and_kept(
    tmp_path: Path, refused: Callable[..., None], content: bytes
) -> None:
    (tmp_path / "key.csv").write_bytes(content)
    refused(DataError, lambda: draw_new_ids(["a"], tmp_path / "key.csv"), "key.csv is no key of ids written here")
    assert (tmp_path / "key.csv").read_bytes() == content
