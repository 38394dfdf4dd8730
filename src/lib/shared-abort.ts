import { setMaxListeners } from 'node:events';

/** For a signal that any number of calls listen to at a time, which Node would report as a leak from the eleventh on. */
export function sharedAbort(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
