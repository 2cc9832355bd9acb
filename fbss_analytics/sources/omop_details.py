"""Details: observations that tell, of a row of another OMOP table, a column of ours which that table does not have.

An observation of the CDM 5.4 can point to another row (``observation_event_id``) and to the column of its id
(``obs_event_field_concept_id``). Where both, and what it tells, are concepts of this library's vocabulary - the columns
as ``field/procedure_occurrence_id``, what is told as ``detail/surgeries.approach`` - the value fills that column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import pyarrow as pa

from .checking import RawTable
from .codes import DETAIL, OWN
from .omop_concepts import Concepts
from .omop_files import OmopFile

FIELD = "field"
Details = Mapping[str, pd.DataFrame]
"""For each table of ours a frame: a row for each row that details are told of, a column for each column of ours."""


def read_details(observation: OmopFile | None, concepts: Concepts) -> Details:
    """Return the details among the observations; of two of one column the first counts."""
    if observation is None:
        return {}
    frame = observation.rows.to_pandas()
    told = frame["observation_source_concept_id"].map(lambda concept: _own(concepts, concept, DETAIL))
    field = frame["obs_event_field_concept_id"].map(lambda concept: _own(concepts, concept, FIELD))
    frame = frame.assign(told=told, row=field + ":" + frame["observation_event_id"])[["told", "row", "value_as_string"]]
    frame = frame.dropna().drop_duplicates(["told", "row"])
    table = frame["told"].str.partition(".")[0] if len(frame) else frame["told"]
    return {
        str(name): rows.assign(told=rows["told"].str.partition(".")[2]).pivot(
            index="row", columns="told", values="value_as_string"
        )
        for name, rows in frame.groupby(table)
    }


def _own(concepts: Concepts, concept: str | None, kind: str) -> str | None:
    """Return what a concept of our vocabulary names, None where it is none of this kind."""
    system, code, _ = concepts.known.get(concept or "", ("", "", ""))
    first, _, rest = code.partition("/")
    return rest if system == OWN and first == kind else None


def with_details(raw: RawTable, details: pd.DataFrame | None) -> RawTable:
    """Return a table whose columns hold what details tell of its rows, in place of what stood there."""
    if details is None or "row" not in raw.rows.column_names:
        return raw
    told = details.reindex(raw.rows["row"].to_pandas())
    columns = {name: raw.rows[name] for name in raw.rows.column_names}
    for name in told:
        before = columns.get(name, pa.chunked_array([pa.nulls(len(told), pa.string())])).to_pandas()
        after = told[name].reset_index(drop=True)
        values = after.astype(object).where(after.notna(), before)
        columns[str(name)] = pa.array(values, pa.string(), from_pandas=True)
    return replace(raw, rows=pa.table(columns))
