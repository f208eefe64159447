import type { Logger } from 'pino';
import { ServingError } from '../errors/serving-error.js';
import type { LinkManagerOptions } from './link-manager.js';

/** Between two warnings of the same refusal, ms. */
const REPEAT_MS = 600_000;
/** Refusals that are told apart; what else comes waits its turn. */
const MAX_KNOWN = 32;

/**
 * How the log hears of links that do not come about. A sidecar that is not there yet is tried again and is nothing to
 * worry about; a replica that will never be talked to is said once, with what differs.
 */
export function logLinkTroubles(
  log: Logger,
  appId: string,
): Required<Pick<LinkManagerOptions, 'onTrouble' | 'onMisfit'>> {
  const warnedAt = new Map<string, number>();
  const isNews = (message: string): boolean => {
    const now = performance.now();
    for (const [known, at] of warnedAt) if (now - at > REPEAT_MS) warnedAt.delete(known);
    if (warnedAt.has(message) || warnedAt.size >= MAX_KNOWN) return false;
    warnedAt.set(message, now);
    return true;
  };
  return {
    onTrouble: (reason) => {
      const { code, message } = ServingError.from(reason);
      const news = code === 'protocol_mismatch' && isNews(message);
      log[news ? 'warn' : 'debug']({ appId, code, reason: message }, 'link not opened');
    },
    onMisfit: (replica, difference) => {
      const to = `${appId}/${replica}`;
      const news = isNews(`${to} ${difference}`);
      log[news ? 'warn' : 'debug']({ to, reason: `it has ${difference}` }, 'not linked to');
    },
  };
}

/** How the log hears of streams that others have opened and that have not become links. */
export const linkRefusals =
  (log: Logger): ((reason: ServingError) => void) =>
  ({ code, message }) =>
    log[code === 'protocol_mismatch' ? 'warn' : 'debug']({ code, reason: message }, 'link refused');

/** A registry that stays away is worth a line a minute, not one with each renewal. */
const COMPLAINT_MS = 60_000;

/** How the log hears of an announcement that is not made, or not renewed. */
export function announcementTroubles(log: Pick<Logger, 'warn'>): (reason: unknown) => void {
  let complainedAt = -Infinity;
  return (reason) => {
    if (performance.now() - complainedAt < COMPLAINT_MS) return;
    complainedAt = performance.now();
    log.warn({ reason: ServingError.from(reason).message }, 'announcement not renewed');
  };
}
