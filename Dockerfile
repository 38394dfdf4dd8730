# sessionfs in a container: mounts /sessions, as a sidecar or as the entry point `sessionfs run -- COMMAND`.
#
#   docker build -t sessionfs .
#   docker run --rm --device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined sessionfs
#
# docs/containers.md has the rest: Compose, Kubernetes, and an image with your application in it.

# Node.js 24, which is maintained until April 2028. By digest, so that every build has the same one: take a newer one for fixes of
# Node.js and Debian.
ARG BUILD_IMAGE=node:24-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d
# What it runs on: the same, or node:24-alpine, with --build-arg NODE_IMAGE=node:24-alpine.
ARG NODE_IMAGE=${BUILD_IMAGE}

# Everything that is built is JavaScript, the same for each architecture and each libc: with BuildKit, the platform of the machine that
# builds is enough, and no compiler runs in an emulator.
FROM --platform=${BUILDPLATFORM} ${BUILD_IMAGE} AS build
WORKDIR /opt/sessionfs
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-update-notifier
COPY tsconfig.json ./
COPY src src
COPY scripts/bundle scripts/bundle
# The tests are not in the image, so tsconfig.json must not name them.
RUN node_modules/.bin/tsc -p tsconfig.json --sourceMap false --incremental false --tsBuildInfoFile null \
  && scripts/bundle && find dist/bundle -name '*.map' -delete \
  && npm prune --omit=dev --ignore-scripts --no-update-notifier \
  && find node_modules -type f \( -name '*.ts' -o -name '*.[cm]ts' -o -name '*.map' -o -name .package-lock.json \) -delete

FROM ${NODE_IMAGE} AS system
# Alpine's own mount and umount are busybox's, and it has no bash for sessionfs-ready.
RUN if command -v apk; then apk add --no-cache bash util-linux mount umount flock setpriv; fi
# Tools that install and build do not belong beside the keys of accounts.
RUN rm -rf /usr/local/lib/node_modules /usr/local/include /usr/local/share/doc /usr/local/share/man /opt/yarn* \
  && find /usr/local/bin -mindepth 1 ! -name node ! -name docker-entrypoint.sh -delete \
  && rm -rf /tmp/* /root/.npm /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log
COPY --from=build /opt/sessionfs/node_modules /opt/sessionfs/node_modules
COPY --from=build /opt/sessionfs/dist/bundle /opt/sessionfs/dist/bundle
COPY package.json LICENSE /opt/sessionfs/
COPY bin /opt/sessionfs/bin
# The mount point is root's until something is mounted there: an application that starts too early is refused, and does not
# start a new identity in a folder that is not kept.
RUN ln -s /opt/sessionfs/bin/* /usr/local/bin/ \
  && mkdir -p -m 0755 /sessions && mkdir -p -m 0700 /var/lib/sessionfs \
  && sessionfs --version && mount --version && umount --version && flock --version

# Copied once more, without the layers of what was removed.
FROM scratch
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title=sessionfs \
  org.opencontainers.image.description="An encrypting write-back filesystem for WhatsApp sessions" \
  org.opencontainers.image.url=https://github.com/sessionfs/sessionfs \
  org.opencontainers.image.source=https://github.com/sessionfs/sessionfs \
  org.opencontainers.image.documentation=https://github.com/sessionfs/sessionfs/blob/main/docs/containers.md \
  org.opencontainers.image.licenses=MIT \
  org.opencontainers.image.version=${VERSION} \
  org.opencontainers.image.revision=${REVISION}
COPY --from=system / /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  NODE_ENV=production \
  SESSION_STORAGE_PATH=/sessions \
  SESSION_CACHE_PATH=/var/lib/sessionfs/cache
# Not in a folder of the mount, which could not be unmounted then.
WORKDIR /
# Flushes, makes the last backup, unmounts. Give it 60 s.
STOPSIGNAL SIGTERM
# No USER: mounting needs root. Applications run as another user: docs/containers.md.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 CMD ["sessionfs-health"]
ENTRYPOINT ["sessionfs"]
CMD ["mount"]
