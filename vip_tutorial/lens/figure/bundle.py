"""Join the JavaScript modules of a widget into one script.

The modules are plain ES modules and run as they are.  anywidget, a page opened from
disk and the build's JavaScript engine each need a single script instead.  There each
module is a function that has run, after those that it imports:

    const $words = (() => { ...; return { tuple, birthName }; })();

So its names stay its own.
"""

import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[\w./-]*)";\n', re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?=(?:async )?(?:function\*?|class|const|let) (\w+))", re.MULTILINE
)
# Comments are for who reads the modules; a page need not carry them.
_COMMENT = re.compile(r"^ *(?://[^\n]*|/\*\*(?:(?!\*/)[\s\S])*\*/ *)\n", re.MULTILINE)
# At the end of a line: after what ends no text, and with nothing in it that begins one.
_REMARK = re.compile(r"(?<=[;,{}(\[]) +// [^\n'\"`]*$", re.MULTILINE)

# In HTML, and nowhere else is a text longer than a line, this is a space as any other.
_INDENT = re.compile(r"^ +", re.MULTILINE)


def bundle(*entries: Path) -> str:
    """Source of the modules `entries` and all that they import, as one script.

    Args:
        *entries: Files.  What one exports stands in the constant that has the file's
            name after a "$".

    Raises:
        ValueError: If modules import each other in a circle, if one imports what
            another does not export, if two have one name, or an import or export is of
            another form than `import { a, b as c } from "./x.js";`.
    """
    exports: dict[Path, list[str]] = {}
    parts: list[str] = []
    for entry in entries:
        _add(entry.resolve(), (), exports, parts)
    return "\n".join(parts)


def constant(file: str | Path) -> str:
    """The constant that holds what a module exports, in a script that `bundle` made."""
    return f"${Path(file).stem}"


def _add(
    file: Path,
    importers: tuple[Path, ...],
    exports: dict[Path, list[str]],
    parts: list[str],
) -> None:
    """Add a module to `parts`, after those that it imports."""
    if file in importers:
        circle = [*importers[importers.index(file) :], file]
        raise ValueError(
            f"modules import each other in a circle: {_chain(circle)}; move what both "
            "need into a module of its own"
        )
    if file in exports:
        return
    if not file.is_file():
        raise ValueError(f"there is no module {_chain([*importers, file])}")
    source = file.read_text(encoding="utf-8")
    for names, path in _IMPORT.findall(source):
        origin = (file.parent / path).resolve()
        _add(origin, (*importers, file), exports, parts)
        taken = [name.split(" as ")[0].strip() for name in names.split(",")]
        if missing := {*taken, ""} - {*exports[origin], ""}:
            raise ValueError(
                f"{file.name} imports {', '.join(sorted(missing))} from {origin.name}, "
                f"which exports {', '.join(sorted(exports[origin])) or 'nothing'}"
            )
    if double := next((other for other in exports if other.stem == file.stem), None):
        raise ValueError(f"two modules have one name: {double} and {file}")
    exports[file] = _EXPORT.findall(source)
    parts.append(_scoped(file, source, exports[file]))


def _scoped(file: Path, source: str, exported: list[str]) -> str:
    """The module as a function that has run."""
    source = _INDENT.sub("", _REMARK.sub("", _COMMENT.sub("", source)))
    source = _EXPORT.sub("", _IMPORT.sub(_taken, source))
    if strange := re.search(r"^(?:import|export)\b.*", source, re.MULTILINE):
        raise ValueError(
            f"{file.name} has {strange[0]!r}; imports must be `import {{ a, b as c }} "
            'from "./x.js";`, and exports stand before what is declared'
        )
    return (
        f"// {file.name}\nconst {constant(file)} = (() => {{\n{source}"
        f"return {{ {', '.join(exported)} }};\n}})();\n"
    )


def _taken(found: re.Match[str]) -> str:
    names = re.sub(r"\s+as\s+", ": ", found[1].strip())
    return f"const {{ {names} }} = {constant(found[2])};\n"


def _chain(files: list[Path]) -> str:
    return " -> ".join(file.name for file in files)
