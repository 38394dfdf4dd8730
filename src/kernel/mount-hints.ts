/** What to do where mounting is not allowed; docs/operations.md says it at length. */
export const CONTAINER_HINT =
  'In Docker: --device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined. ' +
  'In Kubernetes: a privileged sidecar that mounts with Bidirectional propagation. ' +
  'Elsewhere: run as root, or inside unshare --user --map-root-user --mount.';
