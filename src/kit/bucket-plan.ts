/** A bucket as docs/google-cloud.md asks for: settings and rights, as commands of gcloud and as Terraform. */
import { TRASH_ROOT } from '../naming/trash-name.ts';

export interface BucketPlan {
  readonly name: string;
  readonly project: string | undefined;
  readonly location: string;
  /** What brings back what was overwritten or deleted, for so many days. */
  readonly undo: 'soft-delete' | 'versioning';
  readonly undoDays: number;
  /** For how many days mounts keep removed sessions; 0: not at all. */
  readonly trashDays: number;
  /** As IAM has it: serviceAccount:NAME@PROJECT.iam.gserviceaccount.com. */
  readonly member: string | undefined;
  /** A role of the project with nothing but what sessionfs calls, in place of Google's. Takes a project. */
  readonly customRole: boolean;
}

/** Object permissions, and to read the bucket's rules: never storage.admin. */
export const ROLES = ['roles/storage.objectUser', 'roles/storage.legacyBucketReader'];
const CUSTOM_ROLE = 'sessionfs';
/** What sessionfs calls; the last one reads rules that would delete live sessions. */
export const PERMISSIONS = [
  'storage.objects.create',
  'storage.objects.delete',
  'storage.objects.get',
  'storage.objects.list',
  'storage.buckets.get',
] as const;

/** What the member is granted on the bucket. */
export function rolesOf({ customRole, project }: BucketPlan): readonly string[] {
  return customRole ? [`projects/${project}/roles/${CUSTOM_ROLE}`] : ROLES;
}

const DAY_S = 86_400;

/** What the API takes, beside the name. */
export function bucketSettings(plan: BucketPlan) {
  const { location, undo, undoDays } = plan;
  const isVersioned = undo === 'versioning';
  return {
    location,
    storageClass: 'STANDARD',
    iamConfiguration: {
      uniformBucketLevelAccess: { enabled: true },
      publicAccessPrevention: 'enforced',
    },
    softDeletePolicy: { retentionDurationSeconds: isVersioned ? 0 : undoDays * DAY_S },
    versioning: { enabled: isVersioned },
    lifecycle: { rule: rulesOf(plan) },
  };
}

type Rule = {
  readonly action: { readonly type: 'Delete' };
  readonly condition:
    | { readonly daysSinceNoncurrentTime: number }
    | { readonly age: number; readonly matchesPrefix: string[] };
};

/**
 * They delete versions that were replaced, and removed sessions that no mount has deleted in its time, since none is there any more;
 * never a version that is in use.
 */
function rulesOf({ undo, undoDays, trashDays }: BucketPlan): Rule[] {
  const action = { type: 'Delete' } as const;
  return [
    ...(undo === 'versioning' ? [{ action, condition: { daysSinceNoncurrentTime: undoDays } }] : []),
    ...(trashDays > 0 ? [{ action, condition: { age: trashDays + 1, matchesPrefix: [TRASH_ROOT] } }] : []),
  ];
}

export function gcloudText(plan: BucketPlan): string {
  const { name, project, location, undo, undoDays } = plan;
  const create = [
    `gcloud storage buckets create gs://${name}`,
    ...(project === undefined ? [] : [`--project=${project}`]),
    `--location=${location} --default-storage-class=STANDARD`,
    '--uniform-bucket-level-access --public-access-prevention',
    undo === 'soft-delete' ? `--soft-delete-duration=${undoDays}d` : '--soft-delete-duration=0',
  ].join(' \\\n  ');
  const rule = rulesOf(plan);
  const updates = [
    ...(undo === 'versioning' ? ['--versioning'] : []),
    ...(rule.length > 0 ? ['--lifecycle-file=lifecycle.json'] : []),
  ];
  return [
    create,
    ...(rule.length > 0 ? [`echo '${JSON.stringify({ lifecycle: { rule } })}' > lifecycle.json`] : []),
    ...(updates.length > 0 ? [`gcloud storage buckets update gs://${name} ${updates.join(' ')}`] : []),
    ...grantCommands(plan),
  ].join('\n');
}

/** Empty where no member is named. */
export function grantCommands(plan: BucketPlan): string[] {
  const { name, member, project, customRole } = plan;
  if (member === undefined) return [];
  const make = `gcloud iam roles create ${CUSTOM_ROLE} --project=${project} --title=sessionfs --stage=GA --permissions=${PERMISSIONS.join(',')}`;
  const grants = rolesOf(plan).map(
    (role) => `gcloud storage buckets add-iam-policy-binding gs://${name} --member=${member} --role=${role}`,
  );
  return [...(customRole ? [make] : []), ...grants];
}

export function terraformText(plan: BucketPlan): string {
  const { name, project, location, undo, undoDays } = plan;
  const isVersioned = undo === 'versioning';
  const bucket = `resource "google_storage_bucket" "sessions" {
  name                        = "${name}"${project === undefined ? '' : `\n  project                     = "${project}"`}
  location                    = "${location}"
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  soft_delete_policy { retention_duration_seconds = ${isVersioned ? 0 : undoDays * DAY_S} }
  versioning { enabled = ${isVersioned} }${rulesOf(plan).map(ruleText).join('')}
}`;
  return [bucket, ...grantResources(plan)].join('\n\n');
}

function ruleText({ condition }: Rule): string {
  const lines =
    'age' in condition
      ? [
          `age            = ${condition.age}`,
          `matches_prefix = [${condition.matchesPrefix.map((prefix) => `"${prefix}"`).join(', ')}]`,
        ]
      : [`days_since_noncurrent_time = ${condition.daysSinceNoncurrentTime}`];
  return `
  lifecycle_rule {
    action { type = "Delete" }
    condition {
      ${lines.join('\n      ')}
    }
  }`;
}

function grantResources({ member, project, customRole }: BucketPlan): string[] {
  if (member === undefined) return [];
  const custom = `resource "google_project_iam_custom_role" "sessionfs" {
  project     = "${project}"
  role_id     = "${CUSTOM_ROLE}"
  title       = "sessionfs"
  permissions = [${PERMISSIONS.map((permission) => `"${permission}"`).join(', ')}]
}`;
  const each = customRole
    ? '  role   = google_project_iam_custom_role.sessionfs.name'
    : `  for_each = toset([${ROLES.map((role) => `"${role}"`).join(', ')}])\n  role     = each.value`;
  // As terraform fmt aligns it.
  const [bucket, granted] = customRole ? ['bucket', 'member'] : ['bucket  ', 'member  '];
  const grant = `resource "google_storage_bucket_iam_member" "sessionfs" {
  ${bucket} = google_storage_bucket.sessions.name
${each}
  ${granted} = "${member}"
}`;
  return [...(customRole ? [custom] : []), grant];
}
