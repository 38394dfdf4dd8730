#!/usr/bin/env node
import { requireNode } from './node-version.ts';

requireNode(process.versions.node);
// An older node may not even understand what this loads.
const { dispatch } = await import('./dispatch.ts');

// Leaves at once: a system call that hangs in a mount must not keep a command that has its answer.
process.exit(await dispatch(process.argv.slice(2), process.env));
