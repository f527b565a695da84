"""The measured shift is the true one, and a wrong pair is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scenes import MS, PAN, demo_scene, demo_source, landsat, synthetic

from pansharpkit import registration
from pansharpkit.errors import RegistrationError
from pansharpkit.grid import Window
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.scene import make_scene


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, -0.5), (1.0, 1.0), (-5.0, 3.0), (14.0, 9.0)])
def test_a_known_shift_of_the_demo_scene_is_found(shift: tuple[float, float]) -> None:
    scene = demo_scene(150, 150, 80, 120)
    rest = registration.measure(scene)
    moved = registration.measure(scene.moved(shift))
    assert rest.reliable
    assert rest.distance < 0.2
    assert moved.shift_rows + shift[0] == pytest.approx(rest.shift_rows, abs=0.1)
    assert moved.shift_cols + shift[1] == pytest.approx(rest.shift_cols, abs=0.1)


def test_a_shift_at_the_end_of_the_search_may_be_larger_still() -> None:
    scene = demo_scene(100, 100).moved((4.0, 0.0))
    near, far = (registration.measure(scene, search) for search in (4.0, 8.0))
    assert far.reliable
    assert min(near.r2, far.r2) > registration.RELIABLE_R2
    assert not near.reliable


def test_applying_the_measured_shift_leaves_none() -> None:
    scene = demo_scene(100, 100).moved((2.0, -1.0))
    found = registration.measure(scene)
    left = registration.measure(scene.moved((found.shift_rows, found.shift_cols)))
    assert registration.correction(scene, found) == (found.shift_rows, found.shift_cols)
    assert left.distance < 0.05


def test_a_shift_that_the_model_holds_is_not_made_twice() -> None:
    scene = demo_scene(100, 100).moved((2.0, -1.0))
    found = registration.measure(scene)
    table = tuple(tuple(float((r, c) == (0, 2)) for c in range(3)) for r in range(3))
    model = ObservationModel(((0.25,) * 4,), Psf(table, (-0.5, 0.25)))  # 1.5 rows up, 1.25 right
    left = registration.correction(dataclasses.replace(scene, model=model), found)
    assert left == pytest.approx((found.shift_rows + 1.5, found.shift_cols - 1.25))


@pytest.mark.parametrize("ratio", [(2.5, 2.5), (4.0, 4.0), (4.015, 4.01)])
def test_other_ratios(ratio: tuple[float, float]) -> None:
    phase = ((ratio[0] - 1) / 2, (ratio[1] - 1) / 2)
    scene = synthetic(ratio, phase, (240, 260)).moved((1.3, -0.6))
    found = registration.measure(scene)
    assert (found.shift_rows, found.shift_cols) == pytest.approx((-1.3, 0.6), abs=0.2)


def test_a_shift_beyond_half_a_pixel_is_warned_about() -> None:
    scene = demo_scene(100, 100)
    assert registration.check(registration.measure(scene)) is None
    said = registration.check(registration.measure(scene.moved((1.0, 0.0))))
    assert said is not None
    assert "--correct-shift" in said


def test_images_are_called_what_they_are() -> None:
    found = registration.measure(demo_scene(100, 100).moved((1.0, 0.0)))
    assert found.describe().startswith("PAN against MS: ")
    cube = dataclasses.replace(found, guide="guide", target="HS")
    assert cube.describe().startswith("guide against HS: ")
    assert "HS lies" in (registration.check(cube) or "")


def test_a_guide_of_several_bands_is_no_pan() -> None:
    pan, ms = demo_source(PAN), demo_source(MS)
    many = dataclasses.replace(
        ms, values=np.repeat(ms.values, 8, axis=0), names=tuple(map(str, range(32)))
    )
    assert registration.called(pan, ms) == ("PAN", "MS")
    assert registration.called(ms, many) == ("guide", "HS")


def test_different_ground_is_refused_unless_forced() -> None:
    pan = demo_source(PAN, Window(0, 0, 200, 200))
    noise = np.random.default_rng(1).integers(500, 4000, (4, 100, 100)).astype(np.uint16)
    ms = dataclasses.replace(demo_source(MS, Window(0, 0, 100, 100)), values=noise)
    found = registration.measure(make_scene(pan, ms, landsat()))
    assert found.r2 < registration.MIN_R2
    with pytest.raises(RegistrationError, match="same ground"):
        registration.check(found)
    assert registration.check(found, force=True) is not None


def test_a_constant_scene_is_not_reliable_and_does_not_crash() -> None:
    pan = dataclasses.replace(
        demo_source(PAN, Window(0, 0, 200, 200)), values=np.full((1, 200, 200), 7, np.uint16)
    )
    found = registration.measure(
        make_scene(pan, demo_source(MS, Window(0, 0, 100, 100)), landsat())
    )
    assert not found.reliable
    assert found.r2 == 0.0
    assert "contrast" in str(registration.check(found))


def test_a_tiny_scene_says_that_it_cannot_be_measured() -> None:
    found = registration.measure(demo_scene(4, 4))
    assert not found.reliable
    said = registration.check(found)
    assert said is not None
    assert "could not be measured" in said
