"""Dispensings as they come: what cannot be, what repeats, what overlaps, and episodes; from frames, without a cohort.

Where each edge case of a count of opioids is held (by its title, in which chapter, or else a test):

- all fills buprenorphine: "Only buprenorphine, which is excluded" here; `test_heal` for the calculator's answer
- fills of one day, reversals, identical rows: "Fills of one day, reversals and repeats", "Repeats dropped"
- nested and touching fills; early refills in a chain; supply carried into a window; dose changed while supply is left:
  "Overlapping fills" here, four times; `dose`: "Concurrent fills add up"
- a gap of exactly the allowed days: "Episodes"; `stopping`: "Discontinuation: the first of at least 60"
- days' supply 0, missing, negative, fractional, above 365; no quantity; unknown strength or drug: "Rows that cannot be"
- dates that cannot be, leap days: "Rows that cannot be", "A leap day is a day"; `course`: "Months of 30 days"; fills
  before birth or after death: `test_plausibility.test_a_fill_outside_life`, `stopping`: "Discontinuation and death"
- long and short acting together: "Long and short acting"; `dose`: "D1" to "D4"
- patches of 48 hours, bands of methadone over all fills, liquids, sprays, injections: `dose`
- treatment of opioid use disorder, as needed, refills: "What is dispensed counts"
- combinations, dihydrocodeine beside codeine, mcg and mg: "The opioid of a combination"
- 50 and 90 MME however summed: `stopping`: "Responder as Adil", "High-dose long-term therapy"
- a baseline of 0: `course`: "Alive and reduced"; `charted`: "The change of a charted dose"
- the last supply near the end of observation: `stopping`: "Stopped, or not ascertainable"
- stays in hospital: "Days in hospital" here; `stopping`: "A stay inside a gap"
- no fills, no observation, a fill on day 0: `dose`
- many, unsorted, uneven rows: `test_opioid_exposure` (runs, threads, shuffled), `test_sorting`, `benchmarks/`
"""

from spec.notation import Spec

TITLE = "Dispensings as they come"
COLUMNS = "total_mme | days_covered | max_daily_mme"


def dose(
    factors: str = "cdc_2022", overlap: str = "concurrent", buprenorphine: str = "exclude", **choices: str | int
) -> str:
    """Return a dose definition as text."""
    given = {"factors": factors, "overlap": overlap, "buprenorphine": buprenorphine} | choices
    return f"DoseDefinition({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def exposure(definition: str, *, days: str = "(-30, -1)", more: str = "") -> str:
    """Return the call of `opioid_exposure`."""
    return f"opioid_exposure(\n    fills, index_dates,\n    {definition},\n    days={days},{more}\n)"


BY_INGREDIENT = {"overlap_within": "ingredient"}
SAME_DAY = """
dispensings
patient_id      | date | strength_value | quantity | days_supply
two strengths   | -30  | 10             | 30       | 30
two strengths   | -30  | 20             | 30       | 30
equal           | -30  | 10             | 30       | 30
equal           | -30  | 10             | 30       | 30
taken back      | -30  | 10             | 30       | 30
taken back      | -30  | 10             | -30      | 30
one of two back | -30  | 10             | 30       | 30
one of two back | -30  | 10             | 30       | 30
one of two back | -30  | 10             | -30      | 30
nothing to take | -30  | 10             | 30       | 30
nothing to take | -29  | 10             | -30      | 30
"""
OVERLAPPING = """
dispensings
patient_id  | date | strength_value | days_supply
carried in  | -70  | 10             | 30
carried in  | -50  | 10             | 30
chain       | -90  | 10             | 30
chain       | -80  | 10             | 30
chain       | -70  | 10             | 30
chain       | -60  | 10             | 30
chain       | -50  | 10             | 30
chain       | -40  | 10             | 30
dose change | -40  | 10             | 30
dose change | -30  | 20             | 30
nested      | -40  | 10             | 60
nested      | -30  | 10             | 5
touching    | -60  | 10             | 30
touching    | -30  | 10             | 30
one day     | -30  | 10             | 30
one day     | -30  | 10             | 30
"""
LONG_AND_SHORT = """
dispensings
patient_id     | date | form      | days_supply
long and short | -40  | tablet_er | 30
long and short | -30  | tablet    | 30
"""
STAYS = """
dispensings
patient_id    | date | days_supply
during supply | -30  | 30
after supply  | -30  | 10
stays
patient_id    | admit_date | discharge_date
during supply | -20        | -11
after supply  | -20        | -11
no fills      | -20        | -11
"""

