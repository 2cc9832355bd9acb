"""Reoperation, recurrent reoperations, and onset of FBSS after an operation."""

from spec.notation import Spec

TITLE = "After an operation"
DEFAULT = "scope='any_lumbar', competing='death', until_days=1000"
LEVELS = """
surgeries
patient_id  | date | procedure     | levels      | staged
same        | 0    | decompression | L4-L5       |
same        | 100  | decompression | L4-L5       |
above       | 0    | decompression | L4-L5       |
above       | 100  | fusion        | L3-L4       |
below       | 0    | decompression | L4-L5       |
below       | 100  | decompression | L5-S1       |
two away    | 0    | decompression | L4-L5       |
two away    | 100  | decompression | L2-L3       |
extended    | 0    | decompression | L4-L5       |
extended    | 100  | fusion        | L3-L4;L4-L5 |
staged      | 0    | decompression | L4-L5       |
staged      | 7    | fusion        | L3-L4       | true
staged      | 100  | decompression | L3-L4       |
no level    | 0    | decompression | L4-L5       |
no level    | 100  | decompression |             |
no index    | 0    | decompression |             |
no index    | 100  | decompression | L4-L5       |
"""


def call(arguments: str = DEFAULT) -> str:
    """Return the call that adds the time to reoperation."""
    return f"add_time_to(cohort, 'reoperation', {arguments})"


def scoped(scope: str, expect: str, title: str, words: str) -> Spec:
    """Return the specification of a scope over the levels."""
    return Spec(
        title, words, LEVELS, call(f"scope='{scope}', competing='death', until_days=1000"), expect,
        index="lumbar_surgery", implanted=False,
    )  # fmt: skip


