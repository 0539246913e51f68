import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from core.cache import Features
from core.errors import UserError
from core.images import load_photo
from core.model import CUTS, GAP, IMAGE, build_base, build_head, cut, in_precision, join, load_model, unfreeze
from core.weights import Weights, find_weights
from tests.conftest import make_photo

RANDOM = Weights("random", None, None)


def refusal(choice: str | Path) -> str:
    """What a user is told about weights that cannot be had."""
    with pytest.raises(UserError) as caught:
        build_base(find_weights(str(choice)), 32)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def base() -> Any:
    keras.utils.set_random_seed(0)
    return build_base(RANDOM, 32)


@pytest.fixture(scope="module")
def photos() -> Any:
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="module", params=["gap", "flatten"])
def parts(base: Any, photos: Any, request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A piece of the base and a head for it."""
    extractor = cut(base, IMAGE, GAP if request.param == "gap" else "block5_pool")
    features = Features.of(extractor.predict(photos, verbose=0))
    return extractor, build_head(features, hidden_units=8, dropout=0.5, n_classes=3)


# --- weights that do not fit ------------------------------------------------------------------------------------------


def test_saved_weights_of_the_base_give_the_same_base(base: Any, photos: Any, tmp_path: Path) -> None:
    path = tmp_path / "vgg.weights.h5"
    base.save_weights(path)
    again = build_base(find_weights(str(path)), 32)
    assert np.array_equal(again.predict(photos, verbose=0), base.predict(photos, verbose=0))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    image = keras.Input((32, 32, 3))
    path = tmp_path / "other.weights.h5"
    keras.Model(image, keras.layers.Conv2D(2, 3)(image)).save_weights(path)
    assert str(path) in refusal(path)


def test_weights_of_vgg16_in_another_width_are_refused(base: Any, tmp_path: Path) -> None:
    path = tmp_path / "narrow.weights.h5"
    base.save_weights(path)
    with h5py.File(path, "r+") as file:
        kernel = next(name for name in _datasets(file) if file[name].shape == (3, 3, 64, 64))
        del file[kernel]
        file[kernel] = np.zeros((3, 3, 64, 32), np.float32)
    assert str(path) in refusal(path)


@pytest.mark.parametrize("name", ["text.h5", "text.weights.h5", "text.txt", "text.keras", "text"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no weights at all")
    assert str(tmp_path / name) in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["empty.h5", "empty.weights.h5"])
def test_an_hdf5_file_without_weights_is_refused(tmp_path: Path, name: str) -> None:
    h5py.File(tmp_path / name, "w").close()
    assert str(tmp_path / name) in refusal(tmp_path / name)


def test_a_file_of_weights_that_is_cut_off_is_refused(base: Any, tmp_path: Path) -> None:
    path = tmp_path / "half.weights.h5"
    base.save_weights(path)
    path.write_bytes(path.read_bytes()[:1_000_000])
    assert str(path) in refusal(path)


def _datasets(file: Any) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names


# --- the base and its pieces -----------------------------------------------------------------------------------------


def test_preprocessing_is_inside(base: Any, photos: Any) -> None:
    plain = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    plain.set_weights(base.get_weights())
    expected = plain.predict(keras.applications.vgg16.preprocess_input(photos.copy()), verbose=0)
    assert cut(base, IMAGE, "block5_pool").predict(photos, verbose=0) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_base_is_frozen(base: Any) -> None:
    assert base.trainable_weights == []
    assert cut(base, "block4_pool", GAP).trainable_weights == []


@pytest.mark.parametrize(
    ("layer", "shape"),
    [("block3_pool", (4, 4, 256)), ("block4_pool", (2, 2, 512)), ("block5_pool", (1, 1, 512)), (GAP, (512,))],
)
def test_the_base_can_be_cut_behind_a_block(base: Any, layer: str, shape: tuple[int, ...]) -> None:
    assert layer in CUTS
    assert cut(base, IMAGE, layer).output_shape == (None, *shape)


@pytest.mark.parametrize("layer", CUTS[:-1])
def test_two_pieces_are_the_whole(base: Any, photos: Any, layer: str) -> None:
    below = cut(base, IMAGE, layer).predict(photos, verbose=0)
    above = cut(base, layer, GAP).predict(below, verbose=0)
    assert above == pytest.approx(base.predict(photos, verbose=0), rel=1e-4, abs=1e-6)


def test_a_piece_shares_its_weights_with_the_base() -> None:
    base = build_base(RANDOM, 32)
    piece = cut(base, "block4_pool", GAP)
    unfreeze(piece)
    assert len(piece.trainable_weights) == 6, "three convolutions of block 5, kernel and bias each"
    piece.trainable_weights[0].assign(piece.trainable_weights[0] * 0)
    assert not np.asarray(base.get_layer("block5_conv1").kernel).any()


def test_gap_is_the_mean_over_the_feature_map(photos: Any) -> None:
    base = build_base(RANDOM, 64)
    large = np.repeat(np.repeat(photos, 2, axis=1), 2, axis=2)
    feature_map = cut(base, IMAGE, "block5_pool").predict(large, verbose=0)
    assert feature_map.shape == (6, 2, 2, 512)
    assert base.predict(large, verbose=0) == pytest.approx(feature_map.mean(axis=(1, 2)), rel=1e-4, abs=1e-6)


def test_in_another_precision_the_weights_are_the_same(base: Any, photos: Any) -> None:
    other = in_precision(base, "mixed_bfloat16")
    pairs = zip(base.get_weights(), other.get_weights(), strict=True)
    assert all(a.dtype == b.dtype == np.float32 and np.array_equal(a, b) for a, b in pairs)
    assert other.get_layer("block5_conv3").compute_dtype == "bfloat16"
    assert other.get_layer(GAP).compute_dtype == "float32", "the mean is taken in full precision"
    assert keras.config.dtype_policy().name == "float32", "nothing else is touched"
    features, expected = other.predict(photos, verbose=0), base.predict(photos, verbose=0)
    assert not np.array_equal(features, expected)
    assert np.abs(features - expected).mean() < 0.02 * np.abs(expected).mean()


# --- head ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(50, 4), (50, 3, 3, 4)])
def test_the_head_standardises_each_channel(shape: tuple[int, ...]) -> None:
    features = (np.random.default_rng(0).normal(size=shape) * [8, 10, 90, 30] + [0, 5, -50, 7]).astype(np.float32)
    head = build_head(Features.of(features), hidden_units=8, dropout=0.5, n_classes=3)
    scaled = np.asarray(head.get_layer("scale")(features)).reshape(-1, 4)
    assert scaled.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-3)
    assert scaled.std(axis=0) == pytest.approx(np.ones(4), abs=1e-3)


def test_a_dead_channel_is_not_blown_up() -> None:
    features = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    features[:, 2] *= 1e-6
    head = build_head(Features.of(features), hidden_units=8, dropout=0.5, n_classes=3)
    assert np.abs(np.asarray(head.get_layer("scale")(features))[:, 2]).max() < 1e-3


def test_the_head_gives_probabilities_of_k_classes(parts: tuple[Any, Any], photos: Any) -> None:
    extractor, head = parts
    probabilities = head.predict(extractor.predict(photos, verbose=0), verbose=0)
    assert probabilities.shape == (6, 3)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(6), abs=1e-5)


def test_the_head_is_a_fully_connected_network_with_dropout(parts: tuple[Any, Any]) -> None:
    _, head = parts
    assert head.get_layer("hidden").units == 8
    assert head.get_layer("dropout").rate == 0.5
    assert len(head.trainable_weights) == 4, "two layers of weights and biases; the scale is not learnt"


# --- the classifier --------------------------------------------------------------------------------------------------


def test_the_classifier_says_what_its_parts_say(parts: tuple[Any, Any], photos: Any) -> None:
    extractor, head = parts
    expected = head.predict(extractor.predict(photos, verbose=0), verbose=0)
    assert join(extractor, head).predict(photos, verbose=0) == pytest.approx(expected, abs=1e-6)


def test_the_classifier_is_one_flat_list_of_layers(parts: tuple[Any, Any]) -> None:
    model = join(*parts)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert keras.Model(model.input, model.get_layer("block5_conv3").output).output_shape[-1] == 512


def test_the_saved_classifier_says_the_same(parts: tuple[Any, Any], photos: Any, tmp_path: Path) -> None:
    model = join(*parts)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert (loaded.input_shape, loaded.output_shape) == ((None, 32, 32, 3), (None, 3))
    assert loaded.predict(photos, verbose=0) == pytest.approx(model.predict(photos, verbose=0), abs=1e-6)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no model\.keras"):
        load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04 cut off", None])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(_empty_zip() if content is None else content)
    with pytest.raises(UserError, match=r"model\.keras to be a Keras model") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_a_model_that_would_run_code_is_refused(tmp_path: Path) -> None:
    image = keras.Input((32, 32, 3))
    keras.Model(image, keras.layers.Lambda(lambda x: x * 2)(image)).save(tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"model\.keras to be a Keras model"):
        load_model(tmp_path / "model.keras")


def _function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


FORGED_LAYERS = {
    "calls the system": {"activation": _function("os", "system")},
    "evaluates text": {"activation": _function("builtins", "eval")},
    "fetches a file": {"activation": _function("keras.utils", "get_file")},
    "loads another model": {"activation": _function("keras.models", "load_model")},
    "unmarshals code": {"activation": {"class_name": "__lambda__", "config": {"value": ["4wAAAA==", None, None]}}},
    "takes all memory": {"units": 10**13},
}


@pytest.mark.parametrize("change", FORGED_LAYERS.values(), ids=list(FORGED_LAYERS))
def test_a_forged_layer_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = _save_small_model(tmp_path)
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][-1]["config"] |= change
    _replace_member(path, "config.json", json.dumps(config).encode())
    with pytest.raises(UserError, match=r"model\.keras to be a Keras model"):
        load_model(path)


def test_a_layer_that_would_read_a_file_of_this_machine_is_refused(tmp_path: Path) -> None:
    path = _save_small_model(tmp_path)
    (tmp_path / "secret.txt").write_text("alpha\nbeta\n")
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    reader = {"name": "reader", "vocabulary": str(tmp_path / "secret.txt")}
    config["config"]["layers"][-1] |= {"class_name": "StringLookup", "config": reader}
    _replace_member(path, "config.json", json.dumps(config).encode())
    with pytest.raises(UserError, match=r"model\.keras to be a Keras model"):
        load_model(path)


@pytest.mark.parametrize("kind", ["raw bytes", "another HDF5 file"])
def test_weights_that_lie_in_another_file_are_refused(tmp_path: Path, kind: str) -> None:
    path, weights = _save_small_model(tmp_path), tmp_path / "model.weights.h5"
    (tmp_path / "secret.bin").write_bytes(b"secret".ljust(36))
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = np.ones((3, 3), dtype="f4")
    with zipfile.ZipFile(path) as archive:
        weights.write_bytes(archive.read(weights.name))
    with h5py.File(weights, "a") as file:
        variables = file["layers/dense/vars"]
        del variables["0"]
        if kind == "raw bytes":
            variables.create_dataset("0", shape=(3, 3), dtype="f4", external=[(str(tmp_path / "secret.bin"), 0, 36)])
        else:
            variables["0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "secret")
    _replace_member(path, weights.name, weights.read_bytes())
    with pytest.raises(UserError, match=r"model\.keras to be a Keras model"):
        load_model(path)


def _save_small_model(folder: Path) -> Path:
    image = keras.Input((8, 8, 3))
    mean = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Dense(3, name="dense")(mean)).save(folder / "model.keras")
    return folder / "model.keras"


def _replace_member(path: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, old in members.items():
            archive.writestr(member, content if member == name else old)


def _empty_zip() -> bytes:
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    return file.getvalue()


# --- learnt weights --------------------------------------------------------------------------------------------------


def test_learnt_weights_give_finite_features(real_weights: Path, tmp_path: Path) -> None:
    base = build_base(find_weights(str(real_weights)), 64)
    pixels = load_photo(make_photo(tmp_path / "photo.jpg"), 64, "squash")[None].astype(np.float32)
    features = base.predict(pixels, verbose=0)
    assert np.isfinite(features).all()
    assert features.std() > 0
