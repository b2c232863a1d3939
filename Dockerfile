# Openrun as a small image: one program, a user without rights, nothing that is needed only to build.
#
#     docker build -t openrun .

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY sale sale
COPY stores stores
COPY web web
COPY waiting-room waiting-room
COPY admission admission
COPY checkout checkout
COPY server server
COPY openrun openrun
COPY migrations migrations
# Not built, but members of the workspace that Cargo reads.
COPY tests tests
# Both caches are the builder's: they make the next build short and come into no image.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --locked --profile dist -p openrun && cp target/dist/openrun /openrun

FROM debian:bookworm-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin openrun \
    && install -d -o openrun -g openrun -m 700 /data /keys
COPY --from=build /openrun /usr/local/bin/openrun
COPY --chmod=755 deploy/ready /usr/local/bin/ready
USER 10001:10001
# Ends the build when a library is missing.
RUN openrun --help >/dev/null
WORKDIR /data
ENV OPENRUN_LISTEN=0.0.0.0:8080 OPENRUN_OPS_LISTEN=0.0.0.0:9090 OPENRUN_DATA_DIR=/data
EXPOSE 8080 9090
VOLUME /data
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s CMD ["ready"]
ENTRYPOINT ["openrun"]
CMD ["serve"]
