"""The systemic opioid dose of a window, in morphine milligram equivalents (MME)."""

from spec.notation import Spec

TITLE = "Opioid dose"


def call(
    *,
    per: str = "day_in_window",
    days: tuple[int, int] = (-90, -1),
    factors: str = "cdc_2022",
    buprenorphine: str = "exclude",
) -> str:
    """Return the call that adds a dose named ``dose``."""
    return (
        f"add_opioid_dose(\n    cohort,\n"
        f"    DoseDefinition(factors='{factors}', overlap='concurrent', buprenorphine='{buprenorphine}'),\n"
        f"    name='dose',\n    days={days},\n    per='{per}',\n)"
    )


DASGUPTA = """
dispensings
patient_id | date | ingredient | form      | strength_value | quantity | days_supply
scenario   | -90  | oxycodone  | tablet_er | 30             | 60       | 30
scenario   | -90  | oxycodone  | tablet    | 5              | 14       | 7
"""
DASGUPTA_SOURCE = "Dasgupta N et al. Clin J Pain 2021;37(8):565-574 (PMC8270512), published to one decimal"
BUPRENORPHINE = """
dispensings
patient_id   | date | ingredient    | form   | route       | strength_value | strength_unit | quantity | days_supply
patch        | -30  | buprenorphine | patch  | transdermal | 5              | mcg/h         | 4        | 28
sublingual   | -30  | buprenorphine | film   | sublingual  | 8              | mg            | 60       | 30
with another | -30  | buprenorphine | film   | buccal      | 75             | mcg           | 60       | 30
with another | -30  | morphine      | tablet | oral        | 10             | mg            | 30       | 30
"""
CONVERSIONS = """
dispensings
patient_id       | date | ingredient    | form      | strength_value | quantity | days_supply
tramadol         | -30  | tramadol      | tablet    | 50             | 120      | 30
hydromorphone    | -30  | hydromorphone | tablet    | 4              | 60       | 30
oxycodone        | -30  | oxycodone     | tablet_er | 10             | 60       | 30
hydrocodone      | -30  | hydrocodone   | tablet    | 5              | 120      | 30
tapentadol       | -30  | tapentadol    | tablet    | 50             | 60       | 30
codeine          | -30  | codeine       | tablet    | 30             | 120      | 30
oxymorphone      | -30  | oxymorphone   | tablet    | 10             | 60       | 30
levorphanol      | -30  | levorphanol   | tablet    | 2              | 60       | 30
"""
METHADONE = """
dispensings
patient_id | date | ingredient | strength_value | days_supply
20 mg      | -30  | methadone  | 20             | 30
20.5 mg    | -30  | methadone  | 20.5           | 30
40 mg      | -30  | methadone  | 40             | 30
40.5 mg    | -30  | methadone  | 40.5           | 30
60 mg      | -30  | methadone  | 60             | 30
60.5 mg    | -30  | methadone  | 60.5           | 30
61 mg      | -30  | methadone  | 61             | 30
"""

