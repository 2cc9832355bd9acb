"""Study files, staleness, and runs: what is executed, what is published, and what a killed or failing run leaves."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from small_study import GOOD, small_study, write_notebook, write_study

import fbss_analytics as fbss
from fbss_analytics.errors import InputError
from fbss_analytics.sources.source import in_memory
from fbss_analytics.study import file as study_file
from fbss_analytics.study import open_study
from fbss_analytics.study.outputs import round_numbers, write_result
from fbss_analytics.study.run import run_study
from fbss_analytics.study.state import folder_hash, read_state, state_file, why_stale


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a good notebook, one whose table is absent and one that fails, after one run."""
    root = tmp_path_factory.mktemp("study")
    file = small_study(root)
    whole = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    without = {name: table for name, table in whole.tables.items() if name != "intrathecal_doses"}
    in_memory(whole.name, without, provenance=whole.provenance).to_folder(root / "cohort")
    write_notebook(root / "notebooks", "b_absent", GOOD, needs=["patients", "intrathecal_doses"])
    write_notebook(root / "notebooks", "c_fails", [*GOOD[:1], "raise KeyError('SECRET-VALUE')"])
    write_notebook(
        root / "notebooks",
        "d_ours",
        [*GOOD[:1], "fbss.start_cohort(study.read(), index='scs_implnt', occurrence='first')"],
    )
    log = io.StringIO()
    summary = run_study(open_study(file), progress=log)
    (root / "log.txt").write_text(log.getvalue(), encoding="utf-8")
    (root / "summary.txt").write_text(str(summary), encoding="utf-8")
    return root


def test_a_run_tells_what_became_of_each_notebook(ran: Path) -> None:
    log = (ran / "log.txt").read_text(encoding="utf-8").splitlines()
    assert log[0].startswith("[1/4] a_good ... done in ")
    assert log[1] == "[2/4] b_absent ... skipped: the cohort has no intrathecal_doses"
    assert log[2].startswith("[3/4] c_fails ... failed: KeyError in a cell")
    assert log[3] == "[4/4] d_ours ... failed: 'scs_implnt' is not a named event. Did you mean 'scs_implant'?"


def test_a_summary_says_what_came_out_and_where(ran: Path) -> None:
    summary = (ran / "summary.txt").read_text(encoding="utf-8")
    assert "1 run, 1 skipped, 2 failed" in summary
    assert "1 figures, 0 tables" in summary
    assert "reports/mine/report.html" in summary


def test_no_value_of_a_failing_cell_reaches_log_or_report(ran: Path) -> None:
    texts = [
        file.read_text(encoding="utf-8") for file in (ran / "reports").rglob("*") if file.suffix in (".html", ".json")
    ]
    texts += [(ran / "log.txt").read_text(encoding="utf-8"), (ran / "summary.txt").read_text(encoding="utf-8")]
    assert not any("SECRET-VALUE" in text for text in texts)


def test_results_stay_out_of_version_control(ran: Path) -> None:
    assert (ran / "reports" / "mine" / ".gitignore").read_text() == "*\n"
    assert (ran / "reports" / ".state" / ".gitignore").read_text() == "*\n"


def test_a_figure_comes_with_its_data_and_its_numbers(ran: Path) -> None:
    folder = ran / "reports" / "mine"
    assert (folder / "figures" / "a_good_flow.svg").read_text(encoding="utf-8").startswith("<svg ")
    data = pd.read_csv(folder / "figures" / "a_good_flow.csv")
    assert list(data.columns) == ["step", "words", "n_before", "n_excluded", "n_after"]
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert results["a_good"]["flow"]["estimates"][0]["n_after"] == 200


def test_the_report_needs_no_network_and_has_contents(ran: Path) -> None:
    page = (ran / "reports" / "mine" / "report.html").read_text(encoding="utf-8")
    assert "<svg " in page
    assert 'href="#n0-a-part"' in page
    assert "How this was made" in page
    assert "a_good &amp; &lt;more&gt;" in page
    assert "src=" not in page
    assert "<link" not in page
    assert "<script" not in page
    assert "b_absent" in page
    assert "the cohort has no intrathecal_doses" in page


def test_ids_inside_figures_are_unique_in_the_report(ran: Path) -> None:
    import re

    page = (ran / "reports" / "mine" / "report.html").read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_executed_notebooks_of_a_real_study_stay_in_its_run(ran: Path) -> None:
    committed = json.loads((ran / "notebooks" / "a_good.ipynb").read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in committed["cells"])
    executed = json.loads((ran / "reports" / "mine" / "notebooks" / "a_good.ipynb").read_text(encoding="utf-8"))
    assert any(cell.get("outputs") for cell in executed["cells"])
    assert "version" not in executed["metadata"].get("language_info", {})


