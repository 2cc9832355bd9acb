"""Pumps and stimulators by clock, and the dose a pump gives."""

from spec.notation import Spec

TITLE = "Devices by clock, and intrathecal doses"
PUMP = """
device_events
patient_id   | date | device           | component | event   | reason              | planned | system_id | component_id
kept         | 0    | intrathecal_pump | pump      | implant |                     |         | 1         | 1
end of life  | 0    | intrathecal_pump | pump      | implant |                     |         | 1         | 1
end of life  | 0    | intrathecal_pump | catheter  | implant |                     |         | 1         | 1
end of life  | 200  | intrathecal_pump | pump      | replace | battery_end_of_life | true    | 1         | 2
end of life  | 300  | intrathecal_pump | pump      | explant | infection           |         | 1         | 2
end of life  | 300  | intrathecal_pump | catheter  | explant | infection           |         | 1         | 1
new system   | 0    | intrathecal_pump | pump      | implant |                     |         | 1         | 1
new system   | 0    | intrathecal_pump | catheter  | implant |                     |         | 1         | 1
new system   | 200  | intrathecal_pump | pump      | explant | infection           |         | 1         | 1
new system   | 250  | intrathecal_pump | pump      | implant |                     |         | 2         | 1
put back     | 0    | intrathecal_pump | pump      | implant |                     |         | 1         | 1
put back     | 200  | intrathecal_pump | pump      | explant | other               |         | 1         | 1
put back     | 200  | intrathecal_pump | pump      | implant |                     |         | 1         | 2
catheter     | 0    | intrathecal_pump | pump      | implant |                     |         | 1         | 1
catheter     | 0    | intrathecal_pump | catheter  | implant |                     |         | 1         | 1
catheter     | 50   | intrathecal_pump | catheter  | revise  | other               |         | 1         | 1
catheter     | 80   | intrathecal_pump | catheter  | replace | other               |         | 1         | 2
on day 0     | 0    | intrathecal_pump | pump      | implant |                     |         | 1         | 1
on day 0     | 0    | intrathecal_pump | pump      | explant | infection           |         | 1         | 1
"""


def call(clock: str) -> str:
    """Return the call that adds explant of a pump on a clock, by reason."""
    return f"add_time_to(\n    cohort, 'explant', {clock}, competing='death', until_days=1000, by_reason=True,\n)"


SPECS = (
    Spec(
        "A pump on the therapy clock",
        "A replacement, planned or not, is continuation; so is a new system within 90 days.",
        PUMP,
        call("clock='therapy', definition='without_replacement', within_days=90"),
        """
        patient_id  | explant_days | explant_status
        kept        | 1000         | censored
        end of life | 300          | infection
        new system  | 1000         | censored
        put back    | 1000         | censored
        catheter    | 1000         | censored
        on day 0    | 0.5          | infection
        """,
        index="pump_implant",
        implanted=False,
    ),
    Spec(
        "A pump on the system clock",
        "The system implanted on day 0 goes on through replacements of its parts, and ends when the pump is removed "
        "and none "
        "is put into it that day; another system does not continue it.",
        PUMP,
        call("clock='system'"),
        """
        patient_id  | explant_days | explant_status
        kept        | 1000         | censored
        end of life | 300          | infection
        new system  | 200          | infection
        put back    | 1000         | censored
        catheter    | 1000         | censored
        on day 0    | 0.5          | infection
        """,
        index="pump_implant",
        implanted=False,
    ),
    Spec(
        "A pump on the component clock",
        "The pump implanted on day 0 ends with its removal or replacement, the planned one at the end of its battery "
        "too.",
        PUMP,
        call("clock='component', component='pump'"),
        """
        patient_id  | explant_days | explant_status
        kept        | 1000         | censored
        end of life | 200          | battery_end_of_life
        new system  | 200          | infection
        put back    | 200          | other
        catheter    | 1000         | censored
        on day 0    | 0.5          | infection
        """,
        index="pump_implant",
        implanted=False,
    ),
    Spec(
        "A catheter on the component clock",
        "A revision is not the end of a catheter. Where no catheter is recorded as implanted on day 0, its clock did "
        "not "
        "start: the outcome is missing.",
        PUMP,
        call("clock='component', component='catheter'"),
        """
        patient_id  | explant_days | explant_status
        kept        |              |
        end of life | 300          | infection
        new system  | 1000         | censored
        put back    |              |
        catheter    | 80           | other
        on day 0    |              |
        """,
        index="pump_implant",
        implanted=False,
    ),
    Spec(
        "The intrathecal dose in force",
        "A programming on day t is in force on it. The dose is 0 where the pump holds other drugs only, and missing "
        "before the "
        "first programming, from the removal of the pump on, after death, and where day t is not observed.",
        """
        device_events
        patient_id  | date | device           | component | event   | system_id
        programmed  | 0    | intrathecal_pump | pump      | implant | 1
        day after   | 0    | intrathecal_pump | pump      | implant | 1
        other drug  | 0    | intrathecal_pump | pump      | implant | 1
        set to 0    | 0    | intrathecal_pump | pump      | implant | 1
        removed 30  | 0    | intrathecal_pump | pump      | implant | 1
        removed 30  | 30   | intrathecal_pump | pump      | explant | 1
        removed 31  | 0    | intrathecal_pump | pump      | implant | 1
        removed 31  | 31   | intrathecal_pump | pump      | explant | 1
        replaced    | 0    | intrathecal_pump | pump      | implant | 1
        replaced    | 20   | intrathecal_pump | pump      | replace | 1
        dies 30     | 0    | intrathecal_pump | pump      | implant | 1
        leaves 29   | 0    | intrathecal_pump | pump      | implant | 1
        intrathecal_doses
        patient_id  | date | ingredient | dose_per_day | unit | system_id
        programmed  | 0    | morphine   | 1            | mg   | 1
        programmed  | 30   | morphine   | 1500         | mcg  | 1
        day after   | 31   | morphine   | 1            | mg   | 1
        other drug  | 0    | ziconotide | 2            | mcg  | 1
        set to 0    | 0    | morphine   | 1            | mg   | 1
        set to 0    | 20   | morphine   | 0            | mg   | 1
        removed 30  | 0    | morphine   | 1            | mg   | 1
        removed 31  | 0    | morphine   | 1            | mg   | 1
        replaced    | 0    | morphine   | 1            | mg   | 1
        dies 30     | 0    | morphine   | 1            | mg   | 1
        leaves 29   | 0    | morphine   | 1            | mg   | 1
        patients
        patient_id  | birth_year | death_date
        dies 30     | 1960       | 30
        observation_periods
        patient_id  | start_date | end_date
        leaves 29   | -900       | 29
        """,
        "add_intrathecal_dose(cohort, 'morphine', unit='mg', at_days=(30,))",
        """
        patient_id  | intrathecal_morphine_mg_per_day_at_30
        programmed  | 1.5
        day after   |
        other drug  | 0
        set to 0    | 0
        removed 30  |
        removed 31  | 1
        replaced    | 1
        dies 30     |
        leaves 29   |
        """,
        index="pump_implant",
        implanted=False,
    ),
)
