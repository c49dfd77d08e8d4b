"""How much is tried: a seeded handful with `make test`, FUZZ_EXAMPLES of each at random with `make fuzz`."""

import os

from hypothesis import HealthCheck, settings

GIVEN = os.environ.get("FUZZ_EXAMPLES")
SLOW = [
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.function_scoped_fixture,
    HealthCheck.filter_too_much,
]

fuzzed = settings(
    max_examples=int(GIVEN or 60),
    derandomize=GIVEN is None,
    database=None,
    deadline=None,
    suppress_health_check=SLOW,
)
