"""Every attempt to deliver is a span with ids and its outcome."""

from opentelemetry.trace import StatusCode

from tests.spans import recorded_spans
from tests.webhooks.conftest import reply


def test_an_attempt_is_a_span_of_its_own_and_names_no_address(
    receiver, make_receiver, add_subscription, publish, deliver
):
    add_subscription(receiver.url)
    add_subscription(make_receiver(answer=lambda _request: reply(503)).url)
    publish()
    with recorded_spans() as spans:
        deliver()
        found = spans.get_finished_spans()
    assert {span.name for span in found} == {"delivery"}
    assert {span.attributes["finmind.code"]: span.status.status_code for span in found} == {
        "http_200": StatusCode.OK,
        "http_503": StatusCode.ERROR,
    }
    assert set(found[0].attributes) == {
        f"finmind.{name}" for name in ("event_id", "subscription_id", "delivery_id", "attempt", "state", "code")
    }
    assert not any(receiver.url in span.to_json() for span in found)
