"""What sealing costs beside Fernet, and a rotation of many credentials while refreshes renew tokens.

    python -m benchmarks.credentials [--credentials 100000] [--refreshers 2]

Prints ratios and writes benchmarks/results/credentials.json. Needs nothing running.
"""

import argparse
import io
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Queue, get_context
from multiprocessing.synchronize import Event
from statistics import median
from typing import Any, TypeAlias

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import Engine, text

from benchmarks.results import keep
from benchmarks.servers import servers
from worker.connections.credentials import ConfigKeeper, open_taken, place_of, take_config
from worker.connectors.config import ConnectorConfig
from worker.credentials import CredentialPlace, LocalKeyring, Vault, seal_config
from worker.credentials.envelope import EnvelopeVault
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.keys.rotation import rotate
from worker.keys.verification import verify

PLACE = CredentialPlace(
    table="bank_connections", column="config_encrypted", user_id=7, row_id=str(uuid.uuid4()), version=3
)
SECRET_BYTES = 512
ROUNDS, CALLS = 15, 2000


Answer: TypeAlias = tuple[int, list[str], dict[uuid.UUID, str]]
"""Of one refreshing process: refreshes, failures, and the token it saved last for each connection."""


class Config(ConnectorConfig):
    """As large as a typical set of tokens."""

    access_token: SecretStr
    refresh_token: SecretStr


def config(token: str) -> Config:
    return Config(access_token=SecretStr("a" * 200), refresh_token=SecretStr(token.ljust(200)))


def micros(call: Callable[[], object]) -> float:
    """Median cost of one call (µs) over rounds, so that a busy machine does not decide."""
    costs = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(CALLS):
            call()
        costs.append((time.perf_counter() - started) / CALLS * 1e6)
    return median(costs)


def sealing() -> dict[str, float]:
    """Seal and open 512 bytes with the vault and with Fernet, in turns in one process."""
    secret = os.urandom(SECRET_BYTES)
    vault = EnvelopeVault([LocalKeyring({"k1": os.urandom(32)})], primary_key_id="k1")
    fernet = Fernet(Fernet.generate_key())
    blob, token = vault.seal(secret, PLACE).blob, fernet.encrypt(secret)
    costs = {
        "seal_us": micros(lambda: vault.seal(secret, PLACE)),
        "fernet_encrypt_us": micros(lambda: fernet.encrypt(secret)),
        "open_us": micros(lambda: vault.open(blob, PLACE)),
        "fernet_decrypt_us": micros(lambda: fernet.decrypt(token)),
    }
    return costs | {
        "seal_times_faster": costs["fernet_encrypt_us"] / costs["seal_us"],
        "open_times_faster": costs["fernet_decrypt_us"] / costs["open_us"],
        "blob_bytes": len(blob),
        "fernet_bytes": len(token),
    }


def fill(engine: Engine, vault: Vault, count: int) -> list[uuid.UUID]:
    """Write `count` connections with sealed configs by COPY."""
    ids = [uuid.uuid4() for _ in range(count)]
    lines = io.StringIO()
    with engine.begin() as connection:
        user_id = connection.execute(
            text("INSERT INTO users (email, password_hash) VALUES ('a@example.test', 'x') RETURNING id")
        ).scalar_one()
        for number, row_id in enumerate(ids):
            sealed = seal_config(vault, config(f"first-{number}"), place_of(row_id, user_id=user_id, version=1))
            lines.write(f"{row_id}\t{user_id}\tmock\tBank\t\\\\x{sealed.blob.hex()}\t{sealed.key_id}\n")
        lines.seek(0)
        connection.connection.cursor().copy_expert(
            "COPY bank_connections (id, user_id, connector_name, display_name, config_encrypted, config_key_id)"
            " FROM STDIN",
            lines,
        )
        connection.execute(text("UPDATE bank_connections SET config_sealed_at = now()"))
    return ids


def refresh_until_told(
    url: str, keys: dict[str, bytes], ids: list[uuid.UUID], seed: int, stop: Event, answer: "Queue[Any]"
) -> None:
    """What a worker does to credentials, as fast as it can: open, renew, save; remember what was saved last."""
    vault = EnvelopeVault([LocalKeyring(keys)], primary_key_id=next(iter(keys)))
    engine = open_engine(url, role="refresh")
    sessions, choice = open_sessions(engine), random.Random(seed)
    saved: dict[uuid.UUID, str] = {}
    failures: list[str] = []
    refreshes = 0
    while not stop.is_set():
        row_id = choice.choice(ids)
        try:
            stored = take_config(sessions, row_id)
            opened = open_taken(sessions, vault, stored, Config)
            expected = saved.get(row_id)
            if expected is not None and opened.refresh_token.get_secret_value().strip() != expected:
                failures.append("lost update")
            token = f"renewed-{seed}-{refreshes}"
            ConfigKeeper(sessions, vault, stored)(config(token))
            saved[row_id] = token
            refreshes += 1
        except Exception as error:  # noqa: BLE001 - every failure counts
            failures.append(repr(error))
    engine.dispose()
    answer.put((refreshes, failures, saved))


