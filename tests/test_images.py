"""Images in: every kind of input, every stated rule, every refusal."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from perceptmetrics.errors import ImageError
from perceptmetrics.images import (
    MAX_PIXELS,
    ImageInput,
    is_single_image,
    iterate_images,
    load_image,
    load_picture,
)

Pixels = npt.NDArray[np.uint8]


def encoded(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def noise(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey_tiff(width: int, bits: int, photometric: int, data: bytes) -> bytes:
    """One row of unsigned grey, little endian, uncompressed (TIFF 6.0)."""
    tags = [(256, width), (257, 1), (258, bits), (259, 1), (262, photometric)]
    tags += [(273, 8 + 2 + 9 * 12 + 4), (277, 1), (278, 1), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + data


def reason(item: object, name: str | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(item, name=name)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- every kind of input -------------------------------------------------------------------


def test_every_kind_of_input_gives_the_same_pixels(tmp_path: Path) -> None:
    pixels = noise(5, 7, 3)
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(Image.fromarray(pixels)))
    chw = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    with path.open("rb") as file:
        kinds: dict[str, ImageInput] = {
            "str": str(path),
            "path": path,
            "bytes": path.read_bytes(),
            "file": file,
            "buffer": io.BytesIO(path.read_bytes()),
            "pil": Image.fromarray(pixels),
            "lazy pil": Image.open(path),
            "array": pixels,
            "strided array": np.repeat(pixels, 2, axis=0)[::2],
            "float array": pixels / 255,
            "tensor": chw,
            "float tensor": chw / 255,
            "tensor that needs a gradient": (chw / 255).requires_grad_(),
        }
        for kind, item in kinds.items():
            loaded = load_image(item)
            assert loaded.dtype == np.uint8, kind
            assert loaded.flags.c_contiguous, kind
            assert loaded.flags.writeable, kind
            np.testing.assert_array_equal(loaded, pixels, err_msg=kind)
        assert not file.closed


def test_the_result_is_not_shared_with_the_input() -> None:
    pixels = noise(4, 4, 3)
    before = pixels.copy()
    load_image(pixels)[:] = 0
    load_image(torch.from_numpy(pixels).permute(2, 0, 1))[:] = 0
    np.testing.assert_array_equal(pixels, before)


def test_a_file_object_is_read_from_its_start_and_a_pipe_as_it_comes() -> None:
    pixels = noise(3, 3, 3)
    data = encoded(Image.fromarray(pixels))
    buffer = io.BytesIO(data)
    buffer.seek(0, io.SEEK_END)
    np.testing.assert_array_equal(load_image(buffer), pixels)
    read_end, write_end = os.pipe()
    os.write(write_end, data)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        np.testing.assert_array_equal(load_image(pipe), pixels)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 4)])
def test_arrays_of_one_three_and_four_channels(shape: tuple[int, ...]) -> None:
    pixels = noise(*shape)
    loaded = load_image(pixels)
    assert loaded.shape == (6, 5, 3)
    if shape[2:] == (4,):
        alpha = pixels[..., 3:] / 255
        expected = np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    else:
        expected = np.broadcast_to(pixels.reshape(6, 5, -1), (6, 5, 3))
    np.testing.assert_array_equal(loaded, expected)
    tensor = torch.from_numpy(pixels)
    tensor = tensor if tensor.ndim == 2 else tensor.permute(2, 0, 1)
    np.testing.assert_array_equal(load_image(tensor), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_8_bit_value_survives_as_a_float(dtype: type) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(load_image((pixels / 255).astype(dtype))[..., 0], pixels)


def test_half_precision_tensors_are_read() -> None:
    pixels = noise(3, 4, 4)
    tensor = torch.from_numpy(pixels[:3]) / 255
    expected = pixels[:3].transpose(1, 2, 0).astype(int)
    np.testing.assert_array_equal(load_image(tensor.half()), expected)
    # bfloat16 has 8 significant bits: at most one level away.
    assert np.abs(load_image(tensor.bfloat16()) - expected).max() <= 1


def test_16_bit_and_bool_arrays_are_scaled() -> None:
    deep = np.array([[0, 128, 129, 257 * 7, 65535]], dtype=np.uint16)
    assert load_image(deep)[0, :, 0].tolist() == [0, 0, 1, 7, 255]
    assert load_image(np.array([[False, True]]))[0, :, 0].tolist() == [0, 255]


def test_floats_a_rounding_error_outside_the_range_are_clipped() -> None:
    assert load_image(np.array([[-1e-6, 1 + 1e-6]]))[0, :, 0].tolist() == [0, 255]


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_and_mode_reads_alike_from_png_and_from_memory(
    width: int, height: int, mode: str, seed: int
) -> None:
    rgba = Image.fromarray(noise(height, width, 4, seed=seed))
    image = rgba.convert("L").convert(mode) if mode == "I;16" else rgba.convert(mode)
    loaded = load_image(encoded(image))
    assert loaded.shape == (height, width, 3)
    np.testing.assert_array_equal(loaded, load_image(image))
    if mode == "RGB":
        np.testing.assert_array_equal(loaded, np.asarray(image))


# --- stated rules --------------------------------------------------------------------------

# What a viewer does to the stored pixels (EXIF 2.3, tag 0x0112), written in numpy.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(orientation: int, file_format: str) -> None:
    stored = noise(3, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, object] = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(Image.fromarray(stored), file_format, exif=exif, **options)
    if file_format == "JPEG":  # lossy: compare with the same file without its orientation
        stored = np.array(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(load_image(data), UPRIGHT[orientation](stored))
    np.testing.assert_array_equal(
        load_image(Image.open(io.BytesIO(data))), UPRIGHT[orientation](stored)
    )


def test_unreadable_exif_counts_as_none() -> None:
    pixels = noise(3, 5, 3)
    data = encoded(Image.fromarray(pixels), exif=b"Exif\0\0this is not TIFF")
    np.testing.assert_array_equal(load_image(data), pixels)


def test_alpha_is_composited_over_white() -> None:
    half = Image.new("RGBA", (1, 1), (200, 0, 100, 51))  # 51 / 255 = 0.2
    assert load_image(encoded(half))[0, 0].tolist() == [244, 204, 224]
    assert load_image(half)[0, 0].tolist() == [244, 204, 224]
    assert load_image(half.convert("RGBa"))[0, 0].tolist() == pytest.approx([244, 204, 224], abs=1)
    grey = Image.new("LA", (1, 1), (100, 51))
    assert load_image(encoded(grey))[0, 0].tolist() == [224, 224, 224]
    assert load_image(grey.convert("La"))[0, 0].tolist() == pytest.approx([224] * 3, abs=1)
    assert load_image(np.array([[[0.0, 0.0, 0.0, 0.0]]]))[0, 0].tolist() == [255, 255, 255]


def test_transparent_palette_and_key_colours_become_white() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    opaque = load_image(encoded(palette))
    assert opaque[0].tolist() == [[255, 0, 0], [0, 0, 255]]
    for file_format in ("PNG", "GIF"):
        clear = load_image(encoded(palette, file_format, transparency=1))
        assert clear[0].tolist() == [[255, 0, 0], [255, 255, 255]], file_format
    key = chunk(b"tRNS", struct.pack(">H", 40))
    assert load_image(png(2, 1, 8, 0, b"\0\x28\x50", key))[0, :, 0].tolist() == [255, 80]
    # 16-bit grey: 0x2828 is 40 in 8 bits, but only 40 itself is the key.
    deep = png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 40, 0x2828), key)
    assert load_image(deep)[0, :, 0].tolist() == [255, 40]


def test_grey_and_bilevel_become_three_equal_channels() -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    loaded = load_image(encoded(ramp))
    assert (loaded == np.asarray(ramp)[..., None]).all()
    assert load_image(encoded(Image.new("1", (2, 2), 1))).tolist() == [[[255] * 3] * 2] * 2


def test_cmyk_jpeg_is_read_in_adobes_inverted_polarity() -> None:
    for ink, rgb in [((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 0, 0), (255, 255, 255))]:
        data = encoded(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95)
        assert b"Adobe" in data
        assert load_image(data)[8, 8].tolist() == pytest.approx(rgb, abs=3)
    tiff = encoded(Image.new("CMYK", (2, 2), (0, 255, 0, 0)), "TIFF")
    assert load_image(tiff)[0, 0].tolist() == [255, 0, 255]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", ["YCbCr", "LAB", "HSV", "RGBX"])
def test_other_colour_models_become_rgb(mode: str) -> None:
    colour = np.full((4, 4, 3), (200, 90, 30), dtype=np.uint8)
    image = (
        ImageCms.profileToProfile(
            Image.fromarray(colour),
            ImageCms.createProfile("sRGB"),
            ImageCms.createProfile("LAB"),
            outputMode="LAB",
        )
        if mode == "LAB"
        else Image.fromarray(colour).convert(mode)
    )
    assert image is not None
    assert np.abs(load_image(image).astype(int) - colour).max() <= 4


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_16_bit_files_are_scaled_not_clipped(file_format: str) -> None:
    deep = np.array([[0, 257, 257 * 100, 257 * 200 + 3, 65535]], dtype=np.uint16)
    deep = np.repeat(deep, 8, axis=0)
    image = Image.fromarray(deep)
    data = encoded(image, file_format)
    assert load_image(data)[0, :, 1].tolist() == [0, 1, 100, 200, 255]


def test_16_bit_colour_png_is_scaled() -> None:
    data = png(2, 1, 16, 2, b"\0" + struct.pack(">6H", 0, 257 * 9, 65535, 257, 0, 257 * 99))
    assert load_image(data)[0].tolist() == [[0, 9, 255], [1, 0, 99]]


def test_integer_and_float_modes_of_pillow_have_stated_scales() -> None:
    integers = Image.fromarray(np.array([[0, 257 * 3, 65535]], dtype=np.int32))
    assert integers.mode == "I"
    assert load_image(integers)[0, :, 0].tolist() == [0, 3, 255]
    floats = Image.fromarray(np.array([[0.0, 0.2, 1.0]], dtype=np.float32))
    assert load_image(encoded(floats, "TIFF"))[0, :, 0].tolist() == [0, 51, 255]
    assert "span 0 to 65536" in reason(Image.fromarray(np.array([[0, 65536]], dtype=np.int32)))
    assert "span 0 to 7" in reason(Image.fromarray(np.array([[0, 7]], dtype=np.float32)))


def test_tiff_of_12_bits_and_of_inverted_grey_are_read_rightly() -> None:
    assert load_image(grey_tiff(2, 12, 1, b"\xff\xf0\x00"))[0, :, 0].tolist() == [255, 0]
    inverted = grey_tiff(2, 16, 0, struct.pack("<2H", 0, 65535))
    assert load_image(inverted)[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(file_format: str) -> None:
    first, second = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    options: dict[str, object] = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(first, file_format, save_all=True, append_images=[second], **options)
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == 2
    assert load_image(data)[0, 0].tolist() == [255, 0, 0]


def profile_with_red_and_blue_swapped() -> bytes:
    """An sRGB profile whose tags rXYZ and bXYZ have changed places."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert data.count(b"rXYZ") == data.count(b"bXYZ") == 1
    return data.replace(b"rXYZ", b"?").replace(b"bXYZ", b"rXYZ").replace(b"?", b"bXYZ")


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_an_icc_profile_is_converted_to_srgb(file_format: str) -> None:
    pixels = noise(8, 8, 3)
    image = Image.fromarray(pixels)
    profile = profile_with_red_and_blue_swapped()
    loaded = load_image(encoded(image, file_format, icc_profile=profile))
    assert np.abs(loaded.astype(int) - pixels[..., ::-1]).max() <= 2
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    loaded = load_image(encoded(image, file_format, icc_profile=srgb))
    assert np.abs(loaded.astype(int) - pixels).max() <= 1


