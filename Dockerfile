# The image of every service of Kordon: `docker build -t kordon:local .`. docker-compose.yml shows how each is run.
# What is installed is what requirements.txt names, by hash; the wheel of Kordon itself is built from this folder.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/kordon && python -m venv /opt/build
COPY requirements.txt requirements-build.txt ./
RUN /opt/kordon/bin/pip install --only-binary=:all: --require-hashes -r requirements.txt \
    && /opt/build/bin/pip install --only-binary=:all: --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md ./
COPY schemas/ schemas/
COPY policy/ policy/
COPY transport/ transport/
COPY streams/ streams/
COPY issuer/ issuer/
COPY kordon/ kordon/
RUN /opt/build/bin/python -m hatchling build -t wheel -d /src/wheel \
    && /opt/kordon/bin/pip install --no-deps --no-index /src/wheel/*.whl

FROM ${BASE}
# 10001 is nobody's on any host. A new volume takes owner and mode of the folder that it is mounted on.
RUN groupadd --gid 10001 kordon \
    && useradd --uid 10001 --gid kordon --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin kordon \
    && install -d -o kordon -g kordon -m 0700 \
        /var/lib/kordon/keys /var/lib/kordon/passphrase /var/lib/kordon/trust /var/lib/kordon/operator \
        /var/lib/kordon/nodes /var/lib/kordon/ledger
COPY --from=build /opt/kordon /opt/kordon
COPY --chmod=0755 deploy/make-keys /usr/local/bin/make-keys
ENV PATH=/opt/kordon/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/kordon
USER 10001:10001
ENTRYPOINT ["kordon"]
CMD ["--help"]
