"""The repository's address: kept in one place, set everywhere.

    make repo URL=https://github.com/YOUR-NAME/YOUR-FORK

`_config.yml` holds the address (`repository: url:`).  Badges, launch buttons, links,
citation and the first cell of every notebook repeat it, because the programs that read
them can't look it up.  This script sets all of them; `tests/test_repository.py` fails
where one disagrees.

Needs nothing but Python, so that a fork can be set up before anything is installed.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Where the old address is replaced by the new one, whatever it stands in.
FILES = [
    "_config.yml",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "README.md",
    "pyproject.toml",
    "book/**/*.ipynb",
    "book/**/*.md",
    "book/setup_cell.py",
]

# What can only be this project's own address, wherever it points now.  Each must be
# there: a place that is no longer found is no longer kept in step either.
_URL = r"https://github\.com/[\w.-]+/[\w.-]+?"
_SLUG = r"[\w.-]+/[\w.-]+?"
_PAGES = r"https://[\w-]+\.github\.io/[\w.-]*?/?"
PLACES = [
    # file, pattern around the address, form of the address
    ("_config.yml", rf"^ +(?:url|repository_url): *({_URL})(?= *(?:#.*)?$)", "url"),
    ("CITATION.cff", rf"^repository-code: *\"({_URL})\"", "url"),
    ("CITATION.cff", rf"^url: *\"({_PAGES})\"", "pages"),
    ("README.md", rf"\bgit clone ({_URL})(?:\.git)?$", "url"),
    ("README.md", rf"({_URL})/actions/", "url"),
    ("README.md", rf"colab\.research\.google\.com/github/({_SLUG})/", "slug"),
    ("README.md", rf"({_PAGES})(?=[\s)>])", "pages"),
    ("pyproject.toml", rf"^Homepage = \"({_PAGES})\"", "pages"),
    ("pyproject.toml", rf"^Repository = \"({_URL})\"", "url"),
    ("book/setup_cell.py", rf"^REPOSITORY = \"({_URL})\"", "url"),
    ("book/**/*.ipynb", rf"REPOSITORY = \\\"({_URL})\\\"", "url"),
]


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub, and the forms in which its address is written."""

    owner: str
    name: str

    @property
    def slug(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def url(self) -> str:
        return f"https://github.com/{self.slug}"

    @property
    def pages(self) -> str:
        """Where GitHub Pages shows the site."""
        host = f"{self.owner.lower()}.github.io"
        return f"https://{host}/" + ("" if self.name == host else f"{self.name}/")


def parse(url: str) -> Repository:
    """The repository that a URL names.

    Raises:
        ValueError: If it is not the https address of a repository on GitHub; the
            message says what is wrong with it.
    """
    given = url.strip()
    wanted = "give it as https://github.com/OWNER/NAME"
    if not given:
        raise ValueError("no URL: make repo URL=https://github.com/YOUR-NAME/YOUR-FORK")
    if given.startswith(("git@", "ssh://")):
        raise ValueError(
            f"{given} is an ssh address, which readers can't use; {wanted}"
        )
    if not given.startswith("https://"):
        raise ValueError(f"{given} does not start with https://; {wanted}")
    host, _, path = given.removeprefix("https://").partition("/")
    if host.lower() not in ("github.com", "www.github.com"):
        raise ValueError(
            f"{given} is not on github.com, the one host whose notebooks Colab opens "
            f"and whose badges and Pages the project uses; {wanted}"
        )
    match path.rstrip("/").removesuffix(".git").split("/"):
        case [owner, name] if (
            re.fullmatch(r"[A-Za-z0-9](?:-?[A-Za-z0-9])*", owner)
            and re.fullmatch(r"[\w.-]+", name, re.ASCII)
            and name.strip(".")
        ):
            return Repository(owner, name)
    raise ValueError(f"{given} does not name an owner and a repository; {wanted}")


def setting(key: str, root: Path = ROOT) -> str:
    """A value under `repository:` in _config.yml.

    Raises:
        LookupError: If there is none.
    """
    # By line, not through a YAML library, which Python does not bring.
    inside = False
    for line in (root / "_config.yml").read_text(encoding="utf-8").splitlines():
        if re.match("[^\\s#]", line):
            inside = line.startswith("repository:")
        found = re.match(rf"\s+{key}:\s*[\"']?([^\s\"'#]+)", line)
        if inside and found:
            return found[1]
    raise LookupError(f"_config.yml has no `{key}:` under `repository:`")


def current(root: Path = ROOT) -> Repository:
    """The repository that _config.yml names."""
    return parse(setting("url", root))


def disagreements(root: Path = ROOT) -> list[str]:
    """Every place that does not have the address of _config.yml, as a sentence."""
    right = current(root)
    found = []
    for glob, pattern, form in PLACES:
        expected = getattr(right, form)
        for path in sorted(root.glob(glob)):
            text = path.read_text(encoding="utf-8")
            name = path.relative_to(root).as_posix()
            matches = list(re.finditer(pattern, text, re.MULTILINE))
            if not matches:
                found.append(f"{name} has nothing like {pattern}")
            for match in matches:
                if match[1] != expected:
                    line = text.count("\n", 0, match.start(1)) + 1
                    found.append(
                        f"{name}, line {line}: {match[1]}, but _config.yml makes it "
                        f"{expected}"
                    )
    return found


def point_at(new: Repository, root: Path = ROOT) -> list[str]:
    """Set the address everywhere.

    Returns:
        The names of the files that changed.
    """
    old = current(root)
    changed = {}
    for path in sorted({path for glob in FILES for path in root.glob(glob)}):
        before = path.read_text(encoding="utf-8")
        after = before
        for form in ("url", "pages", "slug"):
            # A longer name that merely begins like ours is another repository.
            ours = re.escape(getattr(old, form)) + r"(?![\w-]|\.(?!git\b)\w)"
            if form == "slug":
                ours = r"(?<=/github/)" + ours
            after = re.sub(ours, getattr(new, form), after)
        for glob, pattern, form in PLACES:
            if path in root.glob(glob):
                after = _substitute(pattern, getattr(new, form), after)
        if after != before:
            changed[path] = after
    # All or nothing: nothing is written before every file has been read.
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return [path.relative_to(root).as_posix() for path in changed]


def _substitute(pattern: str, address: str, text: str) -> str:
    def put(match: re.Match) -> str:
        start, end = match.start(1) - match.start(), match.end(1) - match.start()
        return match[0][:start] + address + match[0][end:]

    return re.sub(pattern, put, text, flags=re.MULTILINE)


if __name__ == "__main__":
    try:
        wanted = parse(sys.argv[1] if len(sys.argv) > 1 else "")
    except ValueError as error:
        sys.exit(f"Nothing was changed: {error}")
    for name in point_at(wanted):
        print(f"set in {name}")
    print(f"The repository is {wanted.url}; its site, {wanted.pages}")
