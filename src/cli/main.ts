#!/usr/bin/env node
import { dispatch } from './dispatch.ts';

// Leaves at once: a system call that hangs in a mount must not keep a command that has its answer.
process.exit(await dispatch(process.argv.slice(2), process.env));
