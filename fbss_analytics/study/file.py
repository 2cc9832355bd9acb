"""``study.toml`` and what it says. Standard library only: `fbss status` must answer at once."""

from __future__ import annotations

import os
import platform
import sys
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, nearest, one_of

if TYPE_CHECKING:
    from ..sources.source import Source

STUDY_VARIABLE = "FBSS_STUDY"
RUN_VARIABLE = "FBSS_RUN"
NOTEBOOK_VARIABLE = "FBSS_NOTEBOOK"
SYNTHETIC = "synthetic"
LOCAL = "local"
FORMATS: Mapping[str, str] = {"redcap": "mapping_template_redcap.toml"}
"""What an extract may be written in -> the template of a mapping for it."""
_KEYS: Mapping[str, Mapping[str, type]] = {
    "": {"name": str, "title": str, "cohort": dict, "notebooks": dict},
    "cohort": {"folder": str, "calendar": str, "surgical": dict},
    "cohort.surgical": {"folder": str, "calendar": str},
    "notebooks": {"folder": str, "run": list},
}


@dataclass(frozen=True)
class CohortFolder:
    """Where a cohort lies, and its calendar where the study file states one (None: as the cohort folder says)."""

    folder: Path
    calendar: str | None = None


@dataclass(frozen=True)
class Study:
    """What a study file says.

    Attributes
    ----------
    name : str
        Names the run: results go to ``reports/<name>/`` beside the study file.
    title : str
        Title of the report.
    file : Path
        The study file; its folder is the root that relative paths start from.
    cohorts : mapping of str to CohortFolder
        The cohort under ``""``, and ``surgical`` where reoperation is studied in a cohort of its own.
    notebooks : tuple of Path
        The notebooks in the order they run.
    """

    name: str
    title: str
    file: Path
    cohorts: Mapping[str, CohortFolder]
    notebooks: tuple[Path, ...]

    @property
    def root(self) -> Path:
        """The folder of the study file."""
        return self.file.parent

    @property
    def reports(self) -> Path:
        """The folder that holds the runs."""
        return self.root / "reports"

    @property
    def run_name(self) -> str:
        """``name``; `LOCAL` instead of `SYNTHETIC` on a Python under which no bytes are promised."""
        return LOCAL if self.name == SYNTHETIC and not self.on_recorded_python else self.name

    @property
    def on_recorded_python(self) -> bool:
        """Whether this Python is the minor version the committed outputs were made with."""
        project = self.root / "pyproject.toml"
        if not project.exists():
            return False
        recorded = tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {}).get("fbss_analytics", {})
        return bool(platform.python_version().rsplit(".", 1)[0] == recorded.get("recorded-python"))

    @property
    def folder(self) -> Path:
        """Where results are written: the run under way, or ``reports/local/`` when a notebook is worked on by hand."""
        return Path(os.environ.get(RUN_VARIABLE) or self.reports / LOCAL)

    @property
    def notebook(self) -> str:
        """The name of the notebook that is running; ``by_hand`` when it is worked on by hand."""
        return os.environ.get(NOTEBOOK_VARIABLE, "by_hand")

    def cohort(self, name: str = "") -> CohortFolder:
        """Return the cohort of that name; the study's one cohort where it names no such other."""
        return self.cohorts.get(name, self.cohorts[""])

    def read(self, name: str = "") -> Source:
        """Read the study's cohort, or the one of that name (``"surgical"``); see `fbss_analytics.read_tables`."""
        from ..sources.files import read_tables

        chosen = self.cohort(name)
        return read_tables(chosen.folder, calendar=chosen.calendar)

    def sentence(self) -> str:
        """Say in one sentence what the study is."""
        notebooks = f"{len(self.notebooks)} notebook{'s' if len(self.notebooks) > 1 else ''}"
        cohorts = " and ".join(each.folder.name for each in self.cohorts.values())
        return f"{self.title}: cohort {cohorts}, {notebooks}, results in reports/{self.run_name}."

    def __repr__(self) -> str:
        return f"Study({self.sentence()})"


def open_study(file: str | Path | None = None) -> Study:
    """Open a study file; a notebook calls it without an argument.

    **Definition**: without an argument the study is the one named by the environment variable ``FBSS_STUDY``
    (``fbss run`` and ``fbss lab`` set it), else the ``study.toml`` in this folder or the nearest one above. Inside a
    notebook figures then show as SVG in the journal theme, and warnings without the place they come from.

    Parameters
    ----------
    file : str or Path, optional
        The study file.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        No study file, a damaged one, an unknown key (the nearest known one is given), a folder that does not exist.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> fbss.open_study("no_such_file.toml")
    Traceback (most recent call last):
        ...
    fbss_analytics.errors.InputError: There is no study file no_such_file.toml; type fbss run --study FILE.
    """
    chosen = file or os.environ.get(STUDY_VARIABLE)
    path = Path(chosen) if chosen else _find_upwards()
    if not path.is_file():
        raise InputError(f"There is no study file {path.name}; type fbss run --study FILE.")
    study = _parse(path.resolve())
    if "ipykernel" in sys.modules:
        _prepare_notebook()
    return study


