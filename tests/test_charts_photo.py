from dashboard.charts import photo as charts

NAMES = ("nobody", "everybody", "somebody")


def test_probabilities_mark_the_true_class_and_stress_the_predicted_one() -> None:
    (bar,) = charts.probabilities([0.2, 0.7, 0.1], NAMES, true_label=2).data
    assert bar.y == ("nobody", "everybody", "somebody (true)")
    assert bar.text == ("20.0%", "70.0%", "10.0%")
    assert bar.marker.color[1] != bar.marker.color[0] == bar.marker.color[2]
