"""The parameters of a scenario: read from ``data/scenarios``, validated once, asked for by name."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from ...errors import InputError, nearest, one_of
from ...formats import plural

SCENARIOS = ("neuromodulation", "surgical")
_EPOCH = datetime.date(1970, 1, 1)
_ABOUT = ("scenario", "words", "sampling_rule", "products")
_ENTRY = ("kind", "value", "source")
_PRODUCT = (
    "name", "ingredient", "form", "route", "strengths", "mme_factor", "usual_units", "most_units", "class", "share",
    "source",
)  # fmt: skip
_EXCLUDE_EACH_OTHER = (
    ("referral.scs_trial", "referral.pump_trial"),
    ("opioids.rise_share", "opioids.fall_share"),
    ("pain.stimulator_trial", "pain.pump_trial"),
)


@dataclass(frozen=True)
class Product:
    """An opioid product of a scenario; ``mme_factor`` turns one unit of strength per day into MME per day."""

    ingredient: str
    form: str
    route: str
    strengths: tuple[float, ...]
    mme_factor: float
    usual_units: int
    most_units: int
    is_long_acting: bool
    shares: tuple[float, float, float]
    wear_days: int = 0


@dataclass(frozen=True, eq=False)
class Parameters:
    """A scenario's parameters by dotted name, for example ``explant.infection.infected``."""

    content: Mapping[str, Any]
    products: tuple[Product, ...]
    _values: Mapping[str, Any] = field(repr=False, default_factory=dict)

    def _get(self, name: str) -> Any:
        if name not in self._values:
            raise InputError(f"The scenario has no parameter {name!r}.{nearest(name, self._values)}")
        return self._values[name]

    def number(self, name: str) -> float:
        """Return a single number; a date is its day number since 1970-01-01."""
        return float(self._get(name))

    def pair(self, name: str) -> tuple[float, float]:
        """Return the two numbers of a window, a normal (mean, SD) or a Weibull (hazard up to year 3, shape)."""
        first, second = self._get(name)
        return float(first), float(second)

    def shares(self, name: str) -> Mapping[str, float]:
        """Return a named share of each category."""
        return dict(self._get(name))

    def group(self, prefix: str) -> tuple[str, ...]:
        """Return the names that stand directly under a section, in the order of the file."""
        start = prefix + "."
        return tuple(
            name[len(start) :] for name in self._values if name.startswith(start) and "." not in name[len(start) :]
        )

    def sha256(self) -> str:
        """Return the hash of the parameters, by which a cohort says which ones made it."""
        text = json.dumps(self.content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


@cache
def load_parameters(scenario: str) -> Parameters:
    """Return the validated parameters of a scenario, or raise `InputError` with the nearest scenario's name."""
    one_of(scenario, SCENARIOS, name="scenario")
    return parse_parameters(scenario_content(scenario))


def scenario_content(scenario: str) -> dict[str, Any]:
    """Return a scenario's file with what it inherits: sections of another scenario, its own entries first."""
    text = files("fbss_analytics").joinpath(f"data/scenarios/{scenario}.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    for other, sections in content.pop("inherits", {}).items():
        theirs = scenario_content(other)
        for section in sections:
            content[section] = _merged(theirs[section], content.get(section, {}))
    return content


def _merged(theirs: Any, own: Any) -> Any:
    if not isinstance(theirs, Mapping) or "value" in own:
        return own or theirs
    return {key: _merged(theirs[key], own.get(key, {})) if key in theirs else own[key] for key in {**theirs, **own}}


def parse_parameters(content: Mapping[str, Any]) -> Parameters:
    """Validate a scenario's content.

    Raises
    ------
    InputError
        A parameter has no source or an unknown kind, or its value is not what its kind allows; the scenario does not
        have the parameters, kinds and categories of the one it says it is; or parameters exclude each other.
    """
    values = {name: _value(name, entry) for name, entry in _entries(content)}
    for product in content.get("products", []):
        _check_product(product)
    _check_names(content)
    _check_together(values)
    plain = {key: _plain(value) for key, value in content.items()}
    return Parameters(plain, tuple(_product(each) for each in content.get("products", [])), values)


def _entries(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each parameter with its dotted name; a section holds parameters and sections."""
    for key, entry in section.items():
        name = f"{prefix}{key}"
        if not prefix and not isinstance(entry, Mapping):
            one_of(key, _ABOUT, name="entry of the scenario")
        elif not isinstance(entry, Mapping):
            raise InputError(
                f"Parameter {name} is bare; expected {{ {', '.join(f'{each} = ...' for each in _ENTRY)} }}."
            )
        elif set(entry) & set(_ENTRY):
            yield name, entry
        else:
            yield from _entries(entry, f"{name}.")


def _value(name: str, entry: Mapping[str, Any]) -> Any:
    """Return the value of a parameter, a date as its day number, once it is what its kind allows."""
    for key in entry:
        one_of(key, _ENTRY, name=f"entry of {name}")
    if "value" not in entry:
        raise InputError(f"Parameter {name} has no value.")
    if not str(entry.get("source", "")).strip():
        raise InputError(f"Parameter {name} has no source; name the study_key it comes from, or say 'assumed: why'.")
    kind = one_of(entry.get("kind", ""), _KINDS, name=f"kind of {name}")
    words, is_allowed = _KINDS[kind]
    if not is_allowed(entry["value"]):
        raise InputError(f"Parameter {name} is not a {kind}; expected {words}.")
    value = entry["value"]
    return (value - _EPOCH).days if isinstance(value, datetime.date) else value


@cache
def _shape(scenario: str) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Return the kind, and the categories of shares, of each parameter that a scenario's generator asks for."""
    entries = _entries(scenario_content(scenario))
    return {name: (str(entry["kind"]), _categories(entry["value"])) for name, entry in entries}


def _categories(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, Mapping) else ()


def _check_names(content: Mapping[str, Any]) -> None:
    """Refuse parameters the generator does not know, or knows as something else, and miss none it needs."""
    shape = _shape(one_of(content.get("scenario", ""), SCENARIOS, name="scenario"))
    found = dict(_entries(content))
    for name, entry in found.items():
        if name not in shape:
            raise InputError(f"The scenario has no parameter {name!r}.{nearest(name, shape)}")
        kind, categories = shape[name]
        if entry["kind"] != kind:
            raise InputError(f"Parameter {name} is a {kind}, not a {entry['kind']}.")
        given = _categories(entry["value"])
        for category in given:
            one_of(category, categories, name=f"category of {name}")
        # A category keeps its place: the order decides which uniforms stand for it.
        if given != categories:
            raise InputError(f"The categories of {name} are to be {', '.join(categories)}, in this order.")
    missing = [name for name in shape if name not in found]
    if missing:
        raise InputError(f"The scenario lacks {plural(len(missing), 'parameter')}, the first of them {missing[0]}.")


def _check_together(values: Mapping[str, Any]) -> None:
    for names in _EXCLUDE_EACH_OTHER:
        if all(name in values for name in names) and sum(values[name] for name in names) > 1:
            raise InputError(f"{' and '.join(names)} exclude each other; they are not to add up to more than 1.")
    days = [values[f"calendar.{name}"] for name in ("eligibility_first", "eligibility_last", "data_end")]
    if days != sorted(days):
        raise InputError("calendar.eligibility_first, eligibility_last and data_end are to follow one another.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_probability(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_number(each) for each in value)


def _are_probabilities(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) > 0 and all(_is_probability(each) for each in value.values())


_KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "probability": ("a number from 0 to 1", _is_probability),
    "shares": (
        "shares from 0 to 1 that add up to 1",
        lambda v: _are_probabilities(v) and abs(sum(v.values()) - 1) < 1e-9,
    ),
    "shares_each": ("shares from 0 to 1", _are_probabilities),
    "hazard": ("a rate per year, 0 or more", lambda v: _is_number(v) and v >= 0),
    "hazard_ratio": ("a number above 0", _is_positive),
    "positive": ("a number above 0", _is_positive),
    "effect": ("a number", _is_number),
    "odds": ("a number, the logarithm of odds", _is_number),
    "number": ("a number", _is_number),
    "day": ("a date as yyyy-mm-dd", lambda v: isinstance(v, datetime.date)),
    "window": (
        "two numbers, 0 or more, the first not above the second",
        lambda v: _is_pair(v) and 0 <= v[0] <= v[1],
    ),
    "normal": ("mean and a standard deviation above 0", lambda v: _is_pair(v) and v[1] > 0),
    "weibull": (
        "cumulative hazard at 3 years, 0 or more, and a shape above 0",
        lambda v: _is_pair(v) and v[0] >= 0 < v[1],
    ),
}


def _check_product(product: Mapping[str, Any]) -> None:
    name = product.get("name", "without a name")
    for key in product:
        one_of(key, (*_PRODUCT, "wear_days"), name=f"entry of product {name}")
    missing = [key for key in _PRODUCT if key not in product]
    if missing:
        raise InputError(f"Product {name} lacks {' and '.join(missing)}.")
    one_of(product["class"], ("long", "short"), name=f"class of product {name}")
    if not product.get("source"):
        raise InputError(f"Product {name} has no source; name the study_key it comes from, or say 'assumed: why'.")
    if not (_is_positive(product["mme_factor"]) and all(_is_positive(each) for each in product["strengths"])):
        raise InputError(f"Product {name}: mme_factor and strengths are to be above 0.")
    if (
        list(product["strengths"]) != sorted(product["strengths"])
        or not 1 <= product["usual_units"] <= product["most_units"]
    ):
        raise InputError(f"Product {name}: strengths are to rise, and 1 <= usual_units <= most_units.")
    if not _are_probabilities(product["share"]):
        raise InputError(f"Product {name}: its shares are to be numbers from 0 to 1.")


def _product(entry: Mapping[str, Any]) -> Product:
    share = entry["share"]
    return Product(
        ingredient=entry["ingredient"],
        form=entry["form"],
        route=entry["route"],
        strengths=tuple(float(each) for each in entry["strengths"]),
        mme_factor=float(entry["mme_factor"]),
        usual_units=int(entry["usual_units"]),
        most_units=int(entry["most_units"]),
        is_long_acting=entry["class"] == "long",
        shares=(float(share["low"]), float(share["middle"]), float(share["high"])),
        wear_days=int(entry.get("wear_days", 0)),
    )


def _plain(value: Any) -> Any:
    """Return the value with dates as text, so that it can be written as JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime.date) else value
