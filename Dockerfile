# What Docker's and Kubernetes' pools of Prefect run, and the workers of a Dask cluster: Python and what
# the locks name. The workspace is a volume at /srv/pipeline; docs/cluster.md, docs/operations.md.
#
#     docker build --tag pipeline .
FROM python:3.11.11-slim-bookworm

# Git, because DVC asks it; whatever version Debian's release has.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 pipeline

COPY requirements.lock requirements-cluster.lock /opt/locks/
RUN pip install --no-cache-dir --compile --no-deps --require-hashes \
    -r /opt/locks/requirements.lock -r /opt/locks/requirements-cluster.lock

ENV DO_NOT_TRACK=1 DVC_NO_ANALYTICS=1 PYTHONPATH=/srv/pipeline
USER 1000
WORKDIR /srv/pipeline
CMD ["python", "-m", "cli", "--help"]
