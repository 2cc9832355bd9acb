"""Explant and the other events after day 0: time, status, reason, what competes, what is certain."""

from spec.notation import Spec

TITLE = "Explant and other events after day 0"
STANDARD = {
    "definition": "'without_replacement'",
    "within_days": "90",
    "clock": "'therapy'",
    "competing": "'death'",
    "until_days": "1825",
}


def call(event: str = "explant", **changed: str) -> str:
    """Return the call that adds the time to an event, with the standard explant arguments where not changed."""
    arguments = {key: value for key, value in (STANDARD | changed).items() if value}
    lines = ["cohort", f"'{event}'", *(f"{key}={value}" for key, value in arguments.items())]
    return "add_time_to(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def named(event: str, **changed: str) -> str:
    """Return the call for a named event, which takes none of the explant arguments."""
    return call(event, definition="", within_days="", clock="", **changed)


VARIANTS = """
device_events
patient_id      | date | event   | reason            | component | system_id
for relief      | 100  | explant | inadequate_relief | generator | 1
for infection   | 100  | explant | infection         | generator | 1
no reason       | 100  | explant |                   | generator | 1
unknown reason  | 100  | explant | unknown           | generator | 1
replaced at 40  | 100  | explant | inadequate_relief | generator | 1
replaced at 40  | 140  | implant |                   | generator | 2
same day        | 100  | explant | infection         | generator | 1
same day        | 100  | implant |                   | generator | 2
lead revised    | 100  | revise  | inadequate_relief | lead      | 1
lead infected   | 100  | revise  | infection         | lead      | 1
lead removed    | 100  | explant | inadequate_relief | lead      | 1
"""
UNCERTAIN = """
observation_periods
patient_id    | start_date | end_date
ends w-1 on   | -900       | 189
ends w on     | -900       | 190
dies within   | -900       | 150
dies unseen   | -900       | 150
patients
patient_id    | birth_year | death_date
dies within   | 1960       | 150
dies unseen   | 1960       | 170
device_events
patient_id    | date | event
ends w-1 on   | 100  | explant
ends w on     | 100  | explant
dies within   | 100  | explant
dies unseen   | 100  | explant
"""

