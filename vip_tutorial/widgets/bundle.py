"""Join the JavaScript modules of a widget into one script.

The modules in `js/` are plain ES modules and run as they are.  anywidget, a page opened
from disk and the build's JavaScript engine each need a single script instead, so their
`import` lines are followed and taken out.  Names at the top of a module must therefore
be unique among all of them; a clash is an error.
"""

import re
from pathlib import Path

_JS = Path(__file__).parent / "js"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
# Comments are for who reads the modules; a page need not carry them.
_COMMENT = re.compile(r"^ *(?://[^\n]*|/\*\*.*?\*/ *)\n", re.MULTILINE | re.DOTALL)
_NAMES = re.compile(r"^(?:async )?(?:function\*?|class|const|let) (\w+)", re.MULTILINE)


def bundle(*entries: str) -> str:
    """Source of the modules `entries` and all that they import, without exports.

    Args:
        *entries: File names in `js/`, e.g. "permute_lens.js".

    Raises:
        ValueError: If two modules define the same name.
    """
    parts: dict[str, str] = {}
    for entry in entries:
        _add(entry, parts)
    owner: dict[str, str] = {}
    for file, source in parts.items():
        for name in _NAMES.findall(source):
            if name in owner:
                raise ValueError(f"{file} and {owner[name]} both define {name}")
            owner[name] = file
    return "\n".join(f"// {file}\n{source}" for file, source in parts.items())


def _add(file: str, parts: dict[str, str]) -> None:
    if file in parts:
        return
    source = (_JS / file).read_text(encoding="utf-8")
    for imported in _IMPORT.findall(source):
        _add(imported, parts)
    source = _COMMENT.sub("", _IMPORT.sub("", source))
    parts[file] = re.sub(r"^export ", "", source, flags=re.MULTILINE)
