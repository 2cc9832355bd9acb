"""Stopping, tapering and responding: discontinuation, long-term therapy, new persistent use, tapers, responders."""

from spec.notation import Spec

TITLE = "Stopping, tapering and responding"
DOSE = "DoseDefinition(factors='cdc_2022', overlap='concurrent', buprenorphine='exclude')"


def discontinuation(*, gap: int = 60, baseline: str = "None", until: int = 365, stays: str = "ignore") -> str:
    """Return the call that adds discontinuation."""
    dose = DOSE if stays == "ignore" else DOSE.replace(")", f", stays='{stays}')")
    return (
        f"add_opioid_discontinuation(\n    cohort,\n    {dose},\n"
        f"    gap_days={gap}, until_days={until}, competing='death', baseline_days={baseline},\n)"
    )


def long_term(definition: str, *, days: str = "(-365, -1)", gap: str = "") -> str:
    """Return the call that adds long-term opioid therapy."""
    return (
        f"add_long_term_opioid_therapy(\n    cohort,\n    {DOSE},\n"
        f"    days={days}, definition='{definition}',{gap}\n    name='long_term',\n)"
    )


def responder(definition: str, *, more: str = "") -> str:
    """Return the call that adds a published endpoint of response."""
    return (
        f"add_opioid_responder(\n    cohort,\n    {DOSE},\n"
        f"    definition='{definition}', floor=10,{more} name='responder',\n)"
    )


TAPER = f"add_taper(cohort, {DOSE}, baseline_days=(-30, -1), floor=10)"