SPECS = (
    Spec(
        "Explant without replacement: a new system within 90 days, that day included, is none",
        "All lose their generator on day 100. A new one from day 100 to day 190 replaces it; one on day 191 comes too "
        "late. Explant is dated at removal. A system numbered as the one removed is a new one all the same.",
        """
        device_events
        patient_id   | date | event     | system_id
        never        | 100  | explant   | 1
        on day 100   | 100  | explant   | 1
        on day 100   | 100  | implant   | 2
        on day 189   | 100  | explant   | 1
        on day 189   | 189  | implant   | 2
        on day 190   | 100  | explant   | 1
        on day 190   | 190  | implant   | 2
        on day 191   | 100  | explant   | 1
        on day 191   | 191  | implant   | 2
        same number  | 100  | explant   | 7
        same number  | 140  | implant   | 7
        kept         | 100  | reprogram | 1
        """,
        call(),
        """
        patient_id   | explant_days | explant_status
        never        | 100          | event
        on day 100   | 1825         | censored
        on day 189   | 1825         | censored
        on day 190   | 1825         | censored
        on day 191   | 100          | event
        same number  | 1825         | censored
        kept         | 1825         | censored
        """,
    ),
    Spec(
        "Removal and implant on one day are a replacement, however they are recorded",
        "As one event, as two of different systems, or as two of the same system. A later removal counts on its own.",
        """
        device_events
        patient_id     | date | event   | system_id
        one event      | 100  | replace | 1
        upgraded       | 100  | upgrade | 1
        two systems    | 100  | explant | 1
        two systems    | 100  | implant | 2
        same system    | 100  | explant | 1
        same system    | 100  | implant | 1
        removed later  | 100  | explant | 1
        removed later  | 100  | replace | 1
        removed later  | 700  | explant | 1
        """,
        call(),
        """
        patient_id     | explant_days | explant_status
        one event      | 1825         | censored
        upgraded       | 1825         | censored
        two systems    | 1825         | censored
        same system    | 1825         | censored
        removed later  | 700          | event
        """,
    ),
    Spec(
        "A failed implant counts at 0.5",
        "Removed on day 0, the day of its implant. An old system exchanged on day 0 for the new one is a replacement.",
        """
        device_events
        patient_id | date | event   | system_id | component
        failed     | 0    | implant | 1         | generator
        failed     | 0    | implant | 1         | lead
        failed     | 0    | explant | 1         | generator
        failed     | 0    | explant | 1         | lead
        exchanged  | 0    | explant | 7         | generator
        exchanged  | 0    | implant | 1         | generator
        day 1      | 0    | implant | 1         | generator
        day 1      | 1    | explant | 1         | generator
        before     | -1   | explant | 7         | generator
        before     | 0    | implant | 1         | generator
        """,
        call(),
        """
        patient_id | explant_days | explant_status
        failed     | 0.5          | event
        exchanged  | 1825         | censored
        day 1      | 1            | event
        before     | 1825         | censored
        """,
        implanted=False,
    ),
    Spec(
        "What is removed is the generator of a stimulator",
        "A lead, or a pump, is not.",
        """
        device_events
        patient_id | date | event   | component | device           | system_id
        generator  | 100  | explant | generator | scs              | 1
        system     | 100  | explant | system    | scs              | 1
        lead       | 100  | explant | lead      | scs              | 1
        pump       | 100  | explant | pump      | intrathecal_pump | 2
        ganglion   | 100  | explant | generator | scs              | 1
        ganglion   | 120  | implant | generator | drg              | 2
        """,
        call(),
        """
        patient_id | explant_status
        generator  | event
        system     | event
        lead       | censored
        pump       | censored
        ganglion   | event
        """,
    ),
    Spec(
        "Follow-up includes its last day",
        "Day 1825 is included, and so is the last observed day.",
        """
        observation_periods
        patient_id   | start_date | end_date
        day 1825     | -900       | 4000
        day 1826     | -900       | 4000
        last day     | -900       | 500
        day after    | -900       | 500
        nothing      | -900       | 500
        only day 0   | -900       | 0
        device_events
        patient_id   | date | event
        day 1825     | 1825 | explant
        day 1826     | 1826 | explant
        last day     | 500  | explant
        day after    | 501  | explant
        """,
        call(),
        """
        patient_id   | explant_days | explant_status
        day 1825     | 1825         | event
        day 1826     | 1825         | censored
        last day     | 500          | event
        day after    | 500          | censored
        nothing      | 500          | censored
        only day 0   | 0.5          | censored
        """,
    ),
    Spec(
        "Observation that ends, pauses or begins late",
        "The first unbroken span that reaches day 0 or later is followed. Where it begins after day 0 the patient "
        "enters half a day before its first day; whose event came before that was never at risk. Medical records and "
        "registries show explants, the pharmacy does not.",
        """
        observation_periods
        patient_id    | start_date | end_date | domain
        gap           | -900       | 99       | medical
        gap           | 101        | 900      | medical
        touching      | -900       | 99       | medical
        touching      | 100        | 900      | medical
        two domains   | -900       | 99       | medical
        two domains   | 90         | 900      | registry
        pharmacy only | -900       | 900      | pharmacy
        late          | 30         | 900      | medical
        late, day 30  | 30         | 900      | medical
        late, day 29  | 30         | 900      | medical
        before only   | -900       | -1       | medical
        returns       | -900       | -1       | medical
        returns       | 30         | 900      | medical
        after the end | 1826       | 4000     | medical
        on the end    | 1825       | 4000     | medical
        device_events
        patient_id    | date | event
        gap           | 500  | explant
        touching      | 500  | explant
        two domains   | 500  | explant
        pharmacy only | 500  | explant
        late          | 500  | explant
        late, day 30  | 30   | explant
        late, day 29  | 29   | explant
        before only   | 500  | explant
        returns       | 500  | explant
        """,
        call(),
        """
        patient_id    | explant_days | explant_status | explant_entry_days
        gap           | 99           | censored       | 0
        touching      | 500          | event          | 0
        two domains   | 500          | event          | 0
        pharmacy only |              |                |
        late          | 500          | event          | 29.5
        late, day 30  | 30           | event          | 29.5
        late, day 29  |              |                |
        before only   |              |                |
        returns       | 500          | event          | 29.5
        after the end |              |                |
        on the end    | 1825         | censored       | 1824.5
        """,
    ),
    Spec(
        "Death competes",
        "An explant on the day of death is an explant; death within the 90 days after a removal leaves the explant; "
        "death after the end of observation was not seen; death on day 0 counts as 0.5.",
        """
        patients
        patient_id   | birth_year | death_date
        dies         | 1960       | 300
        same day     | 1960       | 100
        day before   | 1960       | 99
        within 90    | 1960       | 150
        on day 0     | 1960       | 0
        unseen       | 1960       | 600
        after 5 yrs  | 1960       | 1826
        observation_periods
        patient_id   | start_date | end_date
        unseen       | -900       | 599
        device_events
        patient_id   | date | event
        same day     | 100  | explant
        day before   | 100  | explant
        within 90    | 100  | explant
        """,
        call(),
        """
        patient_id   | explant_days | explant_status
        dies         | 300          | death
        same day     | 100          | event
        day before   | 99           | death
        within 90    | 100          | event
        on day 0     | 0.5          | death
        unseen       | 599          | censored
        after 5 yrs  | 1825         | censored
        """,
    ),
    Spec(
        "Without a competing event, death censors",
        "Nobody is at risk after death.",
        """
        patients
        patient_id | birth_year | death_date
        dies       | 1960       | 300
        device_events
        patient_id | date | event
        explanted  | 100  | explant
        """,
        call(competing="None"),
        """
        patient_id | explant_days | explant_status
        dies       | 300          | censored
        explanted  | 100          | event
        """,
    ),
    Spec(
        "Of several competing events on one day the one named first counts",
        "A revision and a death on one day.",
        """
        patients
        patient_id | birth_year | death_date
        both       | 1960       | 300
        revised    | 1960       | 301
        dies       | 1960       | 299
        device_events
        patient_id | date | event
        both       | 300  | revise
        revised    | 300  | revise
        dies       | 300  | revise
        """,
        call(competing="('device_revision', 'death')"),
        """
        patient_id | explant_days | explant_status
        both       | 300          | device_revision
        revised    | 300          | device_revision
        dies       | 299          | death
        """,
    ),
    Spec(
        "A removal is certain to be an explant when the 90 days after it were observed",
        "Removed on day 100: observation to day 190 is needed, or to death before that. What is not certain counts, "
        "and says so.",
        UNCERTAIN,
        call(),
        """
        patient_id    | explant_days | explant_status | explant_is_ascertained
        ends w-1 on   | 100          | event          | no
        ends w on     | 100          | event          | yes
        dies within   | 100          | event          | yes
        dies unseen   | 100          | event          | no
        """,
    ),
    Spec(
        "Removals that are not certain, censored at removal",
        "The sensitivity analysis of the same patients.",
        UNCERTAIN,
        call(unascertained="'censored'"),
        """
        patient_id    | explant_days | explant_status | explant_is_ascertained
        ends w-1 on   | 100          | censored       | no
        ends w on     | 100          | event          | yes
        dies within   | 100          | event          | yes
        dies unseen   | 100          | censored       | no
        """,
    ),
    Spec(
        "The definition without replacement",
        "All changes are on day 100; two patients receive a new system.",
        VARIANTS,
        call(),
        """
        patient_id      | explant_status | explant_reason
        for relief      | event          | inadequate_relief
        for infection   | event          | infection
        no reason       | event          | unknown
        unknown reason  | event          | unknown
        replaced at 40  | censored       |
        same day        | censored       |
        lead revised    | censored       |
        lead infected   | censored       |
        lead removed    | censored       |
        """,
        source="Dougherty MC et al. Neuromodulation 2021, doi 10.1111/ner.13207",
    ),
    Spec(
        "The definition of any removal",
        "A new system on a later day does not matter.",
        VARIANTS,
        call(definition="'any_removal'", within_days=""),
        """
        patient_id      | explant_status
        for relief      | event
        for infection   | event
        no reason       | event
        unknown reason  | event
        replaced at 40  | event
        same day        | censored
        lead revised    | censored
        lead infected   | censored
        lead removed    | censored
        """,
    ),
    Spec(
        "The definition of removal or revision for inadequate relief",
        "Whatever is removed or revised for another reason does not count; a new system does not matter.",
        VARIANTS,
        call(definition="'removal_or_revision_for_inadequate_relief'", within_days=""),
        """
        patient_id      | explant_status
        for relief      | event
        for infection   | censored
        no reason       | censored
        unknown reason  | censored
        replaced at 40  | event
        same day        | censored
        lead revised    | event
        lead infected   | censored
        lead removed    | censored
        """,
        source="Nissen M et al. Neuromodulation 2021, PMID 33073907",
    ),
    Spec(
        "The definition with a reason",
        "Without replacement, and with a reason recorded.",
        VARIANTS,
        call(definition="'with_reason'"),
        """
        patient_id      | explant_status
        for relief      | event
        for infection   | event
        no reason       | censored
        unknown reason  | censored
        replaced at 40  | censored
        same day        | censored
        lead revised    | censored
        lead infected   | censored
        lead removed    | censored
        """,
    ),
    Spec(
        "Explant by reason",
        "The status is the reason; of several on one day the first in the order of the vocabulary, whatever the order "
        "of rows.",
        """
        patients
        patient_id  | birth_year | death_date
        dies        | 1960       | 100
        device_events
        patient_id  | date | event   | reason            | component
        one         | 100  | explant | infection         | generator
        none        | 100  | explant |                   | generator
        none, one   | 100  | explant |                   | generator
        none, one   | 100  | explant | infection         | system
        two         | 100  | explant | infection         | generator
        two         | 100  | explant | inadequate_relief | system
        two, turned | 100  | explant | inadequate_relief | generator
        two, turned | 100  | explant | infection         | system
        """,
        call(by_reason="True"),
        """
        patient_id  | explant_status    | explant_days | explant_reason
        one         | infection         | 100          | infection
        none        | unknown           | 100          | unknown
        none, one   | infection         | 100          | infection
        two         | inadequate_relief | 100          | inadequate_relief
        two, turned | inadequate_relief | 100          | inadequate_relief
        dies        | death             | 100          |
        """,
    ),
    Spec(
        "Explant by some reasons",
        "A reason given by name is a cause; all others, stated or not, are one other. The column of the reason keeps "
        "them apart.",
        """
        device_events
        patient_id  | date | event   | reason
        named       | 100  | explant | infection
        not named   | 100  | explant | inadequate_relief
        no reason   | 100  | explant |
        """,
        call(by_reason="('infection',)"),
        """
        patient_id  | explant_status | explant_days | explant_reason
        named       | infection      | 100          | infection
        not named   | other_reason   | 100          | inadequate_relief
        no reason   | other_reason   | 100          | unknown
        """,
    ),
    Spec(
        "Explant or non-use",
        "The end of use without removal counts too, on its own day, taken up again or not. It needs no 90 days to be "
        "certain.",
        """
        observation_periods
        patient_id    | start_date | end_date
        stops         | -900       | 110
        device_events
        patient_id    | date | event
        stops         | 100  | stop_use
        resumes       | 100  | stop_use
        resumes       | 200  | resume_use
        then removed  | 100  | stop_use
        then removed  | 300  | explant
        removed first | 100  | explant
        removed first | 300  | stop_use
        same day      | 100  | stop_use
        same day      | 100  | explant
        replaced      | 100  | explant
        replaced      | 100  | replace
        replaced      | 300  | stop_use
        """,
        call("explant_or_non_use", by_reason="True", name="'failure'"),
        """
        patient_id    | failure_days | failure_status | failure_is_ascertained
        stops         | 100          | non_use        | yes
        resumes       | 100          | non_use        | yes
        then removed  | 100          | non_use        | yes
        removed first | 100          | unknown        | yes
        same day      | 100          | unknown        | yes
        replaced      | 300          | non_use        | yes
        """,
    ),
    Spec(
        "Another named event",
        "The first one on day 0 or later; one on day 0 counts as 0.5, and one before day 0 not at all.",
        """
        device_events
        patient_id | date | event  | component
        day -1     | -1   | revise | lead
        day 0      | 0    | revise | lead
        day 1      | 1    | revise | lead
        twice      | 700  | revise | lead
        twice      | 300  | revise | lead
        """,
        named("device_revision"),
        """
        patient_id | device_revision_days | device_revision_status
        day -1     | 1825                 | censored
        day 0      | 0.5                  | event
        day 1      | 1                    | event
        twice      | 300                  | event
        """,
    ),
    Spec(
        "Death",
        "Death is an event like another; nothing competes with it.",
        """
        patients
        patient_id | birth_year | death_date
        day 0      | 1960       | 0
        day 1825   | 1960       | 1825
        day 1826   | 1960       | 1826
        alive      | 1960       |
        """,
        named("death", competing="None"),
        """
        patient_id | death_days | death_status
        day 0      | 0.5        | event
        day 1825   | 1825       | event
        day 1826   | 1825       | censored
        alive      | 1825       | censored
        """,
    ),
    Spec(
        "The event that is day 0 is not its own outcome",
        "A second implant counts, the one on day 0 does not.",
        """
        device_events
        patient_id | date | event   | system_id
        one        | 0    | implant | 1
        two        | 0    | implant | 1
        two        | 400  | implant | 2
        """,
        named("scs_implant"),
        """
        patient_id | scs_implant_days | scs_implant_status
        one        | 1825             | censored
        two        | 400              | event
        """,
        implanted=False,
    ),
)
