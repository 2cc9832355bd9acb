"""Set up `.venv` once and run the project's commands in it. Standard library only, any Python from 3.11.

    python3 tools/bootstrap.py [setup | reproduce | test | check | lab | fbss] [arguments of the command]

`make` calls this script, so each command is written once, here. The environment is made again when the Python
changes, brought up to date when `requirements.lock` or the package's metadata change, and otherwise left alone.
`.venv/bootstrap-stamp` says what the environment was made from; it is written last, so a run that was killed is
noticed and made good by the next one.
"""

import sys

NEEDED = (3, 11)
if sys.version_info < NEEDED:
    # Before anything else, and in words that every Python 3 can read.
    sys.stderr.write(
        "set-up: this is Python %d.%d and fbss_analytics needs %d.%d or newer; install one and name it, for example "
        "`make setup PYTHON=python3.11`, or type `python3.11 tools/bootstrap.py`.\n" % (sys.version_info[:2] + NEEDED)
    )
    sys.exit(1)

import hashlib
import os
import tomllib

# What only the slow path needs (subprocess, shutil, ...) is imported there: nothing to do must cost next to nothing.

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WINDOWS = os.name == "nt"
UNFINISHED = "unfinished"

# One command is one or more argument lists for the environment's Python; all of them run, the worst exit code counts.
COMMANDS = {
    "setup": (),
    "reproduce": (("-m", "fbss_analytics", "run"),),
    "test": (("-m", "pytest", "--cov"),),
    "check": (("-m", "ruff", "check", "."), ("-m", "ruff", "format", "--check", "."), ("-m", "mypy")),
    "lab": (("-m", "fbss_analytics", "lab"),),
    "fbss": (("-m", "fbss_analytics"),),
}

# The first pair with a word found in pip's output explains a failure.
REASONS = (
    (("No space left on device", "Errno 28"), "the disk is full", "make room"),
    (
        ("DO NOT MATCH THE HASHES",),
        "a downloaded package is not the one that requirements.lock records",
        "check where your pip downloads from",
    ),
    (
        ("Connection", "Retrying", "name resolution", "timed out", "ProxyError", "SSLError", "unreachable"),
        "pip cannot reach its package index",
        "check the network or your pip settings",
    ),
    (
        ("No matching distribution",),
        "pip finds no ready-made package for this Python and machine",
        "use a Python from 3.11 to 3.13 (PYTHON=python3.11)",
    ),
    (("Permission denied", "Errno 13"), "a file of the project may not be written", "check who owns this folder"),
)


class SetupError(Exception):
    """Set-up cannot go on; the message is one sentence that says why and what to do."""


def say(text: str) -> None:
    """Write one progress line to stderr."""
    print(f"set-up: {text}", file=sys.stderr, flush=True)


def environment_python(folder: str) -> str:
    """Return the path of the Python inside the environment `folder`."""
    return os.path.join(folder, "Scripts", "python.exe") if WINDOWS else os.path.join(folder, "bin", "python")


def base_executable() -> str:
    """Return the Python outside any environment, so that one found through an active environment counts the same."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def digest(*parts: object) -> str:
    """Return a hash of the parts' printed forms."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()


def wanted_stamp(root: str) -> str:
    """Return the stamp of an up-to-date environment: a hash of where and by which Python, and a hash of what is in it.

    Of `pyproject.toml` only what changes an installation counts; the settings of the linters do not.
    """
    with open(os.path.join(root, "pyproject.toml"), "rb") as file:
        pyproject = tomllib.load(file)
    with open(os.path.join(root, "requirements.lock"), "rb") as file:
        lock = file.read()
    metadata = {key: value for key, value in pyproject["project"].items() if key not in ("description", "keywords")}
    made = digest(sys.version, base_executable(), root)
    packages = digest(lock, metadata, pyproject["build-system"], pyproject["tool"]["hatch"])
    return f"{made} {packages}"


def found_stamp(folder: str) -> str:
    """Return the stamp of the environment `folder`, empty when it has none."""
    try:
        with open(os.path.join(folder, "bootstrap-stamp"), encoding="ascii") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def write_stamp(folder: str, stamp: str) -> None:
    """Replace the stamp in one step, so that it is never half written."""
    path = os.path.join(folder, "bootstrap-stamp")
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(stamp)
    os.replace(path + ".new", path)


