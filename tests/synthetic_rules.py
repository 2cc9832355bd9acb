"""What must hold for every simulated cohort, whatever the seed: shared by the module's and the property tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from fbss_analytics.dates import NO_DAY, to_days, year_of
from fbss_analytics.sources import schema
from fbss_analytics.sources.checking import sort_table

DRUGS = {"acetaminophen", "nsaid", "gabapentinoid", "snri", "tca", "muscle_relaxant", "benzodiazepine"}
IN_DOMAIN = {"conditions": "medical", "measurements": "medical", "stays": "medical", "device_events": "medical",
             "intrathecal_doses": "medical", "dispensings": "pharmacy"}  # fmt: skip


def frame(tables: Mapping[str, pa.Table], name: str) -> pd.DataFrame:
    """Return a table with days as whole numbers (`NO_DAY` where missing) and words as text."""
    table, columns = tables[name], {}
    for column in schema.table(name):
        values = table[column.name]
        if column.kind == "day":
            columns[column.name] = to_days(values).astype(np.int64)
        elif column.kind == "word":
            columns[column.name] = values.cast(pa.string()).to_pandas()
        else:
            columns[column.name] = values.to_pandas()
    return pd.DataFrame(columns)


def assert_conforms(tables: Mapping[str, pa.Table]) -> None:
    """Every table has the schema's types and order, whole vocabularies, no NaN and no missing required value."""
    for name, table in tables.items():
        definition = schema.table(name)
        assert table.schema.equals(definition.arrow_schema), name
        table.validate(full=True)
        assert sort_table(name, table).equals(table), name
        for column in definition:
            values = table[column.name].combine_chunks()
            if column.kind == "word":
                assert tuple(values.dictionary.to_pylist()) == schema.vocabulary(column.vocabulary), column.name
            if column.kind == "number":
                assert not np.isnan(values.drop_null().to_numpy()).any(), column.name
            assert values.null_count == 0 or not column.required, column.name


def assert_plausible(tables: Mapping[str, pa.Table], scenario: str = "neuromodulation") -> None:
    """Every rule about time, devices and supplies holds, and those about the operations of a scenario."""
    assert_in_time(tables)
    events = frame(tables, "device_events")
    assert_devices(events[events.device == "scs"], "generator")
    assert_devices(events[events.device == "intrathecal_pump"], "pump")
    assert_pumps(events[events.device == "intrathecal_pump"], frame(tables, "intrathecal_doses"))
    assert_supplies(frame(tables, "dispensings"))
    assert_operation_rows(frame(tables, "surgeries"), frame(tables, "stays"))
    if scenario == "surgical":
        assert_surgical_course(tables)
    else:
        assert_surgical_past(tables)


def assert_in_time(tables: Mapping[str, pa.Table]) -> None:
    """Birth comes first, death last, and each event lies in the observation of its domain, both ends included."""
    patients = frame(tables, "patients").set_index("patient_id")
    periods = frame(tables, "observation_periods")
    assert (periods.start_date <= periods.end_date).all()
    by_domain = {domain: rows.set_index("patient_id") for domain, rows in periods.groupby("domain")}
    died = patients[patients.death_date != NO_DAY]
    for rows in by_domain.values():
        assert rows.index.is_unique
        assert (rows.end_date.loc[died.index] == died.death_date).all()
        assert ((rows.end_reason == "death") == rows.index.isin(died.index)).all()
    for name in tables:
        start, end = schema.table(name).start, schema.table(name).end
        if name in ("patients", "observation_periods", "attributes"):
            continue
        rows = frame(tables, name)
        domain = (
            rows.therapy.isin(DRUGS).map({True: "pharmacy", False: "medical"})
            if name == "therapies"
            else IN_DOMAIN.get(name)
        )
        assert (year_of(rows[start]) >= rows.patient_id.map(patients.birth_year)).all(), name
        last = rows[start] if not end else np.maximum(rows[start], rows[end])
        assert (last <= rows.patient_id.map(by_domain["medical"].end_date)).all(), name
        if name != "surgeries":
            first = {key: rows.patient_id.map(value.start_date) for key, value in by_domain.items()}
            begin = np.where(domain == "pharmacy", first["pharmacy"], first["medical"])
            assert (rows[start] >= begin).all(), name


