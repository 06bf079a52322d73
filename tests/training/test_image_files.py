"""Pictures from files: what a viewer shows, or a sentence; never something else."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from vip_tutorial.training import image_files
from vip_tutorial.training.image_files import class_names, pixels, read_folder

Image = pytest.importorskip("PIL.Image")

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
WIDTH = HEIGHT = 16


def saved(picture, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(mode: str = "RGB", left=RED, right=BLUE, size=(WIDTH, HEIGHT)):
    """A picture with a left and a right half."""
    picture = Image.new(mode, size, left)
    picture.paste(Image.new(mode, size, right), (size[0] // 2, 0))
    return picture


def png(bits: int, kind: int, left: bytes, right: bytes, **chunks: bytes) -> bytes:
    """A PNG of 16 x 16 pixels with two halves, chunk by chunk: Pillow can't write all.

    `left` and `right` are what the 8 pixels of each half have in the file.
    """
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, kind, 0, 0, 0)
    rows = zlib.compress(HEIGHT * (b"\0" + left + right))
    told = {"IHDR": head, **chunks, "IDAT": rows, "IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + (name := kind.encode())
        + data
        + struct.pack(">I", zlib.crc32(name + data))
        for kind, data in told.items()
    )


def turned(orientation: int) -> dict[str, object]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


def moving(kind: str, **options) -> bytes:
    first, second = Image.new("RGB", (4, 4), RED), Image.new("RGB", (4, 4), BLUE)
    return saved(first, kind, save_all=True, append_images=[second], **options)


NOISE = Image.fromarray(
    np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
)
DARK, LIGHT = (16, 16, 16), (240, 240, 240)
EIGHT = {"left": 8 * b"\x10", "right": 8 * b"\xf0"}
SIXTEEN = {"left": 8 * b"\x10\xff", "right": 8 * b"\xf0\0"}
TWO_COLOURS = {"PLTE": bytes(RED + BLUE)}
CLEAR_BLUE = halves("RGBA", (*RED, 255), (*BLUE, 0))
SHOWN = {  # what is in the file, and the colours of its left and right half
    "grey, 1 bit": (png(1, 0, b"\0", b"\xff"), (0, 0, 0), WHITE),
    "grey, 2 bits": (png(2, 0, b"\0\0", b"\x55\x55"), (0, 0, 0), (85, 85, 85)),
    "grey, 8 bits": (png(8, 0, **EIGHT), DARK, LIGHT),
    "grey, 16 bits": (png(16, 0, **SIXTEEN), DARK, LIGHT),
    "colour, 16 bits": (png(16, 2, 24 * b"\x10\0", 24 * b"\xf0\0"), DARK, LIGHT),
    "grey with alpha": (png(8, 4, 8 * b"\x10\xff", 8 * b"\x10\0"), DARK, WHITE),
    "grey with alpha, 16 bits": (
        png(16, 4, 8 * b"\x10\0\xff\xff", 8 * b"\x10\0\0\0"),
        DARK,
        WHITE,
    ),
    "a grey that is clear": (png(8, 0, **EIGHT, tRNS=b"\0\xf0"), DARK, WHITE),
    "a colour that is clear": (
        png(8, 2, 8 * bytes(RED), 8 * bytes(BLUE), tRNS=b"\0\0\0\0\0\xff"),
        RED,
        WHITE,
    ),
    "palette": (png(8, 3, 8 * b"\0", 8 * b"\1", **TWO_COLOURS), RED, BLUE),
    "palette, 1 bit": (png(1, 3, b"\0", b"\xff", **TWO_COLOURS), RED, BLUE),
    "palette, one clear": (
        png(8, 3, 8 * b"\0", 8 * b"\1", **TWO_COLOURS, tRNS=b"\xff\0"),
        RED,
        WHITE,
    ),
    "palette, half clear": (
        png(8, 3, 8 * b"\0", 8 * b"\1", **TWO_COLOURS, tRNS=b"\x80\xff"),
        (255, 127, 127),
        BLUE,
    ),
    "clear": (saved(CLEAR_BLUE, "PNG"), RED, WHITE),
    "clear WebP": (saved(CLEAR_BLUE, "WEBP", lossless=True), RED, WHITE),
    "clear GIF": (saved(CLEAR_BLUE, "GIF"), RED, WHITE),
    "JPEG": (saved(halves(), "JPEG", quality=100), RED, BLUE),
    "grey JPEG": (saved(halves("L", 16, 240), "JPEG", quality=100), DARK, LIGHT),
    "inks": (  # cyan takes away the red
        saved(halves("CMYK", (255, 0, 0, 0), (0, 0, 0, 255)), "JPEG", quality=100),
        (0, 255, 255),
        (0, 0, 0),
    ),
    "two pictures of a camera": (
        saved(halves(), "MPO", save_all=True, append_images=[NOISE], quality=100),
        RED,
        BLUE,
    ),
    "BMP": (saved(halves(), "BMP"), RED, BLUE),
    "upside down": (saved(halves(), "PNG", **turned(3)), BLUE, RED),
    "mirrored": (saved(halves(), "JPEG", **turned(2), quality=100), BLUE, RED),
    "lying": (
        saved(halves().transpose(Image.Transpose.ROTATE_90), "PNG", **turned(6)),
        RED,
        BLUE,
    ),
    "damaged EXIF": (
        saved(halves(), "JPEG", quality=100, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff"),
        RED,
        BLUE,
    ),
    "a film of one picture": (saved(halves(), "PNG", save_all=True), RED, BLUE),
    "wide": (saved(halves(size=(40, 16)), "PNG"), RED, BLUE),
    "high": (saved(halves(size=(16, 40)), "PNG"), RED, BLUE),
}


@pytest.mark.parametrize("kind", SHOWN)
def test_a_picture_is_what_a_viewer_shows(kind, tmp_path):
    content, left, right = SHOWN[kind]
    path = tmp_path / "picture.png"  # whatever it is
    path.write_bytes(content)
    got = pixels(path, 16)
    assert got.shape == (16, 16, 3) and got.dtype == torch.uint8
    for half, colour in ((got[:, :4], left), (got[:, -4:], right)):
        # JPEG and WebP round; a fault of ours is not of three steps in 255.
        torch.testing.assert_close(
            half, torch.tensor(colour).byte().expand(16, 4, 3), atol=3, rtol=0
        )


def test_16_bits_keep_their_range(tmp_path):
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)
    Image.fromarray(np.tile(ramp, (64, 1))).save(tmp_path / "a.png")
    got = pixels(tmp_path / "a.png", 64)[0, :, 0]
    assert torch.equal(got, torch.from_numpy(ramp.astype(np.int64) // 256).byte())


def test_the_middle_square_is_kept_and_made_small(tmp_path):
    """Of three squares beside each other, the second; with each pixel a mean."""
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16:2, 1] = wide[:, :8, 0] = wide[:, 16:, 2] = 200
    for picture in (wide, wide.transpose(1, 0, 2)):
        Image.fromarray(picture).save(tmp_path / "a.png")
        got = pixels(tmp_path / "a.png", 2).float()
        assert (got[..., 0] < 20).all() and (got[..., 2] < 20).all()
        assert ((got[..., 1] - 100).abs() < 20).all()


def of_zeros(size: int) -> bytes:
    """A PNG that says it has so many rows and columns."""
    content = png(8, 0, **EIGHT)
    head = b"IHDR" + struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    return content.replace(
        content[12:33], head + struct.pack(">I", zlib.crc32(head)), 1
    )


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
REFUSED = {
    "nothing": (b"", "it is none of PNG, JPEG, WEBP, BMP, GIF"),
    "text": (b"not a picture", "it is none of PNG"),
    "PostScript": (POSTSCRIPT, "it is none of PNG"),
    "another format": (saved(halves(), "PPM"), "it is none of PNG"),
    "moving GIF": (moving("GIF"), "it moves"),
    "moving PNG": (moving("PNG"), "it moves"),
    "moving WebP": (moving("WEBP"), "it moves"),
    "huge": (of_zeros(20_000), "400000000 pixels"),
    "large": (of_zeros(10_000), "100000000 pixels"),
    "a colour that there is not": (
        png(8, 3, 8 * b"\0", 8 * b"\2", **TWO_COLOURS),
        "the colour 2 of a palette of 2, .* damaged",
    ),
    "no palette": (png(1, 3, b"\0", b"\xff"), "of a palette of 0, .* damaged"),
    "a grey of 2 bits that is clear": (
        png(2, 0, b"\0\0", b"\x55\x55", tRNS=b"\0\1"),
        "stands for nothing, .* 8 bits",
    ),
    "a grey of 16 bits that is clear": (
        png(16, 0, **SIXTEEN, tRNS=b"\x10\xff"),
        "stands for nothing",
    ),
    "a colour of 16 bits that is clear": (
        png(16, 2, 24 * b"\x10\0", 24 * b"\xf0\0", tRNS=6 * b"\0"),
        "stands for nothing",
    ),
} | {
    f"half a {kind}": (content[: len(content) // 2], ": .")
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF")
    if (content := saved(NOISE, kind))
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_refused_in_words(kind, tmp_path):
    content, told = REFUSED[kind]
    path = tmp_path / "cat.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=told) as refused:
        pixels(path, 8)
    assert str(refused.value).startswith(f"{path}: ")


def test_no_other_program_looks_at_a_picture(tmp_path, monkeypatch):
    """A Ghostscript that is found notes that it was called."""
    program = tmp_path / "gs"
    program.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && { echo 10.0; exit 0; }\n'
        f"touch {tmp_path}/called; exit 1\n"
    )
    program.chmod(0o755)
    eps = pytest.importorskip("PIL.EpsImagePlugin")
    monkeypatch.setattr(eps, "gs_binary", str(program))
    path = tmp_path / "cat.png"
    path.write_bytes(POSTSCRIPT)
    with pytest.raises(subprocess.CalledProcessError), Image.open(path) as usual:
        usual.load()
    assert (tmp_path / "called").exists()  # so the trap works
    (tmp_path / "called").unlink()
    with pytest.raises(ValueError):
        pixels(path, 8)
    assert not (tmp_path / "called").exists()


# --- Folders --------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    """Blue and red pictures, none square, each of a lightness that tells its place."""
    for part, count in (("train", 3), ("val", 2)):
        for name, colour in (("red", (1, 0, 0)), ("blue", (0, 0, 1))):
            place = tmp_path / part / name
            place.mkdir(parents=True)
            for number in range(count):
                level = 50 * (number + 1)
                picture = Image.new("RGB", (20, 30), tuple(level * c for c in colour))
                picture.save(place / f"{number}.png")
    return tmp_path


def test_a_folder_is_read_in_the_order_of_the_alphabet(folder):
    # What no picture is, and no class.
    (folder / "train" / ".DS_Store").write_bytes(b"of a Mac")
    (folder / "train" / "red" / "._0.png").write_bytes(b"of a Mac, too")
    (folder / "train" / "red" / "notes.txt").write_text("of a person")
    (folder / "val" / ".ipynb_checkpoints").mkdir()
    (folder / "train" / "list.csv").write_text("")
    assert class_names(folder) == ["blue", "red"]
    for part, count in zip(read_folder(folder, 4), (3, 2)):
        assert part.images.shape == (2 * count, 3, 4, 4) and part.classes == 2
        assert part.labels.tolist() == count * [0] + count * [1]
        levels = 50 / 255 * torch.arange(1, count + 1)
        torch.testing.assert_close(part.images[:count, 2, 0, 0], levels)
        torch.testing.assert_close(part.images[count:, 0, 3, 3], levels)
        assert part.images[:, 1].max() == 0


def test_all_that_cannot_be_read_is_named_at_once(folder):
    broken = [
        folder / "train" / "red" / "1.png",
        folder / "val" / "blue" / "more.gif",
        folder / "val" / "red" / "folder.png",
        folder / "val" / "red" / "scan.tiff",
    ]
    broken[0].write_bytes(broken[0].read_bytes()[:-30])
    broken[1].write_bytes(moving("GIF"))
    broken[2].mkdir()
    broken[3].write_bytes(b"II*\0")
    with pytest.raises(
        ValueError, match=r"(?s)4 of 13 pictures .* anew as PNG or "
    ) as told:
        read_folder(folder, 4)
    lines = str(told.value).splitlines()
    assert [line.partition(": ")[0].strip() for line in lines[1:-1]] == [
        *map(str, broken)
    ]
    for number in range(30):
        (folder / "val" / "red" / f"x{number}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"(?s)34 of 43 .*and 14 more"):
        read_folder(folder, 4)


def move(folder, old, new):
    (folder / old).rename(folder / new)


@pytest.mark.parametrize(
    ("spoil", "error", "told"),
    [
        (lambda f: move(f, "val", "test"), FileNotFoundError, "no folder .*val: it mu"),
        (lambda f: move(f, "train/red", "train/rot"), ValueError, r"\['red', 'rot'\]"),
        (lambda f: (f / "train/red/0.png").rename(f / "train/0.png"), None, ""),
        (lambda f: (f / "train/grey").mkdir(), ValueError, r"only one .* \['grey'\]"),
        (
            lambda f: [(f / p / "grey").mkdir() for p in ("train", "val")],
            ValueError,
            "train.grey has no pictures: it must have files such as",
        ),
        (
            lambda f: [move(f, f"{p}/red", f"red{p}") for p in ("train", "val")],
            ValueError,
            r"has the classes \['blue'\]: .* two or more",
        ),
    ],
)
def test_a_folder_of_another_form(folder, spoil, error, told):
    spoil(folder)
    if error is None:
        assert len(read_folder(folder, 4)[0].labels) == 5
        return
    with pytest.raises(error, match=told):
        read_folder(folder, 4)


def test_more_than_memory_holds_is_refused_before_it_is_read(folder, monkeypatch):
    monkeypatch.setattr(image_files, "pixels", None)
    with pytest.raises(ValueError, match=r"10 pictures; of 9999 x 9999 .* 12\.0 GB"):
        read_folder(folder, 9999)


def test_without_pillow(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    for read in (lambda: read_folder(folder), lambda: pixels(folder / "a.png", 8)):
        with pytest.raises(ModuleNotFoundError, match="pip install pillow"):
            read()
