# Two images from one file: `engine` runs a flow, `operator` runs flows' pods.
# Both run as a user without a name or a home, on a root file system that is read-only.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1
RUN python3 -m venv /opt/venv

FROM base AS wheel
WORKDIR /build
COPY requirements/build.txt requirements/build.txt
RUN pip install --require-hashes --requirement requirements/build.txt
COPY pyproject.toml README.md ./
COPY crds crds
COPY engine engine
COPY client client
COPY operator operator
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

FROM base AS engine
COPY requirements/engine.txt /tmp/engine.txt
RUN pip install --require-hashes --requirement /tmp/engine.txt && rm /tmp/engine.txt
COPY --from=wheel /wheel /tmp/wheel
RUN pip install --no-deps /tmp/wheel/*.whl && rm -r /tmp/wheel
COPY requirements/sbom.py /tmp/sbom.py
RUN mkdir -p /opt/venv/share/sbom && python /tmp/sbom.py computable-flows-engine > /opt/venv/share/sbom/engine.spdx.json && rm /tmp/sbom.py
LABEL org.opencontainers.image.title=computable-flows-engine \
      org.opencontainers.image.description="Runs one flow: computes it, and saves checkpoints."
ENV HOME=/tmp
USER 65532:65532
# The first process of a pod never gets a signal that it has no handler for. Blocked before Python starts, SIGTERM waits
# until the engine handles it.
ENTRYPOINT ["env", "--block-signal=TERM", "cflow"]

FROM base AS operator
COPY requirements/operator.txt /tmp/operator.txt
RUN pip install --require-hashes --requirement /tmp/operator.txt && rm /tmp/operator.txt
COPY --from=wheel /wheel /tmp/wheel
RUN pip install --no-deps /tmp/wheel/*.whl && rm -r /tmp/wheel
COPY requirements/sbom.py /tmp/sbom.py
RUN mkdir -p /opt/venv/share/sbom && python /tmp/sbom.py computable-flows-operator > /opt/venv/share/sbom/operator.spdx.json && rm /tmp/sbom.py
LABEL org.opencontainers.image.title=computable-flows-operator \
      org.opencontainers.image.description="Watches ComputableFlow resources and runs their pods."
ENV HOME=/tmp
USER 65532:65532
ENTRYPOINT ["flow-operator"]