def assert_devices(events: pd.DataFrame, main: str = "generator") -> None:
    """Trial, then implant, then what happens to a system, then at most one removal, then the next system."""
    if events.empty:
        return
    trials = (
        events[events.event.isin(["trial_start", "trial_end"])]
        .pivot(index="patient_id", columns="event", values="date")
        .reindex(columns=["trial_start", "trial_end"])
    )
    assert not (trials.trial_end < trials.trial_start).any()
    successful = set(events.patient_id[events.trial_success == True])  # noqa: E712 - the column holds missing values
    generators = events[events.component == main]
    system = ["patient_id", "system_id"]
    implants = generators[generators.event == "implant"].set_index(system).date
    assert implants.index.is_unique
    assert set(implants.index.get_level_values(0)) <= successful
    first = implants.groupby(level=0).min()
    assert (first > first.index.map(trials.trial_end)).all()
    explants = generators[generators.event == "explant"].set_index(system).date
    assert explants.index.is_unique
    of_system = events[~events.event.isin(["trial_start", "trial_end"])].set_index(system)
    began = implants.reindex(of_system.index)
    assert began.notna().all()
    assert (of_system.date >= began).all()
    ended = explants.reindex(of_system.index)
    after_or_on = of_system[(of_system.date >= ended).to_numpy()]
    assert set(after_or_on.event) <= {"explant", "complication"}
    assert not (of_system.date > ended).any()
    assert (explants > implants.reindex(explants.index)).all()
    later = implants[implants.index.get_level_values("system_id") > 1]
    before = pd.MultiIndex.from_arrays([later.index.get_level_values(0), later.index.get_level_values(1) - 1])
    assert (later.to_numpy() > explants.reindex(before).to_numpy()).all()
    changed = generators[generators.event.isin(["implant", "replace", "upgrade"])].sort_values([*system, "date"])
    assert (changed.component_id == changed.groupby(system).cumcount() + 1).all()
    assert not generators[generators.event.isin(["implant", "explant"])].duplicated([*system, "date"]).any()


def assert_pumps(events: pd.DataFrame, doses: pd.DataFrame) -> None:
    """Doses lie within the life of their pump, begin at its implant and stay within bounds; end of life is planned."""
    system = ["patient_id", "system_id"]
    pumps = events[events.component == "pump"]
    implant = pumps[pumps.event == "implant"].set_index(system).date
    removed = pumps[pumps.event == "explant"].set_index(system).date
    dosed = doses.set_index(system)
    assert (dosed.date >= implant.reindex(dosed.index)).all()
    assert not (dosed.date >= removed.reindex(dosed.index)).any()
    assert (dosed.groupby(system).date.min() == implant.reindex(dosed.groupby(system).date.min().index)).all()
    assert set(map(tuple, dosed.index)) == set(map(tuple, implant.index))
    assert not doses.duplicated([*system, "date", "ingredient"]).any()
    in_mcg = doses.ingredient.isin(["fentanyl", "sufentanil", "ziconotide"])
    assert ((doses.unit == "mcg") == in_mcg).all()
    assert doses.dose_per_day.gt(0).all()
    assert doses.dose_per_day[~in_mcg].le(25).all()
    changed = doses.sort_values([*system, "ingredient", "date"])
    assert (changed.groupby([*system, "ingredient"]).dose_per_day.diff() != 0).all()
    ended = events[events.event.isin(["replace", "explant"])]
    assert (ended.planned.astype(bool) == (ended.reason == "battery_end_of_life")).all()
    refills = pumps[pumps.event == "refill"].sort_values([*system, "date"])
    gaps = refills.groupby(system).date.diff().dropna()
    assert gaps.between(30, 183).all()


