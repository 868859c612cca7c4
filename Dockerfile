# Server and agent in one image: the single executable and the libraries that it is linked with, nothing else. There is no shell
# in it and no user but a number; the root file system may be read-only.
#
#   docker build --tag culvert .
#   docker run --read-only --tmpfs /tmp:exec --volume culvert:/data --publish 8000:8000 culvert
#   docker run --read-only --tmpfs /tmp:exec --volume culvert-agent:/data culvert agent --server URL --to URL
#
# For another architecture give --build-arg BASE an image of it, as for `--platform`. BASE needs Node with npm, and glibc.
ARG BASE=node:26-bookworm-slim

FROM ${BASE} AS build
WORKDIR /build
# `strip` makes the executable a quarter smaller; libatomic is what Node is linked with beyond the C++ library.
RUN command -v strip >/dev/null || (apt-get update && apt-get install --yes --no-install-recommends binutils libatomic1)
COPY package.json package-lock.json ./
# The scripts of packages fetch what only tests need.
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && node deploy/binary/build.ts "linux-$(node --print process.arch)"
RUN mkdir -p /image/usr/local/bin /image/usr/local/share/culvert /image/tmp /own/data && chmod 1777 /image/tmp && \
  cp executables/culvert-linux-* /image/usr/local/bin/culvert && \
  cp executables/LICENCES.txt executables/culvert.cdx.json /image/usr/local/share/culvert/ && \
  ldd /image/usr/local/bin/culvert | grep -o '/[^ ]*' | xargs cp --parents --dereference --target-directory /image

FROM scratch
LABEL org.opencontainers.image.title="Culvert" \
  org.opencontainers.image.description="A self-hosted HTTP tunnel: server and agent" \
  org.opencontainers.image.licenses="MPL-2.0"
COPY --from=build /image/ /
COPY --from=build --chown=10001:10001 /own/ /
# What is to be kept: the database of a server (culvert.db), the token of an agent (.config/culvert).
ENV HOME=/data
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8000
# The first one lets requests end, and tells agents to move on.
STOPSIGNAL SIGTERM
# Of a server. An agent has no listener: turn it off there.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/culvert", "health"]
ENTRYPOINT ["/usr/local/bin/culvert"]
CMD ["serve"]
