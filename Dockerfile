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
WORKDIR /src
COPY . .
# The program is copied out of `target`, so that a builder may keep that folder in a cache or a volume.
RUN cargo build --profile dist --locked \
    && install -D target/dist/credentiald /out/credentiald \
    && install -d -m 0700 /out/data

FROM ${RUNTIME_IMAGE}
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