def is_ready(root: str) -> bool:
    """Tell whether the environment is complete and up to date. This is all that runs when nothing changed."""
    folder = os.path.join(root, ".venv")
    return found_stamp(folder) == wanted_stamp(root) and os.path.exists(environment_python(folder))


def clean_variables() -> "dict[str, str]":
    """Return the process's variables without those that would let other packages into the environment."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV")
    return {name: value for name, value in os.environ.items() if name not in dropped}


def explain(output: "list[str]") -> str:
    """Turn the output of a failed step into one sentence: the reason and the remedy."""
    text = "\n".join(output)
    for words, reason, remedy in REASONS:
        if any(word in text for word in words):
            return f"{reason}; {remedy}, then type the same command again"
    errors = [line for line in output if line.strip()]
    last = next((line for line in reversed(errors) if line.startswith("ERROR")), errors[-1] if errors else "no output")
    return f"a step failed ({last.strip()}); see .venv/bootstrap.log, then type the same command again"


def run_step(
    arguments: "list[str]", *, root: str, expected: int = 0, variables: "dict[str, str] | None" = None
) -> "list[str]":
    """Run a command quietly and return its output; for pip, report progress over the `expected` packages."""
    import contextlib
    import subprocess

    output, found = [], 0
    process = subprocess.Popen(
        arguments,
        cwd=root,
        env={**clean_variables(), **(variables or {})},
        close_fds=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line.rstrip())
            if line.startswith(("Collecting ", "Processing ")):
                found += 1
                if expected and found % 25 == 0:
                    say(f"  {found} of about {expected} packages found")
            elif line.startswith("Installing collected packages") and expected:
                say("  all packages found; unpacking them")
    if process.returncode != 0:
        with contextlib.suppress(OSError), open(os.path.join(root, ".venv", "bootstrap.log"), "w") as log:
            log.write("\n".join(output))
        raise SetupError(explain(output))
    return output


def pip_install(python: str, *options: str) -> "list[str]":
    """Return the command that installs with pip, quietly, asking nothing."""
    quiet = ("--no-input", "--disable-pip-version-check", "--no-warn-script-location", "--progress-bar", "off")
    return [python, "-m", "pip", "install", *quiet, *options]


def has(module: str) -> bool:
    """Tell whether the running Python could import `module`."""
    import importlib.util

    return importlib.util.find_spec(module) is not None


def start_folder(folder: str) -> None:
    """Make an empty `folder` that carries the mark of this script, in place of an earlier one of its own."""
    import shutil

    old = folder + ".old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.lexists(folder):
        # Renamed first: a removal that is killed half-way must not leave a folder that looks like someone else's.
        os.rename(folder, old)
        shutil.rmtree(old)
    os.mkdir(folder)
    write_stamp(folder, UNFINISHED)


def make_with_venv(root: str, folder: str) -> None:
    """Make the environment with the standard library's venv."""
    run_step([sys.executable, "-m", "venv", folder], root=root)


def make_with_virtualenv(root: str, folder: str) -> None:
    """Make the environment with the virtualenv that this Python can import."""
    run_step([sys.executable, "-m", "virtualenv", "--quiet", folder], root=root)


def make_with_fetched_virtualenv(root: str, folder: str) -> None:
    """Make the environment with a pinned virtualenv that this Python's pip fetches into a temporary folder."""
    import tempfile

    with tempfile.TemporaryDirectory() as store:
        say("  this Python lacks ensurepip; fetching virtualenv instead")
        lock = os.path.join(root, "tools", "virtualenv.lock")
        options = ("--target", store, "--require-hashes", "--only-binary", ":all:", "-r", lock)
        run_step(pip_install(sys.executable, *options), root=root)
        arguments = [sys.executable, "-m", "virtualenv", "--quiet", folder]
        run_step(arguments, root=root, variables={"PYTHONPATH": store})


def make_environment(root: str, folder: str) -> None:
    """Make an empty environment with pip in it, by the first way that works on this Python."""
    ways = (
        (has("venv") and has("ensurepip"), make_with_venv),
        (has("virtualenv"), make_with_virtualenv),
        (has("pip"), make_with_fetched_virtualenv),
    )
    failure = SetupError(
        "this Python has neither ensurepip nor virtualenv nor pip; install one of them (on Debian and Ubuntu: "
        "`sudo apt install python3-venv`), then type the same command again"
    )
    for possible, make in ways:
        if possible:
            try:
                start_folder(folder)
                return make(root, folder)
            except SetupError as error:
                failure = error
    raise failure