SPECS = (
    Spec(
        "The first operation in observation after the look-back",
        "The 365 days before it and its own day are observed; earlier operations stay in the past.",
        """
        surgeries
        patient_id  | date
        365 before  | -900
        365 before  | 0
        365 before  | 9
        364 before  | 0
        364 before  | 9
        too late    | 0
        observation_periods
        patient_id  | start_date | end_date
        365 before  | -365       | 900
        364 before  | -364       | 900
        too late    | -365       | -1
        """,
        "start_cohort(source, index='lumbar_surgery', occurrence='first', look_back_days=365)",
        """
        patient_id  | index_date
        365 before  | 2015-07-01
        364 before  | 2015-07-10
        """,
        index="lumbar_surgery",
        implanted=False,
    ),
    Spec(
        "Any lumbar reoperation",
        "A staged further sitting is none, nor an operation on the neck, nor the laminectomy of a paddle lead (a "
        "laminectomy "
        "on the day of a device operation). A return to theatre on day 0 counts at 0.5; a second procedure of the "
        "same "
        "sitting does not.",
        """
        surgeries
        patient_id    | date | region      | procedure     | staged | reason
        none          | 0    | lumbar      | decompression |        | index
        next day      | 0    | lumbar      | decompression |        | index
        next day      | 1    | lumbar      | debridement   |        | ssi
        day 1000      | 0    | lumbar      | decompression |        | index
        day 1000      | 1000 | lumbosacral | fusion        |        | asd
        day 1001      | 0    | lumbar      | decompression |        | index
        day 1001      | 1001 | lumbar      | fusion        |        | asd
        staged        | 0    | lumbar      | fusion        | false  | index
        staged        | 5    | lumbar      | fusion        | true   | index
        neck          | 0    | lumbar      | decompression |        | index
        neck          | 50   | cervical    | fusion        |        | other
        returned      | 0    | lumbar      | decompression |        | index
        returned      | 0    | lumbar      | other         |        | haematoma
        two at once   | 0    | lumbar      | decompression |        | index
        two at once   | 0    | lumbar      | fusion        |        | index
        paddle        | 0    | lumbar      | decompression |        | index
        paddle        | 60   | lumbar      | laminectomy   |        |
        fusion        | 0    | lumbar      | decompression |        | index
        fusion        | 60   | lumbar      | fusion        |        | instability
        dies          | 0    | lumbar      | decompression |        | index
        device_events
        patient_id    | date | component | event
        paddle        | 60   | lead      | implant
        fusion        | 60   | lead      | implant
        patients
        patient_id    | birth_year | death_date
        dies          | 1960       | 77
        """,
        call(),
        """
        patient_id    | reoperation_days | reoperation_status | reoperation_reason
        none          | 1000             | censored           |
        next day      | 1                | event              | ssi
        day 1000      | 1000             | event              | asd
        day 1001      | 1000             | censored           |
        staged        | 1000             | censored           |
        neck          | 1000             | censored           |
        returned      | 0.5              | event              | haematoma
        two at once   | 1000             | censored           |
        paddle        | 1000             | censored           |
        fusion        | 60               | event              | instability
        dies          | 77               | death              |
        """,
        index="lumbar_surgery",
        implanted=False,
    ),
    scoped(
        "index_level",
        """
        patient_id | reoperation_days | reoperation_status | reoperation_is_ascertained
        same       | 100              | event              | yes
        above      | 1000             | censored           | yes
        below      | 1000             | censored           | yes
        two away   | 1000             | censored           | yes
        extended   | 100              | event              | yes
        staged     | 100              | event              | yes
        no level   | 100              | censored           | no
        no index   |                  |                    | yes
        """,
        "Reoperation at the index level",
        "The levels of the index operation include those of its staged sittings. An operation without listed levels "
        "ends what "
        "can be known; without listed levels at the index operation nothing can.",
    ),
    scoped(
        "adjacent_level",
        """
        patient_id | reoperation_days | reoperation_status | reoperation_is_ascertained
        same       | 1000             | censored           | yes
        above      | 100              | event              | yes
        below      | 100              | event              | yes
        two away   | 1000             | censored           | yes
        extended   | 100              | event              | yes
        staged     | 1000             | censored           | yes
        no level   | 100              | censored           | no
        no index   |                  |                    | yes
        """,
        "Reoperation at an adjacent level",
        "The next level above or below; an operation that extends the index levels is both.",
    ),
    scoped(
        "fusion_only",
        """
        patient_id | reoperation_days | reoperation_status
        same       | 1000             | censored
        above      | 100              | event
        below      | 1000             | censored
        two away   | 1000             | censored
        extended   | 100              | event
        staged     | 1000             | censored
        no level   | 1000             | censored
        no index   | 1000             | censored
        """,
        "Reoperation by fusion",
        "Fusion, with or without decompression, at any level.",
    ),
    Spec(
        "Every reoperation",
        "Several on one day are one; those after the last day, after death or outside observation do not count. One "
        "on the day "
        "of death does.",
        """
        surgeries
        patient_id | date
        none       | 0
        three      | 0
        three      | 10
        three      | 10
        three      | 20
        three      | 1000
        three      | 1001
        dies       | 0
        dies       | 30
        leaves     | 0
        leaves     | 30
        leaves     | 31
        patients
        patient_id | birth_year | death_date
        dies       | 1960       | 30
        observation_periods
        patient_id | start_date | end_date
        leaves     | -900       | 30
        """,
        "add_recurrent(cohort, 'reoperation', scope='any_lumbar', competing='death', until_days=1000)",
        """
        patient_id | reoperation_count | reoperation_followed_days
        none       | 0                 | 1000
        three      | 3                 | 1000
        dies       | 1                 | 30
        leaves     | 1                 | 30
        """,
        index="lumbar_surgery",
        implanted=False,
    ),
    Spec(
        "Onset of FBSS by a diagnosis code",
        "From day 1. By day t includes t. Who died before without it had none; where observation ended before, it is "
        "not known.",
        """
        surgeries
        patient_id | date
        day 0      | 0
        day 1      | 0
        day 183    | 0
        day 184    | 0
        dies       | 0
        leaves     | 0
        stays      | 0
        conditions
        patient_id | date | condition
        day 0      | 0    | fbss
        day 1      | 1    | fbss
        day 183    | 183  | fbss
        day 184    | 184  | fbss
        dies       | 9    | chronic_pain
        patients
        patient_id | birth_year | death_date
        dies       | 1960       | 100
        observation_periods
        patient_id | start_date | end_date
        leaves     | -900       | 182
        stays      | -900       | 183
        """,
        "add_fbss_onset(cohort, definition='stanton2022', competing='death')",
        """
        patient_id | fbss_onset_status | fbss_onset_days | fbss_onset_by_183 | fbss_onset_by_365
        day 0      | censored          | 365             | no                | no
        day 1      | event             | 1               | yes               | yes
        day 183    | event             | 183             | yes               | yes
        day 184    | event             | 184             | no                | yes
        dies       | death             | 100             | no                | no
        leaves     | censored          | 182             |                   |
        stays      | censored          | 183             | no                |
        """,
        index="lumbar_surgery",
        implanted=False,
    ),
    Spec(
        "Persistent postoperative pain within two years",
        "A pain diagnosis from day 91 to day 730, both included.",
        """
        surgeries
        patient_id | date
        day 90     | 0
        day 91     | 0
        day 730    | 0
        day 731    | 0
        conditions
        patient_id | date | condition
        day 90     | 90   | low_back_pain
        day 91     | 91   | low_back_pain
        day 730    | 730  | chronic_pain
        day 731    | 731  | fbss
        """,
        "add_fbss_onset(cohort, definition='weir2017', competing='death')",
        """
        patient_id | fbss_onset_by_730
        day 90     | no
        day 91     | yes
        day 730    | yes
        day 731    | no
        """,
        index="lumbar_surgery",
        implanted=False,
    ),
)
