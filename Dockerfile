# The page and its HTTP interface (docs/serve.md) in a container:
#   docker build -t stylebank .
#   docker run --rm -p 127.0.0.1:8000:8000 -v stylebank:/keep -e STYLEBANK_TOKEN=a-token-of-your-own stylebank
# and then http://127.0.0.1:8000/?token=a-token-of-your-own. Films and new styles stay in the volume.
#
# torch's build for processors is a quarter of the size: with --build-arg PIP_EXTRA_INDEX_URL=, as docs/install.md says.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
ARG PIP_EXTRA_INDEX_URL=
WORKDIR /source
RUN python3 -m venv /opt/stylebank
COPY constraints.txt ./
RUN /opt/stylebank/bin/pip install --no-cache-dir "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE ./
COPY checkpoints checkpoints
COPY configs configs
COPY data/samples data/samples
COPY stylebank stylebank
RUN /opt/stylebank/bin/pip install --no-cache-dir --constraint constraints.txt '.[serve]'

FROM ${BASE}
COPY --from=build /opt/stylebank /opt/stylebank
# Nobody in particular; the volume is theirs.
RUN useradd --create-home --uid 1000 stylebank && mkdir /keep && chown stylebank /keep
USER stylebank
WORKDIR /keep
VOLUME /keep
EXPOSE 8000
HEALTHCHECK --interval=30s --start-period=60s \
    CMD ["/opt/stylebank/bin/python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/api/health')"]
# Any other command of the program as well: docker run --rm stylebank doctor
ENTRYPOINT ["/opt/stylebank/bin/stylebank"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--keep", "/keep"]
