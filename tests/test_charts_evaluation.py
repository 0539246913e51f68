from urllib.parse import parse_qsl

import numpy as np
import pytest

from dashboard.charts.evaluation import class_recall, confusion_matrix

NAMES = ("nobody", "everybody", "somebody")
MATRIX = np.array([[5, 1, 0], [2, 6, 2], [0, 0, 0]])


def test_matrix_shows_counts_in_true_rows() -> None:
    heat_map, cells = confusion_matrix(MATRIX, NAMES, "Counts").data
    assert np.array_equal(heat_map.z, MATRIX)
    texts = {(y, x): text for y, x, text in zip(cells.y, cells.x, cells.text, strict=True)}
    assert texts[1, 2] == "2"


def test_matrix_shows_shares_of_rows_and_an_absent_class_as_zero() -> None:
    heat_map, cells = confusion_matrix(MATRIX, NAMES, "Row %").data
    assert heat_map.z[1].tolist() == [0.2, 0.6, 0.2]
    assert list(cells.text)[3:6] == ["20 %", "60 %", "20 %"]
    assert heat_map.z[2].tolist() == [0, 0, 0]


def test_matrix_of_errors_leaves_the_diagonal_out_so_that_errors_have_the_colours_to_themselves() -> None:
    heat_map, cells = confusion_matrix(MATRIX, NAMES, "Errors only").data
    assert heat_map.z.tolist() == [[0, 1, 0], [2, 0, 2], [0, 0, 0]]
    assert heat_map.zmax == 2
    assert list(cells.text) == ["", "1", "0", "2", "", "2", "0", "0", ""]


def test_a_matrix_without_photos_has_colours_all_the_same() -> None:
    assert confusion_matrix(np.zeros((3, 3), dtype=int), NAMES, "Errors only").data[0].zmax > 0


def test_every_cell_of_the_matrix_chooses_its_held_out_photos() -> None:
    squares = confusion_matrix(MATRIX, NAMES, "Counts").data[1]
    cells = {
        (x, y): dict(parse_qsl(query)) for x, y, query in zip(squares.x, squares.y, squares.customdata, strict=True)
    }
    assert len(cells) == 9
    # x is the predicted class, y the true one.
    assert cells[2, 1] == {"split": "val", "true": "everybody", "predicted": "somebody"}


def test_axes_of_the_matrix_name_the_classes_with_the_first_on_top() -> None:
    figure = confusion_matrix(MATRIX, NAMES, "Counts")
    assert figure.layout.yaxis.ticktext == NAMES
    assert figure.layout.yaxis.range == (2.5, -0.5)


def test_text_is_white_on_dark_cells_and_of_the_page_on_pale_ones() -> None:
    cells = confusion_matrix(MATRIX, NAMES, "Counts", ink="#123456").data[1]
    assert cells.textfont.color[4] == "#ffffff"
    assert cells.textfont.color[1] == "#123456"


def test_the_chosen_cell_is_framed() -> None:
    assert not confusion_matrix(MATRIX, NAMES, "Counts").layout.shapes
    (frame,) = confusion_matrix(MATRIX, NAMES, "Counts", selected=(1, 2)).layout.shapes
    assert (frame.x0 + frame.x1) / 2 == pytest.approx(2)
    assert (frame.y0 + frame.y1) / 2 == pytest.approx(1)


def test_recall_shows_intervals_and_chooses_the_held_out_photos_of_a_class() -> None:
    classes = [
        {"class_name": "nobody", "recall": 0.8, "recall_interval": [0.7, 0.85], "support": 10},
        {"class_name": "3", "recall": 0.5, "recall_interval": [0.2, 0.8], "support": 4},
    ]
    first, second = class_recall(classes, selected="3")
    assert (first.share, first.low, first.high, first.is_chosen) == (0.8, 0.7, 0.85, False)
    assert first.text == "nobody: 80% found (95 % interval 70% to 85%), 10 photos"
    assert dict(parse_qsl(second.query)) == {"split": "val", "true": "3"}
    assert second.is_chosen
