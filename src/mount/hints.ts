/** What to do where mounting is not allowed; docs/operations.md says it at length. */
export const CONTAINER_HINT =
  'In Docker: --device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined. ' +
  'In Kubernetes: a privileged sidecar that mounts with Bidirectional propagation. ' +
  'Without root: the device must be open to all, as desktops have it (chmod 666 /dev/fuse). ' +
  'Elsewhere: run as root, or inside unshare --user --map-root-user --mount.';
