# The worker's image.
#   docker build -t vidfab-worker .
#   docker run --env-file .env.product vidfab-worker          (… vidfab-worker --help for more)
# Values to set: those of .env.example, in a file or by -e; none is built in. A longer
# SHUTDOWN_GRACE_S needs `--stop-timeout` 5 s above it (Docker's own is 10).
# `scripts/try-image.sh` builds and tries it; another base with Python 3.11 or newer: --build-arg BASE.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
# `--build-arg TRACES=1` adds what sends traces to OpenTelemetry: 6 MB, and 0.1 s of each start.
ARG TRACES=
COPY requirements/worker.txt requirements/otel.txt requirements/
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements/worker.txt \
    ${TRACES:+-r requirements/otel.txt} \
    && /venv/bin/pip uninstall --yes pip
WORKDIR /app
# The second has the worker's version.
COPY worker.py pyproject.toml scripts/healthcheck.py ./
COPY bullmq_consumer bullmq_consumer
COPY config config
COPY core core
COPY services services
COPY handlers handlers
COPY runtime runtime
COPY commands commands
# Here, since the worker may not write beside its code. Files of an image never change, so Python
# need not look whether they did.
RUN /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash .

# What is in /venv, as CycloneDX: with a tool that the image itself need not have.
FROM build AS sbom
COPY requirements/sbom.txt requirements/
RUN python -m venv /sbom \
    && /sbom/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements/sbom.txt
RUN /sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --spec-version 1.6 \
    --output-format JSON --output-reproducible --output-file /vidfab-worker.cdx.json /venv/bin/python

FROM ${BASE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ffmpeg tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp worker
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY --from=sbom /vidfab-worker.cdx.json /usr/share/sbom/vidfab-worker.cdx.json
WORKDIR /app
# A number: by a name Kubernetes cannot tell that it is not root.
USER 10001:10001
# Nothing but /tmp is written to: `--read-only` works with a volume there (a video takes up to 5 GiB
# of it, and a tmpfs would take them from memory).
ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 NODE_ENV=production HEALTH_PORT=8080
# tini passes signals on and reaps what ffmpeg leaves.
ENTRYPOINT ["tini", "--", "/venv/bin/python", "/app/worker.py"]
STOPSIGNAL SIGTERM
# Unhealthy while Redis is away and from the stop signal on. Where "unhealthy" means "restarted"
# (Swarm, ECS) name /livez in its place, since a new worker would have no Redis either.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["/venv/bin/python", "-IS", "/app/healthcheck.py", "/readyz"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vidfab-worker" \
    org.opencontainers.image.description="Python worker for VidFab's BullMQ queue" \
    org.opencontainers.image.revision="${REVISION}"
