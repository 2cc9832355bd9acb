"""How loops are compiled: at first use, kept on disk where possible, off the interpreter lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal


def compiled(
    loop: Callable[..., Any],
    *,
    calls: Sequence[Callable[..., Any]] = (),
    error_model: Literal["python", "numpy"] = "python",
) -> Callable[..., Any]:
    """Return a loop over arrays compiled by numba; call it inside a cached function, never at import.

    ``calls`` are the plain functions that the loop calls; ``error_model="numpy"`` divides by zero as numpy does. The
    compiled code is kept on disk where the package's folder or the user's cache can be written, and made anew in every
    process where neither can. It lets other threads run, and uses no other itself.
    """
    import numba

    for each in calls:
        numba.extending.register_jitable(forceinline=True)(each)
    try:
        return numba.njit(loop, cache=True, nogil=True, error_model=error_model)  # type: ignore[no-any-return]
    except RuntimeError:  # numba found no folder that it could write to
        return numba.njit(loop, nogil=True, error_model=error_model)  # type: ignore[no-any-return]
