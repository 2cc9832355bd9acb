"""The ``fbss`` command."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import __version__
from .errors import DataError, InputError, StudyWarning

DONE, FAULT, WRONG_USE, PRIVACY = 0, 1, 2, 3
"""Exit codes: done; a fault of data or analysis; wrong use; kept for stops that protect patients."""

EPILOG = """exit codes: 0 done, 1 a fault of data or analysis, 2 wrong use, 3 a stop that protects patients

examples:
  fbss run                                      the bundled study
  fbss run --study my_study.toml                the same notebooks on your cohort
  fbss simulate neuromodulation --patients 2000 --seed 1 cohort/
  fbss import extract/ cohort/ --mapping mapping.toml
  fbss import omop/ cohort/ --omop
  fbss import export.csv cohort/ --redcap dictionary.csv --mapping mapping.toml
  fbss emit cohort/ omop/ --format omop         a cohort as an OMOP folder; or tables, redcap, claims
  fbss check cohort/                            what is in a cohort, and every row set aside
  fbss new-study mine --cohort cohort/          a commented study file
  fbss new-study mine --format redcap           and a commented mapping for a REDCap export"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code (see `DONE` and the ones beside it)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    warnings.formatwarning = _plain_warning
    try:
        code: int = options.action(options)
    except InputError as fault:
        print(f"fbss: {fault}", file=sys.stderr)
        return WRONG_USE
    except DataError as fault:
        print(f"fbss: {fault}", file=sys.stderr)
        return FAULT
    except KeyboardInterrupt:
        print("\nfbss: stopped; the last good results are as they were.", file=sys.stderr)
        return 130
    return code


def _plain_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> str:
    name = "warning" if issubclass(category, StudyWarning) else category.__name__
    return f"{name}: {message}\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fbss",
        description="Opioid and neuromodulation outcome analytics in failed back surgery syndrome.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, action: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
        each = commands.add_parser(name, help=words, description=f"{words[:1].upper()}{words[1:]}.")
        each.set_defaults(action=action)
        return each

    def study_option(each: argparse.ArgumentParser) -> None:
        each.add_argument("--study", metavar="FILE", help="the study file; the nearest study.toml when not given")

    run = command("run", _run, "execute a study's stale notebooks and write its report")
    study_option(run)
    run.add_argument("--force", action="store_true", help="run every notebook, stale or not")
    study_option(command("status", _status, "say which notebooks are stale, and why"))
    check = command("check", _check, "read a cohort and account for every row")
    check.add_argument("folder", nargs="?", help="folder of the cohort; the study's when not given")
    study_option(check)
    simulate = command("simulate", _simulate, "make a synthetic cohort")
    simulate.add_argument("scenario", help="for example neuromodulation")
    simulate.add_argument("folder", help="where to write the cohort folder")
    simulate.add_argument("--patients", type=int, required=True, metavar="N", help="number of patients")
    simulate.add_argument(
        "--seed", type=int, required=True, metavar="N", help="seed; the same seed gives the same cohort"
    )
    load = command("import", _import, "turn files with other names into a cohort folder")
    load.add_argument("path", help="folder of the files; of a REDCap project the export")
    load.add_argument("folder", help="where to write the cohort folder")
    load.add_argument("--mapping", metavar="FILE", help="TOML file that says what each column is; needed but for OMOP")
    kind = load.add_mutually_exclusive_group()
    kind.add_argument("--omop", action="store_true", help="the folder is an OMOP CDM 5.3 or 5.4 extract")
    kind.add_argument("--redcap", metavar="DICTIONARY", help="the file is a raw REDCap export of this dictionary")
    load.add_argument("--new-ids", metavar="KEY", help="draw REDCap record ids anew and keep their key in this file")
    emit = command("emit", _emit, "write a cohort as an extract of another kind")
    emit.add_argument("cohort", help="folder of the cohort")
    emit.add_argument("folder", help="where to write the extract")
    emit.add_argument("--format", required=True, metavar="KIND", help="tables, omop, redcap or claims")
    new = command("new-study", _new_study, "write a commented study file for your own cohort")
    new.add_argument("name", help="names the file and the folder of the results")
    new.add_argument("--cohort", default="cohort", metavar="FOLDER", help="folder of the cohort; cohort when not given")
    new.add_argument("--format", metavar="KIND", help="write a mapping for such an extract too: redcap")
    study_option(command("lab", _lab, "open the notebooks in JupyterLab"))
    command("version", _version, "print the version")
    return parser