def test_an_image_of_the_users_is_left_as_it_is_whatever_its_profile() -> None:
    pixels = noise(8, 8, 3)
    image = Image.fromarray(pixels)
    image.info["icc_profile"] = profile_with_red_and_blue_swapped()
    loaded = load_picture(image)
    assert np.abs(np.asarray(loaded).astype(int) - pixels[..., ::-1]).max() <= 2
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_a_picture_for_pillow_has_the_pixels_of_the_array_and_plain_rgb_is_not_copied() -> None:
    plain = Image.fromarray(noise(8, 9, 3))
    assert load_picture(plain) is plain
    items = (plain, encoded(plain), encoded(plain.convert("RGBA")), noise(8, 9), noise(8, 9, 4))
    for item in items:
        picture = load_picture(item)
        assert (picture.mode, picture.size) == ("RGB", (9, 8))
        np.testing.assert_array_equal(np.asarray(picture), load_image(item))
    with pytest.raises(ImageError, match="a strip of more than 100 to 1"):
        load_picture(np.zeros((1, 20000, 3), np.uint8), name="strip")


@given(st.integers(0, 255), st.integers(0, 255))
def test_alpha_of_files_and_of_arrays_is_rounded_alike(level: int, alpha: int) -> None:
    pixel = np.array([[[level, 255 - level, 0, alpha]]], np.uint8)
    np.testing.assert_array_equal(load_image(pixel), load_image(Image.fromarray(pixel)))


