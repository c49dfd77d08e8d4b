"""One user's requests are counted, by all processes together as long as Redis answers."""

import socket
import uuid

import pytest
import redis
from fastapi.testclient import TestClient
from sqlalchemy import event

from tests.api.conftest import token
from tests.api.test_routes import BASE, problem
from worker.api.app import create_app
from worker.api.problems import ProblemError
from worker.api.rate_limit import UserLimit
from worker.runtime import open_runtime


def test_one_user_cannot_crowd_out_the_others(settings, user_id, other_user_id):
    with TestClient(create_app(open_runtime(settings.model_copy(update={"api_requests_per_minute": 3})))) as client:

        def ask(user):
            return client.get(f"{BASE}/connections", headers={"Authorization": f"Bearer {token(user)}"})

        assert [ask(user_id).status_code for _ in range(3)] == [200, 200, 200]
        refused = ask(user_id)
        problem(refused, 429, "too_many_requests")
        assert 1 <= int(refused.headers["Retry-After"]) <= 61
        assert ask(other_user_id).status_code == 200


def test_made_up_ids_count_before_anything_is_looked_up(settings, user_id):
    application = create_app(open_runtime(settings.model_copy(update={"api_requests_per_minute": 3})))
    statements = []
    event.listen(
        application.state.services.runtime.engine, "before_cursor_execute", lambda *sent: statements.append(sent)
    )
    with TestClient(application, headers={"Authorization": f"Bearer {token(user_id)}"}) as client:
        answers = [client.get(f"{BASE}/connections/{uuid.uuid4()}").status_code for _ in range(3)]
        assert answers == [404, 404, 404]
        asked = len(statements)
        problem(client.get(f"{BASE}/connections/{uuid.uuid4()}"), 429, "too_many_requests")
        assert client.get(f"{BASE}/connections", headers={"Authorization": "Bearer x.y.z"}).status_code == 401
        assert 0 < len(statements) == asked


@pytest.fixture
def limits():
    made = []

    def make(per_minute, redis_url, **options):
        made.append(UserLimit(per_minute, redis_url, **options))
        return made[-1]

    yield make
    for limit in made:
        limit.close()


def taken(limit, user_id, tries):
    """Return how many of `tries` requests are let in."""
    let_in = 0
    for _ in range(tries):
        try:
            limit.take(user_id)
        except ProblemError:
            continue
        let_in += 1
    return let_in


def test_two_processes_count_together(limits, redis_url):
    first, second = limits(10, redis_url), limits(10, redis_url)
    assert taken(first, 1, 7) == 7
    assert taken(second, 1, 7) == 3
    assert taken(first, 1, 1) == 0
    assert taken(second, 2, 5) == 5


def test_a_redis_that_is_down_costs_nobody_the_door_nor_its_limit(limits):
    limit = limits(3, "redis://127.0.0.1:9/0")
    assert taken(limit, 1, 5) == 3


def test_a_redis_that_hangs_is_waited_for_once_in_a_while(limits):
    moments = iter([0.0, 0.0, *[1.0] * 50, *[11.0] * 50])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limit = limits(100, f"redis://127.0.0.1:{silent.getsockname()[1]}/0", now=lambda: next(moments))
        assert taken(limit, 1, 51) == 51
        silent.settimeout(0)
        with silent.accept()[0], pytest.raises(BlockingIOError):
            silent.accept()


def test_redis_is_asked_again_after_a_rest(limits, redis_url):
    clock = [0.0]
    limit = limits(2, redis_url, now=lambda: clock[0])
    limit._rests_until_s = 10.0
    assert taken(limit, 1, 3) == 2
    clock[0] = 10.0
    assert taken(limit, 1, 3) == 2, "what was counted alone is not known to the others"


def test_what_we_never_count_in_redis_locks_nobody_out(limits, redis_url):
    limit = limits(3, redis_url)
    limit.take(7)
    with redis.Redis.from_url(redis_url) as writer:
        key = next(writer.scan_iter("*LIMITER/7/*"))
        writer.delete(key)
        writer.rpush(key, *["9999999999.0"] * 1000)
        writer.persist(key)
    limit.take(7)