def assert_supplies(fills: pd.DataFrame) -> None:
    """Fills are numbered, last 1 to 100 days, and their units fit their form."""
    assert fills.days_supply.between(1, 100).all()
    assert (fills.dispensing_id == fills.groupby("patient_id").cumcount() + 1).all()
    assert (fills.strength_value.isna() == fills.strength_unit.isna()).all()
    patch = fills.form == "patch"
    assert (fills.route[patch] == "transdermal").all()
    assert (fills.quantity_unit[patch] == "patch").all()
    assert set(fills.strength_unit[patch].dropna()) <= {"mcg/h"}
    wear = fills.days_supply[patch] / fills.quantity[patch]
    assert set(np.round(wear, 2)) <= {7.0, 3.0, 1.5, 1.0, 2.0, 0.67}
    assert not fills.route[~patch].isin(["transdermal"]).any()
    assert (fills.quantity_unit[~patch] == "unit").all()
    assert set(fills.strength_unit[fills.form == "film"].dropna()) <= {"mcg"}
    assert set(fills.strength_unit[~fills.form.isin(["patch", "film"])].dropna()) <= {"mg"}
    a_day = fills.quantity[~patch] / fills.days_supply[~patch]
    assert (a_day == a_day.round()).all()
    assert a_day.between(1, 12).all()


def assert_operation_rows(surgeries: pd.DataFrame, stays: pd.DataFrame) -> None:
    """Operations are numbered, the first is the index, levels add up, and stays hold the operations they belong to."""
    staged = surgeries.staged.astype(bool)
    assert (surgeries.surgery_id == surgeries.groupby("patient_id").cumcount() + 1).all()
    assert ((surgeries.reason == "index") == (surgeries.surgery_id == 1))[~staged].all()
    listed = surgeries[surgeries.levels.notna()]
    assert (listed.levels.str.count(";") + 1 == listed.levels_n).all()
    with_stay = surgeries[surgeries.stay_id.notna()]
    assert (with_stay.setting == "inpatient").all()
    joined = with_stay.merge(stays, on=["patient_id", "stay_id"], how="outer")
    assert (joined.date >= joined.admit_date).all()
    assert (joined.date <= joined.discharge_date).all()
    assert (joined.date == joined.admit_date)[~joined.staged.astype(bool)].all()
    ordered = stays.sort_values(["patient_id", "admit_date"])
    assert not (ordered.groupby("patient_id").admit_date.shift(-1) < ordered.discharge_date).any()


def assert_surgical_course(tables: Mapping[str, pa.Table]) -> None:
    """Everyone is operated on in observation; second sittings, FBSS and adjacent segments follow their origin."""
    surgeries = frame(tables, "surgeries")
    start = frame(tables, "observation_periods").query("domain == 'medical'").set_index("patient_id").start_date
    seen = surgeries[surgeries.date >= surgeries.patient_id.map(start)]
    assert set(seen.patient_id) == set(start.index)
    before = surgeries.groupby("patient_id")[["date", "reason", "procedure"]].shift()
    staged = surgeries.staged.astype(bool)
    assert (surgeries.date - before.date)[staged].between(2, 8).all()
    assert (surgeries.reason == before.reason)[staged].all()
    assert surgeries.procedure[staged].isin(["fusion"]).all()
    assert not surgeries[~staged].duplicated(["patient_id", "date"]).any()
    conditions = frame(tables, "conditions")
    first = surgeries.groupby("patient_id").date.min()
    fbss = conditions.query("condition == 'fbss'").set_index("patient_id").date
    assert fbss.index.is_unique
    assert (fbss >= first.reindex(fbss.index) + 40).all()
    fused = surgeries[surgeries.procedure.isin(["fusion", "decompression_fusion"])].groupby("patient_id").date.min()
    adjacent = conditions.query("condition == 'adjacent_segment_disease'").set_index("patient_id").date
    assert (adjacent > fused.reindex(adjacent.index)).all()
    for_it = seen[(seen.reason == "asd") & ~seen.staged.astype(bool)]
    assert (for_it.date > for_it.patient_id.map(adjacent)).all()
    devices = frame(tables, "device_events")
    assert (devices.date > devices.patient_id.map(fbss)).all()


def assert_surgical_past(tables: Mapping[str, pa.Table]) -> None:
    """Everyone has FBSS, recorded after a lumbar operation."""
    fbss = frame(tables, "conditions").query("condition == 'fbss'").set_index("patient_id").date
    assert set(fbss.index) == set(frame(tables, "patients").patient_id)
    first = frame(tables, "surgeries").groupby("patient_id").date.min()
    assert (first.loc[fbss.index] < fbss).all()
