"""The forms of a REDCap project as tables of their own: in one file rows of a record, an event and an instance mix.

For each form every row of the export has one disposition: it becomes a row of the form, it is left out because it
holds nothing of the form, it is merged with an equal row, or it breaks a rule below and will be set aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .convert import Mask
from .extract import Extract, Part
from .quarantine import Account, Disposition, reconcile
from .redcap_checks import EVENT, INSTANCE, INSTRUMENT, is_among
from .redcap_dictionary import Field
from .redcap_export import Export
from .rules import Fault

FORM_RULES: Mapping[str, str] = {
    "F01": "the row is of another repeating form",
    "F02": "the form is empty in the row",
    "F03": "equal to an earlier row of the same record, event, form and instance",
    "F04": "values of the form stand in a row of another repeating form",
    "F05": "the same record, event and instance stand in another row with different content",
    "F06": "the number of the instance is missing or is no whole number from 1",
    "F07": "the form repeats in the event, and the row does not say which instance it is",
    "F08": "the box is not ticked; where ticked boxes are rows, a row counts once for each box",
}
"""What becomes of a row of an export on its way into a form, and why. See `Export.content` for what is empty."""
_REMEDY = "Correct them in the project and export it again."


def split_form(export: Export, form: str) -> Extract:
    """Return the rows of an export that hold a form, with an account of all others."""
    instrument, instance = _column(export, INSTRUMENT), _column(export, INSTANCE)
    of_other = _valid(instrument) & ~is_among(instrument, (form,))
    held = export.content[form]
    rows = export.rows.select(list(export.columns(form))).filter(pa.array(held))
    merged = np.zeros(len(held), dtype=bool)
    merged[held] = _repeats(export, rows, with_content=True)
    kept = held & ~merged
    rows = rows.filter(pa.array(kept[held]))
    repeats = is_among(instrument, (form,))
    number = pc.fill_null(pc.match_substring_regex(instance, "^[1-9][0-9]*$"), False).to_numpy(zero_copy_only=False)
    silent = ~_valid(instrument) & ~_valid(instance)
    masks = {
        "F04": of_other[kept],
        "F05": _repeats(export, rows, with_content=False),
        "F06": ((repeats | _valid(instance)) & ~number)[kept],
        "F07": (silent & _event_repeats(export, repeats & held))[kept],
    }
    part = Part(
        lines=np.flatnonzero(kept) + 1,
        rows_read=len(held),
        left_out=tuple(
            _accounts(f"{export.file} (form {form})", F01=of_other & ~held, F02=~of_other & ~held, F03=merged)
        ),
        faults=tuple(Fault(rule, FORM_RULES[rule], _REMEDY, mask) for rule, mask in masks.items() if mask.any()),
    )
    return Extract(f"{export.file} (form {form})", export.sha256, rows, part)


def form_accounts(extract: Extract) -> tuple[Account, ...]:
    """Return what became of every row of an export on its way into a form, each counted on its own and added up."""
    part = extract.whole
    broken = np.zeros(len(part.lines), dtype=bool)
    accounts = list(part.left_out)
    for fault in part.faults:
        accounts.append(_account(extract.path, "quarantined", int((fault.mask & ~broken).sum()), fault.rule))
        broken |= fault.mask
    accounts.insert(0, Account("", extract.path, "accepted", int((~broken).sum())))
    reconcile(accounts, table="its form", file=extract.path, rows_read=part.rows_read)
    return tuple(accounts)


def tick(extract: Extract, field: Field) -> Extract:
    """Return a row for each ticked box of a checkbox field; its code stands in a column of the field's name.

    Every row of the export then counts once for each box, so that ticked, unticked and left out add up.
    """
    boxes = field.boxes(extract.rows.column_names)
    part = extract.whole
    ticked = np.array([is_among(extract.rows[column], ("1",)) for column in boxes.values()]).T
    row, box = np.nonzero(ticked)
    codes = pa.array(list(boxes), pa.string()).take(pa.array(box))
    left_out = [replace(account, rows=account.rows * len(boxes)) for account in part.left_out]
    return Extract(
        extract.path,
        extract.sha256,
        extract.rows.take(pa.array(row)).append_column(field.name, codes),
        Part(
            lines=part.lines[row],
            rows_read=part.rows_read * len(boxes),
            left_out=(*left_out, *_accounts(extract.path, F08=~ticked)),
            faults=tuple(replace(fault, mask=fault.mask[row]) for fault in part.faults),
        ),
    )


def _accounts(path: str, **masks: Mask) -> Iterator[Account]:
    for rule, mask in masks.items():
        if mask.any():
            yield _account(path, "merged" if rule == "F03" else "excluded", int(mask.sum()), rule)


def _account(path: str, disposition: Disposition, rows: int, rule: str) -> Account:
    return Account("", path, disposition, rows, rule, FORM_RULES[rule])


def _column(export: Export, name: str) -> pa.Array:
    rows = export.rows
    return rows[name].combine_chunks() if name in rows.column_names else pa.nulls(rows.num_rows, pa.string())


def _valid(column: pa.Array) -> Mask:
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=bool)


def _repeats(export: Export, rows: pa.Table, *, with_content: bool) -> Mask:
    """Return rows equal to an earlier one in what names them and in content; without it, all that share a name."""
    keys = [export.dictionary.record, *(name for name in (EVENT, INSTRUMENT, INSTANCE) if name in rows.column_names)]
    frame = rows.select(rows.column_names if with_content else keys).to_pandas()
    same = frame.duplicated(keep="first" if with_content else False).to_numpy()
    # Rows without a record id are set aside for that; they repeat nobody.
    return np.asarray(same & rows[export.dictionary.record].is_valid().to_numpy(), dtype=bool)


def _event_repeats(export: Export, repeats: Mask) -> Mask:
    """Return the rows of those events in which the form stands in rows of its own."""
    event = _column(export, EVENT).fill_null("")
    return is_among(event, event.filter(pa.array(repeats)).unique().to_pylist())
