"""A release: both distributions as source and wheel, what must be inside, and what must start from them.

python -m tools.release build              sdists and wheels under dist/, the wheels from the unpacked sdists
python -m tools.release checksums          SHA256SUMS over everything under dist/, once all of it is there
python -m tools.release verify [EXTRA …]   installs them into empty environments and starts what each extra promises
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.promises import PROMISES, BrokenPromiseError, keep
from worker import __version__
from worker.credentials.local import generate_key
from worker.local.postgres import EmbeddedPostgres
from worker.local.redis import EmbeddedRedis, free_port

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "client"
DIST = ROOT / "dist"
FINMIND_PINS = Path(__file__).parent / "finmind_pins.txt"
"""What FinMind's backend pins and the worker uses in other versions."""

INSIDE = {
    "py.typed": 1,
    "schema.sql": 1,
    "migrations/versions/*.sql": 1,
    "migrations/versions/r*.py": 1,
    "api/ops/templates/*": 11,
    "api/templates/*.html": 1,
    "api/sample_page_files/*": 4,
    "connectors/file/table/profiles/*.toml": 30,
    "events/schemas/*/*.json": 11,
}
"""What the worker reads at run time, as patterns below the package, and how many there are at least."""

SOURCE = ("LICENSE", "README.md", "CHANGELOG.md", "schema.sql", "tests/conftest.py", "docs/index.md", "Makefile")
"""What a source distribution must hold beside the package."""


def build(folder: Path, project: Path = ROOT) -> tuple[Path, Path]:
    """Build sdist and wheel of a project into `folder`; the wheel is built from the sdist. Returns: their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    _hatch(project, "sdist", folder)
    name = f"{'finmind_worker' if project == ROOT else 'finmind_worker_client'}-{__version__}"
    sdist = folder / f"{name}.tar.gz"
    with tempfile.TemporaryDirectory(prefix="finmind-release-") as unpacked:
        # Not `tarfile`, whose safe extraction Python 3.11.2 of Debian lacks.
        subprocess.run(["tar", "-xzf", sdist, "-C", unpacked], check=True)  # noqa: S603, S607 - our own archive
        _hatch(Path(unpacked) / name, "wheel", folder)
    return sdist, folder / f"{name}-py3-none-any.whl"


def write_checksums(folder: Path) -> Path:
    """Write SHA256SUMS over every file of the release, in the form of `sha256sum --check`. Returns: its path."""
    target = folder / "SHA256SUMS"
    files = sorted(path for path in folder.iterdir() if path.is_file() and path != target)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    target.write_text("".join(lines), encoding="utf-8")
    return target


def missing_from_wheel(wheel: Path) -> list[str]:
    """Return what must be in a wheel and is not."""
    names = [Path(name) for name in zipfile.ZipFile(wheel).namelist()]
    missing = [
        pattern for pattern, least in INSIDE.items() if sum(name.match(f"worker/{pattern}") for name in names) < least
    ]
    if not any(name.match("*.dist-info/licenses/LICENSE") for name in names):
        missing.append("LICENSE")
    return missing


def missing_from_sdist(sdist: Path) -> list[str]:
    """Return what must be in a source distribution and is not."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    return [name for name in SOURCE if name not in names]


def verify(sdist: Path, wheel: Path, clients: Sequence[Path], extras: Sequence[str]) -> int:
    """Install what was built with each extra alone and start what it promises; 1 when something does not start."""
    broken = [f"{wheel.name}: no {name}" for name in missing_from_wheel(wheel)]
    broken += [f"{sdist.name}: no {name}" for name in missing_from_sdist(sdist)]
    with _servers() as environment:
        for extra in extras:
            broken += _broken(wheel, extra, environment)
        if "" in extras:
            broken += _broken(sdist, "", environment)
            for client in clients:
                broken += _broken_beside_finmind(client)
    for line in broken:
        print(line)
    return 1 if broken else 0


