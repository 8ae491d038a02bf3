import re

from prometheus_client.parser import text_string_to_metric_families

from stages.serving.records.metrics import PrometheusMetrics
from stages.serving.seams import FollowerStatus
from tests.serving.running import served_model
from tests.workspace import ROOT

NAMES = {
    "pneumonia_requests",
    "pneumonia_request_duration_seconds",
    "pneumonia_stage_duration_seconds",
    "pneumonia_batch_images",
    "pneumonia_queue_images",
    "pneumonia_answers",
    "pneumonia_refusals",
    "pneumonia_probability",
    "pneumonia_champion_info",
    "pneumonia_champion_loads",
    "pneumonia_champion_kept",
    "pneumonia_registry_up",
    "pneumonia_answer_log_lines",
}


def samples(
    metrics: PrometheusMetrics, status: FollowerStatus | None = None
) -> dict[tuple[str, ...], float]:
    """Return the samples by name and label values."""
    text, kind = metrics.render(served_model(), status or FollowerStatus())
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_the_names_are_those_that_are_documented() -> None:
    metrics = PrometheusMetrics(log_lines=lambda: 7)
    text, _ = metrics.render(served_model(), FollowerStatus(registry_up=True))
    families = {family.name for family in text_string_to_metric_families(text.decode())}
    assert {name for name in families if name.startswith("pneumonia_")} == NAMES
    assert families - NAMES <= {
        "process_virtual_memory_bytes",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_cpu_seconds",
        "process_open_fds",
        "process_max_fds",
    }


def test_what_happened_is_counted() -> None:
    metrics = PrometheusMetrics(log_lines=lambda: 7)
    metrics.request("/v1/images", 200, 0.03)
    metrics.request("/v1/images", 200, 0.3)
    metrics.request("other", 404, 0.001)
    metrics.stage("decode", 0.02)
    metrics.batch(8)
    metrics.queue(3)
    metrics.answer("pneumonia", 0.93)
    metrics.refusal("out_of_domain")
    found = samples(metrics, FollowerStatus(registry_up=True, loads=2, load_failures=1, kept=True))
    assert found["pneumonia_requests_total", "200", "/v1/images"] == 2
    assert found["pneumonia_requests_total", "404", "other"] == 1
    assert found["pneumonia_request_duration_seconds_bucket", "0.05", "/v1/images"] == 1
    assert found["pneumonia_stage_duration_seconds_count", "decode"] == 1
    assert found["pneumonia_batch_images_sum",] == 8
    assert found["pneumonia_queue_images",] == 3
    assert found["pneumonia_answers_total", "pneumonia"] == 1
    assert found["pneumonia_probability_bucket", "0.9"] == 0
    assert found["pneumonia_probability_bucket", "0.95"] == 1
    assert found["pneumonia_refusals_total", "out_of_domain"] == 1
    assert found["pneumonia_champion_loads_total", "loaded"] == 2
    assert found["pneumonia_champion_loads_total", "failed"] == 1
    assert found["pneumonia_registry_up",] == found["pneumonia_champion_kept",] == 1
    assert found["pneumonia_answer_log_lines",] == 7
    assert found["pneumonia_champion_info", "m" * 64, "pneumonia-test", "1"] == 1


def test_without_a_registry_or_an_answer_log_nothing_is_said_of_them() -> None:
    found = samples(PrometheusMetrics())
    assert ("pneumonia_registry_up",) not in found
    assert ("pneumonia_answer_log_lines",) not in found


def test_an_earlier_version_is_not_named_any_more() -> None:
    metrics = PrometheusMetrics()
    samples(metrics)
    text, _ = metrics.render(served_model(version="2"), FollowerStatus())
    assert b'version="2"' in text
    assert b'version="1"' not in text


def test_a_flood_of_values_is_one_value() -> None:
    metrics = PrometheusMetrics()
    for number in range(500):
        metrics.request(f"/{number}", number, 0.1)
        metrics.refusal(f"kind {number}")
        metrics.stage(f"stage {number}", 0.1)
        metrics.answer(f"decision {number}", 0.5)
    found = samples(metrics)
    assert len(found) < 2500
    assert found["pneumonia_refusals_total", "other"] == 400
    assert found["pneumonia_stage_duration_seconds_count", "other"] == 500
    assert found["pneumonia_requests_total", "other", "/50"] == 1


def test_the_page_about_serving_lists_them() -> None:
    page = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    listed = {name.removesuffix("_total") for name in re.findall(r"`(pneumonia_[a-z_]+)", page)}
    assert listed - {"pneumonia_"} == NAMES
