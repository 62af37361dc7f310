# NovelSync in a container: `serve`, which answers over HTTP and syncs every hour. It needs a database (DATABASE_URL, or
# SUPABASE_URL and its key) and a storage (NOVELSYNC_STORAGE): compose.yaml shows both. docs/container.md explains it.

FROM python:3.13.12-slim-trixie AS build
WORKDIR /src
# Alone, so that a change of the code installs no package anew.
COPY requirements.txt ./
RUN python -m venv --without-pip /opt/novelsync \
    && pip --python /opt/novelsync/bin/python install --no-cache-dir --no-compile --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY supabase/migrations/ supabase/migrations/
COPY supabase/optional/ supabase/optional/
COPY novelsync/ novelsync/
RUN pip --python /opt/novelsync/bin/python install --no-cache-dir --no-deps . \
    && /opt/novelsync/bin/python -m compileall -q /opt/novelsync/lib

FROM python:3.13.12-slim-trixie
# Nothing is installed in here again.
RUN pip uninstall --yes --quiet pip \
    && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin novelsync
COPY --from=build /opt/novelsync/ /opt/novelsync/
ENV PATH=/opt/novelsync/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NOVELSYNC_LOG_FORMAT=json
WORKDIR /srv
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["novelsync"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
