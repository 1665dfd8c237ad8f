# syntax=docker/dockerfile:1
# Fanfare in a container: built from source, run by a user who owns nothing.
#
#   docker build -t fanfare .
#   docker run --rm -p 8080:8080 -e FANFARE__REDIS__URL=redis://host.docker.internal:6379 fanfare

FROM rust:1.95-slim-bookworm AS build
# jemalloc is built by make.
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    # Kernels of arm64 have pages of up to 64 KiB; jemalloc runs where they are no larger than it was built for.
    if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi && \
    # Without the paths of whoever builds it.
    scripts/release.sh fanfare && \
    cp target/dist/fanfare /fanfare

FROM debian:bookworm-slim
# Authorities that keys and answers over HTTPS are traced to. The base image has none. Others: auth.ca_file.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin fanfare
COPY --from=build /fanfare /usr/local/bin/fanfare
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/fanfare/
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
# Outside containers both listeners are on loopback. In here the container's own network is the boundary:
# publish 8080 to the balancer and keep 9090 (metrics, probes, no authentication) inside.
ENV FANFARE__SERVER__LISTEN=0.0.0.0:8080 \
    FANFARE__ADMIN__LISTEN=0.0.0.0:9090 \
    FANFARE__LOG__FORMAT=json
EXPOSE 8080 9090
# SIGTERM drains; give it longer than drain.deadline before SIGKILL (docker stop --time).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/fanfare"]
CMD ["serve"]
