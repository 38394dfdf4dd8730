/** `sessionfs bucket create`: a bucket at Google's with the settings and rights that sessionfs needs, and no more. */
import { integer, bucket as parseBucket, Refusal } from '../config/parsers.ts';
import { type BucketPlan, gcloudText, terraformText } from '../kit/bucket-plan.ts';
import { usage } from '../lib/errors.ts';
import { flagValue, type Invocation, operandValue, print, printEither } from './command.ts';
import { configWithoutMount } from './setting-flags.ts';

const UNDO_DAYS = 7;

export async function run(invocation: Invocation): Promise<number> {
  const { given, operands } = invocation;
  const { storageEmulatorUrl, trashDays } = configWithoutMount(invocation);
  const plan = planOf(invocation, operands[1] ?? '', trashDays);
  if (plan.customRole && plan.project === undefined)
    throw usage('which project? --custom-role makes a role in it: --project PROJECT_ID is missing');
  if (given.has('--dry-run')) {
    const [gcloud, terraform] = [gcloudText(plan), terraformText(plan)];
    printEither(invocation, { plan, gcloud, terraform }, `# gcloud\n${gcloud}\n\n# Terraform\n${terraform}`);
    return 0;
  }
  if (plan.project === undefined && storageEmulatorUrl === undefined)
    throw usage('which project? --project PROJECT_ID is missing');
  const { createBucket } = await import('../kit/create-bucket.ts');
  await createBucket(plan, storageEmulatorUrl);
  printEither(
    invocation,
    { created: plan },
    `sessionfs: gs://${plan.name} is made in ${plan.location}; use it with STORAGE_BUCKET=${plan.name}`,
  );
  if (plan.member === undefined && !given.has('--json'))
    print(
      'No rights were granted: name the account of sessionfs with --member, or see docs/google-cloud.md.',
    );
  return 0;
}

function planOf(invocation: Invocation, text: string, trashDays: number): BucketPlan {
  const address = operandValue('NAME', text, parseBucket);
  if (address.kind !== 'gcs') throw usage('only buckets of Google Cloud Storage can be made: name one');
  return {
    name: address.name,
    project: flagValue(
      invocation,
      '--project',
      pattern(
        /^[a-z][a-z0-9:.-]{3,62}$/,
        'a project id: small letters, digits and hyphens, like my-project-123',
      ),
      undefined,
    ),
    location: flagValue(
      invocation,
      '--location',
      pattern(/^[a-zA-Z0-9-]{2,40}$/, 'a location, like us-central1 or EU'),
      'us-central1',
    ),
    customRole: invocation.given.has('--custom-role'),
    undo: invocation.given.get('--undo') === 'versioning' ? 'versioning' : 'soft-delete',
    trashDays,
    undoDays: flagValue(invocation, '--undo-days', integer(7, 90, 'days'), UNDO_DAYS),
    member: flagValue(
      invocation,
      '--member',
      pattern(
        /^(?:serviceAccount|user|group|principal|principalSet):[\w@.:/*-]+$/,
        'a member, like serviceAccount:NAME@PROJECT.iam.gserviceaccount.com',
      ),
      undefined,
    ),
  };
}

/** Nothing else reaches a shell or Terraform. */
function pattern(allowed: RegExp, what: string): (text: string) => string {
  return (text) => {
    if (!allowed.test(text)) throw new Refusal(`must be ${what}`);
    return text;
  };
}
