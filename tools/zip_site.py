"""Pack the built site into one file, to be handed out: `make zip`.

The same site gives the same bytes, so that a published checksum can be checked.
"""

import hashlib
import re
import sys
import zipfile
from pathlib import Path

FIRST_DAY = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # of the format; when a file was made is nobody's need


def version(root: Path) -> str:
    """The package's, as its `__init__.py` says it."""
    text = (root / "vip_tutorial/__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)[1]


def pack(site: Path, target: Path) -> str:
    """Write the zip, all of it in one folder named like it, and a checksum beside it.

    Args:
        site: The folder of the built site.
        target: The file to write, ".zip"; "sha256sum -c" reads the one beside it.

    Returns:
        The checksum.

    Raises:
        FileNotFoundError: If there is no site.
    """
    if not (site / "index.html").is_file():
        raise FileNotFoundError(f"{site} holds no built site: run `make book` first")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(site.rglob("*")):
            if file.is_file():
                name = f"{target.stem}/{file.relative_to(site).as_posix()}"
                entry = zipfile.ZipInfo(name, FIRST_DAY)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                packed.writestr(entry, file.read_bytes())
    checksum = hashlib.sha256(target.read_bytes()).hexdigest()
    beside = target.with_suffix(".zip.sha256")
    beside.write_text(f"{checksum}  {target.name}\n", encoding="utf-8")
    return checksum


if __name__ == "__main__":
    built = Path(sys.argv[1])
    root = Path(__file__).parents[1]
    target = built.parent / f"vip-tutorial-{version(root)}.zip"
    checksum = pack(built, target)
    print(f"{target}  {target.stat().st_size / 1e6:.1f} MB\nsha256 {checksum}")
