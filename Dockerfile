# A GPU host. Written to the documentation of mistralrs and CUDA; not run by us yet.
FROM node:22-bookworm AS pages
WORKDIR /src/static
COPY static/package.json static/package-lock.json static/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY static ./
COPY src/web /src/src/web
COPY tests/fixtures /src/tests/fixtures
RUN npm run build

FROM nvidia/cuda:12.8.1-cudnn-devel-ubuntu24.04 AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential curl ca-certificates pkg-config && rm -rf /var/lib/apt/lists/*
ENV CARGO_HOME=/opt/cargo RUSTUP_HOME=/opt/rustup
RUN curl -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
ENV PATH="/opt/cargo/bin:${PATH}"
WORKDIR /src
COPY . .
COPY --from=pages /src/static/dist static/dist
# The compute capability of your card, e.g. 89 for Ada, 90 for Hopper.
ARG CUDA_COMPUTE_CAP=89
RUN CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP} cargo build --release --locked --features cuda

FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip ca-certificates tzdata && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/shopclerk /usr/local/bin/shopclerk
# The adapters of the tools: the program looks for them here.
COPY adapters /usr/local/share/shopclerk/adapters
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["shopclerk", "--data", "/data"]
CMD ["serve", "--listen", "0.0.0.0:8080"]
