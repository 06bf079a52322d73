"""Pin everything that the requirements pull in, on every platform.

requirements.txt has two parts.  The first, written by hand, is what the project asks
for.  The second is all that those packages need in turn; this script writes it from
what is installed:

    python tools/pins.py           write the second part
    python tools/pins.py --check   say what is missing from it, or too much

Windows and macOS need a few packages that Linux does not.  The script finds their
names in the metadata of the installed packages; their versions, which no environment
here can know, stay as the file has them.
"""

import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

FILE = Path(__file__).parents[1] / "requirements.txt"
HEADING = "# What that pulls in"

PLATFORMS = {
    "linux": {"platform_system": "Linux", "os_name": "posix"},
    "darwin": {"platform_system": "Darwin", "os_name": "posix"},
    "win32": {"platform_system": "Windows", "os_name": "nt"},
}
MARKERS = {
    frozenset({"darwin"}): '; sys_platform == "darwin"',
    frozenset({"win32"}): '; sys_platform == "win32"',
    frozenset({"linux", "darwin"}): '; sys_platform != "win32"',
}
PYTHONS = ["3.11", "3.12", "3.13"]
TORCHS_OWN = ("cuda-", "nvidia-", "triton")


def read(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The versions in the two parts of requirements.txt, by canonical name."""
    parts = []
    for part in text.split(HEADING):
        lines = [line.partition("#")[0] for line in part.splitlines()]
        wanted = [Requirement(line) for line in lines if "==" in line]
        parts.append({canonicalize_name(r.name): str(r.specifier)[2:] for r in wanted})
    first, second = parts
    return first, second


def pulled_in(direct: list[str]) -> dict[str, frozenset[str]]:
    """What the direct requirements need in turn, and on which platforms."""
    found: dict[str, set[str]] = {}
    for platform, values in PLATFORMS.items():
        for python in PYTHONS:
            environment = {
                "sys_platform": platform,
                "python_version": python,
                "python_full_version": python + ".0",
                **values,
            }
            for name in _closure(direct, environment):
                found.setdefault(name, set()).add(platform)
    return {
        name: frozenset(platforms)
        for name, platforms in sorted(found.items())
        if name not in direct
    }


def _closure(direct: list[str], environment: dict[str, str]) -> set[str]:
    todo = [(canonicalize_name(name), "") for name in direct]
    seen = set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen or name.startswith(TORCHS_OWN):
            continue
        seen.add((name, extra))
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # a package of another platform
        for line in lines:
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate(
                {**environment, "extra": extra}
            ):
                for wanted_extra in ["", *wanted.extras]:
                    todo.append((canonicalize_name(wanted.name), wanted_extra))
    return {name for name, extra in seen}


def disagreements(text: str) -> list[str]:
    """What is missing from the pins, too much, or does not run on some Python."""
    direct, pinned = read(text)
    needed = pulled_in(list(direct))
    found = [f"{name} is needed but not pinned" for name in needed.keys() - pinned]
    found += [f"{name} is pinned but not needed" for name in pinned.keys() - needed]
    for name in [*direct, *pinned]:
        try:
            wanted = metadata.metadata(name).get("Requires-Python", "")
        except metadata.PackageNotFoundError:
            continue
        for python in PYTHONS:
            # The first release of each: Debian 12 has 3.11.2, for one.
            if python + ".0" not in SpecifierSet(wanted):
                found.append(f"{name} does not run on {python}.0: it wants {wanted}")
    return sorted(found)


def write(text: str) -> str:
    """The text of requirements.txt with its second part made anew."""
    direct, pinned = read(text)
    lines = []
    for name, platforms in pulled_in(list(direct)).items():
        try:
            # A local part (2.13.0+cpu) names one machine's build.
            version = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            version = pinned.get(name)
        if version is None:
            where = " and ".join(sorted(platforms))
            sys.exit(f"{name} is needed on {where}: write {name}==VERSION by hand once")
        lines.append(f"{name}=={version}{MARKERS.get(platforms, '')}\n")
    first, _, rest = text.partition(HEADING)
    comment = [line for line in rest.splitlines(keepends=True) if "==" not in line]
    return first + HEADING + "".join(comment + lines)


if __name__ == "__main__":
    present = FILE.read_text(encoding="utf-8")
    if sys.argv[1:] == ["--check"]:
        sys.exit("\n".join(disagreements(present)) or None)
    FILE.write_text(write(present), encoding="utf-8")