def _prepare_notebook() -> None:
    from ..reporting.theme import use_theme

    use_theme()
    warnings.formatwarning = _short_warning  # Committed outputs must not hold the path of a temporary file.


def new_study(name: str, *, cohort: str, folder: Path, format: str | None = None) -> tuple[Path, ...]:
    """Write a commented study file ``<name>.toml`` into a folder and return it.

    With ``format`` a commented mapping for an extract of that kind, ``<name>_mapping.toml``, is written too and comes
    second.

    Raises
    ------
    InputError
        The name cannot name a folder, a file exists, or the format is not known.
    """
    _check_name("fbss new-study", name)
    templates = {f"{name}.toml": "study_template.toml"}
    if format is not None:
        templates[f"{name}_mapping.toml"] = FORMATS[one_of(format, FORMATS, name="format")]
    for file in templates:
        if (folder / file).exists():
            raise InputError(f"{file} exists; give the study another name, or delete the file first.")
    for file, template in templates.items():
        text = files("fbss_analytics").joinpath(f"data/{template}").read_text(encoding="utf-8")
        # Braces are part of TOML, so that only these three words are filled in.
        for word, value in {"name": name, "file": file, "cohort": cohort}.items():
            text = text.replace(f"{{{word}}}", value)
        (folder / file).write_text(text, encoding="utf-8")
    return tuple(folder / file for file in templates)


def _check_name(where: str, name: str) -> None:
    if not name.replace("_", "").replace("-", "").isalnum():
        raise InputError(f"{where}: name = {name!r} names a folder; use letters, digits, - and _.")
    if name == LOCAL:
        raise InputError(f"{where}: name = {LOCAL!r} is kept for notebooks worked on by hand; use another.")


def _short_warning(message: Any, category: type[Warning], *_: Any, **__: Any) -> str:
    return f"{category.__name__}: {message}\n"


def _find_upwards() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "study.toml").is_file():
            return folder / "study.toml"
    raise InputError("There is no study.toml here or in a folder above; type fbss run --study FILE.")


def _parse(file: Path) -> Study:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise InputError(f"{file.name} is not valid TOML: {fault}.") from None
    _check_keys(file.name, "", content)
    for section in ("cohort", "notebooks"):
        _check_keys(file.name, section, content.get(section, {}))
    name = _required(file.name, content, "name")
    _check_name(file.name, name)
    notebooks = content.get("notebooks", {})
    return Study(
        name=name,
        title=content.get("title", name),
        file=file,
        cohorts=_cohorts(file, content.get("cohort", {})),
        notebooks=_notebooks(file, notebooks.get("folder", "notebooks"), notebooks.get("run")),
    )


def _cohorts(file: Path, section: Mapping[str, Any]) -> dict[str, CohortFolder]:
    found = {"": _cohort(file, section, "cohort")}
    if "surgical" in section:
        _check_keys(file.name, "cohort.surgical", section["surgical"])
        found["surgical"] = _cohort(file, section["surgical"], "cohort.surgical")
    return found


def _cohort(file: Path, section: Mapping[str, Any], name: str) -> CohortFolder:
    folder = _folder(file, _required(file.name, section, "folder", section=name))
    calendar = section.get("calendar")
    if calendar not in (None, "gregorian", "shifted"):
        raise InputError(f"{file.name}: calendar = {calendar!r} is not known; use gregorian or shifted.")
    return CohortFolder(folder, calendar)


def _check_keys(file: str, section: str, content: Mapping[str, Any]) -> None:
    known = _KEYS[section]
    where = f"[{section}] " if section else ""
    for key, value in content.items():
        if key not in known:
            raise InputError(f"{file}: {where}{key} is not a key of a study file.{nearest(key, known)}")
        if not isinstance(value, known[key]):
            raise InputError(f"{file}: {where}{key} must be a {known[key].__name__}.")


def _required(file: str, content: Mapping[str, Any], key: str, *, section: str = "") -> str:
    if key not in content:
        where = f"under [{section}]" if section else "at the top"
        raise InputError(f'{file}: {key} is missing; write {key} = "..." {where}.')
    return str(content[key])


def _folder(file: Path, text: str) -> Path:
    folder = (file.parent / text).resolve()
    if not folder.is_dir():
        raise InputError(f"{file.name}: there is no folder {text}; paths start from the folder of the study file.")
    return folder


def _notebooks(file: Path, folder: str, names: list[str] | None) -> tuple[Path, ...]:
    place = _folder(file, folder)
    found = {path.stem: path for path in sorted(place.glob("*.ipynb"))}
    if not found:
        raise InputError(f"{file.name}: {folder} holds no notebook.")
    for name in names or ():
        if name not in found:
            raise InputError(f"{file.name}: there is no notebook {name!r} in {folder}.{nearest(name, found)}")
    return tuple(found[name] for name in names) if names is not None else tuple(found.values())