def test_what_is_fresh_does_not_run_again_and_its_results_are_kept(ran: Path) -> None:
    before = (ran / "reports" / "mine" / "figures" / "a_good_flow.svg").read_bytes()
    log = io.StringIO()
    summary = run_study(open_study(ran / "study.toml"), progress=log)
    assert "a_good ... up to date" in log.getvalue()
    assert "c_fails ... failed" in log.getvalue(), "a failed notebook runs again"
    assert summary.has_failed
    assert (ran / "reports" / "mine" / "figures" / "a_good_flow.svg").read_bytes() == before
    results = json.loads((ran / "reports" / "mine" / "results.json").read_text(encoding="utf-8"))
    assert "flow" in results["a_good"]


def test_nothing_is_executed_when_nothing_changed(tmp_path: Path) -> None:
    study = open_study(small_study(tmp_path))
    run_study(study, progress=io.StringIO())
    report = tmp_path / "reports" / "mine" / "report.html"
    written = report.stat().st_mtime_ns
    log = io.StringIO()
    assert "1 up to date" in str(run_study(study, progress=log))
    assert log.getvalue() == ""
    assert report.stat().st_mtime_ns == written
    assert why_stale(study, study.notebooks[0], read_state(study)) == []

    (tmp_path / "reports" / "mine" / "figures" / "a_good_flow.svg").unlink()
    assert why_stale(study, study.notebooks[0], read_state(study)) == [
        "reports/mine/figures/a_good_flow.svg is missing or changed"
    ]
    write_notebook(tmp_path / "notebooks", "a_good", [*GOOD, "print(1)"], needs=["device_events"])
    assert "the notebook changed" in why_stale(study, study.notebooks[0], read_state(study))
    write_study(tmp_path, text="[notebooks]\nrun = ['a_good']\n")
    assert "the study file changed" in why_stale(study, study.notebooks[0], read_state(study))


def test_a_damaged_state_means_running_again(tmp_path: Path) -> None:
    study = open_study(small_study(tmp_path))
    state_file(study).parent.mkdir(parents=True)
    state_file(study).write_text("{", encoding="utf-8")
    assert read_state(study) == {}
    assert why_stale(study, study.notebooks[0], {}) == ["it has not run yet"]


def test_a_killed_run_leaves_the_last_good_one_and_its_leftover_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = open_study(small_study(tmp_path))
    run_study(study, progress=io.StringIO())
    report = (tmp_path / "reports" / "mine" / "report.html").read_bytes()
    leftover = tmp_path / "reports" / ".mine-killed"
    leftover.mkdir()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fbss_analytics.reporting.report.write_report", killed)
        with pytest.raises(KeyboardInterrupt):
            run_study(study, force=True, progress=io.StringIO())
    assert (tmp_path / "reports" / "mine" / "report.html").read_bytes() == report
    assert [path.name for path in (tmp_path / "reports").iterdir() if path.name.startswith(".mine")] == []


def test_results_of_real_data_cannot_go_to_the_committed_folder(tmp_path: Path) -> None:
    study = open_study(small_study(tmp_path, name="synthetic"))
    details = json.loads((tmp_path / "cohort" / "source.json").read_text(encoding="utf-8"))
    for content in (json.dumps(details | {"kind": "imported"}), "{"):
        (tmp_path / "cohort" / "source.json").write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match="runs on simulated cohorts only; give your study another name"):
            run_study(study, progress=io.StringIO())
    assert not (tmp_path / "reports").exists()


def test_a_synthetic_run_elsewhere_than_on_the_recorded_python_is_local(tmp_path: Path) -> None:
    study = open_study(small_study(tmp_path, name="synthetic"))
    assert study.run_name == "local"
    (tmp_path / "pyproject.toml").write_text('[tool.fbss_analytics]\nrecorded-python = "2.7"\n', encoding="utf-8")
    assert study.run_name == "local"


