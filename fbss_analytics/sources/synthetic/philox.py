"""Counter-based random numbers: a uniform is addressed by seed, purpose, patient and draw, never by when it is drawn.

Philox4x32-10 turns a counter of four 32-bit words under a key of two into four random words, so that any number of any
patient can be made alone and no patient's numbers depend on another's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiled import compiled

Words = npt.NDArray[np.uint64]
ROUNDS = 10
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF_WORD = np.uint64(32)


def philox4x32(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Return the four random words of each counter under one key.

    **Definition**: Philox4x32 with ten rounds, each word held in the low half of a uint64.

    Parameters
    ----------
    counter : tuple of four uint64 arrays
        The counter words, each below 2**32, of one shape.
    key : tuple of two int
        The key words, each below 2**32.

    Returns
    -------
    tuple of four uint64 arrays
        The random words, each below 2**32.

    Notes
    -----
    When not to use it: it is no cipher and keeps no secret.

    References
    ----------
    Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011. doi:10.1145/2063384.2063405

    Examples
    --------
    >>> zero = np.zeros(1, dtype=np.uint64)
    >>> [f"{int(word[0]):08x}" for word in philox4x32((zero, zero, zero, zero), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    first, second, third, fourth = counter
    key_0, key_1 = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(ROUNDS):
        product_0 = first * _MULTIPLIER_0
        product_1 = third * _MULTIPLIER_1
        first, second, third, fourth = (
            (product_1 >> _HALF_WORD) ^ second ^ key_0,
            product_1 & _LOW,
            (product_0 >> _HALF_WORD) ^ fourth ^ key_1,
            product_0 & _LOW,
        )
        key_0, key_1 = (key_0 + _WEYL_0) & _LOW, (key_1 + _WEYL_1) & _LOW
    return first, second, third, fourth


@cache
def purpose_words(purpose: str) -> tuple[int, int]:
    """Return the two 32-bit words that stand for a purpose; the same on every machine and in every version."""
    digest = hashlib.blake2s(purpose.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def uniform(seed: int, purpose: str, patient: npt.ArrayLike, draw: npt.ArrayLike = 0) -> npt.NDArray[np.float64]:
    """Return uniforms strictly between 0 and 1, one for each patient number and draw number (broadcast).

    **Definition**: the counter is (draw, patient, purpose as two words), the key the seed; the two first random words
    give 52 bits ``k`` and the uniform is ``(k + 1/2) / 2**52``.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1.
    purpose : str
        What the number is for, for example ``"death"``; different purposes give independent numbers.
    patient, draw : int or array of int
        0 to 2**32 - 1; broadcast against each other.

    Returns
    -------
    float64 array of the broadcast shape

    References
    ----------
    Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011. doi:10.1145/2063384.2063405

    Examples
    --------
    >>> alone = uniform(1, "death", 7)
    >>> bool(alone == uniform(1, "death", np.arange(10))[7])
    True
    """
    patients, draws = np.broadcast_arrays(np.asarray(patient, np.uint64), np.asarray(draw, np.uint64))
    numbers = np.empty(patients.size, dtype=np.float64)
    third, fourth = (np.uint64(word) for word in purpose_words(purpose))
    key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    _compiled_loop()(draws.ravel(), patients.ravel(), third, fourth, key, numbers)
    return numbers.reshape(patients.shape)


def _loop(draws: Any, patients: Any, third: Any, fourth: Any, key: tuple[int, int], numbers: Any) -> None:
    for i in range(len(numbers)):
        high, low, _, _ = philox4x32((draws[i], patients[i], third, fourth), key)
        bits = (high << np.uint64(20)) | (low >> np.uint64(12))
        numbers[i] = (np.float64(bits) + 0.5) * 2.0**-52


@cache
def _compiled_loop() -> Callable[..., None]:
    # The same ten rounds serve arrays of words in numpy and, compiled, one counter after the other.
    return compiled(_loop, calls=(philox4x32,))
