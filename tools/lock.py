"""Write `requirements.lock` and `tools/virtualenv.lock` again. Run it after changing a dependency in pyproject.toml.

    python3 tools/lock.py [--upgrade]

Without `--upgrade` the versions already recorded stay wherever they still fit. The locks hold for every Python from
3.11 and every system, name wheels only, carry hashes and no address of a package index; plain pip installs them.
"""

import os
import subprocess
import sys
import tempfile
import venv

UV = "uv==0.13.8"
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OPTIONS = (
    "--universal",
    "--python-version=3.11",
    "--only-binary=:all:",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--custom-compile-command=python3 tools/lock.py",
    "--quiet",
)


def compile_lock(uv: str, target: str, *options: str, requirements: str | None = None) -> None:
    """Resolve and write one lock; `requirements` is text that stands in for a file."""
    arguments = [uv, "pip", "compile", *OPTIONS, *options, "--output-file", target]
    subprocess.run(arguments, cwd=ROOT, check=True, input=requirements, text=True, stdout=subprocess.DEVNULL)


def main(options: list[str]) -> int:
    """Fetch the resolver into a throw-away environment and write both locks."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        scripts = os.path.join(folder, "Scripts" if os.name == "nt" else "bin")
        python = os.path.join(scripts, "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", UV], check=True)
        uv = os.path.join(scripts, "uv")
        compile_lock(uv, "requirements.lock", "--all-extras", *options, "pyproject.toml")
        compile_lock(uv, "tools/virtualenv.lock", "--no-annotate", *options, "-", requirements="virtualenv\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