def audit_cost(sessions: Sessions, ids: list[uuid.UUID]) -> dict[str, float]:
    """Read configs with their opening on record, and without, in turns; µs each."""
    plain = text("SELECT config_encrypted, config_version FROM bank_connections WHERE id = :id")
    costs: dict[str, list[float]] = {"read_on_record_us": [], "plain_read_us": []}
    for row_id in ids[:1000]:
        started = time.perf_counter()
        take_config(sessions, row_id)
        between = time.perf_counter()
        with sessions() as session:
            session.execute(plain, {"id": row_id}).one()
        costs["read_on_record_us"].append((between - started) * 1e6)
        costs["plain_read_us"].append((time.perf_counter() - between) * 1e6)
    return {name: median(values) for name, values in costs.items()}


def rotation(credentials: int, refreshers: int) -> dict[str, float]:
    """Rotate everything while `refreshers` processes renew tokens of their own share of the connections."""
    keys = {"new": os.urandom(32), "old": os.urandom(32)}
    ring = LocalKeyring(keys)
    with servers() as local:
        url = local.postgres.url
        engine = open_engine(url, role="rotate")
        ids = fill(engine, EnvelopeVault([ring], primary_key_id="old"), credentials)
        sessions = open_sessions(engine)
        audit = audit_cost(sessions, ids)
        with refreshing(url, keys, ids, refreshers) as answers:
            while refreshers and not _refreshed(engine):
                time.sleep(0.05)
            before, started = _refreshed(engine), time.perf_counter()
            report = rotate(sessions, EnvelopeVault([ring], primary_key_id="new"))
            elapsed_s = time.perf_counter() - started
            during = _refreshed(engine) - before
        new_alone = EnvelopeVault([LocalKeyring({"new": keys["new"]})], primary_key_id="new")
        lost = sum(_lost(sessions, new_alone, saved) for _, _, saved in answers)
        verified = verify(sessions, new_alone)
        engine.dispose()
    return audit | {
        "credentials": credentials,
        "rotated": report.rotated,
        "remaining": report.remaining,
        "seconds": elapsed_s,
        "rotated_per_s": report.rotated / elapsed_s,
        "refreshes_during_rotation": during,
        "failed_refreshes": sum(len(failures) for _, failures, _ in answers),
        "renewed_tokens_lost": lost,
        "open_with_the_new_key_alone": sum(verified.opened.values()),
        "do_not_open": len(verified.failures),
    }


@contextmanager
def refreshing(url: str, keys: dict[str, bytes], ids: list[uuid.UUID], processes: int) -> Iterator[list[Answer]]:
    """Refresh in other processes for the length of the block; their answers are there after it."""
    context = get_context("spawn")
    stop, answer = context.Event(), context.Queue()
    workers = [
        context.Process(target=refresh_until_told, args=(url, keys, ids[seed::processes], seed, stop, answer))
        for seed in range(processes)
    ]
    for worker in workers:
        worker.start()
    answers: list[Answer] = []
    try:
        yield answers
    finally:
        stop.set()
        answers.extend(answer.get() for _ in workers)
        for worker in workers:
            worker.join()


def _refreshed(engine: Engine) -> int:
    with engine.begin() as connection:
        counted = connection.execute(text("SELECT count(*) FROM credential_audit WHERE action = 'replaced'"))
        return int(counted.scalar_one())


def _lost(sessions: Sessions, vault: Vault, saved: dict[uuid.UUID, str]) -> int:
    opened = (
        (token, open_taken(sessions, vault, take_config(sessions, row_id), Config)) for row_id, token in saved.items()
    )
    return sum(config.refresh_token.get_secret_value().strip() != token for token, config in opened)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--credentials", type=int, default=100_000)
    parser.add_argument("--refreshers", type=int, default=2)
    arguments = parser.parse_args()
    costs = sealing()
    print(f"seal 512 B: {costs['seal_us']:.1f} µs, {costs['seal_times_faster']:.1f} x as fast as Fernet")
    print(f"open 512 B: {costs['open_us']:.1f} µs, {costs['open_times_faster']:.1f} x as fast as Fernet")
    moved = rotation(arguments.credentials, arguments.refreshers)
    print(f"read on record: {moved['read_on_record_us']:.0f} µs, plain: {moved['plain_read_us']:.0f} µs")
    print(f"rotated {moved['rotated']} of {moved['credentials']} in {moved['seconds']:.1f} s:", end=" ")
    print(f"{moved['rotated_per_s']:.0f}/s beside {moved['refreshes_during_rotation']} refreshes,", end=" ")
    print(f"{moved['failed_refreshes']} failed, {moved['renewed_tokens_lost']} renewed tokens lost")
    keep("credentials", {"sealing": costs, "rotation": moved})
    if moved["failed_refreshes"] or moved["renewed_tokens_lost"] or moved["do_not_open"] or moved["remaining"]:
        raise SystemExit("something was lost")


if __name__ == "__main__":
    main()
