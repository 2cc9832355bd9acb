"""The layers hold: a module imports only from earlier layers and its own package, and nothing heavy on import.

The order stands in one list, `layers` under `[tool.fbss_analytics]` in pyproject.toml. Imports are read from the
source, so that an import inside a function counts as well.
"""

import ast
import graphlib
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

PACKAGE = "fbss_analytics"
HEAVY = ("duckdb", "matplotlib", "numba", "formulaic", "scipy.stats", "lifelines", "statsmodels", "seaborn")
# The front door names everything, and the way in by `python -m` calls the command line: they stand above the layers.
ABOVE = {PACKAGE, f"{PACKAGE}.__main__"}

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
if not PYPROJECT.exists():
    pytest.skip("the order of the layers stands in the repository's pyproject.toml", allow_module_level=True)

FOLDER = PYPROJECT.parent / PACKAGE
LAYERS: list[str] = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"][PACKAGE]["layers"]


def modules(folder: Path) -> dict[str, Path]:
    """Return every module of the package at `folder` by its dotted name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(folder).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: Iterable[ast.AST], *, name: str, is_package: bool) -> Iterator[str]:
    """Yield the dotted names that these nodes import; for `from a import b` that is `a.b`."""
    for node in tree:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".") if is_package else name.split(".")[:-1]
            start = above[: len(above) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def import_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run when the module is imported: not function bodies, not what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            continue
        yield node
        yield from import_time_nodes(node)


def own_imports(folder: Path, *, at_import_time: bool = False) -> dict[str, set[str]]:
    """Return, for each module, the names within the package that it imports."""
    found: dict[str, set[str]] = {}
    for name, path in modules(folder).items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = import_time_nodes(tree) if at_import_time else ast.walk(tree)
        targets = imported(nodes, name=name, is_package=path.name == "__init__.py")
        found[name] = {target for target in targets if target.split(".")[0] == PACKAGE}
    return found


def layer_faults(folder: Path, layers: list[str]) -> list[str]:
    """Return one line for each import that breaks the order, and for each module that has no place in it."""
    faults = []
    for name, targets in own_imports(folder).items():
        if name in ABOVE:
            continue
        layer = name.split(".")[1]
        if layer not in layers:
            faults.append(f"{name} has no place in the list of layers")
            continue
        allowed = {*layers[: layers.index(layer)], layer}
        # The version is a constant of the front door, which itself imports nothing.
        for target in sorted(targets - {f"{PACKAGE}.__version__"}):
            if (target.split(".")[1:2] or [""])[0] not in allowed:
                faults.append(f"{name} imports {target}")
    return faults


def heavy_faults(folder: Path) -> list[str]:
    """Return one line for each heavy library that a module imports outside functions."""
    faults = []
    for name, path in modules(folder).items():
        nodes = import_time_nodes(ast.parse(path.read_text(encoding="utf-8")))
        for target in imported(nodes, name=name, is_package=path.name == "__init__.py"):
            faults += [f"{name} imports {heavy}" for heavy in HEAVY if f"{target}.".startswith(f"{heavy}.")]
    return faults


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package's modules that a test may spoil."""
    return Path(shutil.copytree(FOLDER, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__")))


def plant(copy: Path, module: str, source: str) -> None:
    path = copy / module
    path.write_text(path.read_text(encoding="utf-8") + f"\n\n{source}\n", encoding="utf-8")


def test_modules_import_only_from_earlier_layers() -> None:
    assert layer_faults(FOLDER, LAYERS) == []


def test_the_walk_sees_the_package() -> None:
    assert {"errors", "dates", "formats", "sources", "cohort", "cli"} <= {
        name.split(".")[1] for name in modules(FOLDER) if name not in ABOVE
    }


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("from fbss_analytics.cli import main", "fbss_analytics.cli.main"),
        ("import fbss_analytics.cli", "fbss_analytics.cli"),
        ("from . import cli", "fbss_analytics.cli"),
        ("from .cli import main", "fbss_analytics.cli.main"),
        ("def late():\n    from fbss_analytics.cli import main", "fbss_analytics.cli.main"),
        ("from fbss_analytics import simulate", "fbss_analytics.simulate"),
        ("import fbss_analytics", "fbss_analytics"),
    ],
)
def test_a_planted_upward_import_is_found(copy: Path, source: str, fault: str) -> None:
    before = layer_faults(copy, LAYERS)
    plant(copy, "dates.py", source)
    assert set(layer_faults(copy, LAYERS)) - set(before) == {f"{PACKAGE}.dates imports {fault}"}


def test_a_module_without_a_layer_is_found(copy: Path) -> None:
    (copy / "extras.py").write_text('"""Nothing."""\n', encoding="utf-8")
    assert f"{PACKAGE}.extras has no place in the list of layers" in layer_faults(copy, LAYERS)


def import_order(folder: Path) -> list[str]:
    """Return the modules in an order in which each follows those it imports; raise CycleError where there is none."""
    known = set(modules(folder))
    graph = {
        name: {target if target in known else target.rpartition(".")[0] for target in targets} & known - {name}
        for name, targets in own_imports(folder, at_import_time=True).items()
    }
    return list(graphlib.TopologicalSorter(graph).static_order())


def test_no_import_cycles() -> None:
    assert set(import_order(FOLDER)) == set(modules(FOLDER))


def test_a_planted_cycle_is_found(copy: Path) -> None:
    plant(copy, "sources/__init__.py", "from . import one")
    (copy / "sources/one.py").write_text("from .two import b\n", encoding="utf-8")
    (copy / "sources/two.py").write_text("from .one import a\n", encoding="utf-8")
    with pytest.raises(graphlib.CycleError):
        import_order(copy)


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules(FOLDER).items()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_heavy_library_is_imported_outside_functions() -> None:
    assert heavy_faults(FOLDER) == []


@pytest.mark.parametrize(
    ("source", "heavy"),
    [
        ("import lifelines", "lifelines"),
        ("from matplotlib.axes import Axes", "matplotlib"),
        ("from scipy import stats", "scipy.stats"),
        ("if True:\n    import scipy.stats as stats", "scipy.stats"),
    ],
)
def test_a_planted_heavy_import_is_found(copy: Path, source: str, heavy: str) -> None:
    plant(copy, "dates.py", source)
    assert heavy_faults(copy) == [f"{PACKAGE}.dates imports {heavy}"]


@pytest.mark.parametrize(
    "source",
    ["def draw():\n    import matplotlib", "if TYPE_CHECKING:\n    import matplotlib", "from scipy import special"],
)
def test_imports_in_functions_and_for_type_checkers_are_no_fault(copy: Path, source: str) -> None:
    plant(copy, "dates.py", source)
    assert heavy_faults(copy) == []


def loaded_after(statements: str) -> list[str]:
    """Return the heavy libraries that a fresh Python has loaded after `statements`."""
    program = f"import sys\n{statements}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_importing_the_package_loads_no_heavy_library() -> None:
    assert loaded_after(f"import {PACKAGE}") == []


def test_importing_every_module_loads_no_heavy_library() -> None:
    names = sorted(name for name in modules(FOLDER) if not name.endswith("__main__"))
    assert loaded_after("\n".join(f"import {name}" for name in names)) == []


def test_a_loaded_heavy_library_is_seen() -> None:
    assert loaded_after("import scipy.stats") == ["scipy.stats"]