SPECS = (
    Spec(
        "Discontinuation: the first of at least 60 observed days without supply",
        "A gap of exactly 60 uncovered days counts, one of 59 does not. It is dated at its first day. Fills of 30 days "
        "from day -20 cover to day 9. Supply goes on where fills touch. Who has no supply from day 1 on has stopped on "
        "day 1, who never had any too: only baseline_days leaves them out. A fill of day 0 counts from day 1 on.",
        """
        dispensings
        patient_id    | date | days_supply
        gap of 59     | -20  | 30
        gap of 59     | 69   | 300
        gap of 60     | -20  | 30
        gap of 60     | 70   | 300
        second gap    | -20  | 30
        second gap    | 30   | 30
        second gap    | 120  | 300
        touching      | -20  | 30
        touching      | 10   | 356
        ended before  | -90  | 30
        day 0 only    | 0    | 30
        day 0, 1 day  | 0    | 1
        patients
        patient_id    | birth_year
        no fills      | 1960
        """,
        discontinuation(),
        """
        patient_id    | opioid_discontinuation_days | opioid_discontinuation_status | opioid_discontinuation_ascertained
        gap of 59     | 365                         | censored                      | yes
        gap of 60     | 10                          | event                         | yes
        second gap    | 60                          | event                         | yes
        touching      | 365                         | censored                      | yes
        ended before  | 1                           | event                         | yes
        day 0 only    | 30                          | event                         | yes
        day 0, 1 day  | 1                           | event                         | yes
        no fills      | 1                           | event                         | yes
        """,
        source="Neprash HT et al. 2021, doi 10.1007/s11606-020-06402-z: at least 60 consecutive days without supply",
    ),
    Spec(
        "Stopped, or not ascertainable because observation ended",
        "Supply ends on day 9. Stopped needs observation to day 9 + 60 = 69; observed to day 68 only, time is censored "
        "on day 9, the last day that is certain, and the outcome is not ascertained. Who is still supplied when "
        "observation ends is censored there as usual. A gap that begins after the last day of follow-up does not "
        "matter. Without pharmacy observation the outcome is missing.",
        """
        dispensings
        patient_id    | date | days_supply
        seen to 69    | -20  | 30
        seen to 68    | -20  | 30
        seen to 9     | -20  | 30
        seen to 8     | -20  | 30
        from day 365  | -20  | 365
        from day 365  | 345  | 20
        from day 366  | -20  | 365
        from day 366  | 345  | 21
        unseen        | -20  | 30
        observation_periods
        patient_id    | start_date | end_date | domain
        seen to 69    | -900       | 69       |
        seen to 68    | -900       | 68       |
        seen to 9     | -900       | 9        |
        seen to 8     | -900       | 8        |
        from day 365  | -900       | 370      |
        from day 366  | -900       | 370      |
        unseen        | -900       | 900      | medical
        """,
        discontinuation(),
        """
        patient_id    | opioid_discontinuation_days | opioid_discontinuation_status | opioid_discontinuation_ascertained
        seen to 69    | 10                          | event                         | yes
        seen to 68    | 9                           | censored                      | no
        seen to 9     | 9                           | censored                      | yes
        seen to 8     | 8                           | censored                      | yes
        from day 365  | 364                         | censored                      | no
        from day 366  | 365                         | censored                      | yes
        unseen        |                             |                               |
        """,
    ),
    Spec(
        "Discontinuation and death",
        "A gap that death cuts short is none: death competes. A fill after death supplies nothing.",
        """
        dispensings
        patient_id    | date | days_supply
        dies day 68   | -20  | 30
        dies day 69   | -20  | 30
        fill after    | -20  | 30
        fill after    | 50   | 30
        patients
        patient_id    | birth_year | death_date
        dies day 68   | 1960       | 68
        dies day 69   | 1960       | 69
        fill after    | 1960       | 40
        """,
        discontinuation(),
        """
        patient_id    | opioid_discontinuation_days | opioid_discontinuation_status | opioid_discontinuation_ascertained
        dies day 68   | 68                          | death                         | yes
        dies day 69   | 10                          | event                         | yes
        fill after    | 40                          | death                         | yes
        """,
    ),
    Spec(
        "Discontinuation among those who used opioids",
        "Observed supply on a day of the baseline window, carried in from before it too. Others have nothing to stop.",
        """
        dispensings
        patient_id    | date | days_supply
        to day -91    | -120 | 30
        to day -90    | -119 | 30
        carried in    | -400 | 365
        day 0         | 0    | 30
        patients
        patient_id    | birth_year
        no fills      | 1960
        """,
        discontinuation(baseline="(-90, -1)"),
        """
        patient_id    | opioid_discontinuation_days | opioid_discontinuation_status
        to day -91    |                             |
        to day -90    | 1                           | event
        carried in    | 1                           | event
        day 0         |                             |
        no fills      |                             |
        """,
    ),
    *(
        Spec(
            f"A stay inside a gap: stays={stays}",
            words,
            """
            dispensings
            patient_id    | date | days_supply
            stay          | -20  | 30
            stay          | 75   | 300
            no stay       | -20  | 30
            no stay       | 75   | 300
            stays
            patient_id    | admit_date | discharge_date
            stay          | 40         | 49
            """,
            discontinuation(stays=stays),
            f"""
            patient_id    | opioid_discontinuation_days | opioid_discontinuation_status
            stay          | {days:<27} | {status}
            no stay       | 10                          | event
            """,
        )
        for stays, words, days, status in (
            (
                "ignore",
                "A gap of 65 days, ten of them in hospital. Without a rule for stays they count as any other day.",
                10,
                "event",
            ),
            (
                "assume_supplied",
                "The days in hospital count as supplied: they part the gap into 30 and 25 days.",
                365,
                "censored",
            ),
        )
    ),
    Spec(
        "Long-term opioid therapy: a long episode with enough fills or supply",
        "Longer than 90 days is 91 days or more, from the first to the last day with supply; at least 10 fills, or at "
        "least 120 days' supply, a day once per fill. Fewer than 30 uncovered days in a row do not end an episode. "
        "A fill dated before the window supplies days in it, but is no fill of it.",
        """
        dispensings
        patient_id       | date | days_supply
        90 days, 120     | -100 | 90
        90 days, 120     | -100 | 30
        91 days, 119     | -100 | 91
        91 days, 119     | -100 | 28
        91 days, 120     | -100 | 91
        91 days, 120     | -100 | 29
        10 fills         | -100 | 1
        10 fills         | -90  | 1
        10 fills         | -80  | 1
        10 fills         | -70  | 1
        10 fills         | -60  | 1
        10 fills         | -50  | 1
        10 fills         | -40  | 1
        10 fills         | -30  | 1
        10 fills         | -20  | 1
        10 fills         | -10  | 1
        9 fills          | -100 | 1
        9 fills          | -90  | 1
        9 fills          | -80  | 1
        9 fills          | -70  | 1
        9 fills          | -60  | 1
        9 fills          | -50  | 1
        9 fills          | -40  | 1
        9 fills          | -30  | 1
        9 fills          | -10  | 1
        gap of 29        | -200 | 60
        gap of 29        | -111 | 60
        gap of 30        | -200 | 60
        gap of 30        | -110 | 60
        carried in       | -400 | 155
        carried in, less | -400 | 154
        patients
        patient_id       | birth_year
        no fills         | 1960
        """,
        long_term("von_korff2008", gap=" gap_days=30,"),
        """
        patient_id       | long_term | long_term_status
        90 days, 120     | no        | observed
        91 days, 119     | no        | observed
        91 days, 120     | yes       | observed
        10 fills         | yes       | observed
        9 fills          | no        | observed
        gap of 29        | yes       | observed
        gap of 30        | no        | observed
        carried in       | yes       | observed
        carried in, less | no        | observed
        no fills         | no        | observed
        """,
        source="Von Korff M et al. 2008, doi 10.1097/AJP.0b013e318169d03b; what ends an episode is an argument",
    ),
    Spec(
        "Long-term opioid therapy in a window around day 0",
        "A fill of day 0 is no fill of either side: ten fills, one of them on day 0, are nine.",
        """
        dispensings
        patient_id | date | days_supply
        ten        | -50  | 1
        ten        | -40  | 1
        ten        | -30  | 1
        ten        | -20  | 1
        ten        | -10  | 1
        ten        | 0    | 2
        ten        | 10   | 1
        ten        | 20   | 1
        ten        | 30   | 1
        ten        | 40   | 1
        and one    | -50  | 1
        and one    | -40  | 1
        and one    | -30  | 1
        and one    | -20  | 1
        and one    | -10  | 1
        and one    | 0    | 2
        and one    | 10   | 1
        and one    | 20   | 1
        and one    | 30   | 1
        and one    | 40   | 1
        and one    | 45   | 1
        """,
        long_term("von_korff2008", days="(-50, 60)", gap=" gap_days=30,"),
        """
        patient_id | long_term
        ten        | no
        and one    | yes
        """,
    ),
    Spec(
        "Long-term opioid therapy: 90 days with supply in a year",
        "A calendar day counts once, however many fills cover it. A day that is not observed leaves it open.",
        """
        dispensings
        patient_id     | date | days_supply
        89 days        | -300 | 60
        89 days        | -100 | 29
        90 days        | -300 | 60
        90 days        | -100 | 30
        twice the same | -300 | 60
        twice the same | -300 | 60
        carried in     | -400 | 125
        one day less   | -400 | 124
        day 0          | 0    | 365
        not seen       | -300 | 100
        observation_periods
        patient_id     | start_date | end_date
        not seen       | -364       | 900
        patients
        patient_id     | birth_year
        no fills       | 1960
        """,
        long_term("costa2020"),
        """
        patient_id     | long_term | long_term_status
        89 days        | no        | observed
        90 days        | yes       | observed
        twice the same | no        | observed
        carried in     | yes       | observed
        one day less   | no        | observed
        day 0          | no        | observed
        not seen       |           | unobserved
        no fills       | no        | observed
        """,
        source="Review of 126 studies, 2020, doi 10.22541/au.160192979.95446629/v1: the commonest of 78 definitions",
    ),
    Spec(
        "Long-term opioid therapy: four quarters in a row with more than 60 days each",
        "Quarters have 91 days, counted back from day -1: -91 to -1, -182 to -92, -273 to -183, -364 to -274.",
        """
        dispensings
        patient_id  | date | days_supply
        61 days     | -91  | 61
        61 days     | -182 | 61
        61 days     | -273 | 61
        61 days     | -364 | 61
        60 days     | -91  | 61
        60 days     | -182 | 60
        60 days     | -273 | 61
        60 days     | -364 | 61
        year before | -455 | 61
        year before | -182 | 61
        year before | -273 | 61
        year before | -364 | 61
        """,
        long_term("neprash2021"),
        """
        patient_id  | long_term
        61 days     | yes
        60 days     | no
        year before | no
        """,
        source="Neprash HT et al. 2021, doi 10.1007/s11606-020-06402-z; the paper's quarters are those of the calendar",
    ),
    Spec(
        "High-dose long-term therapy: at least 90 MME on 81 of 90 days",
        "The dose is that of all fills of a day together, 90 MME included, however summed (29.9, 30.1 and 30 are 90). "
        "Days of unknown dose may make up what lacks: then it is not known.",
        """
        dispensings
        patient_id | date | strength_value | quantity | days_supply
        81 days    | -81  | 90             | 81       | 81
        80 days    | -80  | 90             | 80       | 80
        89.9 MME   | -90  | 89.9           | 90       | 90
        added      | -90  | 10             | 270      | 90
        added      | -90  | 10             | 270      | 90
        added      | -90  | 10             | 270      | 90
        uneven     | -90  | 10             | 269      | 90
        uneven     | -90  | 10             | 271      | 90
        uneven     | -90  | 10             | 270      | 90
        carried in | -170 | 90             | 161      | 161
        less       | -170 | 90             | 160      | 160
        unknown    | -90  |                | 90       | 90
        enough     | -90  | 90             | 90       | 90
        enough     | -90  |                | 90       | 90
        patients
        patient_id | birth_year
        no fills   | 1960
        """,
        long_term("diprete2022", days="(-90, -1)"),
        """
        patient_id | long_term | long_term_status
        81 days    | yes       | observed
        80 days    | no        | observed
        89.9 MME   | no        | observed
        added      | yes       | observed
        uneven     | yes       | observed
        carried in | yes       | observed
        less       | no        | observed
        unknown    |           | unknown_dose
        enough     | yes       | observed
        no fills   | no        | observed
        """,
        source="DiPrete BL et al. 2022, doi 10.1001/jamanetworkopen.2022.9191",
    ),
    Spec(
        "Long-term therapy after day 0 and death",
        "Death before the rule is met is no long-term therapy; death after it does not undo it. A day-0 fill supplies "
        "the days after it, a fill after death nothing.",
        """
        dispensings
        patient_id | date | days_supply
        dies 89    | 0    | 300
        dies 90    | 0    | 300
        day 0      | 0    | 91
        day 0 less | 0    | 90
        fill after | 0    | 60
        fill after | 60   | 60
        patients
        patient_id | birth_year | death_date
        dies 89    | 1960       | 89
        dies 90    | 1960       | 90
        fill after | 1960       | 59
        """,
        long_term("costa2020", days="(1, 365)"),
        """
        patient_id | long_term | long_term_status
        dies 89    | no        | death
        dies 90    | yes       | observed
        day 0      | yes       | observed
        day 0 less | no        | observed
        fill after | no        | death
        """,
    ),
    Spec(
        "New persistent use: naive, a perioperative fill, then a fill on days 90 to 180",
        "Fills count where they are dated, on both sides of every boundary; a fill on day 0 is perioperative. Supply "
        "carried into a window is no fill in it. Death after a later fill does not undo it; before one, there is none.",
        """
        dispensings
        patient_id   | date | days_supply
        day -366     | -366 | 30
        day -366     | 0    | 5
        day -366     | 90   | 5
        day -365     | -365 | 5
        day -365     | 0    | 5
        day -365     | 90   | 5
        day -31      | -31  | 5
        day -31      | 0    | 5
        day -30      | -30  | 5
        day -30      | 100  | 5
        day 14       | 14   | 5
        day 14       | 180  | 5
        day 15       | 15   | 5
        day 15       | 100  | 5
        day 89       | 0    | 5
        day 89       | 89   | 30
        day 90       | 0    | 5
        day 90       | 90   | 5
        day 181      | 0    | 5
        day 181      | 181  | 5
        leaves 179   | 0    | 5
        leaves 179   | 100  | 5
        dies 150     | 0    | 5
        dies 150     | 100  | 5
        dies 95      | 0    | 5
        after death  | 0    | 5
        after death  | 100  | 5
        patients
        patient_id   | birth_year | death_date
        no fills     | 1960       |
        dies 150     | 1960       | 150
        dies 95      | 1960       | 95
        after death  | 1960       | 95
        observation_periods
        patient_id   | start_date | end_date
        leaves 179   | -900       | 179
        """,
        f"add_new_persistent_use(cohort, {DOSE})",
        """
        patient_id   | new_persistent_use | new_persistent_use_status
        day -366     | yes                | observed
        day -365     |                    | not_naive
        day -31      |                    | not_naive
        day -30      | yes                | observed
        day 14       | yes                | observed
        day 15       |                    | no_perioperative_fill
        day 89       | no                 | observed
        day 90       | yes                | observed
        day 181      | no                 | observed
        leaves 179   |                    | unobserved
        dies 150     | yes                | observed
        dies 95      | no                 | death
        after death  | no                 | death
        no fills     |                    | no_perioperative_fill
        """,
        source="Brummett CM et al. 2017, doi 10.1001/jamasurg.2017.0504",
    ),
    Spec(
        "A taper: a mean dose lower by 15 percent in any of six overlapping periods of 60 days",
        "Baseline 20 MME a day. Days 1 to 60 at 17 MME are lower by exactly 15 percent, at 17.1 by 14.5. Days 151 to "
        "210 are the last period; a fall from day 211 on is none. A baseline of 0 or below the floor is not judged, a "
        "day not observed neither. Death before a taper is none.",
        """
        dispensings
        patient_id   | date | strength_value | days_supply
        15 percent   | -30  | 20             | 30
        15 percent   | 1    | 17             | 60
        15 percent   | 61   | 20             | 200
        14.5 percent | -30  | 20             | 30
        14.5 percent | 1    | 17.1           | 60
        14.5 percent | 61   | 20             | 200
        last period  | -30  | 20             | 231
        last period  | 201  | 2              | 10
        too late     | -30  | 20             | 241
        stop on 31   | -30  | 20             | 61
        day 0 fill   | -30  | 20             | 30
        day 0 fill   | 0    | 20             | 61
        rises        | -30  | 20             | 30
        rises        | 1    | 30             | 210
        none before  | 1    | 20             | 60
        below floor  | -30  | 9.5            | 30
        at the floor | -30  | 10             | 30
        carried in   | -60  | 20             | 271
        unknown      | -30  |                | 300
        leaves 209   | -30  | 20             | 30
        dies 60      | -30  | 20             | 30
        dies 61      | -30  | 20             | 30
        patients
        patient_id   | birth_year | death_date
        dies 60      | 1960       | 60
        dies 61      | 1960       | 61
        no fills     | 1960       |
        observation_periods
        patient_id   | start_date | end_date
        leaves 209   | -900       | 209
        """,
        TAPER,
        """
        patient_id   | taper | taper_status | taper_start_day | taper_percent_per_month | taper_band
        15 percent   | yes   | observed     | 1               | 15                      | (10, 20]
        14.5 percent | no    | observed     |                 | 14.5                    |
        last period  | yes   | observed     | 151             | 15                      | (10, 20]
        too late     | no    | observed     |                 | 0                       |
        stop on 31   | yes   | observed     | 1               | 50                      | (30, inf)
        day 0 fill   | yes   | observed     | 31              | 50                      | (30, inf)
        rises        | no    | observed     |                 | 0                       |
        none before  |       | below_floor  |                 |                         |
        below floor  |       | below_floor  |                 |                         |
        at the floor | yes   | observed     | 1               | 100                     | (30, inf)
        carried in   | no    | observed     |                 | 0                       |
        unknown      |       | unknown_dose |                 |                         |
        leaves 209   |       | unobserved   |                 |                         |
        dies 60      | no    | death        |                 |                         |
        dies 61      | yes   | observed     | 1               | 100                     | (30, inf)
        no fills     |       | below_floor  |                 |                         |
        """,
        source="Fenton JJ et al. 2021, doi 10.1093/pm/pnaa470; the velocity is our reading, its bands PMC11044711",
    ),
    Spec(
        "The bands of a taper's rate include their upper edge",
        "From a baseline of 100 MME a day down by so many MME on day 1 (twice by 10): percent per month.",
        """
        dispensings
        patient_id | date | strength_value | days_supply
        10         | -30  | 100            | 30
        10         | 1    | 90             | 60
        10         | 61   | 80             | 300
        10.5       | -30  | 100            | 30
        10.5       | 1    | 89.5           | 60
        10.5       | 61   | 79             | 300
        20         | -30  | 100            | 30
        20         | 1    | 80             | 300
        20.5       | -30  | 100            | 30
        20.5       | 1    | 79.5           | 300
        30         | -30  | 100            | 30
        30         | 1    | 70             | 300
        30.5       | -30  | 100            | 30
        30.5       | 1    | 69.5           | 300
        """,
        TAPER,
        """
        patient_id | taper | taper_percent_per_month | taper_band
        10         | yes   | 10                      | (0, 10]
        10.5       | yes   | 10.5                    | (10, 20]
        20         | yes   | 20                      | (10, 20]
        20.5       | yes   | 20.5                    | (20, 30]
        30         | yes   | 30                      | (20, 30]
        30.5       | yes   | 30.5                    | (30, inf)
        """,
    ),
    Spec(
        "An abrupt stop: the last month less than 50 percent below months 12 to 7",
        "Stopped on day 31, the first of 60 days without supply: the last month is days 1 to 30, months 12 to 7 are "
        "days -329 to -150. A month at half the dose is a fall of exactly 50 percent: tapered. A day that is not "
        "observed, or no dose in months 12 to 7, leaves it open; who did not stop is not judged.",
        """
        dispensings
        patient_id    | date | strength_value | days_supply
        abrupt        | -329 | 20             | 360
        tapered       | -329 | 20             | 330
        tapered       | 1    | 10             | 30
        less than 50  | -329 | 20             | 330
        less than 50  | 1    | 10.5           | 30
        just then     | -329 | 20             | 180
        just then     | 1    | 10             | 30
        a day less    | -329 | 20             | 179
        a day less    | 1    | 10             | 30
        only recently | -100 | 20             | 131
        not seen      | -329 | 20             | 360
        seen          | -329 | 20             | 360
        unknown       | -329 |                | 360
        goes on       | -329 | 20             | 360
        goes on       | 31   | 20             | 365
        observation_periods
        patient_id    | start_date | end_date
        not seen      | -328       | 900
        seen          | -329       | 900
        """,
        f"add_abrupt_stop(\n    {discontinuation()},\n    {DOSE},\n)",
        """
        patient_id    | abrupt_stop | abrupt_stop_status
        abrupt        | yes         | observed
        tapered       | no          | observed
        less than 50  | yes         | observed
        just then     | no          | observed
        a day less    | yes         | observed
        only recently |             | no_dose
        not seen      |             | unobserved
        seen          | yes         | observed
        unknown       |             | unknown_dose
        goes on       |             | no_stop
        """,
        source="Neprash HT et al. 2021, doi 10.1007/s11606-020-06402-z",
    ),
    Spec(
        "Responder as Fraifeld: stopped, or half the dose",
        "Baseline 40 MME on each of the 365 days before. Stopped: a gap of at least 365 uncovered days in days 1 to "
        "730, at its end too, or at most 30 days' supply; a fill of day -1 or day 0 supplies the days after it. Half "
        "the mean dose exactly is reduced. The dead are no responders; who left before day 730 is not judged.",
        """
        dispensings
        patient_id   | date | strength_value | days_supply
        gap of 365   | -365 | 40             | 365
        gap of 365   | 1    | 40             | 300
        gap of 365   | 666  | 40             | 65
        gap of 364   | -365 | 40             | 365
        gap of 364   | 1    | 40             | 300
        gap of 364   | 665  | 40             | 66
        to the end   | -365 | 40             | 365
        to the end   | 1    | 40             | 365
        day less     | -365 | 40             | 365
        day less     | 1    | 60             | 365
        day less     | 366  | 60             | 1
        supply of 30 | -365 | 40             | 365
        supply of 30 | 300  | 40             | 15
        supply of 30 | 500  | 40             | 15
        supply of 31 | -365 | 40             | 365
        supply of 31 | 300  | 400            | 16
        supply of 31 | 500  | 4000           | 15
        day 0 fill   | -365 | 40             | 365
        day 0 fill   | 0    | 4000           | 31
        half         | -365 | 40             | 365
        half         | 1    | 20             | 365
        half         | 366  | 20             | 365
        not half     | -365 | 40             | 365
        not half     | 1    | 20             | 365
        not half     | 366  | 20.5           | 365
        dies 730     | -365 | 40             | 365
        dies 731     | -365 | 40             | 365
        leaves 729   | -365 | 40             | 365
        at the floor | -365 | 10             | 365
        below floor  | -365 | 9.99           | 365
        unknown      | -365 | 40             | 365
        unknown      | 1    |                | 365
        unknown      | 366  |                | 365
        patients
        patient_id   | birth_year | death_date
        no fills     | 1960       |
        dies 730     | 1960       | 730
        dies 731     | 1960       | 731
        observation_periods
        patient_id   | start_date | end_date
        leaves 729   | -900       | 729
        """,
        responder("fraifeld2021"),
        """
        patient_id   | responder | responder_reason | responder_status
        gap of 365   | yes       | stopped          | observed
        gap of 364   | no        |                  | observed
        to the end   | yes       | stopped          | observed
        day less     | no        |                  | observed
        supply of 30 | yes       | stopped          | observed
        supply of 31 | no        |                  | observed
        day 0 fill   | yes       | stopped          | observed
        half         | yes       | reduced          | observed
        not half     | no        |                  | observed
        dies 730     | no        |                  | death
        dies 731     | yes       | stopped          | observed
        leaves 729   |           |                  | unobserved
        at the floor | yes       | stopped          | observed
        below floor  |           |                  | below_floor
        unknown      |           |                  | unknown_dose
        no fills     |           |                  | below_floor
        """,
        source="Fraifeld EM et al. 2021, doi 10.1093/pm/pnab033; what a gap is within the follow-up is our reading",
    ),
    Spec(
        "Responder as Fraifeld: days in hospital assumed to be supplied",
        "Ten days in hospital part the gap and leave no 365 uncovered days in a row, and 40 days' supply are more than "
        "30. The dose is lower all the same: 4000 MME in 730 days against 40 a day.",
        """
        dispensings
        patient_id   | date | strength_value | days_supply
        stay         | -365 | 40             | 365
        stay         | 1    | 100            | 40
        no stay      | -365 | 40             | 365
        no stay      | 1    | 100            | 40
        stays
        patient_id   | admit_date | discharge_date
        stay         | 366        | 375
        """,
        responder("fraifeld2021").replace("exclude'", "exclude', stays='assume_supplied'"),
        """
        patient_id   | responder | responder_reason | responder_status
        stay         | yes       | reduced          | observed
        no stay      | yes       | stopped          | observed
        """,
    ),
    Spec(
        "Responder as Adil: in a lower group of dose",
        "Groups [0, 20], (20, 50], (50, 90] and (90, inf) without holes: 50 MME belong to the second, however summed "
        "(three fills of a third of 50 mg are 50), 50.5 to the third. A stop from the lowest group is no move.",
        """
        dispensings
        patient_id    | date | strength_value | quantity | days_supply
        90.5 to 90    | -30  | 90.5           | 30       | 30
        90.5 to 90    | 331  | 90             | 30       | 30
        90 to 50.5    | -30  | 90             | 30       | 30
        90 to 50.5    | 331  | 50.5           | 30       | 30
        50.5 to 50    | -30  | 50.5           | 30       | 30
        50.5 to 50    | 331  | 50             | 30       | 30
        51 to thirds  | -30  | 51             | 30       | 30
        51 to thirds  | 331  | 10             | 50       | 30
        51 to thirds  | 331  | 10             | 50       | 30
        51 to thirds  | 331  | 10             | 50       | 30
        90 from sums  | -30  | 0.1            | 27000    | 30
        90 from sums  | 331  | 50.5           | 30       | 30
        50 to 20.5    | -30  | 50             | 30       | 30
        50 to 20.5    | 331  | 20.5           | 30       | 30
        50 to 20      | -30  | 50             | 30       | 30
        50 to 20      | 331  | 20             | 30       | 30
        21 to none    | -30  | 21             | 30       | 30
        20 to none    | -30  | 20             | 30       | 30
        none to 60    | 331  | 60             | 30       | 30
        """,
        responder("adil2020", more=" baseline_days=(-30, -1), days=(331, 360),"),
        """
        patient_id    | responder | responder_reason | responder_status
        90.5 to 90    | yes       | lower_group      | observed
        90 to 50.5    | no        |                  | observed
        50.5 to 50    | yes       | lower_group      | observed
        51 to thirds  | yes       | lower_group      | observed
        90 from sums  | no        |                  | observed
        50 to 20.5    | no        |                  | observed
        50 to 20      | yes       | lower_group      | observed
        21 to none    | yes       | lower_group      | observed
        20 to none    | no        |                  | observed
        none to 60    |           |                  | below_floor
        """,
        source="Adil SM et al. 2020, doi 10.1093/neuros/nyaa353; windows are arguments",
    ),
    *(
        Spec(
            f"Responder as {paper}",
            words,
            """
            dispensings
            patient_id   | date | strength_value | days_supply
            80 percent   | -365 | 40             | 365
            80 percent   | 1    | 32             | 365
            80 percent   | 366  | 32             | 365
            80 percent   | 731  | 32             | 365
            81 percent   | -365 | 40             | 365
            81 percent   | 1    | 32.4           | 365
            81 percent   | 366  | 32.4           | 365
            81 percent   | 731  | 32.4           | 365
            same         | -365 | 40             | 365
            same         | 1    | 40             | 365
            same         | 366  | 40             | 365
            same         | 731  | 40             | 365
            free, late   | -365 | 40             | 365
            free, late   | 1    | 60             | 335
            used day 336 | -365 | 40             | 365
            used day 336 | 1    | 60             | 336
            used day 336 | 396  | 60             | 365
            used day 336 | 761  | 60             | 335
            """,
            responder(definition, more=more),
            expect,
            source=source,
        )
        for paper, definition, more, words, expect, source in (
            (
                "Yong",
                "yong2024",
                " stop_days=(336, 395),",
                "Lower by at least 20 percent over three years, the threshold included, or no supply on the days that "
                "make stopped.",
                """
                patient_id   | responder | responder_reason
                80 percent   | yes       | reduced
                81 percent   | no        |
                same         | no        |
                free, late   | yes       | stopped
                used day 336 | no        |
                """,
                "Yong RJ et al. 2024, doi 10.2147/JPR.S441195; stopped is an argument",
            ),
            (
                "Hatheway",
                "hatheway2019",
                " baseline_days=(-365, -1), stop_days=(336, 395),",
                "Any lower mean dose over 395 days, or no supply on the days that make stopped.",
                """
                patient_id   | responder | responder_reason
                80 percent   | yes       | reduced
                81 percent   | yes       | reduced
                same         | no        |
                free, late   | yes       | stopped
                used day 336 | no        |
                """,
                "Hatheway JA et al. 2019, PMC7687163; stopped and the baseline are arguments",
            ),
            (
                "Nissen",
                "nissen2021_opioid",
                " baseline_days=(-365, -1), stop_days=(336, 395),",
                "No supply on the days that make stopped; a lower dose is none.",
                """
                patient_id   | responder | responder_reason
                80 percent   | no        |
                81 percent   | no        |
                same         | no        |
                free, late   | yes       | stopped
                used day 336 | no        |
                """,
                "Nissen M et al. 2021, PMID 33073907; the days are arguments",
            ),
        )
    ),
    Spec(
        "Responder as Caraway: no systemic opioid at a visit",
        "No supply on days 16 to 44. A 30-day fill of day -1 covers to day 28; of day -14 to day 15.",
        """
        dispensings
        patient_id | date | strength_value | days_supply
        day -14    | -60  | 40             | 46
        day -14    | -14  | 40             | 30
        day -13    | -60  | 40             | 47
        day -13    | -13  | 40             | 30
        day 44     | -60  | 40             | 60
        day 44     | 44   | 40             | 30
        day 45     | -60  | 40             | 60
        day 45     | 45   | 40             | 30
        dies 44    | -60  | 40             | 60
        leaves 43  | -60  | 40             | 60
        patients
        patient_id | birth_year | death_date
        dies 44    | 1960       | 44
        observation_periods
        patient_id | start_date | end_date
        leaves 43  | -900       | 43
        """,
        responder("caraway2015", more=" baseline_days=(-60, -1), stop_days=(16, 44),"),
        """
        patient_id | responder | responder_reason | responder_status
        day -14    | yes       | stopped          | observed
        day -13    | no        |                  | observed
        day 44     | no        |                  | observed
        day 45     | yes       | stopped          | observed
        dies 44    | no        |                  | death
        leaves 43  |           |                  | unobserved
        """,
        source="Caraway D et al. 2015, doi 10.1111/ner.12318; the visit is an argument",
    ),
    Spec(
        "A dose window counted from an anchor day",
        "The trial on day -40 takes the place of day 0: (-10, -1) is days -50 to -41. A fill on the anchor day belongs "
        "to neither side. Of several events the first counts, within the window of the anchor.",
        """
        device_events
        patient_id | date | event       | device           | component
        day -51    | -40  | trial_start | intrathecal_pump | system
        day -50    | -40  | trial_start | intrathecal_pump | system
        day -41    | -40  | trial_start | intrathecal_pump | system
        day -40    | -40  | trial_start | intrathecal_pump | system
        no trial   | 20   | trial_start | intrathecal_pump | system
        two trials | -90  | trial_start | intrathecal_pump | system
        two trials | -40  | trial_start | intrathecal_pump | system
        dispensings
        patient_id | date | days_supply
        day -51    | -51  | 1
        day -50    | -50  | 1
        day -41    | -41  | 1
        day -40    | -40  | 1
        no trial   | -50  | 1
        two trials | -91  | 1
        """,
        f"add_anchored_opioid_dose(\n    add_anchor_day(cohort, 'pump_trial', days=(-180, -1)),\n    {DOSE},\n"
        "    anchor='anchor_day', name='before', days=(-10, -1), per='day_in_window',\n)",
        """
        patient_id | anchor_day | before_total_mme | before_dispensings | before_mme_per_day
        day -51    | -40        | 0                | 0                  | 0
        day -50    | -40        | 10               | 1                  | 1
        day -41    | -40        | 10               | 1                  | 1
        day -40    | -40        | 0                | 0                  | 0
        no trial   |            |                  |                    |
        two trials | -90        | 10               | 1                  | 1
        """,
    ),
)
