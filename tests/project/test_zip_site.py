"""The site in one file: the same bytes each time, and a checksum that fits."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

import vip_tutorial
from zip_site import pack, version


@pytest.fixture
def site(tmp_path):
    site = tmp_path / "html"
    (site / "book").mkdir(parents=True)
    (site / "index.html").write_text("<p>hello", encoding="utf-8")
    (site / "book/one.html").write_bytes(b"1" * 1000)
    return site


def test_the_same_site_gives_the_same_bytes(site, tmp_path):
    target = tmp_path / "book-1.zip"
    first = pack(site, target)
    os.utime(site / "index.html", (1, 1))
    (site / "index.html").chmod(0o600)
    assert pack(site, target) == first
    assert first == hashlib.sha256(target.read_bytes()).hexdigest()
    told = (tmp_path / "book-1.zip.sha256").read_text(encoding="utf-8")
    assert told == f"{first}  book-1.zip\n"
    with zipfile.ZipFile(target) as packed:
        assert packed.namelist() == ["book-1/book/one.html", "book-1/index.html"]
        assert packed.read("book-1/index.html") == b"<p>hello"
    (site / "index.html").write_text("<p>other", encoding="utf-8")
    assert pack(site, target) != first


def test_without_a_site_it_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `make book` first"):
        pack(tmp_path, tmp_path / "x.zip")


def test_it_is_named_after_the_version():
    assert version(Path(__file__).parents[2]) == vip_tutorial.__version__