def test_a_profile_is_applied_before_alpha_and_to_palette_and_grey() -> None:
    profile = profile_with_red_and_blue_swapped()
    half = Image.new("RGBA", (1, 1), (255, 0, 0, 51))
    loaded = load_image(encoded(half, icc_profile=profile))[0, 0]
    assert loaded.tolist() == pytest.approx([204, 204, 255], abs=1)
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 0, 0])
    loaded = load_image(encoded(palette, icc_profile=profile))[0, 0]
    assert loaded.tolist() == pytest.approx([0, 0, 255], abs=1)
    grey = Image.new("L", (1, 1), 77)
    loaded = load_image(encoded(grey, icc_profile=profile))[0, 0]
    assert loaded.tolist() == pytest.approx([77, 77, 77], abs=1)


def test_a_profile_that_cannot_be_used_is_a_warning_naming_the_item(tmp_path: Path) -> None:
    pixels = noise(4, 4, 3)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (b"no profile at all", lab):
        path = tmp_path / "odd.png"
        path.write_bytes(encoded(Image.fromarray(pixels), icc_profile=profile))
        with pytest.warns(UserWarning, match=r"odd\.png: its ICC .* read as sRGB") as caught:
            np.testing.assert_array_equal(load_image(path), pixels)
        assert len(caught) == 1


