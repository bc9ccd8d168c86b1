"""TIFF stacks keep their values, compressed or not, big-endian, 8 bits or in colour."""

import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from burst.files.find import find_stacks
from burst.files.read import read_stack
from burst.records import StackError


def test_pages_are_mapped_frames(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "clip.tif", frames, photometric="minisblack")
    stack = read_stack(tmp_path / "clip.tif")
    assert isinstance(stack.frames, np.memmap)
    np.testing.assert_array_equal(stack.frames, frames)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"metadata": None},
        {"imagej": True},
        {"tile": (16, 16)},
    ],
)
def test_any_way_to_store_pages_reads_alike(
    tmp_path: Path, frames: np.ndarray, options: dict[str, object]
) -> None:
    tifffile.imwrite(tmp_path / "clip.tif", frames, photometric="minisblack", **options)
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.tif").frames, frames)


def test_axes_of_length_one_are_dropped(tmp_path: Path, frames: np.ndarray) -> None:
    hyperstack = frames[:, None, None]
    tifffile.imwrite(tmp_path / "clip.tif", hyperstack, imagej=True, metadata={"axes": "TZCYX"})
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.tif").frames, frames)


def test_eight_bits_are_linear_and_white_at_255(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(
        tmp_path / "clip.tif", (frames // 16).astype(np.uint8), photometric="minisblack"
    )
    sensor = read_stack(tmp_path / "clip.tif").sensor
    assert (sensor.white_level, sensor.transfer) == (255, "linear")


def test_colour_becomes_luminance(tmp_path: Path, frames: np.ndarray) -> None:
    color = np.repeat(frames[..., None], 3, axis=-1)
    tifffile.imwrite(tmp_path / "clip.tif", color, photometric="rgb")
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.tif").frames, frames)


def save_with_pillow(path: Path, frames: np.ndarray, compression: str, **tags: int) -> Path:
    pages = [Image.fromarray(frame) for frame in frames]
    info = {317: tags["predictor"]} if tags else {}
    pages[0].save(
        path, save_all=True, append_images=pages[1:], compression=compression, tiffinfo=info
    )
    return path


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("kind", ["grey", "bytes", "colour"])
def test_packed_pages_need_no_other_library(
    tmp_path: Path, frames: np.ndarray, compression: str, kind: str
) -> None:
    expected = frames if kind == "grey" else (frames // 16).astype(np.uint8)
    stored = np.repeat(expected[..., None], 3, axis=-1) if kind == "colour" else expected
    path = save_with_pillow(tmp_path / "clip.tif", stored, compression)
    np.testing.assert_array_equal(read_stack(path).frames, expected)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_differences_of_neighbours_are_summed(
    tmp_path: Path, frames: np.ndarray, compression: str
) -> None:
    path = save_with_pillow(tmp_path / "clip.tif", frames, compression, predictor=2)
    np.testing.assert_array_equal(read_stack(path).frames, frames)


def test_packing_that_no_library_undoes_is_told(tmp_path: Path, frames: np.ndarray) -> None:
    if importlib.util.find_spec("imagecodecs"):
        pytest.skip("imagecodecs decodes it")
    narrow = (frames // 16).astype(np.uint8)
    path = save_with_pillow(tmp_path / "clip.tif", narrow, "jpeg")
    with pytest.raises(StackError, match="found JPEG of 8 bits"):
        read_stack(path)


def test_pages_that_were_written_one_by_one_are_frames(tmp_path: Path, frames: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "clip.tif") as writer:
        for frame in frames:
            writer.write(frame)
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.tif").frames, frames)


@pytest.mark.parametrize("order", ["after", "before", "inside"])
@pytest.mark.parametrize("layout", ["pages", "files"])
def test_previews_are_no_frames(
    tmp_path: Path, frames: np.ndarray, order: str, layout: str
) -> None:
    def add(writer: tifffile.TiffWriter, frame: np.ndarray) -> None:
        def write_preview() -> None:
            small = (frame[::4, ::4] // 16).astype(np.uint8)
            writer.write(small, subfiletype=1, metadata=None)

        if order == "before":
            write_preview()
        writer.write(frame, metadata=None, subifds=1 if order == "inside" else 0)
        if order != "before":
            write_preview()

    if layout == "pages":
        with tifffile.TiffWriter(tmp_path / "clip.tif") as writer:
            for frame in frames:
                add(writer, frame)
    else:
        for k, frame in enumerate(frames):
            with tifffile.TiffWriter(tmp_path / f"{k}.tif") as writer:
                add(writer, frame)
    path = tmp_path if layout == "files" else tmp_path / "clip.tif"
    assert find_stacks([str(tmp_path)]) == [path]
    np.testing.assert_array_equal(read_stack(path).frames, frames)


@pytest.mark.parametrize(("end", "kind"), [(255, "u1"), (4095, "u2"), (65535, "u2")])
def test_min_is_white_rises_with_light(
    tmp_path: Path, frames: np.ndarray, end: int, kind: str
) -> None:
    light = (frames // 16 if kind == "u1" else frames).astype(kind)
    stored = (end - light).astype(kind)
    tifffile.imwrite(tmp_path / "clip.tif", stored, photometric="miniswhite")
    stack = read_stack(tmp_path / "clip.tif")
    np.testing.assert_array_equal(stack.frames, light)
    assert stack.sensor.white_level == end


def test_a_grey_palette_is_looked_up(tmp_path: Path, frames: np.ndarray) -> None:
    light = (frames // 16).astype(np.uint8)
    table = np.repeat((np.arange(255, -1, -1) * 257).astype(np.uint16)[None], 3, 0)
    tifffile.imwrite(tmp_path / "clip.tif", 255 - light, photometric="palette", colormap=table)
    stack = read_stack(tmp_path / "clip.tif")
    np.testing.assert_array_equal(stack.frames, light)
    assert stack.sensor.white_level == 255


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colours_lie_beside_or_behind_one_another(
    tmp_path: Path, frames: np.ndarray, planar: str
) -> None:
    colour = np.repeat(frames[:, None], 3, axis=1)
    colour = np.moveaxis(colour, 1, -1).copy() if planar == "contig" else colour
    tifffile.imwrite(tmp_path / "clip.tif", colour, photometric="rgb", planarconfig=planar)
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.tif").frames, frames)


@pytest.mark.parametrize("scale", [1, 4095])
def test_floats_keep_their_light(tmp_path: Path, frames: np.ndarray, scale: int) -> None:
    values = (frames / 4095 * scale + scale * 1e-5).astype(np.float32)
    tifffile.imwrite(tmp_path / "clip.tif", values, photometric="minisblack")
    stack = read_stack(tmp_path / "clip.tif")
    np.testing.assert_allclose(
        stack.frames / stack.sensor.white_level, values / scale, atol=1 / 65535
    )


def test_signed_pages_are_read(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "clip.tif", frames.astype(np.int16), photometric="minisblack")
    np.testing.assert_array_equal(read_stack(tmp_path / "clip.tif").frames, frames)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits_say_where_white_is(tmp_path: Path, frames: np.ndarray, bits: int) -> None:
    values = frames >> 2 if bits == 10 else frames
    digits = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    packed = np.packbits(digits.reshape(*values.shape[:2], -1).astype(np.uint8), axis=-1)
    (tmp_path / "clip.tif").write_bytes(pages_of_bits(packed, values.shape[2], bits))
    stack = read_stack(tmp_path / "clip.tif")
    np.testing.assert_array_equal(stack.frames, values)
    assert stack.sensor.white_level == 2**bits - 1


def pages_of_bits(packed: np.ndarray, width: int, bits: int) -> bytes:
    """Return a TIFF of pages [n, h, bytes of a row] whose values are no whole bytes."""
    content, link = bytearray(b"II*\0\0\0\0\0"), 4
    for page in packed:
        data, place = page.tobytes(), len(content)
        content += data + b"\0" * (len(data) % 2)
        tags = {
            256: width, 257: len(page), 258: bits, 259: 1, 262: 1, 273: place, 277: 1,
            278: len(page), 279: len(data),
        }  # fmt: skip
        content[link : link + 4] = struct.pack("<I", len(content))
        content += struct.pack("<H", len(tags))
        content += b"".join(struct.pack("<HHII", code, 4, 1, v) for code, v in tags.items())
        link = len(content)
        content += bytes(4)
    return bytes(content)


def test_a_mosaic_tells_its_colours(tmp_path: Path, frames: np.ndarray) -> None:
    tags = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes((1, 0, 2, 1)), True)]
    with tifffile.TiffWriter(tmp_path / "clip.tif") as writer:
        for frame in frames:
            writer.write(frame, photometric=32803, extratags=tags)
    assert read_stack(tmp_path / "clip.tif").sensor.cfa == "GRBG"


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_channels_are_no_frames(tmp_path: Path, frames: np.ndarray, kind: str) -> None:
    channels = np.stack([frames, frames], axis=1)
    path = tmp_path / "clip.ome.tif"
    tifffile.imwrite(path, channels, imagej=kind == "imagej", metadata={"axes": "TCYX"})
    with pytest.raises(StackError, match="found 2 channels of one picture"):
        read_stack(path)


def test_imagej_tells_the_time_between_frames(tmp_path: Path, frames: np.ndarray) -> None:
    about = {"axes": "TYX", "finterval": 0.02}
    tifffile.imwrite(tmp_path / "clip.tif", frames, imagej=True, metadata=about)
    assert read_stack(tmp_path / "clip.tif").sensor.frame_time == 0.02


@pytest.mark.parametrize("share", [0.6, 0.95])
@pytest.mark.parametrize("way", ["loop", "whole", "zlib"])
def test_a_cut_file_is_told(tmp_path: Path, frames: np.ndarray, way: str, share: float) -> None:
    path = tmp_path / "clip.tif"
    with tifffile.TiffWriter(path) as writer:
        if way == "loop":
            for frame in frames:
                writer.write(frame)
        else:
            compression = "zlib" if way == "zlib" else None
            writer.write(frames, photometric="minisblack", compression=compression)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(StackError, match=r"clip\.tif: expected .* Save it again"):
        read_stack(path)


def test_a_folder_may_spell_the_suffix_in_two_ways(tmp_path: Path, frames: np.ndarray) -> None:
    for k, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"{k}.{'tif' if k % 2 else 'TIFF'}", frame)
    np.testing.assert_array_equal(read_stack(tmp_path).frames, frames)


def test_orientation_is_carried_and_frames_stay_as_recorded(
    tmp_path: Path, frames: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    for k, frame in enumerate(frames):
        tags = [(274, "H", 1, 6 if k < 2 else 8, True)]
        tifffile.imwrite(tmp_path / f"{k}.tif", frame, extratags=tags)
    stack = read_stack(tmp_path)
    np.testing.assert_array_equal(stack.frames, frames)
    assert stack.sensor.orientation == 6
    assert "its frames have the orientations 6, 8" in caplog.text