SPECS = (
    Spec(
        "Only buprenorphine, which is excluded",
        "No dose is 0; a dose per day of treatment is 0/0 and missing. The NIH HEAL calculator, which is given the "
        "days of treatment, answers 0 to the latter.",
        """
        dispensings
        patient_id | date | ingredient    | form | route      | strength_value
        only       | -30  | buprenorphine | film | sublingual | 8
        """,
        exposure(dose()),
        """
        patient_id | total_mme | mme_per_day_supplied | mme_per_day_covered | mme_per_day_in_window | n_dispensings
        only       | 0         |                      |                     | 0                     | 0
        """,
        from_frame=True,
    ),
    Spec(
        "Fills of one day, reversals and repeats",
        "Fills of one day add, and so do rows that are equal in everything. A row of negative quantity takes back one "
        "equal fill of that day; where there is none it is set aside alone.",
        SAME_DAY,
        exposure(dose()),
        """
        patient_id      | total_mme | max_daily_mme | n_dispensings
        two strengths   | 900       | 30            | 2
        equal           | 600       | 20            | 2
        taken back      | 0         | 0             | 0
        one of two back | 300       | 10            | 1
        nothing to take | 300       | 10            | 1
        """,
        from_frame=True,
    ),
    Spec(
        "Repeats dropped",
        "Of rows equal in every column but dispensing_id the first counts.",
        SAME_DAY,
        exposure(dose(repeats="drop")),
        """
        patient_id      | total_mme | max_daily_mme | n_dispensings
        two strengths   | 900       | 30            | 2
        equal           | 300       | 10            | 1
        """,
        from_frame=True,
    ),
    Spec(
        "Rows that cannot be",
        "What has no date, drug or days is set aside, counted and said. What has no amount covers its days and is of "
        "unknown dose, which is missing, not 0.",
        """
        dispensings
        patient_id    | date       | ingredient | strength_value | quantity | days_supply
        0 days        | -30        | morphine   | 10             | 30       | 0
        no days       | -30        | morphine   | 10             | 30       |
        minus 30 days | -30        | morphine   | 10             | 30       | -30
        7.5 days      | -30        | morphine   | 10             | 30       | 7.5
        365 days      | -30        | morphine   | 10             | 365      | 365
        366 days      | -30        | morphine   | 10             | 366      | 366
        no tablets    | -30        | morphine   | 10             | 0        | 30
        no quantity   | -30        | morphine   | 10             |          | 30
        no strength   | -30        | morphine   |                | 30       | 30
        misspelt      | -30        | morfine    | 10             | 30       | 30
        no date       |            | morphine   | 10             | 30       | 30
        year 1879     | 1879-12-31 | morphine   | 10             | 30       | 30
        year 2101     | 2101-01-01 | morphine   | 10             | 30       | 30
        """,
        exposure(dose()),
        """
        patient_id    | total_mme | days_covered | n_dispensings | n_unknown
        0 days        | 0         | 0            | 0             | 0
        no days       | 0         | 0            | 0             | 0
        minus 30 days | 0         | 0            | 0             | 0
        7.5 days      | 0         | 0            | 0             | 0
        365 days      | 300       | 30           | 1             | 0
        366 days      | 0         | 0            | 0             | 0
        no tablets    | 0         | 0            | 0             | 0
        no quantity   |           | 30           | 1             | 1
        no strength   |           | 30           | 1             | 1
        misspelt      | 0         | 0            | 0             | 0
        no date       | 0         | 0            | 0             | 0
        year 1879     | 0         | 0            | 0             | 0
        year 2101     | 0         | 0            | 0             | 0
        """,
        from_frame=True,
    ),
    Spec(
        "Overlapping fills: doses add",
        "Days -30 to -1 after supply that began before them, refills that came early, a new dose, a fill inside "
        "another, one after another, and two on one day.",
        OVERLAPPING,
        exposure(dose()),
        f"""
        patient_id  | {COLUMNS}
        carried in  | 100       | 10           | 10
        chain       | 300       | 20           | 20
        dose change | 800       | 30           | 30
        nested      | 350       | 30           | 20
        touching    | 300       | 30           | 10
        one day     | 600       | 30           | 20
        """,
        from_frame=True,
    ),
    Spec(
        "Overlapping fills: carried forward",
        "The same fills, each of which begins when the one before it is used up: the chain supplies days -90 to 89, "
        "and the new dose begins on day -10. Fills of one day stay together.",
        OVERLAPPING,
        exposure(dose(overlap="carry_forward", **BY_INGREDIENT)),
        f"""
        patient_id  | {COLUMNS}
        carried in  | 200       | 20           | 10
        chain       | 300       | 30           | 10
        dose change | 400       | 30           | 20
        nested      | 300       | 30           | 10
        touching    | 300       | 30           | 10
        one day     | 600       | 30           | 20
        """,
        from_frame=True,
    ),
    Spec(
        "Overlapping fills: truncated",
        "The same fills, each of which ends the one before it; what was left of that is lost.",
        OVERLAPPING,
        exposure(dose(overlap="truncate", **BY_INGREDIENT)),
        f"""
        patient_id  | {COLUMNS}
        carried in  | 100       | 10           | 10
        chain       | 200       | 20           | 10
        dose change | 600       | 30           | 20
        nested      | 50        | 5            | 10
        touching    | 300       | 30           | 10
        one day     | 600       | 30           | 20
        """,
        from_frame=True,
    ),
    Spec(
        "Overlapping fills: carried by 5 days at most",
        "The new dose of day -30 begins on day -25, and the old one ends on day -26. The refills of the chain, each of "
        "which comes 20 days before the one before it is used up, begin 5 days late and end the ones before them: the "
        "last supplies days -35 to -6.",
        OVERLAPPING,
        exposure(dose(overlap="carry_forward", carry_at_most_days=5, **BY_INGREDIENT)),
        f"""
        patient_id  | {COLUMNS}
        carried in  | 150       | 15           | 10
        chain       | 250       | 25           | 10
        dose change | 550       | 30           | 20
        """,
        from_frame=True,
    ),
    Spec(
        "Long and short acting: of one ingredient and form",
        "A fill of another form is another regimen, and its dose adds.",
        LONG_AND_SHORT,
        exposure(dose(overlap="carry_forward", overlap_within="ingredient_and_form")),
        f"""
        patient_id     | {COLUMNS}
        long and short | 500       | 30           | 20
        """,
        from_frame=True,
    ),
    Spec(
        "Long and short acting: of one ingredient",
        "A fill of another form waits as any other; this is seldom meant.",
        LONG_AND_SHORT,
        exposure(dose(overlap="carry_forward", **BY_INGREDIENT)),
        f"""
        patient_id     | {COLUMNS}
        long and short | 300       | 30           | 10
        """,
        from_frame=True,
    ),
    Spec(
        "The opioid of a combination, and units of strength",
        "Strength is that of the opioid alone: four tablets a day of hydrocodone 5 mg with paracetamol are 20 MME. "
        "A product with two opioids is a row for each. Dihydrocodeine is not codeine. mcg and mg are told apart.",
        """
        dispensings
        patient_id     | date | ingredient     | form    | route  | strength_value | strength_unit | quantity
        combination    | -30  | hydrocodone    | tablet  | oral   | 5              | mg            | 120
        dihydrocodeine | -30  | dihydrocodeine | capsule | oral   | 16             | mg            | 30
        codeine        | -30  | codeine        | capsule | oral   | 16             | mg            | 30
        two opioids    | -30  | dihydrocodeine | capsule | oral   | 16             | mg            | 30
        two opioids    | -30  | codeine        | capsule | oral   | 16             | mg            | 30
        in mcg         | -30  | fentanyl       | lozenge | buccal | 400            | mcg           | 30
        in mg          | -30  | fentanyl       | lozenge | buccal | 0.4            | mg            | 30
        """,
        exposure(dose(factors="cdc_2016")),
        """
        patient_id     | max_daily_mme
        combination    | 20
        dihydrocodeine | 4
        codeine        | 2.4
        two opioids    | 6.4
        in mcg         | 52
        in mg          | 52
        """,
        from_frame=True,
    ),
    Spec(
        "What is dispensed counts, whatever it is for and however it is taken",
        "Methadone counts for pain as for opioid use disorder, which a fill does not tell apart. What is taken as "
        "needed counts as if it lasted its days' supply. A refill counts when it is dispensed, and one that was only "
        "authorised nowhere.",
        """
        dispensings
        patient_id | date | ingredient  | form     | strength_value | strength_unit | quantity_unit | days_supply
        methadone  | -30  | methadone   | solution | 10             | mg/mL         | mL            | 30
        as needed  | -30  | hydrocodone | tablet   | 5              | mg            | unit          | 10
        refilled   | -30  | hydrocodone | tablet   | 5              | mg            | unit          | 10
        refilled   | -20  | hydrocodone | tablet   | 5              | mg            | unit          | 10
        """,
        exposure(dose()),
        """
        patient_id | total_mme | max_daily_mme | days_covered
        methadone  | 1410      | 47            | 30
        as needed  | 50        | 5             | 10
        refilled   | 100       | 5             | 20
        """,
        from_frame=True,
    ),
    Spec(
        "Days in hospital, left out of the window",
        "Ten days in hospital during supply, and after it.",
        STAYS,
        exposure(dose(stays="exclude"), more=" stays=stays,"),
        """
        patient_id    | total_mme | days_supplied | days_covered | days_in_window | mme_per_day_in_window
        during supply | 200       | 20            | 20           | 20             | 10
        after supply  | 100       | 10            | 10           | 20             | 5
        no fills      | 0         | 0             | 0            | 20             | 0
        """,
        from_frame=True,
    ),
    Spec(
        "Days in hospital, assumed to be supplied",
        "The days are covered without a dose, in windows that hold supply of a fill.",
        STAYS,
        exposure(dose(stays="assume_supplied"), more=" stays=stays,"),
        """
        patient_id    | total_mme | days_supplied | days_covered | days_in_window | n_dispensings
        during supply | 300       | 40            | 30           | 30             | 1
        after supply  | 100       | 20            | 20           | 30             | 1
        no fills      | 0         | 0             | 0            | 30             | 0
        """,
        from_frame=True,
    ),
    Spec(
        "Episodes: a gap of at most 5 days without supply",
        "Fills of 5 and 10 days with 0, 5 and 6 uncovered days between them. An episode ends with supply.",
        """
        dispensings
        patient_id | date | days_supply
        touching   | -30  | 5
        touching   | -25  | 10
        gap of 5   | -30  | 5
        gap of 5   | -20  | 10
        gap of 6   | -30  | 5
        gap of 6   | -19  | 10
        """,
        f"treatment_episodes(fills, {dose()}, gap_days=5)",
        """
        patient_id | episode | start_date | end_date   | days | days_covered | total_mme
        touching   | 1       | 2015-06-01 | 2015-06-15 | 15   | 15           | 150
        gap of 5   | 1       | 2015-06-01 | 2015-06-20 | 20   | 15           | 150
        gap of 6   | 1       | 2015-06-01 | 2015-06-05 | 5    | 5            | 50
        gap of 6   | 2       | 2015-06-12 | 2015-06-21 | 10   | 10           | 100
        """,
        from_frame=True,
    ),
    Spec(
        "A leap day is a day",
        "Three days' supply from the day before the last of February.",
        """
        dispensings
        patient_id | date       | days_supply
        2015       | 2015-02-27 | 3
        2016       | 2016-02-28 | 3
        """,
        f"treatment_episodes(fills, {dose()}, gap_days=0)",
        """
        patient_id | start_date | end_date   | days
        2015       | 2015-02-27 | 2015-03-01 | 3
        2016       | 2016-02-28 | 2016-03-01 | 3
        """,
        from_frame=True,
    ),
)
