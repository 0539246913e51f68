"""One photo, large, whoever's it is: what it is, what the network says of it and why, and what it looks like."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.errors import UserError
from core.explain import Explanation, heat_on_photo, overlay_png
from core.images import PhotoError
from core.predict import Classifier
from core.runs import MODEL_FILE, Run
from dashboard import address, data
from dashboard.charts import photo as charts
from dashboard.gallery import show_row, tiles_of
from dashboard.heat import Panel, show_heat
from dashboard.linked import CHART_CONFIG
from dashboard.neighbours import Neighbours
from dashboard.page import escaped

# Longest side of a heat map in pixels; it is smooth, so the browser may enlarge it.
_HEAT_SIZE = 320


@dataclass(frozen=True)
class Photo:
    """A photo of the dataset or of the visitor.

    Attributes:
        name: What it is called on the screen.
        source: Its file, the bytes of one, or why there is none.
        probabilities: What the network says of it, a number a class; none where it has said nothing.
        true_label: Its class, if that is known.
        neighbours: The training photos that it is like, or why that is not known.
        facts: What else is known of it, a few words each.
        size: Width and height in pixels and size in bytes, as far as known without its file.
        path: Its file's path, to be copied; empty where it has none here.
        sure_from: The lowest confidence with which a class is given as the answer.
        is_calibrated: Whether the probabilities are; those in a run's files are not.
    """

    name: str
    source: Path | bytes | PhotoError
    probabilities: Sequence[float]
    true_label: int | None
    neighbours: Neighbours | str
    facts: tuple[str, ...] = ()
    size: tuple[int, int, int] | None = None
    path: str = ""
    sure_from: float = 0.0
    is_calibrated: bool = False


def show_photo(run: Run, photo: Photo, key: str) -> None:
    """Show a photo and all that is known of it. What cannot be shown says why, and the rest is shown.

    Args:
        run: Whose network is asked.
        photo: The photo.
        key: What the keys of its parts begin with; unique on the page.
    """
    source, look = photo.source, _look(photo.source)
    picture, words = st.columns([3, 2])
    with picture:
        if isinstance(look, PhotoError):
            st.info(f"{escaped(photo.name)} cannot be shown: {escaped(look.detail)}.", icon=":material/broken_image:")
        else:
            st.image(data.uri(look.picture), width="stretch", alt=photo.name)
    with words:
        if photo.path:
            st.code(photo.path, language=None, wrap_lines=True)
        else:
            st.markdown(f"**{escaped(photo.name)}**")
        _show_verdict(run, photo, key)
        if isinstance(photo.neighbours, Neighbours) and photo.neighbours.is_unlike:
            st.warning(_unlike_text(photo.neighbours), icon=":material/explore_off:")
        _show_facts(photo, look)
        is_why_asked = not isinstance(look, PhotoError) and _ask_why(key)
    if is_why_asked and not isinstance(source, PhotoError) and not isinstance(look, PhotoError):
        _show_why(run, photo, source, look, key)
    _show_neighbours(run, photo, key)


def _unlike_text(neighbours: Neighbours) -> str:
    """Why one should not rely on what the network says of a photo."""
    return (
        f"Unlike the training photos: the nearest of them is {neighbours.distances[0]:.3f} away, and 99 % of them have "
        f"one within {neighbours.unlike_beyond:.3f}. What the network says of it may mean nothing."
    )


def _look(source: Path | bytes | PhotoError) -> data.Look | PhotoError:
    if isinstance(source, PhotoError):
        return source
    try:
        return data.look(source)
    except PhotoError as error:
        return error


def _show_verdict(run: Run, photo: Photo, key: str) -> None:
    """What the network thinks of a photo, in words and as bars."""
    names, values, true = run.class_names, photo.probabilities, photo.true_label
    if not values:
        if true is not None:
            st.markdown(f"labelled **{escaped(names[true])}**")
        return
    verdict = _verdict(photo, names)
    st.markdown("".join(f"**{escaped(words)}**" if is_bold else escaped(words) for words, is_bold in verdict))
    figure = charts.probabilities(values, names, true)
    alt = "Probabilities: " + "".join(words for words, _ in verdict)
    st.plotly_chart(figure, key=f"{key}-probabilities", config=CHART_CONFIG, alt=alt)


def _verdict(photo: Photo, names: Sequence[str]) -> list[tuple[str, bool]]:
    """What the network thinks of a photo: pieces of a sentence, and whether each is to be bold."""
    values, true = photo.probabilities, photo.true_label
    best = max(range(len(values)), key=values.__getitem__)
    verdict = [(names[best], True), (f", {values[best]:.0%} sure", False)]
    if values[best] < photo.sure_from:
        verdict = [("not sure", True), (f": most likely {names[best]}, {values[best]:.0%}", False)]
    if true is not None:
        verdict += [(" ✓", False)] if best == true else [(", but labelled ", False), (names[true], True)]
    return verdict


def _show_facts(photo: Photo, look: data.Look | PhotoError) -> None:
    facts = list(photo.facts)
    if size := photo.size if isinstance(look, PhotoError) else (look.width, look.height, look.bytes):
        width, height, n_bytes = size
        facts.append(f"{width} x {height} pixels, {n_bytes / 1000:,.0f} kB")
    if not isinstance(look, PhotoError):
        quality = look.quality
        facts += [
            f"brightness {quality.brightness:.0%}",
            f"contrast {quality.contrast:.0%}",
            f"sharpness {quality.sharpness:,.0f}",
        ]
    st.caption(
        escaped(" · ".join(facts)),
        help="Brightness: mean luminance, 100 % is white. Contrast: its standard deviation, at most 50 %. Sharpness: "
        "variance of its Laplacian at 512 pixels; the higher, the sharper.",
    )  # fmt: skip


def _ask_why(key: str) -> bool:
    return st.toggle(
        "Why?", help="Where in the photo something speaks for each class (Grad-CAM). The first time takes seconds.",
        **address.bound_switch("why", f"{key}-why"),
    )  # fmt: skip


def _show_why(run: Run, photo: Photo, source: Path | bytes, look: data.Look, key: str) -> None:
    """Where in a photo something speaks for each class; it takes the network."""
    if not run.has(MODEL_FILE):
        st.info(f"This run has no {MODEL_FILE}, so it cannot say why. Train again to get one.")
        return
    try:
        with st.spinner("Asking the network ..."):
            explanation, classifier = data.explanation(run, source), data.classifier(run)
    except (UserError, PhotoError) as error:
        st.info(escaped(str(error)), icon=":material/error:")
        return
    st.caption(
        "Bright: what speaks for the class, each map relative to its own brightest place; it lies on what the "
        "network saw, in coarse steps. At 0 % the photo is bare. The percentages are of the network that is kept"
        + (", calibrated." if photo.is_calibrated else "; a photo that it has learnt from may stand otherwise above.")
    )
    panels = _panels(photo, look, explanation, classifier)
    show_heat(data.uri(look.picture), panels, f"{key}-heat")


def _panels(photo: Photo, look: data.Look, explanation: Explanation, classifier: Classifier) -> list[Panel]:
    scale = min(1, _HEAT_SIZE / max(look.width, look.height))
    size = (max(1, round(look.width * scale)), max(1, round(look.height * scale)))
    probabilities = explanation.probabilities
    if photo.is_calibrated:
        probabilities = classifier.calibrated(probabilities[None])[0]
    said = zip(classifier.class_names, probabilities, explanation.heat, strict=True)
    panels = []
    for name, probability, heat in said:
        on_photo = heat_on_photo(heat, classifier.resize, size, classifier.image_size)
        panels.append(
            Panel(
                title=name,
                detail=f"{probability:.1%}" if heat.any() else f"{probability:.1%}, nothing speaks for it",
                heat=data.uri(overlay_png(on_photo), "png"),
                alt=f"What speaks for {name} in {photo.name}",
            )
        )
    return panels


def _show_neighbours(run: Run, photo: Photo, key: str) -> None:
    st.markdown(
        "**Nearest training photos**",
        help="Those that look most alike to the network: by the cosine distance of VGG16's features, 0 is the same.",
    )
    near = photo.neighbours
    if isinstance(near, str):
        st.caption(escaped(near))
        return
    if not near.images:
        st.caption("There are none.")
        return
    photos = data.photos(run)
    rows = photos[photos["image"].isin(near.images)].set_index("image", drop=False).loc[list(near.images)]
    show_row(tiles_of(run, rows, [f"{distance:.3f} away" for distance in near.distances]), f"{key}-neighbours")
