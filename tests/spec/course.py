"""The course of systemic opioids: months, elimination, relapse, change, bands, joint response."""

from spec.notation import Spec

TITLE = "The course of opioids"
DOSE = "DoseDefinition(factors='cdc_2022', overlap='concurrent', buprenorphine='exclude')"
CHANGE = f"""add_opioid_change(
    add_opioid_dose(
        add_opioid_dose(cohort, {DOSE}, name='before', days=(-30, -1), per='day_in_window'),
        {DOSE}, name='after', days=(331, 360), per='day_in_window',
    ),
    baseline='before', later='after', unit='percent', floor=10, at_least=50,
)"""


def elimination(*, baseline: str = "None", at: str = "()", until: int = 365) -> str:
    """Return the call that adds elimination."""
    return (
        f"add_opioid_elimination(\n    cohort, {DOSE},\n"
        f"    until_days={until}, competing='death', baseline_days={baseline}, at_days={at},\n)"
    )


def relapse(least: int) -> str:
    """Return the call that adds elimination and then relapse."""
    inner = elimination().replace("\n", "\n    ")
    return (
        f"add_opioid_relapse(\n    {inner},\n    {DOSE},\n    until_days=365, competing='death', least_days={least},\n)"
    )


RELAPSES = """
dispensings
patient_id | date | days_supply
never      | -30  | 30
day 90     | -30  | 30
day 90     | 91   | 7
day 91     | -30  | 30
day 91     | 92   | 29
day 91     | 130  | 30
touching   | -30  | 30
touching   | 131  | 15
touching   | 146  | 15
patients
patient_id | birth_year | death_date
touching   | 1960       |
dies       | 1960       | 200
"""

