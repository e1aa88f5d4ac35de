"""Images in another size: means over areas."""

import numpy as np
import pytest

from rl_coordconv.envs.resizing import resize


def images(seed=0, shape=(60, 45, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_halves_are_means_of_four_pixels():
    image = np.array([[0, 10, 100, 100], [20, 30, 100, 104]], np.uint8)[..., None]
    assert resize(image, 1, 2)[..., 0].tolist() == [[15, 101]]


def test_the_same_size_is_the_same_image():
    assert np.array_equal(resize(images(), 60, 45), images())


def test_a_pixel_between_two_new_ones_counts_by_its_share():
    line = np.array([[0], [90], [180]], np.uint8)[..., None]
    # Each new pixel covers one and a half old ones: (0 + 90 / 2) / 1.5 and (90 / 2 + 180) / 1.5.
    assert resize(line, 2, 1).ravel().tolist() == [30, 150]


def test_a_flat_image_stays_flat_also_enlarged():
    flat = np.full((7, 9, 1), 255, np.uint8)
    for size in ((3, 5), (20, 31), (1, 1)):
        got = resize(flat, *size)
        assert got.shape == (*size, 1)
        assert (got == 255).all()


@pytest.mark.parametrize("size", [(30, 15), (21, 33), (60, 20), (59, 44)])
def test_it_shrinks_as_opencv_does_by_areas(size):
    cv2 = pytest.importorskip("cv2")
    expected = cv2.resize(images(), size[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(resize(images(), *size).astype(int) - expected).max() <= 1
