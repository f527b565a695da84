# pansharpkit on the CPU. From the root of a checkout:
#     docker build -f containers/cpu.Dockerfile --build-arg TORCH_INDEX=… -t pansharpkit:cpu .
#     docker run --rm -v "$PWD":/data --user "$(id -u):$(id -g)" pansharpkit:cpu fuse pan.tif ms.tif -o sharp.tif

FROM python:3.11-slim-bookworm AS build
# The index with builds for the CPU that pytorch.org/get-started names; without it pip takes CUDA.
ARG TORCH_INDEX=
WORKDIR /src
COPY constraints.txt ./
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/pansharpkit \
    && /opt/pansharpkit/bin/pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch
COPY . .
RUN /opt/pansharpkit/bin/pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} .

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="pansharpkit" \
      org.opencontainers.image.description="Pansharpening and image fusion" \
      org.opencontainers.image.licenses="Apache-2.0"
# rasterio's wheel takes libexpat from the system.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home pansharpkit
COPY --from=build /opt/pansharpkit /opt/pansharpkit
# HOME and the cache of fonts are where any user may write: --user is often that of the data.
ENV PATH=/opt/pansharpkit/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
USER 10001:10001
WORKDIR /data
# An image that cannot fuse is not finished.
RUN pansharpkit doctor && rm -rf /tmp/*
ENTRYPOINT ["pansharpkit"]
CMD ["--help"]
