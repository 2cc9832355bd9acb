"""Who is in the cohort: index dates, age, FBSS, observation, events, conditions."""

from spec.notation import Spec

TITLE = "Who is in the cohort"
SPECS = (
    Spec(
        "Day 0 is the first event of its name",
        "Trials, leads and other devices are not a permanent implant; a second implant does not move day 0.",
        """
        device_events
        patient_id | date | device           | component | event       | system_id
        one        | 0    | scs              | generator | implant     | 1
        two        | 0    | scs              | generator | implant     | 1
        two        | 500  | scs              | generator | implant     | 2
        whole      | -9   | scs              | system    | trial_start | 1
        whole      | 0    | scs              | system    | implant     | 1
        lead       | -3   | scs              | lead      | implant     | 1
        lead       | 0    | scs              | generator | implant     | 1
        pump       | -8   | intrathecal_pump | pump      | implant     | 1
        pump       | 0    | scs              | generator | implant     | 2
        """,
        "start_cohort(source, index='scs_implant', occurrence='first')",
        """
        patient_id | index_date
        one        | 2015-07-01
        two        | 2015-07-01
        whole      | 2015-07-01
        lead       | 2015-07-01
        pump       | 2015-07-01
        """,
        implanted=False,
    ),
    Spec(
        "Day 0 is the last event of its name",
        "Both were implanted on day 700; one of them on day 0 as well.",
        """
        device_events
        patient_id | date | event   | system_id
        once       | 700  | implant | 1
        twice      | 0    | implant | 1
        twice      | 700  | implant | 2
        conditions
        patient_id | date | condition
        once       | 0    | diabetes
        twice      | 0    | diabetes
        """,
        "add_condition(start_cohort(source, index='scs_implant', occurrence='last'), 'diabetes', days=(-700, -700))",
        """
        patient_id | has_diabetes
        once       | yes
        twice      | yes
        """,
        implanted=False,
    ),
    Spec(
        "Age at index is the number of years certainly completed",
        "Day 0 is 1 July 2015. A birthday in the month of day 0 may be to come; without a month it may be in December.",
        """
        patients
        patient_id      | birth_year | birth_month
        month before    | 1997       | 6
        same month      | 1997       | 7
        month after     | 1997       | 8
        month not known | 1997       |
        a year earlier  | 1996       |
        no year         |            |
        """,
        "cohort",
        """
        patient_id      | age_years
        month before    | 18
        same month      | 17
        month after     | 17
        month not known | 17
        a year earlier  | 18
        no year         |
        """,
    ),
    Spec(
        "At least 18: only when 18 is certain",
        "An unknown month counts against the patient, and so does an unknown year.",
        """
        patients
        patient_id      | birth_year | birth_month
        month before    | 1997       | 6
        same month      | 1997       | 7
        month after     | 1997       | 8
        month not known | 1997       |
        a year earlier  | 1996       |
        no year         |            |
        """,
        "require_age(cohort, at_least=18)",
        """
        patient_id      | kept
        month before    | yes
        same month      | no
        month after     | no
        month not known | no
        a year earlier  | yes
        no year         | no
        """,
    ),
    Spec(
        "At most 80: only when the 81st birthday is certain not to have passed",
        "In the month of the birthday it may have passed; a month later in the year it cannot have.",
        """
        patients
        patient_id                 | birth_year | birth_month
        80 since June              | 1935       | 6
        81 in July perhaps         | 1934       | 7
        81 in August               | 1934       | 8
        81 since June              | 1934       | 6
        month not known, 80 or 81  | 1934       |
        month not known, 79 or 80  | 1935       |
        no year                    |            |
        """,
        "require_age(cohort, at_most=80)",
        """
        patient_id                 | kept
        80 since June              | yes
        81 in July perhaps         | no
        81 in August               | yes
        81 since June              | no
        month not known, 80 or 81  | no
        month not known, 79 or 80  | yes
        no year                    | no
        """,
    ),
    Spec(
        "FBSS by operation and pain: the operation lies 180 days back or more",
        "All have a diagnosis of low back pain on day -10.",
        """
        surgeries
        patient_id | date | region
        day -181   | -181 | lumbar
        day -180   | -180 | lumbar
        day -179   | -179 | lumbar
        sacral     | -900 | lumbosacral
        neck       | -900 | cervical
        conditions
        patient_id | date | condition
        day -181   | -10  | low_back_pain
        day -180   | -10  | low_back_pain
        day -179   | -10  | low_back_pain
        sacral     | -10  | low_back_pain
        neck       | -10  | low_back_pain
        none       | -10  | low_back_pain
        """,
        "require_fbss(cohort, definition='surgery_then_pain')",
        """
        patient_id | kept
        day -181   | yes
        day -180   | yes
        day -179   | no
        sacral     | yes
        neck       | no
        none       | no
        """,
    ),
    Spec(
        "FBSS by operation and pain: the pain comes after the operation and before day 0",
        "All were operated on day -400. Pain on the day of the operation, or on day 0, does not count.",
        """
        surgeries
        patient_id  | date
        same day    | -400
        day after   | -400
        day -1      | -400
        day 0       | -400
        before      | -400
        second      | -400
        second      | -100
        conditions
        patient_id  | date | condition
        same day    | -400 | radiculopathy
        day after   | -399 | radiculopathy
        day -1      | -1   | radiculopathy
        day 0       | 0    | radiculopathy
        before      | -401 | radiculopathy
        second      | -200 | radiculopathy
        """,
        "require_fbss(cohort, definition='surgery_then_pain')",
        """
        patient_id  | kept
        same day    | no
        day after   | yes
        day -1      | yes
        day 0       | no
        before      | no
        second      | yes
        """,
    ),
    Spec(
        "FBSS by operation and pain: what shows pain",
        "All were operated on day -400. A pain score of 0, another diagnosis and another treatment do not show pain.",
        """
        surgeries
        patient_id    | date
        score 1       | -400
        score 0       | -400
        disability    | -400
        diabetes      | -400
        gabapentinoid | -400
        acupuncture   | -400
        opioid        | -400
        nothing       | -400
        measurements
        patient_id    | date | measure | value
        score 1       | -10  | nrs_leg | 1
        score 0       | -10  | nrs_leg | 0
        disability    | -10  | odi     | 60
        conditions
        patient_id    | date | condition
        diabetes      | -10  | diabetes
        therapies
        patient_id    | date | therapy
        gabapentinoid | -10  | gabapentinoid
        acupuncture   | -10  | acupuncture
        dispensings
        patient_id    | date | days_supply
        opioid        | -10  | 5
        """,
        "require_fbss(cohort, definition='surgery_then_pain')",
        """
        patient_id    | kept
        score 1       | yes
        score 0       | no
        disability    | no
        diabetes      | no
        gabapentinoid | yes
        acupuncture   | no
        opioid        | yes
        nothing       | no
        """,
    ),
    Spec(
        "FBSS by code: a diagnosis inside the window",
        "Both ends of the window are included. A diagnosis of back pain is not one of FBSS.",
        """
        conditions
        patient_id | date | condition
        day -366   | -366 | fbss
        day -365   | -365 | fbss
        day 0      | 0    | fbss
        day 1      | 1    | fbss
        back pain  | -10  | low_back_pain
        """,
        "require_fbss(cohort, definition='code', days=(-365, 0))",
        """
        patient_id | kept
        day -366   | no
        day -365   | yes
        day 0      | yes
        day 1      | no
        back pain  | no
        """,
    ),
    Spec(
        "FBSS by code: ever before",
        "`None` is no bound.",
        """
        conditions
        patient_id | date  | condition
        long ago   | -9999 | fbss
        day 0      | 0     | fbss
        day 1      | 1     | fbss
        """,
        "require_fbss(cohort, definition='code', days=(None, 0))",
        """
        patient_id | kept
        long ago   | yes
        day 0      | yes
        day 1      | no
        """,
    ),
    Spec(
        "Observation throughout a window",
        "Spans that touch or overlap are one; a single unobserved day excludes; another domain does not help.",
        """
        observation_periods
        patient_id    | start_date | end_date | domain
        exactly       | -365       | -1       | pharmacy
        starts late   | -364       | -1       | pharmacy
        ends early    | -365       | -2       | pharmacy
        touching      | -365       | -101     | pharmacy
        touching      | -100       | -1       | pharmacy
        one day gap   | -365       | -101     | pharmacy
        one day gap   | -99        | -1       | pharmacy
        overlapping   | -365       | -50      | pharmacy
        overlapping   | -200       | 10       | pharmacy
        nested        | -400       | 10       | pharmacy
        nested        | -300       | -200     | pharmacy
        other domain  | -400       | 10       | medical
        """,
        "require_observation(cohort, domain='pharmacy', days=(-365, -1))",
        """
        patient_id    | kept
        exactly       | yes
        starts late   | no
        ends early    | no
        touching      | yes
        one day gap   | no
        overlapping   | yes
        nested        | yes
        other domain  | no
        """,
    ),
    Spec(
        "Nobody is observed after death",
        "Whatever the spans of the source say, the day of death is the last observed day.",
        """
        patients
        patient_id | birth_year | death_date
        day 30     | 1960       | 30
        day 29     | 1960       | 29
        """,
        "require_observation(cohort, domain='medical', days=(0, 30))",
        """
        patient_id | kept
        day 30     | yes
        day 29     | no
        """,
    ),
    Spec(
        "With an event in a window",
        "Both ends of the window are included.",
        """
        device_events
        patient_id | date | component | event
        day -31    | -31  | system    | trial_start
        day -30    | -30  | system    | trial_start
        day 0      | 0    | system    | trial_start
        day 1      | 1    | system    | trial_start
        """,
        "require_event(cohort, 'scs_trial', days=(-30, 0))",
        """
        patient_id | kept
        day -31    | no
        day -30    | yes
        day 0      | yes
        day 1      | no
        """,
    ),
    Spec(
        "Without a condition in a window",
        "Both ends of the window are included; another condition does not exclude.",
        """
        conditions
        patient_id | date | condition
        day -366   | -366 | cancer
        day -365   | -365 | cancer
        day -1     | -1   | cancer
        day 0      | 0    | cancer
        spasticity | -10  | spasticity
        """,
        "exclude_condition(cohort, 'cancer', days=(-365, -1))",
        """
        patient_id | kept
        day -366   | yes
        day -365   | no
        day -1     | no
        day 0      | yes
        spasticity | yes
        """,
    ),
)