def _broken(archive: Path, extra: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Install an archive with one extra into an empty environment; yield the promises that are not kept."""
    wanted = f"{archive}[{extra}]" if extra else str(archive)
    with tempfile.TemporaryDirectory(prefix="finmind-release-") as directory:
        home = Path(directory)
        venv.create(home / "env", with_pip=True)
        binaries = home / "env" / "bin"
        installed = subprocess.run(  # noqa: S603 - our own arguments
            [binaries / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wanted], check=False
        )
        if installed.returncode:
            yield f"{Path(wanted).name}: cannot be installed"
            return
        for promise in PROMISES[extra]:
            try:
                keep(promise, binaries, environment, home)
                print(f"{Path(wanted).name}: {promise.says}", flush=True)
            except BrokenPromiseError as error:
                yield f"{Path(wanted).name} does not do it: {promise.says}\n{error}"


_CLIENT = "from worker.client import WorkerClient; WorkerClient()"


def _broken_beside_finmind(archive: Path) -> Iterator[str]:
    """Install the client beside what FinMind pins; yield what moved and what does not work."""
    with tempfile.TemporaryDirectory(prefix="finmind-release-") as directory:
        home = Path(directory)
        venv.create(home / "env", with_pip=True)
        python = home / "env" / "bin" / "python"
        pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")
        try:
            _run(*pip, "install", "--requirement", FINMIND_PINS)
            before = set(_run(*pip, "freeze").splitlines())
            _run(*pip, "install", archive)
            gone = before - set(_run(*pip, "freeze").splitlines())
            _run(*pip, "check")
            _run(python, "-W", "error", "-c", _CLIENT)
        except subprocess.CalledProcessError as error:
            yield f"{archive.name} beside FinMind's pins: {error.stdout}"
            return
        if gone:
            yield f"{archive.name} moves {', '.join(sorted(gone))}"
        print(f"{archive.name}: works beside FinMind's pins", flush=True)


def _run(*command: Path | str) -> str:
    return subprocess.run(  # noqa: S603 - our own arguments
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600
    ).stdout


@contextmanager
def _servers() -> Iterator[Mapping[str, str]]:
    """Run a Postgres and a Redis; yield the variables that name them."""
    with tempfile.TemporaryDirectory(prefix="finmind-release-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # as root Postgres runs as a system user of its own
        postgres, redis = EmbeddedPostgres(Path(directory) / "postgres", durable=False), EmbeddedRedis(Path(directory))
        try:
            yield {
                "DATABASE_URL": postgres.url,
                "REDIS_URL": redis.url,
                "CREDENTIAL_KEYS": generate_key(),
                "API_PORT": str(free_port()),
                "HOME": directory,
                "FINMIND_HEALTH_DIR": f"{directory}/health",
            }
        finally:
            redis.stop()
            postgres.stop()


def _hatch(project: Path, target: str, folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL, timeout=120)  # noqa: S603 - ours


def main() -> int:
    """Run the command that was asked for and return its exit code."""
    parser = argparse.ArgumentParser(prog="release", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build")
    commands.add_parser("checksums")
    commands.add_parser("verify").add_argument("extras", nargs="*", default=list(PROMISES))
    arguments = parser.parse_args()
    if arguments.command == "build":
        shutil.rmtree(DIST, ignore_errors=True)
        for path in (*build(DIST), *build(DIST, CLIENT)):
            print(f"{path.relative_to(ROOT)} built")
        return 0
    if arguments.command == "checksums":
        print(f"{write_checksums(DIST).relative_to(ROOT)} written")
        return 0
    return verify(
        DIST / f"finmind_worker-{__version__}.tar.gz",
        DIST / f"finmind_worker-{__version__}-py3-none-any.whl",
        sorted(DIST.glob("finmind_worker_client-*")),
        arguments.extras,
    )


if __name__ == "__main__":
    sys.exit(main())