def test_a_pil_image_is_left_as_it_was() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(noise(3, 5, 4)), exif=exif)
    image = Image.open(io.BytesIO(data))
    before = (image.size, image.mode, image.tobytes(), dict(image.info))
    load_image(image)
    assert (image.size, image.mode, image.tobytes(), dict(image.info)) == before


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[0.0, 255.0]], "span 0 to 255, expected [0, 1]; divide by 255"),
        ([[-2.1, 2.6]], "span -2.1 to 2.6, expected [0, 1]; undo the normalisation"),
        ([[0.0, float("nan")]], "remove NaN"),
        ([[0.0, float("inf")]], "remove NaN and infinity"),
    ],
)
def test_floats_outside_the_range_are_refused(values: list[list[float]], said: str) -> None:
    for item in (np.array(values), torch.tensor(values)):
        message = reason(item, "images[3]")
        assert message.startswith("images[3]: ")
        assert said in message


def test_ambiguous_shapes_are_refused_with_the_way_out() -> None:
    message = reason(np.zeros((3, 20, 30), np.uint8))
    assert "expected (H, W) or (H, W, C)" in message
    assert ".transpose(1, 2, 0)" in message
    message = reason(torch.zeros(20, 30, 3))
    assert "expected (H, W) or (C, H, W)" in message
    assert ".permute(2, 0, 1)" in message
    assert "expected (H, W, C)" in reason(np.zeros((20, 30, 2))).replace("(H, W) or ", "")
    assert "a batch must be the whole input" in reason(torch.zeros(2, 3, 4, 4))
    assert "has shape (5,)" in reason(np.zeros(5))


