"""What describes a patient at day 0."""

from spec.notation import Spec

TITLE = "What describes a patient"
SPECS = (
    Spec(
        "A condition recorded in a window",
        "Both ends of the window are included; day 0 is in no baseline window that ends on day -1.",
        """
        conditions
        patient_id | date | condition
        day -366   | -366 | depression
        day -365   | -365 | depression
        day -1     | -1   | depression
        day 0      | 0    | depression
        anxiety    | -10  | anxiety
        """,
        "add_condition(cohort, 'depression', days=(-365, -1))",
        """
        patient_id | has_depression
        day -366   | no
        day -365   | yes
        day -1     | yes
        day 0      | no
        anxiety    | no
        """,
    ),
    Spec(
        "A condition recorded before, however long ago",
        "`None` is no bound.",
        """
        conditions
        patient_id | date  | condition
        long ago   | -9000 | depression
        day 0      | 0     | depression
        """,
        "add_condition(cohort, 'depression', days=(None, -1), name='was_depressed')",
        """
        patient_id | was_depressed
        long ago   | yes
        day 0      | no
        """,
    ),
    Spec(
        "An attribute in force on day 0",
        "Both ends of its span are included, and an open end reaches on; of several the one that started last holds.",
        """
        attributes
        patient_id  | attribute | value   | start_date | end_date
        to day -1   | smoking   | current | -900       | -1
        to day 0    | smoking   | current | -900       | 0
        from day 0  | smoking   | current | 0          | 90
        from day 1  | smoking   | current | 1          | 90
        no dates    | smoking   | never   |            |
        changed     | smoking   | never   |            |
        changed     | smoking   | former  | -50        |
        changed     | smoking   | current | -300       |
        other       | payer     | private |            |
        """,
        "add_attribute(cohort, 'smoking')",
        """
        patient_id  | smoking
        to day -1   |
        to day 0    | current
        from day 0  | current
        from day 1  |
        no dates    | never
        changed     | former
        other       |
        """,
    ),
    Spec(
        "The last score of a window",
        "Of several scores on that day their mean is taken. A score of another measure does not count.",
        """
        measurements
        patient_id | date | measure  | value
        day -91    | -91  | nrs_leg  | 9
        day -90    | -90  | nrs_leg  | 9
        day -1     | -60  | nrs_leg  | 9
        day -1     | -1   | nrs_leg  | 4
        day 0      | -60  | nrs_leg  | 9
        day 0      | 0    | nrs_leg  | 4
        twice      | -60  | nrs_leg  | 9
        twice      | -5   | nrs_leg  | 4
        twice      | -5   | nrs_leg  | 6
        back       | -5   | nrs_back | 6
        """,
        "add_measurement(cohort, 'nrs_leg', days=(-90, -1), take='last')",
        """
        patient_id | nrs_leg
        day -91    |
        day -90    | 9
        day -1     | 4
        day 0      | 9
        twice      | 5
        back       |
        """,
    ),
    *(
        Spec(
            f"The {take} score of a window" if take != "mean" else "The mean score of a window",
            "Taken over the values recorded from day -90 to day -1.",
            """
            measurements
            patient_id | date | measure | value
            four       | -91  | nrs_leg | 10
            four       | -90  | nrs_leg | 5
            four       | -40  | nrs_leg | 2
            four       | -20  | nrs_leg | 8
            four       | -1   | nrs_leg | 3
            four       | 0    | nrs_leg | 0
            """,
            f"add_measurement(cohort, 'nrs_leg', days=(-90, -1), take='{take}')",
            f"""
            patient_id | nrs_leg
            four       | {value}
            """,
        )
        for take, value in (("first", "5"), ("mean", "4.5"), ("minimum", "2"), ("maximum", "8"))
    ),
    Spec(
        "A therapy on any day of a window",
        "A therapy with an end counts on every day of its span, one without an end on its date.",
        """
        therapies
        patient_id    | date | end_date | therapy
        ends -91      | -200 | -91      | gabapentinoid
        ends -90      | -200 | -90      | gabapentinoid
        no end, -91   | -91  |          | gabapentinoid
        no end, -90   | -90  |          | gabapentinoid
        day -1        | -1   | 30       | gabapentinoid
        day 0         | 0    | 30       | gabapentinoid
        throughout    | -900 | 900      | gabapentinoid
        another       | -20  | -10      | nsaid
        """,
        "add_therapy(cohort, 'gabapentinoid', days=(-90, -1))",
        """
        patient_id    | has_gabapentinoid
        ends -91      | no
        ends -90      | yes
        no end, -91   | no
        no end, -90   | yes
        day -1        | yes
        day 0         | no
        throughout    | yes
        another       | no
        """,
    ),
    Spec(
        "The surgical past",
        "A staged further sitting is no further operation and does not restart the years, but a fusion done in it is "
        "one. An operation on day 0, on the neck, or before the window does not count. Years have 365.25 days.",
        """
        surgeries
        patient_id | date  | region      | procedure          | staged
        none       | 10    | lumbar      | decompression      |
        two        | -1461 | lumbar      | decompression      | false
        two        | -487  | lumbosacral | decompression      |
        staged     | -1461 | lumbar      | decompression      | false
        staged     | -1454 | lumbar      | fusion             | true
        fused      | -1461 | lumbar      | decompression_fusion |
        neck       | -1461 | cervical    | fusion             |
        day 0      | 0     | lumbar      | fusion             |
        day -1     | -1    | lumbar      | discectomy         |
        too early  | -3651 | lumbar      | fusion             |
        just early | -3650 | lumbar      | fusion             |
        """,
        "add_surgery_history(cohort, days=(-3650, -1))",
        """
        patient_id | prior_lumbar_surgeries | has_prior_fusion | years_since_lumbar_surgery
        none       | 0                      | no               |
        two        | 2                      | no               | 1.3333333333
        staged     | 1                      | yes              | 4
        fused      | 1                      | yes              | 4
        neck       | 0                      | no               |
        day 0      | 0                      | no               |
        day -1     | 1                      | no               | 0.0027378508
        too early  | 0                      | no               |
        just early | 1                      | yes              | 9.9931553730
        """,
    ),
    Spec(
        "The device implanted on day 0",
        "A later implant does not describe the device of day 0; what is not recorded is missing.",
        """
        device_events
        patient_id | date | event   | waveform | lead_type    | rechargeable | system_id
        described  | 0    | implant | burst    | percutaneous | true         | 1
        later      | 0    | implant |          |              |              | 1
        later      | 400  | implant | tonic    | paddle       | false        | 2
        """,
        "add_device(cohort)",
        """
        patient_id | waveform | lead_type    | is_rechargeable
        described  | burst    | percutaneous | yes
        later      |          |              |
        """,
        implanted=False,
    ),
)
