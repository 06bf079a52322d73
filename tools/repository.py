"""Point the project at another repository: its address, everywhere.

    make repo URL=https://github.com/YOUR-NAME/YOUR-FORK

The address stands in `_config.yml`.  Badges, launch buttons, links, the citation and
the first cell of every notebook repeat it, because the programs that read them can't
look it up.  It is replaced in every text file that git knows.

Needs Python and git alone, so that a fork can be set up before anything is installed.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OWNER, _NAME = r"[A-Za-z0-9](?:-?[A-Za-z0-9])*", r"[A-Za-z0-9_-][A-Za-z0-9_.-]*?"
_ADDRESS = rf"https://(?:www\.)?github\.com/({_OWNER})/({_NAME})(?:\.git)?/?"


def forms(url: str) -> list[str]:
    """A repository's address as it is written: itself, the site, in Colab, the folder.

    Raises:
        ValueError: If it is not the https address of a repository on GitHub.
    """
    found = re.fullmatch(_ADDRESS, url.strip())
    if not found:
        raise ValueError(
            f"{url.strip() or 'nothing'} was given; needed is the https address of a "
            "repository on GitHub, whose notebooks Colab opens: "
            "make repo URL=https://github.com/YOUR-NAME/YOUR-FORK"
        )
    owner, name = found.groups()
    host = f"{owner.lower()}.github.io"
    site = f"https://{host}/" + ("" if name == host else f"{name}/")
    address, colab = f"https://github.com/{owner}/{name}", f"/github/{owner}/{name}/"
    return [address, site, colab, f"cd {name}"]


def current(root: Path = ROOT) -> str:
    """The address in _config.yml."""
    # Not through a YAML library, which Python does not bring.
    text = (root / "_config.yml").read_text(encoding="utf-8")
    return re.findall(r"(?m)^repository:\n(?: .*\n)*?  url: (\S+)", text)[0]


def point_at(url: str, root: Path = ROOT) -> list[str]:
    """Put another address in the place of the present one; returns what changed."""
    pairs = list(zip(forms(current(root)), forms(url)))
    command = ["git", "-C", root, "ls-files", "-z"]
    names = subprocess.check_output(command, text=True).split("\0")
    changed = []
    for path in (root / name for name in names if name):
        try:
            before = after = path.read_bytes().decode()
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture, or gone
        for old, new in pairs:
            # A longer name that begins like ours is another repository.
            end = "" if old.endswith("/") else r"(?![\w-])"
            after = re.sub(re.escape(old) + end, new, after)
        if after != before:
            path.write_bytes(after.encode())
            changed.append(path.relative_to(root).as_posix())
    return changed


if __name__ == "__main__":
    try:
        for name in point_at(sys.argv[1] if len(sys.argv) > 1 else ""):
            print(f"set in {name}")
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"Nothing was changed: {error}")
    print("The repository is {}; its site, {}".format(*forms(current())))
