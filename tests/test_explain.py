import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.cache import Features
from core.errors import UserError
from core.explain import Explainer, Explanation, heat_on_photo, overlay_png
from core.images import Resize, load_photo
from core.model import GAP, IMAGE, build_base, build_head, cut, join, load_model
from core.predict import Classifier, load_classifier
from core.runs import EMBEDDINGS_FILE, Run, read_embeddings, read_samples
from core.weights import Weights

SIZE = 64
CLASS_NAMES = ("nobody", "everybody", "somebody")


def saved_and_loaded(model: Any, folder: Path) -> Any:
    model.save(folder / "model.keras")
    return load_model(folder / "model.keras")


def random_photo(size: int = SIZE, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def base() -> Any:
    keras.utils.set_random_seed(0)
    return build_base(Weights("random", None, None), SIZE)


@pytest.fixture(scope="module", params=["gap", "flatten"])
def classifier(base: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    part = cut(base, IMAGE, GAP if request.param == "gap" else "block5_pool")
    photos = np.stack([random_photo(seed=seed) for seed in range(8)]).astype(np.float32)
    head = build_head(Features.of(part.predict(photos, verbose=0)), hidden_units=8, dropout=0.5, n_classes=3)
    model = saved_and_loaded(join(part, head), tmp_path_factory.mktemp(request.param))
    return Classifier(model, CLASS_NAMES, SIZE, "squash")


# --- an explanation --------------------------------------------------------------------------------------------------


def test_an_explanation_says_what_the_prediction_says(classifier: Classifier) -> None:
    explainer = Explainer(classifier)
    for seed in range(3):
        photo = random_photo(seed=seed)
        assert explainer.explain(photo).probabilities == pytest.approx(classifier.predict([photo])[0], abs=1e-5)


def test_the_embedding_is_the_mean_of_the_last_feature_map(classifier: Classifier, base: Any) -> None:
    photo = random_photo()
    embedding = Explainer(classifier).explain(photo).embedding
    assert embedding.dtype == np.float32
    assert embedding == pytest.approx(base.predict_on_batch(photo[None].astype(np.float32))[0], rel=1e-4, abs=1e-5)


def test_each_class_has_a_heat_map_that_is_relative_to_its_hottest_place(classifier: Classifier) -> None:
    heat = Explainer(classifier).explain(random_photo()).heat
    assert heat.shape == (3, SIZE // 16, SIZE // 16) and heat.dtype == np.float32
    assert heat.min() >= 0
    assert {round(float(each.max()), 5) for each in heat} <= {0.0, 1.0}
    assert heat.any()


def test_the_smallest_photos_are_explained_as_their_run_was_trained(trained_run: Run) -> None:
    classifier = load_classifier(trained_run)
    samples = read_samples(trained_run.path / "samples.csv")
    embeddings = read_embeddings(trained_run.path / EMBEDDINGS_FILE, len(samples))
    photo = classifier.load(trained_run.dataset_dir / samples["image"].iloc[7])
    explanation = Explainer(classifier).explain(photo)
    assert explanation.heat.shape == (3, 2, 2)
    assert explanation.embedding == pytest.approx(embeddings[7].astype(np.float32), rel=2e-3, abs=1e-4)


@pytest.fixture(scope="module")
def feature_map(base: Any) -> Any:
    """Of `random_photo`, behind the last convolution."""
    return cut(base, IMAGE, "block5_conv3").predict_on_batch(random_photo()[None].astype(np.float32))[0]


def explain_one_channel(
    base: Any, channel: int, influence: tuple[int, int, int], bias: float, folder: Path
) -> Explanation:
    """Explain `random_photo` by a network whose scores are the channel's mean, times `influence`, plus a bias."""
    # The statistics of these are mean 0 and variance 1, so that the head passes features on as they are.
    head = build_head(Features.of(np.repeat([[-1.0], [1.0]], 512, axis=1).astype(np.float32)), 1, 0.0, 3)
    head.get_layer("hidden").set_weights([np.eye(512)[:, [channel]], np.zeros(1)])
    head.get_layer("probabilities").set_weights([np.array([influence]), np.array([bias, 0, 0])])
    model = saved_and_loaded(join(cut(base, IMAGE, GAP), head), folder)
    return Explainer(Classifier(model, CLASS_NAMES, SIZE, "squash")).explain(random_photo())


def test_what_speaks_for_a_class_is_hot_and_what_speaks_against_it_is_not(
    base: Any, feature_map: NDArray[np.float32], tmp_path: Path
) -> None:
    channel = int(feature_map.mean(axis=(0, 1)).argmax())
    heat = explain_one_channel(base, channel, (1, -1, 2), 0.0, tmp_path).heat
    expected = feature_map[..., channel] / feature_map[..., channel].max()
    assert heat[0] == pytest.approx(expected, abs=1e-4)
    assert heat[2] == pytest.approx(expected, abs=1e-4)
    assert not heat[1].any(), "nothing speaks for it"


def test_a_class_that_the_network_is_all_too_sure_of_is_explained_too(
    base: Any, feature_map: NDArray[np.float32], tmp_path: Path
) -> None:
    channel = int(feature_map.mean(axis=(0, 1)).argmax())
    explanation = explain_one_channel(base, channel, (1, 0, 0), 1000.0, tmp_path)
    assert explanation.probabilities.tolist() == [1, 0, 0]
    assert explanation.heat[0] == pytest.approx(feature_map[..., channel] / feature_map[..., channel].max(), abs=1e-4)


def foreign_network(*layers: Any) -> Classifier:
    return Classifier(keras.Sequential([keras.Input((SIZE, SIZE, 3)), *layers]), CLASS_NAMES, SIZE, "squash")


def test_a_network_of_another_build_cannot_be_explained() -> None:
    layers = keras.layers
    other = foreign_network(layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3, activation="softmax"))
    with pytest.raises(UserError, match=r"layer block5_conv3, as train\.py saves it; found none"):
        Explainer(other)


def test_a_network_with_another_end_cannot_be_explained() -> None:
    layers = keras.layers
    convolution = layers.Conv2D(4, 3, name="block5_conv3")
    other = foreign_network(convolution, layers.MaxPooling2D(name="block5_pool"), layers.Flatten(name="last"))
    with pytest.raises(UserError, match=r"ends in a Dense layer with softmax, .*; found last"):
        Explainer(other)


# --- where it lies on the photo --------------------------------------------------------------------------------------


def photo_with_spot(size: tuple[int, int], place: tuple[float, float]) -> bytes:
    """A black photo with a white spot, a fifth of its shorter side wide, at a place given in shares of its sides."""
    width, height = size
    pixels = np.zeros((height, width), np.uint8)
    x, y, half = place[0] * width, place[1] * height, min(size) / 10
    pixels[int(y - half) : int(y + half), int(x - half) : int(x + half)] = 255
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def heat_of(photo: bytes, image_size: int, resize: Resize) -> NDArray[np.float32]:
    """Hot where the network sees white: the mean over each cell of VGG16's last convolution."""
    n = image_size // 16
    seen = load_photo(photo, image_size, resize)[: 16 * n, : 16 * n, 0].astype(np.float32) / 255
    return np.asarray(seen.reshape(n, 16, n, 16).mean(axis=(1, 3)))


def centre(heat: NDArray[np.float32]) -> tuple[float, float]:
    """Of its hot places, in shares of width and height."""
    y, x = ((np.arange(n) + 0.5) / n for n in heat.shape)
    return float((heat.sum(axis=0) * x).sum() / heat.sum()), float((heat.sum(axis=1) * y).sum() / heat.sum())


@pytest.mark.parametrize("image_size", [224, 232])
@pytest.mark.parametrize("size", [(600, 400), (400, 600), (300, 300), (800, 200)], ids=str)
@pytest.mark.parametrize("resize", ["squash", "pad", "crop"])
def test_what_is_hot_lies_where_it_is_on_the_photo(image_size: int, size: tuple[int, int], resize: Resize) -> None:
    for place in ((0.5, 0.5), (0.45, 0.7), (0.55, 0.3)):
        heat = heat_of(photo_with_spot(size, place), image_size, resize)
        on_photo = heat_on_photo(heat, resize, size, image_size)
        assert on_photo.shape == (size[1], size[0]) and on_photo.dtype == np.float32
        off_by = np.abs(np.subtract(centre(on_photo), place)) * size
        assert off_by.max() < 0.015 * max(size), "a quarter of a cell"


def test_what_the_network_did_not_see_of_a_photo_is_cold() -> None:
    on_photo = heat_on_photo(np.ones((14, 14), np.float32), "crop", (90, 60), 224)
    assert (on_photo[:, 15:75] == 1).all()
    assert not on_photo[:, :15].any() and not on_photo[:, 75:].any()


def test_the_bars_that_the_network_saw_are_cut_away() -> None:
    heat = np.zeros((14, 14), np.float32)
    heat[:3] = heat[-3:] = 1  # Of a photo twice as wide as high, three and a half cells are bars.
    assert not heat_on_photo(heat, "pad", (200, 100), 224).any()
    assert heat_on_photo(heat, "pad", (100, 200), 224).any()


def test_the_map_of_a_squashed_photo_covers_it_to_its_edges() -> None:
    assert (heat_on_photo(np.ones((14, 14), np.float32), "squash", (90, 60), 224) == 1).all()


# --- as a picture ----------------------------------------------------------------------------------------------------


def picture(heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(overlay_png(heat))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGBA", heat.shape[::-1])
        return np.asarray(image)


def lightness(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """L* of CIELAB, 0..100, of sRGB colours."""
    values = rgb / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.asarray(np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y))


def test_the_picture_has_the_size_of_the_map_and_hides_nothing_by_itself() -> None:
    assert (picture(np.eye(40, 61, dtype=np.float32))[..., 3] == 255).all()


def test_the_hotter_the_lighter_in_even_steps() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    steps = np.diff(lightness(picture(ramp)[0, :, :3]))
    assert steps.min() > 0
    assert steps.sum() > 95
    assert steps.max() < 2 * steps.mean()


def test_between_two_cells_the_heat_changes_gradually() -> None:
    heat = np.repeat([[0, 1]], 7, axis=1).repeat(14, axis=0).astype(np.float32)
    row = lightness(picture(heat_on_photo(heat, "squash", (280, 280), 224))[0, :, :3])
    assert row[0] < 1 and row[-1] > 95
    assert (np.diff(row) >= 0).all() and np.diff(row).max() < 12