def test_on_the_recorded_python_outputs_go_back_into_the_notebooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = open_study(small_study(tmp_path, name="synthetic"))
    monkeypatch.setattr(study_file.platform, "python_version", lambda: "3.11.99")
    (tmp_path / "pyproject.toml").write_text('[tool.fbss_analytics]\nrecorded-python = "3.11"\n', encoding="utf-8")
    run_study(study, progress=io.StringIO())
    notebook = json.loads((tmp_path / "notebooks" / "a_good.ipynb").read_text(encoding="utf-8"))
    assert any(cell.get("outputs") for cell in notebook["cells"])
    assert not (tmp_path / "reports" / "synthetic" / "notebooks").exists()
    assert not (tmp_path / "reports" / "synthetic" / ".gitignore").exists()
    assert "up to date" in str(run_study(study, progress=io.StringIO()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('nme = "x"\n', "nme is not a key of a study file. Did you mean 'name'?"),
        (
            'name = "x"\n[cohort]\nfoldr = "cohort"\n',
            r"\[cohort\] foldr is not a key of a study file. Did you mean 'folder'?",
        ),
        ("name = 1\n", "name must be a str"),
        ('name = "x"\n', "folder is missing; write folder"),
        ('[cohort]\nfolder = "cohort"\n', "name is missing; write name"),
        ('name = "x"\n[cohort]\nfolder = "elsewhere"\n', "there is no folder elsewhere"),
        ('name = "a/b"\n[cohort]\nfolder = "cohort"\n', "use letters, digits"),
        ('name = "local"\n[cohort]\nfolder = "cohort"\n', "is kept for notebooks worked on by hand"),
        ('name = "x"\n[cohort]\nfolder = "cohort"\ncalendar = "lunar"\n', "calendar = 'lunar' is not known"),
        ('name = "x"\n[cohort]\nfolder = "cohort"\n[notebooks]\nrun = ["a_god"]\n', "no notebook 'a_god'.*a_good"),
        ('name = "x"\n[cohort]\nfolder = "cohort"\n[notebooks]\nfolder = "cohort"\n', "holds no notebook"),
        ("name = \n", "is not valid TOML"),
    ],
)
def test_a_study_file_with_a_fault_is_refused_in_words(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "cohort").mkdir()
    write_notebook(tmp_path / "notebooks", "a_good", GOOD)
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        open_study(tmp_path / "study.toml")


def test_a_surgical_cohort_of_its_own_is_read_by_the_notebooks_that_ask_for_it(tmp_path: Path) -> None:
    fbss.simulate("neuromodulation", n_patients=30, seed=1, folder=tmp_path / "cohort")
    fbss.simulate("surgical", n_patients=40, seed=1, folder=tmp_path / "operated")
    text = "import fbss_analytics as fbss\nprint(fbss.open_study().read('surgical').counts['patients'])"
    notebook = write_notebook(tmp_path / "notebooks", "a_surgical", [text], needs=["surgeries"])
    content = json.loads(notebook.read_text(encoding="utf-8"))
    content["metadata"]["fbss"]["cohort"] = "surgical"
    notebook.write_text(json.dumps(content), encoding="utf-8")
    for more, patients in (("", "30"), ("[cohort.surgical]\nfolder = 'operated'\n", "40")):
        study = open_study(write_study(tmp_path, text=more))
        assert "1 run" in str(run_study(study, progress=io.StringIO()))
        page = (tmp_path / "reports" / "mine" / "report.html").read_text(encoding="utf-8")
        assert f'<pre class="">{patients}\n</pre>' in page
    (tmp_path / "operated" / "new.txt").write_text("x", encoding="utf-8")
    folder_hash.cache_clear()
    assert why_stale(study, study.notebooks[0], read_state(study)) == ["the cohort changed"]


def test_cells_whose_table_is_absent_are_left_out_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "patients.csv").write_text("patient_id,sex\n1,female\n", encoding="utf-8")
    notebook = write_notebook(tmp_path / "notebooks", "a_part", ["print('here')", "1 / 0", "2 / 0", "print('again')"])
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for place in (2, 3):
        content["cells"][place]["metadata"] = {"fbss": {"needs": ["dispensings"]}}
    notebook.write_text(json.dumps(content), encoding="utf-8")
    assert "1 run" in str(run_study(open_study(write_study(tmp_path)), progress=io.StringIO()))
    page = (tmp_path / "reports" / "mine" / "report.html").read_text(encoding="utf-8")
    assert page.count("Not run: the cohort has no dispensings.") == 1
    assert "here" in page
    assert "again" in page


def test_a_study_is_found_upwards_and_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FBSS_STUDY", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no study\.toml here or in a folder above"):
        open_study()
    (tmp_path / "cohort").mkdir()
    write_notebook(tmp_path / "notebooks", "a_good", GOOD)
    file = write_study(tmp_path)
    monkeypatch.chdir(tmp_path / "notebooks")
    assert open_study().file == file.resolve()
    monkeypatch.chdir("/")
    monkeypatch.setenv("FBSS_STUDY", str(file))
    study = open_study()
    assert study.folder == tmp_path / "reports" / "local"
    assert study.notebook == "by_hand"
    assert repr(study) == "Study(A small study: cohort cohort, 1 notebook, results in reports/mine.)"