def install(root: str, folder: str) -> None:
    """Install the locked packages and then the project itself, editable."""
    python, lock = environment_python(folder), os.path.join(root, "requirements.lock")
    with open(lock, encoding="utf-8") as file:
        expected = sum("==" in line for line in file)
    say(f"installing about {expected} packages from requirements.lock (the first time this takes some minutes)")
    run_step(
        pip_install(python, "--no-compile", "--require-hashes", "--only-binary", ":all:", "-r", lock),
        root=root,
        expected=expected,
    )
    compile_packages(root, folder)
    run_step(pip_install(python, "--no-deps", "--no-build-isolation", "--editable", root), root=root)


def compile_packages(root: str, folder: str) -> None:
    """Compile the packages on every core, which pip would do on one."""
    import contextlib

    say("  compiling them")
    # A package may carry a file that does not compile; it is none that is imported.
    with contextlib.suppress(SetupError):
        run_step([environment_python(folder), "-m", "compileall", "-q", "-j", "0", folder], root=root)


def set_up(root: str) -> None:
    """Make `.venv`, or bring it up to date."""
    import time

    folder, wanted = os.path.join(root, ".venv"), wanted_stamp(root)
    found = found_stamp(folder)
    if not found and os.path.isdir(folder) and os.listdir(folder):
        raise SetupError(
            "the folder .venv was not made by this script and is left alone; move it away, then type the same command "
            "again"
        )
    began = time.monotonic()
    if found.split()[:1] == wanted.split()[:1] and os.path.exists(environment_python(folder)):
        say("requirements.lock or pyproject.toml changed; bringing .venv up to date")
        write_stamp(folder, UNFINISHED)
    else:
        say(f"making .venv with Python {sys.version.split()[0]}")
        make_environment(root, folder)
    install(root, folder)
    write_stamp(folder, wanted)
    say(f"done in {time.monotonic() - began:.0f} s")


def take_turn(descriptor: int) -> None:
    """Wait until no other set-up runs here. The turn ends with the last process that holds it, however that ends."""
    import fcntl

    # Inherited by pip, so that a pip whose bootstrap was killed is waited for and not worked against.
    os.set_inheritable(descriptor, True)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another set-up is at work in this folder; waiting for it")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def ensure_ready(root: str) -> None:
    """Set up unless that is done; two runs at the same time wait for each other."""
    if is_ready(root):
        return
    with open(os.path.join(root, ".venv.lock"), "w") as turn:
        if not WINDOWS:
            take_turn(turn.fileno())
        if not is_ready(root):
            set_up(root)


def leave_environment(root: str) -> None:
    """Start again under the Python outside `.venv` when run by the one inside, which may have to be removed."""
    inside = os.path.realpath(sys.prefix) == os.path.realpath(os.path.join(root, ".venv"))
    if inside and not WINDOWS and not is_ready(root):
        os.execv(base_executable(), [base_executable(), *sys.argv])


def run_command(root: str, name: str, extra: "list[str]") -> int:
    """Run one of COMMANDS in the environment and return its exit code; a single one takes over this process."""
    python = environment_python(os.path.join(root, ".venv"))
    variables = {**clean_variables(), "VIRTUAL_ENV": os.path.join(root, ".venv")}
    variables["PATH"] = os.pathsep.join([os.path.dirname(python), variables.get("PATH", os.defpath)])
    lists = [[python, *arguments] for arguments in COMMANDS[name]]
    os.chdir(root)
    if len(lists) == 1 and not WINDOWS:
        os.execve(python, [*lists[0], *extra], variables)
    if lists:
        import subprocess

        return max(subprocess.call([*arguments, *extra], env=variables) for arguments in lists)
    return 0


def main(arguments: "list[str]") -> int:
    """Set up, then run the command; return the exit code."""
    name, *extra = arguments or ["setup"]
    if name not in COMMANDS:
        sys.stderr.write(f"set-up: there is no command {name!r}; type one of {', '.join(COMMANDS)}.\n")
        return 2
    try:
        leave_environment(ROOT)
        ensure_ready(ROOT)
    except SetupError as error:
        say(f"{error}.")
        return 1
    except OSError as error:
        say(f"{explain([str(error)])}.")
        return 1
    except KeyboardInterrupt:
        say("stopped; type the same command again to go on.")
        return 130
    if name == "setup":
        say("ready; next: `make reproduce`, or `python3 tools/bootstrap.py reproduce`")
    return run_command(ROOT, name, extra)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
