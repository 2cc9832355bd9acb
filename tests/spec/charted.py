"""Charted doses beside fills, and days after operations that are left out."""

from spec.notation import Spec

TITLE = "Charted doses, and days after operations"
DOSE = "DoseDefinition(factors='cdc_2022', overlap='concurrent', buprenorphine='exclude')"
CHART = """
measurements
patient_id | date | measure            | value
two days   | -90  | opioid_mme_per_day | 20
two days   | -1   | opioid_mme_per_day | 50
same day   | -10  | opioid_mme_per_day | 20
same day   | -1   | opioid_mme_per_day | 30
same day   | -1   | opioid_mme_per_day | 50
day -91    | -91  | opioid_mme_per_day | 40
day 0      | 0    | opioid_mme_per_day | 40
charted 0  | -5   | opioid_mme_per_day | 0
"""


def recorded(per: str) -> str:
    """Return the call that adds the charted dose of a window."""
    return f"add_opioid_dose(cohort, None, name='dose', days=(-90, -1), per='{per}', basis='recorded')"


SPECS = (
    Spec(
        "The mean charted dose of a window",
        "Both ends are included. Without a charted dose it is missing, not 0; a charted 0 is 0.",
        CHART,
        recorded("mean_recorded"),
        """
        patient_id | dose_mme_per_day | dose_records
        two days   | 35               | 2
        same day   | 33.3333333333    | 3
        day -91    |                  | 0
        day 0      |                  | 0
        charted 0  | 0                | 1
        """,
    ),
    Spec(
        "The last charted dose of a window",
        "Of several on the last day their mean.",
        CHART,
        recorded("last_recorded"),
        """
        patient_id | dose_mme_per_day
        two days   | 50
        same day   | 40
        charted 0  | 0
        """,
    ),
    Spec(
        "The largest charted dose of a window",
        "One value is enough.",
        CHART,
        recorded("maximum_day"),
        """
        patient_id | dose_mme_per_day
        two days   | 50
        same day   | 50
        day -91    |
        """,
    ),
    Spec(
        "The change of a charted dose",
        "From one window of charted doses to another; a baseline of 0 has no percent change.",
        """
        measurements
        patient_id | date | measure            | value
        half       | -10  | opioid_mme_per_day | 40
        half       | 350  | opioid_mme_per_day | 20
        less       | -10  | opioid_mme_per_day | 40
        less       | 350  | opioid_mme_per_day | 20.5
        from 0     | -10  | opioid_mme_per_day | 0
        from 0     | 350  | opioid_mme_per_day | 20
        not asked  | -10  | opioid_mme_per_day | 40
        """,
        "add_opioid_change(\n    add_opioid_dose(\n        add_opioid_dose(\n"
        "            cohort, None, name='before', days=(-90, -1), per='mean_recorded', basis='recorded',\n        ),\n"
        "        None, name='after', days=(275, 365), per='mean_recorded', basis='recorded',\n    ),\n"
        "    baseline='before', later='after', unit='percent', floor=10, at_least=50,\n)",
        """
        patient_id | opioid_change | opioid_change_status | opioid_change_is_reduced
        half       | -50           | observed             | yes
        less       | -48.75        | observed             | no
        from 0     |               | below_floor          |
        not asked  |               | unobserved           |
        """,
    ),
    Spec(
        "Days 0 to 90 after any operation are left out",
        "Of dose and of denominator: days 1 to 90 after the implant of day 0, and the days 0 to 90 after an operation "
        "of day 150, which leave 91 to 149 and 241 to 300. Where every day is masked the dose is missing.",
        """
        dispensings
        patient_id  | date | days_supply
        masked      | 1    | 90
        day 91      | 91   | 1
        day 149     | 149  | 1
        day 150     | 150  | 91
        day 241     | 241  | 1
        surgeries
        patient_id  | date
        masked      | 150
        day 91      | 150
        day 149     | 150
        day 150     | 150
        day 241     | 150
        all masked  | 80
        all masked  | 160
        all masked  | 240
        device_events
        patient_id  | date | event       | component
        trial only  | 150  | trial_start | system
        """,
        f"add_opioid_dose(\n    cohort,\n    {DOSE},\n"
        "    name='dose', days=(1, 300), per='day_in_window', mask_days=(0, 90),\n)",
        """
        patient_id  | dose_total_mme | dose_days_in_window | dose_dispensings
        masked      | 0              | 119                 | 0
        day 91      | 10             | 119                 | 1
        day 149     | 10             | 119                 | 1
        day 150     | 0              | 119                 | 0
        day 241     | 10             | 119                 | 1
        all masked  |                | 0                   |
        trial only  | 0              | 210                 | 0
        """,
    ),
)