SPECS = (
    Spec(
        "Months of 30 days",
        "Month -1 is days -30 to -1 and month 1 is days 1 to 30; day 0 is in none. A fill of day 0 counts from day 1 "
        "on. A "
        "month with one unobserved day, or with the day of death, does not count.",
        """
        dispensings
        patient_id | date | days_supply
        day -31    | -31  | 1
        day -30    | -30  | 1
        day 0      | 0    | 1
        day 0 on   | 0    | 2
        day 30     | 30   | 1
        day 31     | 31   | 1
        unseen     | -5   | 1
        dies       | -5   | 1
        patients
        patient_id | birth_year | death_date
        dies       | 1960       | 30
        observation_periods
        patient_id | start_date | end_date
        unseen     | -900       | 29
        """,
        f"add_opioid_trajectory(cohort, {DOSE}, months=(-1, 1))",
        """
        patient_id | opioids_months_observed | opioids_months_using
        day -31    | 2                       | 0
        day -30    | 2                       | 1
        day 0      | 2                       | 0
        day 0 on   | 2                       | 1
        day 30     | 2                       | 1
        day 31     | 2                       | 0
        unseen     | 1                       | 1
        dies       | 1                       | 1
        """,
    ),
    Spec(
        "Elimination at day t: no supply from t-14 to t+14, observed throughout",
        "Both ends of the window are included. A 30-day fill of day -1 covers to day 28. A window that death cuts "
        "short "
        "counts as observed to its end; the dead are not eliminated.",
        """
        dispensings
        patient_id   | date | days_supply
        to day 15    | 1    | 15
        to day 16    | 1    | 16
        from day 44  | 44   | 5
        from day 45  | 45   | 5
        day -1       | -1   | 30
        ends day 43  | -99  | 5
        ends day 44  | -99  | 5
        dies day 40  | -99  | 5
        dies day 30  | -99  | 5
        using, ends  | 20   | 5
        patients
        patient_id   | birth_year | death_date
        dies day 40  | 1960       | 40
        dies day 30  | 1960       | 30
        observation_periods
        patient_id   | start_date | end_date
        ends day 43  | -900       | 43
        ends day 44  | -900       | 44
        using, ends  | -900       | 43
        """,
        elimination(at="(30,)"),
        """
        patient_id   | opioid_elimination_state_at_30 | opioid_elimination_at_30
        to day 15    | eliminated                     | yes
        to day 16    | using                          | no
        from day 44  | using                          | no
        from day 45  | eliminated                     | yes
        day -1       | using                          | no
        ends day 43  | unobserved                     |
        ends day 44  | eliminated                     | yes
        dies day 40  | eliminated                     | yes
        dies day 30  | dead                           | no
        using, ends  | using                          | no
        """,
    ),
    Spec(
        "First elimination: the first of at least 90 observed days without supply",
        "Dated at the first of them. Cut short of 90 by the end of observation it is not ascertainable, and time is "
        "censored on the last day before it; cut short by death it is none. Supply from before day 0 counts to its "
        "end.",
        """
        dispensings
        patient_id   | date | days_supply
        89 free days | -30  | 40
        89 free days | 99   | 300
        90 free days | -30  | 40
        90 free days | 100  | 300
        second gap   | -30  | 40
        second gap   | 60   | 10
        never covered | -900 | 5
        seen 89      | -30  | 40
        seen 90      | -30  | 40
        dies at 89   | -30  | 40
        dies at 90   | -30  | 40
        throughout   | 0    | 365
        throughout   | 365  | 365
        patients
        patient_id   | birth_year | death_date
        dies at 89   | 1960       | 98
        dies at 90   | 1960       | 99
        observation_periods
        patient_id   | start_date | end_date
        seen 89      | -900       | 98
        seen 90      | -900       | 99
        """,
        elimination(),
        """
        patient_id    | opioid_elimination_days | opioid_elimination_status
        89 free days  | 365                     | censored
        90 free days  | 10                      | event
        second gap    | 70                      | event
        never covered | 1                       | event
        seen 89       | 9                       | censored
        seen 90       | 10                      | event
        dies at 89    | 98                      | death
        dies at 90    | 10                      | event
        throughout    | 365                     | censored
        """,
    ),
    Spec(
        "Elimination among those who used opioids",
        "Without observed supply on a day of the baseline window there is nothing to eliminate: the outcome is "
        "missing. A "
        "fill of day 0 is not in the baseline.",
        """
        dispensings
        patient_id  | date | days_supply
        to day -91  | -100 | 10
        to day -90  | -100 | 11
        day -1      | -1   | 1
        day 0       | 0    | 1
        """,
        elimination(baseline="(-90, -1)"),
        """
        patient_id  | opioid_elimination_days | opioid_elimination_status
        to day -91  |                         |
        to day -90  | 1                       | event
        day -1      | 1                       | event
        day 0       |                         |
        """,
    ),
    Spec(
        "Relapse: the first covered day after first elimination",
        "Time counts from the day of elimination, here day 1. Nobody can relapse before its 90th day is over.",
        RELAPSES,
        relapse(1),
        """
        patient_id | opioid_relapse_days | opioid_relapse_status | opioid_relapse_entry_days
        never      | 365                 | censored              | 89.5
        day 90     | 90                  | event                 | 89.5
        day 91     | 91                  | event                 | 89.5
        touching   | 130                 | event                 | 89.5
        dies       | 199                 | death                 | 89.5
        """,
    ),
    Spec(
        "Relapse with at least 30 days of supply",
        "Fills that touch are one supply.",
        RELAPSES,
        relapse(30),
        """
        patient_id | opioid_relapse_days | opioid_relapse_status
        never      | 365                 | censored
        day 90     | 365                 | censored
        day 91     | 129                 | event
        touching   | 130                 | event
        dies       | 199                 | death
        """,
    ),
    Spec(
        "Alive and reduced",
        "A fall of exactly the threshold counts, and a baseline of exactly the floor. The dead are not reduced, "
        "those below "
        "the floor (non-users too) are not judged.",
        """
        dispensings
        patient_id | date | strength_value | days_supply
        half       | -30  | 40             | 30
        half       | 331  | 20             | 30
        less       | -30  | 40             | 30
        less       | 331  | 20.5           | 30
        stopped    | -30  | 40             | 30
        more       | -30  | 40             | 30
        more       | 331  | 60             | 30
        floor      | -30  | 10             | 30
        below      | -30  | 9.5            | 30
        none       | -400 | 10             | 30
        dies 360   | -30  | 40             | 30
        dies 361   | -30  | 40             | 30
        leaves     | -30  | 40             | 30
        patients
        patient_id | birth_year | death_date
        dies 360   | 1960       | 360
        dies 361   | 1960       | 361
        observation_periods
        patient_id | start_date | end_date
        leaves     | -900       | 330
        """,
        CHANGE,
        """
        patient_id | opioid_change | opioid_change_status | opioid_change_is_reduced | opioid_change_outcome
        half       | -50           | observed             | yes                      | reduced
        less       | -48.75        | observed             | no                       | not_reduced
        stopped    | -100          | observed             | yes                      | reduced
        more       | 50            | observed             | no                       | not_reduced
        floor      | -100          | observed             | yes                      | reduced
        below      |               | below_floor          |                          |
        none       |               | below_floor          |                          |
        dies 360   |               | death                | no                       | death
        dies 361   | -100          | observed             | yes                      | reduced
        leaves     |               | unobserved           |                          |
        """,
    ),
    Spec(
        "Joint response: reduced, and pain not worse by 2 points",
        "A rise of exactly 2 points is worse. Not reduced is no response, whatever the pain.",
        """
        dispensings
        patient_id   | date | strength_value | days_supply
        1.9 worse    | -30  | 40             | 30
        2 worse      | -30  | 40             | 30
        better       | -30  | 40             | 30
        pain unknown | -30  | 40             | 30
        not reduced  | -30  | 40             | 30
        not reduced  | 331  | 40             | 30
        measurements
        patient_id   | date | measure | value
        1.9 worse    | -10  | nrs_leg | 6
        1.9 worse    | 350  | nrs_leg | 7.9
        2 worse      | -10  | nrs_leg | 6
        2 worse      | 350  | nrs_leg | 8
        better       | -10  | nrs_leg | 6
        better       | 350  | nrs_leg | 3
        pain unknown | -10  | nrs_leg | 6
        """,
        f"add_joint_response(\n    add_change(\n        {CHANGE},\n"
        "        'nrs_leg', baseline_days=(-90, -1), days=(275, 455), take='last',\n    ),\n"
        "    reduction='opioid_change', pain='nrs_leg_change',\n)",
        """
        patient_id   | joint_response
        1.9 worse    | yes
        2 worse      | no
        better       | yes
        pain unknown |
        not reduced  | no
        """,
    ),
    Spec(
        "Responder",
        "A change in the measure's better direction of exactly the threshold counts; a percentage needs a baseline "
        "of at "
        "least the floor. The dead are no responders.",
        """
        measurements
        patient_id | date | measure | value
        half       | -10  | nrs_leg | 8
        half       | 350  | nrs_leg | 4
        less       | -10  | nrs_leg | 8
        less       | 350  | nrs_leg | 4.5
        floor      | -10  | nrs_leg | 4
        floor      | 350  | nrs_leg | 1
        below      | -10  | nrs_leg | 3.5
        below      | 350  | nrs_leg | 1
        no answer  | -10  | nrs_leg | 8
        dies       | -10  | nrs_leg | 8
        dies       | 350  | nrs_leg | 1
        patients
        patient_id | birth_year | death_date
        dies       | 1960       | 455
        """,
        "add_responder(\n    add_change(cohort, 'nrs_leg', baseline_days=(-90, -1), days=(275, 455), take='last'),\n"
        "    'nrs_leg_change', at_least=50, unit='percent', floor=4, name='responder',\n)",
        """
        patient_id | nrs_leg_change | responder | responder_outcome
        half       | -4             | yes       | responder
        less       | -3.5           | no        | no_responder
        floor      | -3             | yes       | responder
        below      | -2.5           |           |
        no answer  |                |           |
        dies       |                | no        | death
        """,
    ),
    *(
        Spec(
            title,
            words,
            """
            dispensings
            patient_id | date | strength_value | days_supply
            none       | -99  | 10             | 5
            19.5       | -30  | 19.5           | 30
            20         | -30  | 20             | 30
            49.5       | -30  | 49.5           | 30
            50         | -30  | 50             | 30
            50.5       | -30  | 50.5           | 30
            90         | -30  | 90             | 30
            90.5       | -30  | 90.5           | 30
            """,
            f"add_dose_category(\n    add_opioid_dose(cohort, {DOSE}, name='dose', days=(-30, -1), "
            f"per='day_in_window'),\n"
            f"    'dose', bands='{bands}',\n)",
            expect,
        )
        for title, words, bands, expect in (
            (
                "Bands of dose include their lower edge",
                "0 stands alone.",
                "cdc",
                """
                patient_id | dose_category
                none       | 0
                19.5       | (0, 50)
                20         | (0, 50)
                49.5       | (0, 50)
                50         | [50, 90)
                50.5       | [50, 90)
                90         | [90, inf)
                90.5       | [90, inf)
                """,
            ),
            (
                "Adil's groups include their upper edge",
                "As published: up to 20, 21 to 50, 51 to 90 and above 90, without holes between whole numbers.",
                "adil2020",
                """
                patient_id | dose_category
                none       | 0
                19.5       | (0, 20]
                20         | (0, 20]
                49.5       | (20, 50]
                50         | (20, 50]
                50.5       | (50, 90]
                90         | (50, 90]
                90.5       | (90, inf)
                """,
            ),
        )
    ),
    Spec(
        "Without a prior event",
        "Both ends of the window are included. The index event itself is on day 0 and does not count.",
        """
        device_events
        patient_id | date | event     | component
        day -366   | -366 | trial_start | system
        day -365   | -365 | trial_start | system
        day -1     | -1   | trial_start | system
        day 0      | 0    | trial_start | system
        """,
        "require_no_prior(cohort, 'scs_trial', days=(-365, -1))",
        """
        patient_id | kept
        day -366   | yes
        day -365   | no
        day -1     | no
        day 0      | yes
        """,
    ),
)
