# Two images from one file: `engine` runs a flow, `operator` runs flows' pods.
# Both run as a user without a name or a home, on a root file system that is read-only, and their environment holds no pip.
#
# What they hold comes in layers, so that another version of ours is a small pull: first the locked dependencies without
# their tests, then our own package, then the list of all that is there.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
RUN python3 -m venv --without-pip /opt/venv

FROM base AS build
RUN python3 -m venv /opt/build
ENV INSTALL="/opt/build/bin/pip --python /opt/venv --no-cache-dir install"

FROM build AS package
COPY requirements/build.txt /build/requirements.txt
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement /build/requirements.txt
WORKDIR /build
COPY pyproject.toml README.md ./
COPY crds crds
COPY engine engine
COPY client client
COPY operator operator
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheel . && $INSTALL --no-deps wheel/*.whl

FROM build AS engine-dependencies
COPY requirements/engine.txt /build/requirements.txt
RUN $INSTALL --require-hashes --requirement /build/requirements.txt && \
    find /opt/venv/lib -type d -name tests -prune -exec rm -r {} +

FROM build AS operator-dependencies
COPY requirements/operator.txt /build/requirements.txt
RUN $INSTALL --require-hashes --requirement /build/requirements.txt && \
    find /opt/venv/lib -type d -name tests -prune -exec rm -r {} +

FROM base AS engine
COPY --from=engine-dependencies /opt/venv /opt/venv
COPY --from=package /opt/venv /opt/venv
COPY requirements/sbom.py /opt/venv/share/sbom/
RUN python /opt/venv/share/sbom/sbom.py computable-flows-engine > /opt/venv/share/sbom/engine.spdx.json
LABEL org.opencontainers.image.title=computable-flows-engine \
      org.opencontainers.image.description="Runs one flow: computes it, and saves checkpoints."
ENV HOME=/tmp
USER 65532:65532
# The first process of a pod never gets a signal that it has no handler for. Blocked before Python starts, SIGTERM waits
# until the engine handles it.
ENTRYPOINT ["env", "--block-signal=TERM", "cflow"]

FROM base AS operator
COPY --from=operator-dependencies /opt/venv /opt/venv
COPY --from=package /opt/venv /opt/venv
COPY requirements/sbom.py /opt/venv/share/sbom/
RUN python /opt/venv/share/sbom/sbom.py computable-flows-operator > /opt/venv/share/sbom/operator.spdx.json
LABEL org.opencontainers.image.title=computable-flows-operator \
      org.opencontainers.image.description="Watches ComputableFlow resources and runs their pods."
ENV HOME=/tmp
USER 65532:65532
ENTRYPOINT ["flow-operator"]
