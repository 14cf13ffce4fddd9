# The image contains one program and the C library that it needs. It runs as a numeric user who is not root, also with a
# read-only root file system:
#
#   docker build -t credentiald .
#   docker run --rm -v credentiald:/var/lib/credentiald credentiald bootstrap
#   docker run --read-only -v credentiald:/var/lib/credentiald -p 127.0.0.1:50051:50051 \
#       -e CREDENTIALD_SERVER_ALLOW_PLAINTEXT=true credentiald
#
# It listens on every address of the container, and refuses to do so in plaintext unless a setting allows it. The image
# does not set it: only the operator knows whether the network in front of the container can be trusted.
#
# Health checks are not part of the OCI image format: build with `--format docker` if the builder has that option.

ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
# Writes the list of its dependencies into the program, where scanners of images find it.
RUN cargo install --locked --version 0.7.7 cargo-auditable
WORKDIR /src
# The dependencies, in a layer of their own: from the manifests and the settings of the build, with sources that hold nothing. A
# change of the real sources does not compile them again.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates/argon2-vectors/Cargo.toml crates/argon2-vectors/
RUN mkdir src crates/argon2-vectors/src \
    && echo '//! Nothing yet.' | tee src/lib.rs >crates/argon2-vectors/src/lib.rs \
    && printf '//! Nothing yet.\nfn main() {}\n' | tee build.rs >src/main.rs \
    && cargo auditable build --profile dist --locked
COPY . .
# Cargo goes by the time of files, and those of the sources may be older than the layer before.
# The program is copied out of `target`, so that a builder may keep that folder in a cache or a volume.
RUN touch build.rs src/lib.rs src/main.rs crates/argon2-vectors/src/lib.rs \
    && cargo auditable build --profile dist --locked \
    && install -D target/dist/credentiald /out/credentiald \
    && install -d -m 0700 /out/data

FROM ${RUNTIME_IMAGE}
# As in `docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .`
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="credentiald" \
    org.opencontainers.image.description="A gRPC service through which people and programs change passwords" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/credentiald /credentiald
COPY --from=build --chown=65532:65532 /out/data /var/lib/credentiald
ENV CREDENTIALD_STORE_URL=sqlite:/var/lib/credentiald/credentiald.db \
    CREDENTIALD_SERVER_LISTEN=0.0.0.0:50051
USER 65532:65532
WORKDIR /var/lib/credentiald
VOLUME /var/lib/credentiald
EXPOSE 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/credentiald", "healthcheck"]
ENTRYPOINT ["/credentiald"]
CMD ["serve"]
