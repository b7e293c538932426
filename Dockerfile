# syntax=docker/dockerfile:1

# The base is named by its Debian, not by "slim" alone: Debian 13 has SQLite 3.46, while Debian 12
# has 3.40, on which the durable engine cannot keep time under Python 3.12 and newer.
FROM python:3.13-slim-trixie AS build
WORKDIR /source
COPY requirements.txt requirements-build.txt ./
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --quiet --require-hashes --only-binary :all: \
        --requirement requirements-build.txt \
    && python -m venv /service \
    && /service/bin/pip install --no-cache-dir --quiet --require-hashes --only-binary :all: \
        --requirement requirements.txt
COPY LICENSE README.md pyproject.toml ./
COPY migrations migrations
COPY app app
RUN /build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /service/bin/pip install --no-cache-dir --quiet --no-deps /wheels/*.whl

FROM python:3.13-slim-trixie
RUN python -c "import sqlite3; assert sqlite3.sqlite_version_info >= (3, 42), sqlite3.sqlite_version" \
    && useradd --system --uid 10001 --home-dir /var/lib/intercom --create-home intercom
COPY --from=build /service /service
ENV PATH=/service/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER intercom
# The default database is a file in the folder where the service starts: mount a volume here, or
# give INTERCOM_DATABASE_URL.
WORKDIR /var/lib/intercom
VOLUME /var/lib/intercom
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["intercom"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
