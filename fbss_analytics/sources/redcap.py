"""`import_redcap`: a REDCap project, as a raw export and its data dictionary, becomes a cohort folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError, StudyWarning
from .checking import check_tables
from .extract import Extract
from .files import read_tables
from .mapping import raw_tables
from .mapping_file import MAPPING_VERSION, read_mapping
from .new_ids import draw_new_ids, require_apart
from .quarantine import warn_of_quarantine
from .recipe import MappingFile
from .redcap_dictionary import read_dictionary
from .redcap_export import Export, read_export
from .redcap_forms import form_accounts, split_form
from .redcap_mapping import bind
from .source import Source, in_memory


def import_redcap(
    export: str | Path,
    dictionary: str | Path,
    *,
    to: str | Path,
    mapping: str | Path,
    new_ids: str | Path | None = None,
) -> Source:
    """Import a REDCap project - a raw export and its data dictionary - into a cohort folder, as a mapping file says.

    **Definition**: each form is a table of its own, a row per record, event and instance in which the form holds a
    value, a ticked box or a status other than incomplete; a form that is empty in a row of the export is no row. For
    every form and table it feeds, a row of the export is accepted, quarantined under a rule, excluded with a reason or
    merged with an equal row; the four add up to the rows of the export, and ``.accounting`` lists them. Missing-data
    codes (``redcap.nulls`` in the mapping) are missing values. Fields the dictionary flags as identifiers, e-mail,
    telephone and postal codes, free text (notes) and files are named in a warning and not read; of a date that is an
    identifier the year can be (``{ year = "dob" }``), and the whole date where the mapping asks for it by name.

    Parameters
    ----------
    export : str or Path
        The project's CSV export, all records in one file, raw (codes, field names), flat.
    dictionary : str or Path
        Its data dictionary as CSV, downloaded by hand or by the API.
    to : str or Path
        Cohort folder to write; an earlier cohort folder there is replaced, anything else is left alone.
    mapping : str or Path
        Mapping file (TOML) whose tables are fed from forms (``from = "form:implant"``); `fbss new-study NAME --format
        redcap` writes one to start from, and ``docs/your_own_data.md`` shows how.
    new_ids : str or Path, optional
        Key file: record ids are drawn anew, and the key is kept there, apart from the cohort. A key that is there is
        used again, so that a patient keeps the new id. Without it the record ids stand.

    Returns
    -------
    Source
        The cohort folder; ``.provenance["redcap"]`` tells for each form what became of every row of the export.

    Raises
    ------
    InputError
        No such file; an unknown key, form, field, choice or word in the mapping; a field that is not read; record ids
        that the dictionary flags as identifiers without ``new_ids``.
    DataError
        An export with labels, of another project or another delimiter; a dictionary that does not fit; a file that
        cannot be read; or no patient is accepted.

    Warns
    -----
    StudyWarning
        Names the fields that were not read; rows set aside.

    Notes
    -----
    When not to use it: for the XML, the R or the SAS files that REDCap writes, and for exports by report that leave
    rows out: follow-up would be cut where the filter cut it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fbss_analytics as fbss
    >>> here = Path(tempfile.mkdtemp())
    >>> names = "field_name,form_name,field_type,field_label,select_choices_or_calculations"
    >>> _ = (here / "dictionary.csv").write_text(
    ...     f"{names},text_validation_type_or_show_slider_number,identifier\\n"
    ...     'id,people,text,Record,,,\\nsex,people,radio,Sex,"1, Female | 2, Male",,\\n'
    ... )
    >>> _ = (here / "export.csv").write_text("id,sex,people_complete\\n1,1,2\\n2,2,2\\n")
    >>> _ = (here / "mapping.toml").write_text('''
    ... version = 1
    ... name = "two people"
    ... calendar = "gregorian"
    ... [tables.patients]
    ... from = "form:people"
    ... columns.patient_id = "id"
    ... columns.sex = { choice = "sex", words = { Female = "female", Male = "male" } }
    ... ''')
    >>> source = fbss.import_redcap(
    ...     here / "export.csv", here / "dictionary.csv", to=here / "cohort", mapping=here / "mapping.toml"
    ... )
    >>> source.tables["patients"]["sex"].to_pylist()
    ['female', 'male']
    """
    recipe = read_mapping(Path(mapping), is_redcap=True)
    read = read_export(Path(export), read_dictionary(Path(dictionary)), recipe.redcap)
    if new_ids is not None:
        require_apart(Path(new_ids), Path(to))
    elif read.dictionary.fields[read.dictionary.record].withheld:
        raise InputError(
            f"{read.dictionary.record} is flagged an identifier: name a key file to draw record ids anew, new_ids=."
        )
    forms = {form: split_form(read, form) for form in read.dictionary.forms}
    bound, files = bind(recipe, read, forms)
    if new_ids is not None:
        files = _with_new_ids(files, read, Path(new_ids))
    checked = check_tables(raw_tables(bound, files))
    _warn_of_withheld(read)
    warn_of_quarantine(checked.accounts)
    source = in_memory(
        recipe.name,
        checked.tables,
        calendar=recipe.calendar,
        accounts=checked.accounts,
        quarantine=checked.quarantine,
        provenance=_provenance(recipe, read, forms),
    )
    return read_tables(source.to_folder(to))


def _with_new_ids(files: Mapping[str, Extract], export: Export, key: Path) -> dict[str, Extract]:
    """Return the forms with new record ids; those of the whole export are drawn before any is used."""
    record = export.dictionary.record
    new = draw_new_ids(export.rows[record].drop_null().to_pylist(), key)
    old = pa.array(list(new), pa.string())
    drawn = pa.array(list(new.values()), pa.string())
    changed = {}
    for name, extract in files.items():
        ids = drawn.take(pc.index_in(extract.rows[record].combine_chunks(), value_set=old))
        at = extract.rows.column_names.index(record)
        changed[name] = replace(extract, rows=extract.rows.set_column(at, record, ids))
    return changed


def _warn_of_withheld(export: Export) -> None:
    if not export.withheld:
        return
    parts = "; ".join(f"{kind} ({', '.join(names)})" for kind, names in export.withheld.items())
    years = " Of the dates among them the year can be read." if export.years else ""
    warnings.warn(
        f"{export.file}: not read, by what {export.dictionary.file} says of them: {parts}.{years}",
        StudyWarning,
        stacklevel=3,
    )


def _provenance(recipe: MappingFile, export: Export, forms: Mapping[str, Extract]) -> dict[str, Any]:
    dictionary = export.dictionary
    return {
        "kind": "imported",
        "mapping": {"file": recipe.file, "version": MAPPING_VERSION, "sha256": recipe.sha256},
        "files": {
            export.file: {"rows": export.rows.num_rows, "sha256": export.sha256},
            dictionary.file: {"rows": len(dictionary.fields), "sha256": dictionary.sha256},
        },
        "redcap": {
            "forms": {
                form: {each.rule or each.disposition: each.rows for each in form_accounts(extract)}
                for form, extract in forms.items()
            },
            "not_read": {kind: list(names) for kind, names in export.withheld.items()},
        },
    }