def _run(options: argparse.Namespace) -> int:
    from .study.file import open_study
    from .study.run import run_study

    summary = run_study(open_study(options.study), force=options.force)
    print(summary)
    return FAULT if summary.has_failed else DONE


def _status(options: argparse.Namespace) -> int:
    from .study.file import open_study
    from .study.state import read_state, why_stale

    study = open_study(options.study)
    state = read_state(study)
    print(study.sentence())
    for notebook in study.notebooks:
        reasons = why_stale(study, notebook, state)
        last = state.get(notebook.stem)
        said = last.outcome if last and last.outcome != "done" else "up to date"
        print(f"  {notebook.stem:<36} {'stale: ' + '; '.join(reasons) if reasons else said}")
    return DONE


def _check(options: argparse.Namespace) -> int:
    from .sources.files import read_tables
    from .study.file import open_study

    source = read_tables(options.folder) if options.folder else open_study(options.study).read()
    print(source.sentence())
    accounts = source.accounting
    aside = accounts[accounts["disposition"] != "accepted"]
    for account in source.accounts:
        rule = f"{account.rule}: {account.words}" if account.rule else ""
        print(f"  {account.table:<20} {account.disposition:<12} {account.rows:>12,}  {rule}".rstrip())
    print("Every row was accepted." if aside.empty else "Rows not accepted are listed with their rule.")
    return DONE if aside[aside["disposition"] == "quarantined"].empty else FAULT


def _simulate(options: argparse.Namespace) -> int:
    from .sources.synthetic import simulate

    source = simulate(options.scenario, n_patients=options.patients, seed=options.seed, folder=options.folder)
    print(source.sentence())
    print(f"Written to {options.folder}. Next: fbss check {options.folder}")
    return DONE


def _import(options: argparse.Namespace) -> int:
    if options.new_ids and not options.redcap:
        raise InputError("--new-ids draws the record ids of a REDCap project anew: type --redcap DICTIONARY.")
    if options.omop:
        from .sources.omop import import_omop

        source = import_omop(options.path, options.folder, mapping=options.mapping)
    elif options.mapping is None:
        raise InputError("Say what the columns are: type --mapping FILE, or --omop for an OMOP extract.")
    elif options.redcap:
        from .sources.redcap import import_redcap

        source = import_redcap(
            options.path, options.redcap, to=options.folder, mapping=options.mapping, new_ids=options.new_ids
        )
    else:
        from .sources.mapping import import_tables

        source = import_tables(options.path, options.folder, mapping=options.mapping)
    print(source.sentence())
    print(f"Written to {options.folder}. Next: fbss check {options.folder}")
    return DONE


def _emit(options: argparse.Namespace) -> int:
    from .sources.emit.writing import MANIFEST, not_held, write_extract

    folder = write_extract(options.cohort, options.folder, format=options.format)
    for line in not_held(folder):
        print(f"  {line}")
    print(f"Written to {options.folder}. What it cannot hold is counted in {MANIFEST}.")
    return DONE


def _new_study(options: argparse.Namespace) -> int:
    from .study.file import new_study

    file, *mapping = new_study(options.name, cohort=options.cohort, folder=Path.cwd(), format=options.format)
    for each in mapping:
        print(f"Written to {each.name}: fit it to your extract, then import as it says at its top.")
    print(f"Written to {file.name}. Next: fbss check --study {file.name}, then fbss run --study {file.name}")
    return DONE


def _lab(options: argparse.Namespace) -> int:
    from .study.file import STUDY_VARIABLE, open_study

    study = open_study(options.study)
    os.environ[STUDY_VARIABLE] = str(study.file)
    folder = study.notebooks[0].parent
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", "--notebook-dir", str(folder)])


def _version(options: argparse.Namespace) -> int:
    print(__version__)
    return DONE
