"""The tables of a run are read back as they were written, and every fault in one is named."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core import runs
from core.config import TrainConfig
from core.evaluation import predictions_table, summarise
from core.runs import RunWriter

PREDICTIONS = """image,split,fold,true_label,predicted_label,confidence,loss,prob_0,prob_1
NA/1.jpg,val,-1,0,0,0.75,0.3,0.75,0.25
NA,train,-1,1,0,0.5,0.7,0.5,0.5
"""
TEST_PREDICTIONS = """image,predicted_label,confidence,prob_0,prob_1
test/1.jpg,0,0.75,0.75,0.25
test/2.jpg,1,,,
"""
HISTORY = """stage,fold,epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds
head,-1,0,1.1,0.3,1.2,0.4,0.001,0.5
"""
SAMPLES = """image,folder,label,width,height,bytes,sha256,original_label,group,brightness,contrast,sharpness
training/1.jpg,training,2,30,20,900,aa,1,00,0.5,0.25,120.5
test/2.jpg,test,,30,20,900,bb,,00,0.5,0.25,60.0
"""
PROBLEMS = """image,kind,detail
training/3.jpg,empty,the file has 0 bytes
"""
SUBMISSION = """Id,Category
x.jpg,1
17,0
"""
PROJECTION = """image,x,y
training/1.jpg,-0.25,1.5
test/2.jpg,0.25,-1.5
"""
LABEL_ISSUES = """image,label,suggested_label,self_confidence,is_issue
training/1.jpg,1,0,0.05,True
training/2.jpg,0,0,0.75,False
"""
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "predictions.csv": (PREDICTIONS, lambda path: runs.read_predictions(path, 2)),
    "test_predictions.csv": (TEST_PREDICTIONS, lambda path: runs.read_test_predictions(path, 2)),
    "history.csv": (HISTORY, runs.read_history),
    "samples.csv": (SAMPLES, runs.read_samples),
    "problems.csv": (PROBLEMS, runs.read_problems),
    "submission.csv": (SUBMISSION, runs.read_submission),
    "projection.csv": (PROJECTION, runs.read_projection),
    "label_issues.csv": (LABEL_ISSUES, lambda path: runs.read_label_issues(path, 2)),
}


def read_table(folder: Path, name: str, content: str | None = None) -> Any:
    text, read = READERS[name]
    (folder / name).write_text(text if content is None else content)
    return read(folder / name)


def test_in_an_older_run_labels_are_the_original_ones_and_groups_are_contents(tmp_path: Path) -> None:
    older = "image,folder,label,width,height,bytes,sha256\ntraining/1.jpg,training,2,30,20,900,01\n"
    (row,) = read_table(tmp_path, "samples.csv", older).to_dict("records")
    assert (row["original_label"], row["group"]) == (2, "01")
    assert np.isnan([row["brightness"], row["contrast"], row["sharpness"]]).all()


@pytest.mark.parametrize("name", READERS)
def test_a_table_is_read_back_as_it_stands(tmp_path: Path, name: str) -> None:
    table = read_table(tmp_path, name)
    assert table.to_csv(index=False, lineterminator="\n") == READERS[name][0]


def test_names_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    table = read_table(tmp_path, "test_predictions.csv", TEST_PREDICTIONS.replace("test/1.jpg", "17"))
    assert table["image"].tolist() == ["17", "test/2.jpg"]


def test_the_letters_na_are_a_name(tmp_path: Path) -> None:
    assert read_table(tmp_path, "predictions.csv")["image"].tolist() == ["NA/1.jpg", "NA"]


@pytest.mark.parametrize("name", READERS)
def test_a_missing_table_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(runs.RunError, match=f"Expected {name} in .*; there is none"):
        READERS[name][1](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", ["", "\x00\x01", "a,b\n1,2\n", '"a'], ids=["empty", "binary", "other", "cut off"])
def test_a_table_of_something_else_is_named(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(runs.RunError, match=name):
        read_table(tmp_path, name, content)


@pytest.mark.parametrize("name", READERS)
def test_a_missing_column_is_named(tmp_path: Path, name: str) -> None:
    content = READERS[name][0]
    column = content.splitlines()[0].split(",")[1]
    with pytest.raises(runs.RunError, match=f"{name}: expected the columns .*; {column} not found"):
        read_table(tmp_path, name, content.replace(column, "other", 1))


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("predictions.csv", "-1,0,0,", "-1,0,2,", "expected labels 0 to 1, found 0 to 2"),
        ("predictions.csv", "-1,0,0,", "-1,-1,0,", "expected labels 0 to 1, found -1 to 1"),
        ("predictions.csv", "-1,0,0,", "-1,,0,", "expected a table in CSV"),
        ("predictions.csv", "NA/1.jpg", "NA", "every photo's name once"),
        ("predictions.csv", "NA/1.jpg", "", "every photo's name once"),
        ("test_predictions.csv", "test/1.jpg", "", "every photo's name once"),
        ("samples.csv", "training/1.jpg", "", "every photo's name once"),
        ("samples.csv", "training,2,", "training,,", "a label for every training photo"),
        ("predictions.csv", "0.75,0.3", "nan,0.3", "missing or infinite"),
        ("predictions.csv", "0.75,0.3", ",0.3", "missing or infinite"),
        ("predictions.csv", "0.75,0.3", "0.75,inf", "missing or infinite"),
        ("predictions.csv", "0.75,0.25", "1.75,0.25", "expected probabilities from 0 to 1"),
        ("predictions.csv", "0.75,0.25", "0.75,-0.25", "expected probabilities from 0 to 1"),
        ("predictions.csv", "0.75,0.25", "0.75,high", "expected a table in CSV"),
        ("test_predictions.csv", "1,,,", "5,,,", "expected labels 0 to 1, found 0 to 5"),
        ("test_predictions.csv", "0.75,0.75", "0.75,7", "expected probabilities from 0 to 1"),
        ("submission.csv", "x.jpg", "", "an Id in every row"),
        ("submission.csv", "x.jpg,1", "x.jpg,one", "a whole number as Category, found 'one' for x.jpg"),
        ("submission.csv", "x.jpg,1", "x.jpg,1.0", "a whole number as Category, found '1.0' for x.jpg"),
        ("submission.csv", "x.jpg,1", "x.jpg,", "a whole number as Category, found none for x.jpg"),
        ("submission.csv", "x.jpg,1", "x.jpg,99999999999999999999", "a whole number as Category"),
        ("history.csv", "-1,0,", "-1,first,", "expected a table in CSV"),
        ("samples.csv", "30,20", "30,tall", "expected a table in CSV"),
        ("samples.csv", "training,2,", "training,2.5,", "expected a table in CSV"),
        ("samples.csv", "training,2,", "training,1e300,", "expected a table in CSV"),
        ("samples.csv", "30,20,900", "-30,20,900", "a width, height and bytes of 1 or more"),
        ("samples.csv", "30,20,900", "30,0,900", "a width, height and bytes of 1 or more"),
        ("samples.csv", "30,20,900", "30,20,-1", "a width, height and bytes of 1 or more"),
        ("history.csv", "head,", ",", "expected a stage in every row"),
        ("samples.csv", "30,20,900", "9223372036854775807,20,900", "far too many"),
        ("samples.csv", "0.25,120.5", "0.25,inf", "missing or infinite"),
        ("samples.csv", "0.25,120.5", "0.25,1e300", "missing or infinite"),
        ("samples.csv", ",training,", ",validation,", "expected training or test as folder, found 'validation'"),
        ("predictions.csv", ",val,", ",held out,", "expected train or val as split, found 'held out'"),
        ("predictions.csv", ",val,", ",,", "expected train or val as split, found nan"),
        ("predictions.csv", ",val,-1,", ",val,99999999999,", "expected folds from 0, or -1 for none"),
        ("predictions.csv", ",val,-1,", ",val,-2,", "expected folds from 0, or -1 for none; found -2"),
        ("projection.csv", "-0.25,", "1e308,", "missing or infinite"),
        ("history.csv", "head,-1,", "head,-2,", "expected folds from 0, or -1 for none; found -2"),
        ("problems.csv", "training/3.jpg", "", "an image and a kind in every row"),
        ("problems.csv", "empty", "", "an image and a kind in every row"),
        ("projection.csv", "training/1.jpg", "test/2.jpg", "every photo's name once"),
        ("projection.csv", "-0.25,", ",", "missing or infinite"),
        ("projection.csv", "-0.25,", "inf,", "missing or infinite"),
        ("projection.csv", "-0.25,", "left,", "expected a table in CSV"),
        ("label_issues.csv", "training/1.jpg", "training/2.jpg", "every photo's name once"),
        ("label_issues.csv", "1,0,0.05", "2,0,0.05", "expected labels 0 to 1, found 0 to 2"),
        ("label_issues.csv", "1,0,0.05", "1,-1,0.05", "expected labels 0 to 1, found -1 to 0"),
        ("label_issues.csv", "0.05", "1.05", "expected probabilities from 0 to 1"),
        ("label_issues.csv", "0.05", "", "expected probabilities from 0 to 1"),
        ("label_issues.csv", "True", "perhaps", "expected True or False as is_issue"),
        ("label_issues.csv", "True", "", "expected True or False as is_issue"),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, name: str, old: str, new: str, reason: str) -> None:
    with pytest.raises(runs.RunError, match=f"{name}: ") as caught:
        read_table(tmp_path, name, READERS[name][0].replace(old, new, 1))
    assert reason in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_rows_longer_than_the_header_are_not_read_shifted_by_a_column(tmp_path: Path, name: str) -> None:
    header, *rows = READERS[name][0].splitlines()
    with pytest.raises(runs.RunError, match=f"{name}: expected rows as long as the header, found longer ones"):
        read_table(tmp_path, name, "\n".join([header, *(f"{row},7" for row in rows)]))


@pytest.mark.parametrize("probability", ["0.25,1,2", "x" * 10_000, "\x1b[2J"], ids=["more", "long", "control"])
def test_what_is_wrong_is_told_in_one_line_fit_for_a_terminal(tmp_path: Path, probability: str) -> None:
    with pytest.raises(runs.RunError) as caught:
        read_table(tmp_path, "predictions.csv", PREDICTIONS.replace("0.75,0.25", f"0.75,{probability}", 1))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


def test_a_problem_without_a_detail_has_an_empty_one(tmp_path: Path) -> None:
    table = read_table(tmp_path, "problems.csv", "image,kind,detail\na.jpg,empty,\nb.jpg,17,17\n")
    assert table["detail"].tolist() == ["", "17"]


def test_a_submission_is_read_with_all_that_is_to_be_checked(tmp_path: Path) -> None:
    table = read_table(tmp_path, "submission.csv", "Category,Id,extra\n-5,b.jpg,x\n7,b.jpg,y\n")
    assert table.to_dict("list") == {"Category": [-5, 7], "Id": ["b.jpg", "b.jpg"], "extra": ["x", "y"]}


def test_a_list_without_label_issues_is_empty(tmp_path: Path) -> None:
    assert read_table(tmp_path, "label_issues.csv", LABEL_ISSUES.splitlines()[0] + "\n").empty


def test_a_submission_without_photos_is_empty(tmp_path: Path) -> None:
    assert read_table(tmp_path, "submission.csv", "Id,Category\n").empty


def test_a_table_is_written_as_utf8_with_unix_line_ends(runs_dir: Path) -> None:
    run = RunWriter.create(TrainConfig(runs_dir=runs_dir))
    run.write_table("problems.csv", pd.DataFrame({"image": ["training/ü,1.jpg"], "kind": ["empty"], "detail": ["—"]}))
    written = (run.path / "problems.csv").read_bytes()
    assert written == 'image,kind,detail\n"training/ü,1.jpg",empty,—\n'.encode()
    assert runs.read_problems(run.path / "problems.csv").iloc[0].tolist() == ["training/ü,1.jpg", "empty", "—"]


# --- embeddings.npy --------------------------------------------------------------------------------------------------


def read_array(folder: Path, values: object, n_samples: int = 2) -> Any:
    with (folder / "embeddings.npy").open("wb") as file:
        np.save(file, np.asarray(values))
    return runs.read_embeddings(folder / "embeddings.npy", n_samples)


def test_embeddings_are_read_back_as_they_stand(tmp_path: Path) -> None:
    values = np.array([[0, 0.5, 1], [2, 3, 65504]], np.float16)
    found = read_array(tmp_path, values)
    assert found.dtype == np.float16 and np.array_equal(found, values)


def test_missing_embeddings_are_named(tmp_path: Path) -> None:
    with pytest.raises(runs.RunError, match=r"Expected embeddings\.npy in .*; there is none"):
        runs.read_embeddings(tmp_path / "embeddings.npy", 2)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((3, 4), np.float16), "expected 2 rows of numbers, found 3"),
        (np.zeros(2, np.float16), r"shape \(2,\)"),
        (np.zeros((2, 4, 4), np.float16), r"shape \(2, 4, 4\)"),
        (np.zeros((2, 4)), "found float64"),
        (np.array([["a"], ["b"]]), "found <U1"),
        (np.array([[0, np.nan], [0, 0]], np.float16), "missing or infinite"),
        (np.array([[0, np.inf], [0, 0]], np.float16), "missing or infinite"),
        (np.array([[{}], [{}]]), "expected an array in NumPy's format"),
    ],
    ids=str,
)
def test_embeddings_that_cannot_be_are_named(tmp_path: Path, values: object, reason: str) -> None:
    with pytest.raises(runs.RunError, match=rf"embeddings\.npy: .*{reason}"):
        read_array(tmp_path, values)


SHAPES = ("(2, 18446744073709551616)", f"({10**300}, 512)", "(-2, 512)", "exit()")


def with_shape(content: bytes, shape: str) -> bytes:
    return content.replace(b"(2, 512)", shape.encode())


@pytest.mark.parametrize(
    "fault",
    ["empty", "text", "cut off", "an archive", "far too large", *(f"{shape} in its header" for shape in SHAPES)],
    ids=lambda fault: fault[:30],
)
def test_embeddings_of_something_else_are_named(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "embeddings.npy"
    read_array(tmp_path, np.ones((2, 512), np.float16))
    whole = path.read_bytes()
    contents = {
        "empty": b"",
        "text": b"1,2,3\n",
        "cut off": whole[:-100],
        "an archive": b"PK\x03\x04" + whole,
        "far too large": whole.replace(b"(2, 512), }          ", b"(20000000000, 512), }"),
    }
    contents |= {f"{shape} in its header": with_shape(whole, shape) for shape in SHAPES}
    assert contents[fault] != whole
    path.write_bytes(contents[fault])
    with pytest.raises(runs.RunError, match=r"embeddings\.npy: expected an array in NumPy's format; "):
        runs.read_embeddings(path, 2)


# --- metrics.json ----------------------------------------------------------------------------------------------------


def scores() -> dict[str, Any]:
    table = predictions_table(["1.jpg"], ["val"], np.array([0]), np.array([[0.75, 0.25]]))
    return summarise(table, ("cat", "dog"), ["1.jpg"])


def read_scores(folder: Path, value: object) -> dict[str, Any]:
    (folder / "metrics.json").write_text(json.dumps(value))
    return runs.read_metrics(folder / "metrics.json")


def test_metrics_are_read_back_with_those_of_the_test_photos(tmp_path: Path) -> None:
    assert read_scores(tmp_path, scores()) == scores()
    assert read_scores(tmp_path, scores() | {"test": scores()})["test"] == scores()


LATER_SCORES = ("kind", "calibrated", "log_loss_interval", "expected_calibration_error_interval")


def test_metrics_of_older_runs_are_read(tmp_path: Path) -> None:
    older = {key: value for key, value in scores().items() if key not in LATER_SCORES}
    for row in older["classes"]:
        del row["f1_interval"]
    assert read_scores(tmp_path, older) == older


def test_missing_metrics_are_named(tmp_path: Path) -> None:
    with pytest.raises(runs.RunError, match=r"Expected metrics\.json in .*; there is none"):
        runs.read_metrics(tmp_path / "metrics.json")


@pytest.mark.parametrize("key", sorted(set(scores()) - set(LATER_SCORES)))
def test_a_missing_score_is_named(tmp_path: Path, key: str) -> None:
    value = scores()
    del value[key]
    for spoilt in (value, scores() | {"test": value}):
        with pytest.raises(runs.RunError, match=rf"metrics\.json: expected the scores of a run; .*{key}"):
            read_scores(tmp_path, spoilt)


@pytest.mark.parametrize(
    "fault",
    [
        {"accuracy": "high"},
        {"accuracy": "0.5"},
        {"accuracy": 10**400},
        {"log_loss": 1e300},
        {"accuracy_interval": ["0.1", "0.2"]},
        {"accuracy_interval": {"0": 1, "1": 2}},
        {"classes": []},
        {"classes": {}},
        {"accuracy": None},
        {"accuracy_interval": 0.5},
        {"accuracy_interval": [0.5]},
        {"classes": [{"class_name": "cat"}]},
        {"classes": 3},
        {"classes": [scores()["classes"][0] | {"class_name": ["cat"]}]},
        {"classes": [scores()["classes"][0] | {"f1_interval": [0.5]}]},
        {"log_loss_interval": [0.5]},
        {"expected_calibration_error_interval": None},
        {"expected_calibration_error_interval": [0.1, "0.2"]},
        {"temperature": 0},
        {"temperature": -1.5},
        {"kind": "guessed"},
        {"kind": []},
        {"calibrated": None},
        {"calibrated": {}},
        {"calibrated": scores()["calibrated"] | {"temperatures": []}},
        {"calibrated": scores()["calibrated"] | {"temperatures": [1.0, 0.0]}},
        {"calibrated": scores()["calibrated"] | {"temperatures": 1.0}},
        {"calibrated": scores()["calibrated"] | {"log_loss_interval": [0.1]}},
        {"test": None},
        {"test": []},
        {"of another version": [{"n": 10**400}]},
    ],
    ids=str,
)
def test_a_score_that_cannot_be_is_refused(tmp_path: Path, fault: dict[str, Any]) -> None:
    with pytest.raises(runs.RunError, match=r"metrics\.json: expected the scores of a run"):
        read_scores(tmp_path, scores() | fault)


@pytest.mark.parametrize("depth", [900, 5000, 100_000])
def test_scores_are_read_or_refused_however_deep_they_lie(tmp_path: Path, depth: int) -> None:
    nested = json.dumps(scores())[:-1] + ', "deep": ' + "[" * depth + "1" + "]" * depth + "}"
    (tmp_path / "metrics.json").write_text(nested)
    with contextlib.suppress(runs.RunError):  # What can be read may be: Pythons differ in how deep they look.
        runs.read_metrics(tmp_path / "metrics.json")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_what_is_no_number_to_json_is_refused(tmp_path: Path, number: str) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(scores()).replace("1", number, 1))
    with pytest.raises(runs.RunError, match=r"metrics\.json: expected a JSON object; "):
        runs.read_metrics(tmp_path / "metrics.json")