SPECS = (
    Spec(
        "A window includes both its ends",
        "Fills of one day on each side of both ends of (-90, -1). A fill on day 0 belongs to no baseline.",
        """
        dispensings
        patient_id | date | days_supply
        day -91    | -91  | 1
        day -90    | -90  | 1
        day -1     | -1   | 1
        day 0      | 0    | 1
        """,
        call(),
        """
        patient_id | dose_dispensings | dose_days_covered | dose_total_mme | dose_mme_per_day
        day -91    | 0                | 0                 | 0              | 0
        day -90    | 1                | 1                 | 10             | 0.1111111111
        day -1     | 1                | 1                 | 10             | 0.1111111111
        day 0      | 0                | 0                 | 0              | 0
        """,
    ),
    Spec(
        "A supply is counted by its days inside the window",
        "A supply of 30 days from day s covers s to s+29. A fill dated before the window supplies days in it, but is "
        "counted among the fills of the days before.",
        """
        dispensings
        patient_id   | date | days_supply
        ends -91     | -120 | 30
        ends -90     | -119 | 30
        across start | -100 | 30
        ends -1      | -30  | 30
        ends 0       | -29  | 30
        throughout   | -200 | 365
        """,
        call(),
        """
        patient_id   | dose_dispensings | dose_days_supplied | dose_days_covered | dose_total_mme
        ends -91     | 0                | 0                  | 0                 | 0
        ends -90     | 0                | 1                  | 1                 | 10
        across start | 0                | 20                 | 20                | 200
        ends -1      | 1                | 30                 | 30                | 300
        ends 0       | 1                | 29                 | 29                | 290
        throughout   | 0                | 90                 | 90                | 900
        """,
    ),
    Spec(
        "A fill on day 0 supplies the days after it",
        "It counts among the fills of neither side; its supply from day 1 on counts.",
        """
        dispensings
        patient_id | date | days_supply
        day 0      | 0    | 30
        day 1      | 1    | 30
        day 30     | 30   | 30
        day 31     | 31   | 30
        """,
        call(days=(1, 30)),
        """
        patient_id | dose_dispensings | dose_days_covered | dose_total_mme
        day 0      | 0                | 29                | 290
        day 1      | 1                | 30                | 300
        day 30     | 1                | 1                 | 10
        day 31     | 0                | 0                 | 0
        """,
    ),
    Spec(
        "No fills is a dose of 0; no observation is a missing dose",
        "Observation other than of the pharmacy does not show fills.",
        """
        observation_periods
        patient_id       | start_date | end_date | domain
        observed         | -90        | -1       | pharmacy
        observed one day | -90        | -90      | pharmacy
        never observed   | -90        | -1       | medical
        ends too early   | -900       | -91      | pharmacy
        fills unobserved | 0          | 90       | pharmacy
        dispensings
        patient_id       | date | days_supply
        fills unobserved | -60  | 30
        """,
        call(),
        """
        patient_id       | dose_mme_per_day | dose_total_mme | dose_dispensings | dose_share_unknown
        observed         | 0                | 0              | 0                | 0
        observed one day | 0                | 0              | 0                | 0
        never observed   |                  |                |                  |
        ends too early   |                  |                |                  |
        fills unobserved |                  |                |                  |
        """,
    ),
    Spec(
        "Only observed days count",
        "The denominator is the observed days of the window, and so is the supply taken from them only.",
        """
        observation_periods
        patient_id | start_date | end_date
        half       | -45        | -1
        gap        | -90        | -61
        gap        | -30        | 10
        dispensings
        patient_id | date | days_supply
        half       | -60  | 30
        gap        | -70  | 60
        """,
        call(),
        """
        patient_id | dose_days_in_window | dose_dispensings | dose_days_covered | dose_total_mme | dose_mme_per_day
        half       | 45                  | 0                | 15                | 150            | 3.3333333333
        gap        | 60                  | 1                | 30                | 300            | 5
        """,
    ),
    Spec(
        "Without fills a dose per day of treatment is missing",
        "There is no day of treatment to divide by (0/0).",
        """
        dispensings
        patient_id | date | days_supply
        no fills   | -100 | 10
        one fill   | -90  | 10
        """,
        call(per="day_covered"),
        """
        patient_id | dose_mme_per_day | dose_total_mme
        no fills   |                  | 0
        one fill   | 10               | 100
        """,
    ),
    Spec(
        "D1: per day of supply, a day counting once per fill",
        "Oxycodone ER 30 mg twice a day for 30 days, and 5 mg twice a day for the first 7 of them: 2805 MME / 37 days.",
        DASGUPTA,
        call(per="day_supplied"),
        """
        patient_id | dose_mme_per_day | dose_total_mme | dose_days_supplied
        scenario   | 75.8             | 2805           | 37
        """,
        within=0.05,
        source=DASGUPTA_SOURCE,
    ),
    Spec(
        "D2: per calendar day with supply",
        "The same fills: 2805 MME / 30.",
        DASGUPTA,
        call(per="day_covered"),
        """
        patient_id | dose_mme_per_day | dose_days_covered
        scenario   | 93.5             | 30
        """,
        within=0.05,
        source=DASGUPTA_SOURCE,
    ),
    Spec(
        "D3: per observed day of the window",
        "The same fills: 2805 MME / 90.",
        DASGUPTA,
        call(per="day_in_window"),
        """
        patient_id | dose_mme_per_day | dose_days_in_window
        scenario   | 31.2             | 90
        """,
        within=0.05,
        source=DASGUPTA_SOURCE,
    ),
    Spec(
        "D4: on the day of the largest dose",
        "The same fills; 90 MME and 15 MME on each of the first seven days.",
        DASGUPTA,
        call(per="maximum_day"),
        """
        patient_id | dose_mme_per_day | dose_max_daily_mme
        scenario   | 105              | 105
        """,
        within=0.05,
        source=DASGUPTA_SOURCE,
    ),
    Spec(
        "Concurrent fills add up, successive ones do not",
        "Whatever the order of the rows: side by side, one inside the other, one day shared, or one after the other.",
        """
        dispensings
        patient_id    | date | strength_value | days_supply
        same days     | -20  | 30             | 10
        same days     | -20  | 60             | 10
        nested        | -15  | 60             | 5
        nested        | -20  | 30             | 20
        one day       | -20  | 30             | 10
        one day       | -11  | 60             | 10
        successive    | -20  | 30             | 10
        successive    | -10  | 60             | 10
        """,
        call(per="maximum_day"),
        """
        patient_id    | dose_max_daily_mme | dose_days_covered | dose_days_supplied | dose_total_mme
        same days     | 90                 | 10                | 20                 | 900
        nested        | 90                 | 20                | 25                 | 900
        one day       | 90                 | 19                | 20                 | 900
        successive    | 60                 | 20                | 20                 | 900
        """,
    ),
    Spec(
        "Conversion by the table cdc_2022",
        "MME a day while the fill lasts. Without a factor in the table the dose is missing, never 0.",
        CONVERSIONS,
        call(per="day_covered"),
        """
        patient_id       | dose_mme_per_day
        tramadol         | 40
        hydromorphone    | 40
        oxycodone        | 30
        hydrocodone      | 20
        tapentadol       | 40
        codeine          | 18
        oxymorphone      | 60
        levorphanol      |
        """,
        source="CDC 2022, doi 10.15585/mmwr.rr7103a1",
    ),
    Spec(
        "Conversion by the table cdc_2016",
        "The same fills: tramadol counts half of what it counts in 2022, hydromorphone four fifths.",
        CONVERSIONS,
        call(per="day_covered", factors="cdc_2016"),
        """
        patient_id       | dose_mme_per_day
        tramadol         | 20
        hydromorphone    | 32
        oxycodone        | 30
        hydrocodone      | 20
        tapentadol       | 40
        codeine          | 18
        oxymorphone      | 60
        levorphanol      | 44
        """,
        source="CDC 2016, doi 10.15585/mmwr.rr6501e1, and CDC's table of conversion factors of that year",
    ),
    Spec(
        "Methadone by the table cdc_2016: the factor is that of the day's total",
        "Up to and including 20 mg 4, 40 mg 8, 60 mg 10, above 12; the factor applies to the whole dose.",
        METHADONE,
        call(per="maximum_day", factors="cdc_2016"),
        """
        patient_id | dose_mme_per_day
        20 mg      | 80
        20.5 mg    | 164
        40 mg      | 320
        40.5 mg    | 405
        60 mg      | 600
        60.5 mg    | 726
        61 mg      | 732
        """,
        source="CDC 2016, doi 10.15585/mmwr.rr6501e1; bands closed on the right",
    ),
    Spec(
        "Methadone by the table cdc_2022: one factor",
        "4.7 at every dose.",
        METHADONE,
        call(per="maximum_day", factors="cdc_2022"),
        """
        patient_id | dose_mme_per_day
        20 mg      | 94
        20.5 mg    | 96.35
        40 mg      | 188
        40.5 mg    | 190.35
        60 mg      | 282
        60.5 mg    | 284.35
        61 mg      | 286.7
        """,
        source="CDC 2022, doi 10.15585/mmwr.rr7103a1",
    ),
    Spec(
        "Methadone of several fills is added up before the factor is chosen",
        "Two fills of 15 mg a day are 30 mg a day (240 MME) on the days they share, and 15 mg (60 MME) on the others. "
        "Three fills of a third of 40 mg are 40 mg. Another opioid does not move the band.",
        """
        dispensings
        patient_id    | date | ingredient | strength_value | quantity | days_supply
        both          | -30  | methadone  | 15             | 30       | 30
        both          | -30  | methadone  | 15             | 30       | 30
        five days     | -20  | methadone  | 15             | 10       | 10
        five days     | -15  | methadone  | 15             | 10       | 10
        thirds        | -30  | methadone  | 10             | 40       | 30
        thirds        | -30  | methadone  | 10             | 40       | 30
        thirds        | -30  | methadone  | 10             | 40       | 30
        with morphine | -30  | methadone  | 20             | 30       | 30
        with morphine | -30  | morphine   | 30             | 30       | 30
        """,
        call(per="maximum_day", factors="cdc_2016"),
        """
        patient_id    | dose_mme_per_day | dose_total_mme
        both          | 240              | 7200
        five days     | 240              | 1800
        thirds        | 320              | 9600
        with morphine | 110              | 3300
        """,
        within=1e-6,
    ),
    Spec(
        "Fentanyl patches are worn 72 hours, or 48 where the fill then lasts exactly",
        "A patch of 25 mcg/h is 60 MME on each day it is worn. Ten patches in 30 days are one at a time, fifteen are "
        "one every 48 hours, twenty are two at a time.",
        """
        dispensings
        patient_id   | date | ingredient | form  | route       | strength_value | strength_unit | quantity | days_supply
        ten          | -30  | fentanyl   | patch | transdermal | 25             | mcg/h         | 10       | 30
        fifteen      | -30  | fentanyl   | patch | transdermal | 25             | mcg/h         | 15       | 30
        twenty       | -30  | fentanyl   | patch | transdermal | 25             | mcg/h         | 20       | 30
        75 mcg/h     | -30  | fentanyl   | patch | transdermal | 75             | mcg/h         | 10       | 30
        five         | -30  | fentanyl   | patch | transdermal | 25             | mcg/h         | 5        | 30
        """,
        call(per="day_covered"),
        """
        patient_id   | dose_mme_per_day
        ten          | 60
        fifteen      | 60
        twenty       | 120
        75 mcg/h     | 180
        five         | 30
        """,
        source="25 mcg/h is 60 MME a day: CDC's table of conversion factors, documentation, 2018",
    ),
    Spec(
        "A factor is never applied to another form, route or unit",
        "Fentanyl by vein, a patch in mg, a solution counted in tablets and a spray counted in bottles are of unknown "
        "dose. A drug given intrathecally is not systemic and is left out.",
        """
        dispensings
        patient_id   | ingredient  | form      | route       | strength_value | strength_unit | quantity | quantity_unit
        by vein      | fentanyl    | injection | intravenous | 50             | mcg           | 10       | unit
        patch in mg  | fentanyl    | patch     | transdermal | 4.2            | mg            | 10       | patch
        by mouth     | morphine    | solution  | oral        | 2              | mg/mL         | 300      | mL
        in units     | morphine    | solution  | oral        | 2              | mg/mL         | 300      | unit
        mL of tablet | morphine    | tablet    | oral        | 10             | mg            | 30       | mL
        no route     | morphine    | tablet    |             | 10             | mg            | 30       | unit
        spray        | butorphanol | spray     | nasal       | 10             | mg/mL         | 2.5      | mL
        bottle       | butorphanol | spray     | nasal       | 10             | mg/mL         | 1        | bottle
        lozenge      | fentanyl    | lozenge   | buccal      | 0.4            | mg            | 30       | unit
        intrathecal  | morphine    | injection | intrathecal | 10             | mg/mL         | 20       | mL
        """,
        call(per="maximum_day", factors="cdc_2016"),
        """
        patient_id   | dose_mme_per_day | dose_dispensings | dose_share_unknown
        by vein      |                  | 1                | 1
        patch in mg  |                  | 1                | 1
        by mouth     | 20               | 1                | 0
        in units     |                  | 1                | 1
        mL of tablet |                  | 1                | 1
        no route     |                  | 1                | 1
        spray        | 5.8333333333     | 1                | 0
        bottle       |                  | 1                | 1
        lozenge      | 52               | 1                | 0
        intrathecal  | 0                | 0                | 0
        """,
    ),
    Spec(
        "Some fills of unknown dose: the dose of the others, a lower bound",
        "The days of the unknown fills count; their share is given. Where all are unknown the dose is missing.",
        """
        dispensings
        patient_id | date | strength_value | days_supply
        known      | -20  | 10             | 10
        one of two | -20  | 10             | 10
        one of two | -10  |                | 10
        all        | -20  |                | 10
        outside    | -20  | 10             | 10
        outside    | -200 |                | 10
        """,
        call(per="day_covered"),
        """
        patient_id | dose_mme_per_day | dose_total_mme | dose_days_covered | dose_share_unknown
        known      | 10               | 100            | 10                | 0
        one of two | 5                | 100            | 20                | 0.5
        all        |                  |                | 10                | 1
        outside    | 10               | 100            | 10                | 0
        """,
    ),
    Spec(
        "Buprenorphine excluded: its fills do not count at all",
        "Neither dose, nor days, nor fills.",
        BUPRENORPHINE,
        call(per="maximum_day", factors="cdc_2016", buprenorphine="exclude"),
        """
        patient_id   | dose_mme_per_day | dose_dispensings | dose_days_covered
        patch        | 0                | 0                | 0
        sublingual   | 0                | 0                | 0
        with another | 10               | 1                | 30
        """,
    ),
    Spec(
        "Buprenorphine included, by the table cdc_2016",
        "A patch is worn 7 days: 5 mcg/h are 9 MME a day.",
        BUPRENORPHINE,
        call(per="maximum_day", factors="cdc_2016", buprenorphine="include"),
        """
        patient_id   | dose_mme_per_day | dose_dispensings | dose_days_covered
        patch        | 9                | 1                | 28
        sublingual   | 480              | 1                | 30
        with another | 14.5             | 2                | 30
        """,
        source="CMS and CDC, May 2014: 4 patches of 5 mcg/h in 28 days are 9 MME a day",
    ),
    Spec(
        "Buprenorphine included, by the table cdc_2022",
        "The table has no factor for it: unknown, not 0.",
        BUPRENORPHINE,
        call(per="maximum_day", factors="cdc_2022", buprenorphine="include"),
        """
        patient_id   | dose_mme_per_day | dose_share_unknown | dose_dispensings
        patch        |                  | 1                  | 1
        sublingual   |                  | 1                  | 1
        with another | 10               | 0.5                | 2
        """,
    ),
)
