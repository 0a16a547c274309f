FROM python:3.12-slim AS build
WORKDIR /app
COPY requirements/worker.txt requirements/
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements/worker.txt

FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg tini \
    && rm -rf /var/lib/apt/lists/* && useradd --system --create-home worker
WORKDIR /app
COPY --from=build /venv /venv
COPY worker.py ./
COPY config config
COPY core core
COPY services services
COPY handlers handlers
COPY runtime runtime
USER worker
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["tini", "--", "/venv/bin/python", "worker.py"]