def test_types_that_hold_no_picture_are_refused() -> None:
    assert "float in [0, 1]" in reason(np.zeros((4, 4, 3), np.int64))
    assert "float in [0, 1]" in reason(np.zeros((4, 4, 3), complex))
    assert "dense" in reason(torch.zeros(3, 4, 4).to_sparse())
    assert "dense" in reason(torch.zeros(3, 4, 4, device="meta"))
    assert "NoneType" in reason(None)
    assert "list" in reason(["a.jpg"])


def test_pictures_without_pixels_are_refused() -> None:
    assert "no pixels" in reason(Image.new("RGB", (0, 5)))
    assert "no pixels" in reason(np.zeros((0, 5, 3), np.uint8))
    assert "no pixels" in reason(torch.zeros(3, 5, 0))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("kept", [0.0, 0.05, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, file_format: str, kept: float) -> None:
    data = encoded(Image.fromarray(noise(64, 64, 3)), file_format)
    path = tmp_path / "half"
    path.write_bytes(data[: int(kept * len(data))])
    message = reason(path)
    assert message.startswith(f"{path}: ")
    if kept == 0.9:
        assert "ends early" in message


@settings(max_examples=60, deadline=None)
@given(data=st.data(), file_format=st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP", "PPM"]))
def test_damaged_bytes_give_a_picture_or_our_error(data: st.DataObject, file_format: str) -> None:
    file = bytearray(encoded(Image.fromarray(noise(9, 9, 3)), file_format))
    for _ in range(data.draw(st.integers(1, 8))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = load_image(bytes(file))
        except ImageError:
            return
    assert loaded.ndim == 3


def test_files_that_cannot_be_opened_say_why(tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("not a picture")
    assert reason(text).startswith(f"{text}: not an image")
    assert "no such file; check the path" in reason(tmp_path / "missing.jpg")
    assert "no such file" in reason("")
    assert "download it first" in reason("https://example.org/a.jpg")
    assert f"perceptmetrics score {tmp_path}" in reason(tmp_path)
    assert "damaged or ends early" in reason(text / "below.jpg")
    with text.open() as file:
        assert "mode 'rb'" in reason(file)
    assert reason(b"junk", "images[2]").startswith("images[2]: not an image")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file"
)
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(Image.new("L", (2, 2))))
    path.chmod(0)
    assert "permissions" in reason(path)


def test_postscript_is_refused_without_running_it() -> None:
    assert "PostScript" in reason(encoded(Image.new("RGB", (2, 2)), "EPS"))


def test_a_decompression_bomb_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    # A header alone: decoding would fail differently, so the refusal came before it.
    bomb = png(40_000, 40_000, 8, 2, b"")
    assert "too many pixels" in reason(bomb, "bomb.png")
    before = PIL.Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    message = reason(bomb, "bomb.png")
    assert message.startswith("bomb.png: has 40000 by 40000 pixels")
    assert f"{MAX_PIXELS:,}" in message
    monkeypatch.undo()
    assert before == PIL.Image.MAX_IMAGE_PIXELS


def test_pillows_bomb_warning_made_an_error_is_ours_too() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "too many pixels" in reason(png(10_000, 10_000, 8, 2, b""))


# --- walking over many ---------------------------------------------------------------------


def names(images: object) -> list[str]:
    return [name for name, _ in iterate_images(images)]  # type: ignore[arg-type]


def test_one_picture_alone_is_walked_over_once(tmp_path: Path) -> None:
    assert names("a.jpg") == ["a.jpg"]
    assert names(tmp_path / "a.jpg") == [str(tmp_path / "a.jpg")]
    for single in (
        b"",
        io.BytesIO(),
        Image.new("L", (1, 1)),
        np.zeros((2, 2)),
        torch.zeros(3, 2, 2),
    ):
        assert is_single_image(single)
        assert names(single) == ["image"]


def test_lists_of_mixed_kinds_and_sizes_keep_order_and_names() -> None:
    mixed = ["a.jpg", np.zeros((2, 3)), torch.zeros(3, 9, 4), Path("b.png"), Image.new("L", (1, 1))]
    expected = ["a.jpg", "images[1]", "images[2]", "b.png", "images[4]"]
    for images in (mixed, tuple(mixed), iter(mixed), (item for item in mixed)):
        assert not is_single_image(images)
        assert names(images) == expected


def test_batches_are_walked_over_image_by_image() -> None:
    array = noise(2, 4, 5, 3)
    tensor = torch.from_numpy(array).permute(0, 3, 1, 2)
    for batch in (array, tensor):
        assert not is_single_image(batch)
        walked = list(iterate_images(batch))
        assert [name for name, _ in walked] == ["images[0]", "images[1]"]
        for (_, item), expected in zip(walked, array, strict=True):
            np.testing.assert_array_equal(load_image(item), expected)
    assert names(np.array(["a.jpg", "b.jpg"])) == ["a.jpg", "b.jpg"]


def test_the_walk_is_lazy_and_goes_on_after_a_bad_item() -> None:
    asked: list[int] = []

    def images() -> object:
        for index in range(3):
            asked.append(index)
            yield [1] if index == 1 else np.zeros((2, 2))

    walk = iterate_images(images())  # type: ignore[arg-type]
    assert asked == []
    next(walk)
    assert asked == [0]
    name, bad = next(walk)
    assert reason(bad, name).startswith("images[1]: cannot read an image from list")
    assert next(walk)[0] == "images[2]"


@pytest.mark.parametrize(
    "empty", [[], (), iter([]), np.zeros((0, 4, 4, 3)), torch.zeros(0, 3, 4, 4)]
)
def test_an_empty_list_is_refused_when_walked_over(empty: object) -> None:
    walk = iterate_images(empty)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="at least one image"):
        next(walk)


@pytest.mark.parametrize("odd", [None, 3, {"a.jpg": 1}])
def test_what_is_no_list_of_pictures_is_refused(odd: object) -> None:
    assert not is_single_image(odd)
    with pytest.raises(ImageError, match="cannot read images from"):
        names(odd)


# --- manners -------------------------------------------------------------------------------


def test_many_threads_read_the_same_bits() -> None:
    files = [encoded(Image.fromarray(noise(32, 32, 4, seed=seed)), "WEBP") for seed in range(24)]
    expected = [load_image(file) for file in files]
    with ThreadPoolExecutor(8) as pool:
        for read, alone in zip(pool.map(load_image, files), expected, strict=True):
            np.testing.assert_array_equal(read, alone)


def test_reading_does_not_import_torch() -> None:
    code = (
        "import sys, numpy as np; from perceptmetrics.images import load_image; "
        "load_image(np.zeros((2, 2))); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_strip_is_refused_before_a_view_blows_it_up() -> None:
    assert load_image(np.zeros((1, 100, 3), np.uint8)).shape == (1, 100, 3)
    with pytest.raises(ImageError, match=r"20000 by 1 pixels, a strip of more than 100 to 1"):
        load_image(np.zeros((1, 20000, 3), np.uint8))
