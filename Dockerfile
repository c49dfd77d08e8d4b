FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /source
# image.txt: what the worker and its API need. runtime.txt: that and the extras aws, vault and otel.
ARG LOCK=image.txt
COPY requirements/${LOCK} requirements/build.txt requirements/
# Wheels alone, each with its hash: nothing of a dependency is executed while it is installed.
RUN python -m venv /opt/worker \
 && /opt/worker/bin/pip install --only-binary :all: --require-hashes -r requirements/${LOCK} \
 && pip install --only-binary :all: --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE schema.sql ./
COPY examples/finmind/page examples/finmind/page
COPY worker worker
# Left out: the interactive shell of the program `celery`, which nothing here starts; the grammars of Pygments for
# languages other than Python, whose tracebacks are all that Rich colours here; SQLAlchemy's dialects of databases other
# than Postgres; the translations of Flower's numbers; type stubs and C sources.
RUN python -m hatchling build -t wheel -d /wheels \
 && /opt/worker/bin/pip install --no-deps --no-index /wheels/*.whl \
 && /opt/worker/bin/pip uninstall --yes pip click-repl prompt-toolkit wcwidth \
 && find /opt/worker -type d \( -name tests -o -name test -o -name testing \) -not -path '*/worker/connectors/*' -prune \
         -exec rm -r {} + \
 && find /opt/worker/lib/python*/site-packages/pygments/lexers -type f -not -name '__init__.*' -not -name '_mapping.*' \
         -not -name 'python.*' -not -name 'special.*' -delete \
 && find /opt/worker -type d \( -path '*/sqlalchemy/dialects/m*sql' -o -path '*/sqlalchemy/dialects/oracle' \
         -o -path '*/sqlalchemy/dialects/sqlite' -o -path '*/humanize/locale' \) -prune -exec rm -r {} + \
 && find /opt/worker -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) -delete

FROM python:3.12-slim-bookworm
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="finmind-worker" \
      org.opencontainers.image.description="Background worker of FinMind: bank imports and signed webhooks" \
      org.opencontainers.image.source="https://github.com/rohitdash08/FinMind" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The image runs one program; it needs neither an installer nor a login.
RUN python -m pip uninstall --yes pip \
 && groupadd --system --gid 10001 worker \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin worker \
 && install --directory --owner worker --group worker --mode 0700 /var/lib/finmind-worker/statements
COPY --from=build /opt/worker /opt/worker
COPY LICENSE /licenses/LICENSE
ENV MALLOC_ARENA_MAX=2
ENV PATH=/opt/worker/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp LOG_FORMAT=json \
    FINMIND_HEALTH_DIR=/tmp/health
WORKDIR /tmp
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=4 CMD ["finmind-worker", "healthcheck", "worker"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "worker.celery_command", "worker", \
     "--queues", "interactive,celery,scheduled,heavy,webhooks,maintenance", \
     "--concurrency", "4", "--without-mingle", "--without-gossip"]
