"""`write_extract`: a source written as an extract of another kind, whole or not at all, with what it cannot hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from ... import __version__
from ...errors import InputError, one_of
from ...formats import count
from .. import schema
from ..files import folder_draft, write_json
from ..source import Source
from .chunks import Chunk, chunks_of, open_source
from .claims import write_claims
from .files import CsvFiles, listing
from .ledger import Ledger
from .omop import write_omop
from .redcap import write_redcap
from .tables import write_tables

MANIFEST = "emitted.json"
ExtractFormat = Literal["tables", "omop", "redcap", "claims"]
FORMATS: Mapping[str, Callable[[Source, Iterable[Chunk], CsvFiles, Ledger], None]] = {
    "tables": write_tables,
    "omop": write_omop,
    "redcap": write_redcap,
    "claims": write_claims,
}


def write_extract(source: Source | str | Path, to: str | Path, *, format: ExtractFormat) -> Path:
    """Write a source as an extract of another kind, exactly: no noise is added and nothing is rounded.

    **Definition**: every row and value of the source is in the files, or counted in ``emitted.json`` with the reason
    why the format cannot hold it (``left out``) or holds it otherwise than it stood (``changed``). Codes are those of
    their day: diagnoses are ICD-9-CM up to 30 September 2015 and ICD-10-CM from 1 October 2015 on.

    Parameters
    ----------
    source : Source, str or Path
        The source. Given the path of a cohort folder it is read a run of patients at a time, whatever its size.
    to : str or Path
        Folder to write; an earlier extract there is replaced, anything else is left alone.
    format : {"tables", "omop", "redcap", "claims"}
        Our tables as CSV; an OMOP CDM 5.4 folder; a raw REDCap export (``data.csv``) with its data dictionary
        (``dictionary.csv``); or claims: members, enrolment, pharmacy and medical claims, and a drug list. The last two
        come with the ``mapping.toml`` that reads them back.

    Returns
    -------
    Path
        The folder: CSV files in UTF-8 and ``emitted.json``. It is put in place when it is whole.

    Raises
    ------
    InputError
        The format is not known, or the folder is neither empty nor an earlier extract, or holds the source itself.
    DataError
        The source cannot be read.

    Notes
    -----
    When not to use it: to pass on data of patients; names of people are not in the tables, but dates and ids are. To
    keep a cohort for this library use `Source.to_folder`, which loses nothing and is read fastest.

    References
    ----------
    OHDSI, OMOP Common Data Model v5.4, https://ohdsi.github.io/CommonDataModel/
    Harris et al., Research electronic data capture (REDCap), J Biomed Inform 2009. doi:10.1016/j.jbi.2008.08.010

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fbss_analytics as fbss
    >>> here = Path(tempfile.mkdtemp())
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> extract = fbss.write_extract(source, here / "omop", format="omop")
    >>> again = fbss.import_omop(extract, here / "cohort")
    >>> again.counts["dispensings"] == source.counts["dispensings"]
    True
    """
    one_of(format, FORMATS, name="format")
    folder = Path(to)
    _require_free(folder, source)
    opened, runs = open_source(source)
    ledger = Ledger()
    with folder_draft(folder) as draft:
        if not opened.is_synthetic:
            # Patient data are not to be committed by oversight, wherever the folder lies.
            (draft / ".gitignore").write_text("*\n", encoding="utf-8")
        with CsvFiles(draft) as files:
            FORMATS[format](opened, _counted(chunks_of(runs), ledger), files, ledger)
        write_json(_manifest(opened, format, ledger, listing(draft, files.rows)), draft / MANIFEST)
    return folder


def not_held(extract: Path) -> list[str]:
    """Return in words what an extract does not hold as it stood, a line for each kind of row or value and reason."""
    entries = json.loads((extract / MANIFEST).read_text(encoding="utf-8"))["not_held"]
    return [
        f"{each['table']}{'.' + each['column'] if 'column' in each else ''}: {count(each['count'])} {each['fate']}; "
        f"{each['why']}"
        for each in entries
    ]


def _require_free(folder: Path, source: Source | str | Path) -> None:
    if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or (folder / MANIFEST).exists())):
        raise InputError(f"{folder.name} exists and is no extract; name a new folder, or empty this one first.")
    if not isinstance(source, Source):
        here, there = Path(source).resolve(), folder.resolve()
        if there in (here, *here.parents):
            raise InputError(f"{folder.name} holds the cohort itself; name another folder for the extract.")


def _counted(chunks: Iterator[Chunk], ledger: Ledger) -> Iterator[Chunk]:
    for chunk in chunks:
        ledger.rows.update({name: len(frame) for name, frame in chunk.frames.items()})
        yield chunk


def _manifest(source: Source, format: str, ledger: Ledger, files: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": format,
        "source": source.name,
        "kind": source.provenance.get("kind", ""),
        "calendar": source.calendar,
        "fbss_analytics": __version__,
        "schema_version": schema.SCHEMA_VERSION,
        "rows": {name: ledger.rows[name] for name in source.tables},
        "not_held": ledger.entries(),
        "files": files,
    }