def test_write_result_takes_results_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FBSS_RUN", raising=False)
    (tmp_path / "cohort").mkdir()
    write_notebook(tmp_path / "notebooks", "a_good", GOOD)
    study = open_study(write_study(tmp_path))
    source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    with pytest.raises(InputError, match="a frame may hold patients' rows"):
        write_result(cohort.frame, study=study, name="rows")
    with pytest.raises(InputError, match="A int is no result"):
        write_result(1, study=study, name="number")
    with pytest.raises(InputError, match="use letters, digits and underscores"):
        write_result(cohort, study=study, name="../up")
    write_result(cohort, study=study, name="flow")
    written = (tmp_path / "reports" / "local" / "tables" / "by_hand_flow.csv").read_text(encoding="utf-8")
    assert not any(str(patient) in written for patient in cohort.frame["patient_id"])


def test_results_carry_their_method_and_estimates(tmp_path: Path) -> None:
    (tmp_path / "cohort").mkdir()
    write_notebook(tmp_path / "notebooks", "a_good", GOOD)
    study = open_study(write_study(tmp_path))
    people = pd.DataFrame({"days": [3.0, 4.0, 7.0, 9.0] * 10, "is_out": [True, True, False, True] * 10})
    curve = fbss.estimate_survival(people, duration="days", status="is_out", event="out")
    fit = fbss.fit_cox(people.assign(x=[1, 3, 2, 4] * 10), duration="days", status="is_out", event="out", formula="x")
    write_result(curve, study=study, name="curve")
    write_result(fit, study=study, name="fit")
    write_result(fbss.table_risk(curve, days=[7]), study=study, name="risk")
    folder = tmp_path / "reports" / "local"
    notes = json.loads((folder / ".by_hand.results.json").read_text(encoding="utf-8"))
    assert set(notes) == {"curve", "fit", "risk"}
    assert notes["fit"]["method"] == fit.method
    assert notes["fit"]["estimates"][0]["measure"] == "HR"
    assert notes["fit"]["estimates"][0]["estimate"] == float(f"{fit.estimates['estimate'].iloc[0]:.6g}")
    assert list(pd.read_csv(folder / "tables" / "by_hand_fit.csv")["term"]) == ["x"]


def test_a_report_shows_errors_warnings_and_text(tmp_path: Path) -> None:
    import nbformat

    outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="StudyWarning: a <b> c"),
        nbformat.v4.new_output("error", ename="DataError", evalue="what to do"),
        nbformat.v4.new_output("execute_result", data={"text/plain": "1 < 2"}),
    ]
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 < 2", outputs=outputs)])
    page = fbss.write_report({"n": node}, file=tmp_path / "r.html", title="T", facts=[("a", "b & c")]).read_text(
        "utf-8"
    )
    assert '<pre class="warning">StudyWarning: a &lt;b&gt; c</pre>' in page
    assert '<p class="warning">DataError: what to do</p>' in page
    assert "<pre>1 &lt; 2</pre>" in page
    assert "<th>a</th><td>b &amp; c</td>" in page


def test_outputs_do_not_depend_on_the_timing_of_the_kernel(tmp_path: Path) -> None:
    root = tmp_path
    fbss.simulate("neuromodulation", n_patients=20, seed=1, folder=root / "cohort")
    noisy = "import sys, warnings\nfor i in range(20):\n    print(i)\n    print(i, file=sys.stderr)\n7"
    write_notebook(root / "notebooks", "a_noisy", [noisy])
    run_study(open_study(write_study(root)), progress=io.StringIO())
    executed = json.loads((root / "reports" / "mine" / "notebooks" / "a_noisy.ipynb").read_text(encoding="utf-8"))
    outputs = executed["cells"][1]["outputs"]
    assert [output.get("name", "shown") for output in outputs] == ["stderr", "stdout", "shown"]
    assert outputs[0]["text"] == outputs[1]["text"] == "".join(f"{i}\n" for i in range(20))


def test_written_numbers_carry_six_digits() -> None:
    frame = pd.DataFrame({"x": [0.123456789, 1234567.0], "n": [1, 2], "words": ["a", "b"]})
    assert round_numbers(frame)["x"].tolist() == [0.123457, 1234570.0]
